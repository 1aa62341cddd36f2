//! Reads a `CredentialProviderConfig`: the file, or the directory of files, that kubelet is given.
//!
//! Holds: as strict as kubelet: unknown and missing keys, and a name that occurs twice, are errors.
//! Not here: service accounts. A plugin that needs a pod's token cannot be asked by a container runtime.
//!
//! Facts: kubernetes v1.36 `pkg/credentialprovider/plugin/config.go`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;

use super::super::error::Cause;
use super::super::file;
use super::super::glob::Glob;
use super::super::singleflight::SingleFlight;
use super::Provider;
use super::cache::Cache;
use super::exchange::GROUP;
use super::fields::Fields;
use crate::files::secret::Secret;
use crate::files::{byte_order_mark, go_duration};

/// The versions of file and protocol.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

/// The API group of the file.
const FILE_GROUP: &str = "kubelet.config.k8s.io";

/// What a file or directory says.
#[derive(Debug, Default)]
pub struct Providers {
    /// In kubelet's order.
    pub providers: Vec<Provider>,
    /// Names of plugins that are never asked, because they need a pod's service account.
    pub not_asked: Vec<String>,
}

/// Reads the file or directory at `path`; the plugins are in `bin_dir`. `seen` is told of each path before it is
/// read.
///
/// # Errors
/// What kubelet would not start with.
pub fn read(
    path: &Path,
    bin_dir: &Path,
    timeout: Duration,
    mut seen: impl FnMut(&Path),
) -> Result<Providers, Cause> {
    let mut found = Providers::default();
    seen(path);
    let mut names: HashMap<String, PathBuf> = HashMap::new();
    let files = if path.is_dir() { listed(path)? } else { vec![path.to_path_buf()] };
    for file in files {
        if file != path {
            seen(&file);
        }
        let content = |message| Cause::Content { path: file.clone(), message };
        let text = file::text(&file, file::MAX_LOGINS)?;
        let (providers, not_asked) = parse(&text, &file, bin_dir, timeout).map_err(content)?;
        for provider in &providers {
            if let Some(first) = names.insert(provider.name.clone(), file.clone()) {
                let first =
                    if first == file { String::new() } else { format!(" (also in {})", first.display()) };
                return Err(content(format!("the name {:?} occurs twice{first}", provider.name)));
            }
        }
        found.providers.extend(providers);
        found.not_asked.extend(not_asked);
    }
    found.providers.retain(|provider| !found.not_asked.contains(&provider.name));
    Ok(found)
}

/// The files of a directory that kubelet reads.
fn listed(directory: &Path) -> Result<Vec<PathBuf>, Cause> {
    let failed =
        |error: std::io::Error| Cause::File { path: directory.to_path_buf(), message: error.to_string() };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("json" | "yaml" | "yml")) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let message = "no .json, .yaml or .yml file is in it".to_owned();
        return Err(Cause::Content { path: directory.to_path_buf(), message });
    }
    Ok(files)
}

/// The providers of one file, and the names of those that want a service account.
fn parse(
    text: &str,
    file: &Path,
    bin_dir: &Path,
    timeout: Duration,
) -> Result<(Vec<Provider>, Vec<String>), String> {
    // JSON is YAML but for its tabs.
    let text = byte_order_mark::without(text);
    let value: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?,
        false => serde_saphyr::from_str(text).map_err(|error| not_yaml(&error))?,
    };
    let mut root = Fields::of("", &value)?;
    let kind = root.text("kind")?.unwrap_or_default();
    let api_version = root.text("apiVersion")?.unwrap_or_default();
    let version = api_version.strip_prefix(FILE_GROUP).and_then(|rest| rest.strip_prefix('/'));
    let Some(version) = VERSIONS.into_iter().find(|known| version == Some(known)) else {
        return Err(format!(
            "`apiVersion` is {api_version:?}; known are {FILE_GROUP}/{}",
            VERSIONS.join(", ")
        ));
    };
    if kind != "CredentialProviderConfig" {
        return Err(format!("`kind` is {kind:?}, not \"CredentialProviderConfig\""));
    }
    let list = root.list("providers")?;
    root.finish()?;
    if list.is_empty() {
        return Err("`providers` is missing or empty".to_owned());
    }
    let mut providers = Vec::new();
    let mut not_asked = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let mut fields = Fields::of(&format!("providers[{index}]"), value)?;
        let provider = provider(&mut fields, file, bin_dir, timeout)?;
        if version == "v1" && wants_service_account(&mut fields, provider.version)? {
            not_asked.push(provider.name.clone());
        }
        fields.finish()?;
        providers.push(provider);
    }
    Ok((providers, not_asked))
}

/// The parser's words without the text around the place, which could be a secret.
fn not_yaml(error: &serde_saphyr::Error) -> String {
    let words = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let first = words.lines().next().unwrap_or_default().to_owned();
    match error.location() {
        Some(location) if !first.contains(" at line ") => {
            format!("this is not YAML: line {}: {first}", location.line())
        }
        _ => format!("this is not YAML: {first}"),
    }
}

fn provider(
    fields: &mut Fields<'_>,
    file: &Path,
    bin_dir: &Path,
    timeout: Duration,
) -> Result<Provider, String> {
    let name = fields.required("name")?;
    if name == "." || name == ".." || name.contains(['/', ' ']) {
        return Err(format!("the provider's name {name:?} is no name of a file in the plugins' directory"));
    }
    let about = |message: String| format!("provider {name:?}: {message}");
    let images = fields.texts("matchImages").map_err(about)?;
    if images.is_empty() {
        return Err(about("`matchImages` is missing or empty".to_owned()));
    }
    let glob =
        |text: &&str| Glob::parse(text).map_err(|error| about(format!("`matchImages` {text:?}: {error}")));
    let match_images = images.iter().map(glob).collect::<Result<Vec<Glob>, String>>()?;
    let duration = fields.required("defaultCacheDuration").map_err(about)?;
    let default_duration =
        go_duration::parse(duration).map_err(|error| about(format!("`defaultCacheDuration`: {error}")))?;
    let api_version = fields.required("apiVersion").map_err(about)?;
    let version = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'));
    let Some(version) = VERSIONS.into_iter().find(|known| version == Some(known)) else {
        let known = VERSIONS.join(", ");
        return Err(about(format!("`apiVersion` is {api_version:?}; known are {GROUP}/{known}")));
    };
    let arguments = fields.texts("args").map_err(about)?.into_iter().map(str::to_owned).collect();
    let environment = environment(fields).map_err(about)?;
    Ok(Provider {
        name: name.to_owned(),
        file: file.to_path_buf(),
        program: bin_dir.join(name),
        match_images,
        default_duration,
        version,
        arguments,
        environment,
        timeout,
        cache: Cache::default(),
        single_flight: SingleFlight::default(),
        by_image: AtomicBool::new(false),
    })
}

fn environment(fields: &mut Fields<'_>) -> Result<Vec<(String, Secret)>, String> {
    let mut environment = Vec::new();
    for value in fields.list("env")? {
        let mut variable = Fields::of("env", value)?;
        let name = variable.required("name")?.to_owned();
        let value = variable.text("value")?.unwrap_or_default().to_owned();
        variable.finish()?;
        if name.contains(['=', '\0']) || value.contains('\0') {
            return Err("`env`: a name or value that no environment can hold".to_owned());
        }
        environment.push((name, Secret::new(value)));
    }
    Ok(environment)
}

/// Whether the plugin can't be asked without a pod's service account.
fn wants_service_account(fields: &mut Fields<'_>, version: &str) -> Result<bool, String> {
    let Some(value) = fields.value("tokenAttributes") else { return Ok(false) };
    if version != "v1" {
        return Err(format!("`tokenAttributes` is for {GROUP}/v1 only"));
    }
    let mut token = Fields::of("tokenAttributes", value)?;
    token.required("serviceAccountTokenAudience")?;
    let cache_type = token.required("cacheType")?;
    if !matches!(cache_type, "Token" | "ServiceAccount") {
        return Err(format!(
            "`tokenAttributes.cacheType` is {cache_type:?}, and must be Token or ServiceAccount"
        ));
    }
    let required = token.value("requireServiceAccount").and_then(Value::as_bool);
    let required = required.ok_or("`tokenAttributes.requireServiceAccount` is missing")?;
    token.texts("requiredServiceAccountAnnotationKeys")?;
    token.texts("optionalServiceAccountAnnotationKeys")?;
    token.finish()?;
    Ok(required)
}
