//! Login files: Docker's `config.json`, its older form `.dockercfg`, and `auth.json` of containers/image.
//!
//! Holds: the file is read again for each name. A missing file has no logins, as for every program that reads
//! such files; a file that cannot be read or parsed is an error.
//! Not here: running helpers (`helper`), one entry of `auths` (`auth`).
//!
//! Facts: containers/image `pkg/docker/config` (path keys, the most specific wins), docker/cli
//! `cli/config` (URLs as keys, helpers before `auths`), kubelet `pkg/credentialprovider` (patterns in keys).

mod auth;
mod form;
mod helper;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::credential::{Given, Proof};
use super::error::Cause;
use super::file;
use super::glob::Glob;
use super::key::{RegistryKey, Specificity, WHOLE_HOST};
use super::singleflight::SingleFlight;
use crate::files::byte_order_mark;
use crate::policy::Name;

pub(super) use helper::Helper;
pub use helper::read as read_helper_answer;

/// Docker Hub as credential helpers know it.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// One such file, and where its helpers are.
#[derive(Debug)]
pub struct DockerConfig {
    path: PathBuf,
    helper_dir: Option<PathBuf>,
    timeout: Duration,
    single_flight: SingleFlight<Result<Option<Given>, Cause>>,
}

/// What the file has for a name.
#[derive(Debug)]
pub(super) enum Held {
    /// A login.
    Login(Option<String>, Proof),
    /// A program that knows it.
    Helper(Helper),
    /// An entry for the name that cannot be used.
    Unusable(Cause),
}

/// A key of the file. Only kubelet gives `*` in it a meaning.
enum Key {
    One(RegistryKey),
    Many(Glob),
}

impl DockerConfig {
    /// A file, not yet read. Helpers are looked for in `helper_dir` and nowhere else.
    #[must_use]
    pub fn new(path: PathBuf, helper_dir: Option<PathBuf>, timeout: Duration) -> Self {
        DockerConfig { path, helper_dir, timeout, single_flight: SingleFlight::default() }
    }

    /// The helper programs that it names. A missing file is an error here.
    ///
    /// # Errors
    /// It cannot be used: as a whole, or one of its entries.
    pub fn examine(&self) -> Result<Vec<PathBuf>, Cause> {
        let value = self.parse(&file::text(&self.path, file::MAX_LOGINS)?)?;
        for (key, entry) in self.object(&value, "auths")?.into_iter().flatten() {
            auth::read(entry).map_err(|message| self.content(format!("`auths` {key:?}: {message}")))?;
        }
        let mut helpers = Vec::new();
        for (key, name) in self.object(&value, "credHelpers")?.into_iter().flatten() {
            if repository(key).contains(['*', '/']) {
                let message = "a helper is for one host, without a path";
                return Err(self.content(format!("`credHelpers` {key:?}: {message}")));
            }
            helpers.push(self.helper_of_host(key, name, String::new())?);
        }
        helpers.extend(self.helper_of_all(&value, String::new())?);
        Ok(helpers.into_iter().map(|helper| helper.program).collect())
    }

    /// Whether it has a secret in it, and does not only name programs.
    pub(super) fn holds_logins(&self) -> bool {
        let Ok(value) = file::text(&self.path, file::MAX_LOGINS).and_then(|text| self.parse(&text)) else {
            return false;
        };
        let entries = value.get("auths").and_then(Value::as_object).into_iter().flatten();
        let is_set =
            |entry: &Value, key| entry.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let secrets = ["auth", "password", "identitytoken", "registrytoken"];
        entries.into_iter().any(|(_, entry)| secrets.iter().any(|key| is_set(entry, key)))
    }

    /// Where its helpers are.
    pub(super) fn helper_dir(&self) -> Option<&Path> {
        self.helper_dir.as_deref()
    }

    /// The file's name in messages.
    pub(super) fn place(&self) -> String {
        format!("docker config {}", self.path.display())
    }

    /// Everything that the file has for `target`.
    pub(super) fn lookup(&self, target: &Name) -> Result<Vec<(Specificity, Held)>, Cause> {
        let value = match file::text(&self.path, file::MAX_LOGINS) {
            Ok(text) => self.parse(&text)?,
            Err(cause) if self.is_missing() => {
                tracing::warn!(%cause, "a login file is missing");
                return Ok(Vec::new());
            }
            Err(cause) => return Err(cause),
        };
        let mut held = Vec::new();
        // Helpers first: of equally specific entries the first one counts, and docker asks helpers first.
        match self.helper(&value, target) {
            Ok(helper) => held.extend(helper.map(|helper| (WHOLE_HOST, Held::Helper(helper)))),
            Err(cause) => held.push((WHOLE_HOST, Held::Unusable(cause))),
        }
        let mut entries: Vec<(Specificity, &str, &Value)> = Vec::new();
        for (key, entry) in self.object(&value, "auths")?.into_iter().flatten() {
            entries.extend(covers(key, target).map(|specificity| (specificity, key.as_str(), entry)));
        }
        // Of two equally specific ones the later in the alphabet comes first, as in kubelet.
        entries.sort_by(|(one, key, _), (other, later, _)| other.cmp(one).then(later.cmp(key)));
        for (specificity, key, entry) in entries {
            match auth::read(entry) {
                Ok(Some((username, proof))) => held.push((specificity, Held::Login(username, proof))),
                // docker leaves an empty entry where a helper has the login.
                Ok(None) => {}
                Err(message) => {
                    let cause = self.content(format!("`auths` {key:?}: {message}"));
                    held.push((specificity, Held::Unusable(cause)));
                }
            }
        }
        Ok(held)
    }

    /// Asks a helper, once for all pulls that need it at the same time.
    pub(super) async fn ask(&self, helper: &Helper) -> Result<Option<Given>, Cause> {
        let key = format!("{} {}", helper.program.display(), helper.server);
        self.single_flight.join(key, helper.get(self.timeout)).await
    }

    fn is_missing(&self) -> bool {
        matches!(std::fs::metadata(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// `credHelpers` for the host, else `credsStore`. A key of `credHelpers` with a path or a `*` matches nothing,
    /// as in docker and containers/image, which look up only the host there.
    fn helper(&self, value: &Value, target: &Name) -> Result<Option<Helper>, Cause> {
        for (host, name) in self.object(value, "credHelpers")?.into_iter().flatten() {
            if covers(host, target) == Some(WHOLE_HOST) {
                return self.helper_of_host(host, name, server(host, target)).map(Some);
            }
        }
        self.helper_of_all(value, server(target.key().host(), target))
    }

    fn helper_of_host(&self, host: &str, name: &Value, server: String) -> Result<Helper, Cause> {
        let not_a_text = || self.content(format!("`credHelpers` {host:?}: the name is not a text"));
        self.helper_named(name.as_str().ok_or_else(not_a_text)?, server)
    }

    fn helper_of_all(&self, value: &Value, server: String) -> Result<Option<Helper>, Cause> {
        match value.get("credsStore") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) if name.is_empty() => Ok(None),
            Some(Value::String(name)) => self.helper_named(name, server).map(Some),
            Some(_) => Err(self.content("`credsStore` is not a text".to_owned())),
        }
    }

    fn helper_named(&self, name: &str, server: String) -> Result<Helper, Cause> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(harmless) {
            return Err(Cause::HelperName { name: name.to_owned() });
        }
        let program = format!("docker-credential-{name}");
        match &self.helper_dir {
            Some(directory) => Ok(Helper { program: directory.join(program), server }),
            None => Err(Cause::NoHelperDirectory { program }),
        }
    }

    fn parse(&self, text: &str) -> Result<Value, Cause> {
        // The parser's message has line and column and nothing of the text.
        let not_json = |error| self.content(format!("this is not JSON: {error}"));
        if text.trim().is_empty() {
            return Err(self.content("it is empty: without a login write {}".to_owned()));
        }
        if byte_order_mark::is_before(text.as_bytes()) {
            return Err(self.content(byte_order_mark::REFUSED.to_owned()));
        }
        let parsed = serde_json::from_str(text);
        match form::secret(parsed.as_ref().ok(), text) {
            Some(message) => Err(self.content(message.to_owned())),
            None => parsed.map(form::of_today).map_err(not_json),
        }
    }

    fn object<'v>(
        &self,
        value: &'v Value,
        key: &str,
    ) -> Result<Option<&'v serde_json::Map<String, Value>>, Cause> {
        let root = value.as_object().ok_or_else(|| self.content("this is not a JSON object".to_owned()))?;
        match root.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.content(format!("`{key}` is not an object"))),
        }
    }

    fn content(&self, message: String) -> Cause {
        Cause::Content { path: self.path.clone(), message }
    }
}

/// The file's path, for messages about the configuration.
impl AsRef<Path> for DockerConfig {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// A key without scheme and API version.
fn repository(key: &str) -> String {
    let key = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme)).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    // The API's version is not part of a repository.
    let path = match path.split_once('/').unwrap_or((path, "")) {
        ("v1" | "v2", rest) => rest,
        _ => path,
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

/// How specific a key is, if it is for this name. A key that cannot be part of a reference is for no name.
fn covers(key: &str, target: &Name) -> Option<Specificity> {
    let key = repository(key);
    let key = match key.contains('*') {
        true => Key::Many(Glob::parse(&key).ok()?),
        false => Key::One(key.parse().ok()?),
    };
    match key {
        Key::One(key) => key.covers(target),
        Key::Many(glob) => glob.covers(target),
    }
}

/// What a helper is asked for: the host in the spelling of the file.
fn server(host: &str, target: &Name) -> String {
    if target.key().host() == "docker.io" { HUB_SERVER.to_owned() } else { host.to_owned() }
}
