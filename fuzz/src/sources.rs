//! Files that administrators bring.
//!
//! Input: a letter for the format, then the file. A line `%%` begins the next file of the same format.
//! What must hold: what does not load says so with an error that names a file; whatever is said can be shown,
//! and speaks to no terminal; what loads decides, twice the same; what is imported decides as its source did.
//! Of a file's lines that are shown, no password on a line of its own is; nor is one in its place in JSON.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cri_shunt::inside::config::{
    Diagnostics, Format, ImportRequest, Input, Loaded, MainFile, Severity, SourceFile, Style, expectations,
    import, load_from,
};
use cri_shunt::inside::containerd::hosts::{self, HostFile, Transport};
use cri_shunt::inside::credentials::{Credentials, DockerConfig, Sources, read_providers};
use cri_shunt::inside::files::reader::Reader;
use cri_shunt::inside::policy::{Asked, Decision, Name, Ns, Policy};

use super::disk::Disk;
use super::secrets::{DECODED, SECRET, hidden, with_and_without};

/// What stands between two files.
const NEXT: &str = "\n%%\n";

/// What names a lock.
const LOCKED: &str = "[policy]\nlocked = 'images.lock'\nunlisted = 'deny'\n[[policy.rule]]\nprefix = 'quay.io'\n\
                      mirrors = ['m.dev']\n";

/// What signatures are verified with, for configurations that ask for some.
const KEYS: [(&str, &[u8]); 2] = [
    ("k.pub", include_bytes!("../corpus/signature/key")),
    ("root.json", include_bytes!("../corpus/signature/trusted_root")),
];

const NAMES: [&str; 6] = [
    "nginx",
    "docker.io/gitea/gitea:1.22",
    "quay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "m.dev:5000/old/x:1",
    "ghcr.io/a",
    "localhost:5000/a/b/c",
];

pub(crate) fn run(bytes: &[u8]) {
    let Some((letter, rest)) = bytes.split_first() else { return };
    thread_local!(static DISK: Disk = Disk::new("sources"));
    DISK.with(|disk| match letter {
        b'd' => docker(disk, rest),
        b'k' => kubelet(disk, rest),
        b'p' => certificates(disk, rest),
        b'e' => expected(rest),
        _ => {
            configuration(disk, *letter, rest);
            if let Some(with_password) = with_password(rest) {
                said_of(&load(disk, *letter, &with_password), disk.root(), true);
            }
        }
    });
}

/// Whether an input is a file that loads: a seed that does not leads nowhere.
pub fn loads(bytes: &[u8]) -> bool {
    let disk = Disk::new("loads");
    bytes.split_first().is_some_and(|(letter, rest)| load(&disk, *letter, rest).is_ok())
}

// === configurations ===

fn configuration(disk: &Disk, letter: u8, rest: &[u8]) {
    let loaded = load(disk, letter, rest);
    said_of(&loaded, disk.root(), false);
    if let Ok(Loaded { config, .. }) = &loaded {
        let names = names(&config.policy);
        for (tag, digest) in config.policy.locks().into_iter().flat_map(|list| list.tags()) {
            let Ok(name) = tag.parse::<Name>() else { panic!("{tag}") };
            let decision = config.policy.decide(&Asked::of(&name));
            assert_eq!(decision.locked().map(|pin| pin.digest()), Some(digest), "{name}");
        }
        for name in &names {
            assert_eq!(decided(&config.policy, name), decided(&config.policy, name));
            let _ = config.credentials.known(name, &Reader::This);
            let asked = Asked::of(name);
            let decision = config.policy.decide(&asked);
            let demanded = config.policy.verify(&asked, decision.rule()).is_some();
            assert_eq!(
                demanded,
                !config.demands.of_asked(&config.policy, &asked, &decision).is_empty(),
                "{name}"
            );
        }
        let plan = hosts::plan(&config.policy, &config.reach());
        let _ = (plan.summaries(), plan.is_empty());
    }
    if !matches!(letter, b'n' | b'l') {
        let format = source(disk, letter);
        imported(disk, &format, loaded.ok());
    }
}

/// What is imported has to load, and to decide as the source did.
fn imported(disk: &Disk, source: &SourceFile, live: Option<Loaded>) {
    let (files, disable) = (vec![source.path.clone()], source.disable_default_endpoint);
    let request = ImportRequest { files, format: None, disable_default_endpoint: disable };
    // Which format it is may not be seen.
    let _ = import(&request);
    let request = ImportRequest { format: Some(source.format), ..request };
    let made = import(&request);
    let Some(live) = live else { return assert!(made.is_err()) };
    let made = made.unwrap_or_else(|problems| panic!("not imported: {:?}", problems.lines()));
    let path = disk.write("imported.toml", made.toml.as_bytes());
    let native = load_from(&Input::file(&path));
    let native = native.unwrap_or_else(|problems| panic!("{:?}\n{}", problems.lines(), made.toml));
    for name in names(&live.config.policy) {
        let (one, other) = (decided(&native.config.policy, &name), decided(&live.config.policy, &name));
        assert_eq!(one, other, "{name}\n{}", made.toml);
    }
}

fn load(disk: &Disk, letter: u8, rest: &[u8]) -> Result<Loaded, Diagnostics> {
    disk.clear();
    if letter == b'n' {
        let path = disk.path("config.toml");
        for (name, content) in KEYS {
            disk.write(name, content);
        }
        for (index, part) in parts(rest).into_iter().enumerate() {
            let name = if index == 0 { "config.toml".to_owned() } else { format!("conf.d/{index}.toml") };
            disk.write(&name, part);
        }
        return load_from(&Input::file(&path)).map(with_files);
    }
    if letter == b'l' {
        let path = disk.write("config.toml", LOCKED.as_bytes());
        disk.write("images.lock", rest);
        return load_from(&Input::file(&path)).map(with_files);
    }
    let source = source(disk, letter);
    for (index, part) in parts(rest).into_iter().enumerate() {
        match source.format {
            Format::CertsD => {
                let text = String::from_utf8_lossy(part);
                let (host, text) = text.split_once('\n').unwrap_or((&text, ""));
                let fits = !host.is_empty() && host.len() < 100 && !host.contains(['/', '\0']);
                if fits && host != "." && host != ".." {
                    disk.write(&format!("s/{host}/hosts.toml"), text.as_bytes());
                }
            }
            _ if index == 0 => drop(disk.write("s", part)),
            Format::RegistriesConf => drop(disk.write(&format!("s.d/{index}.conf"), part)),
            _ => {}
        }
    }
    let (main, sources) = (MainFile::Absent, vec![source]);
    load_from(&Input { main, default_registry: None, sources, socket: None, containerd: None })
        .map(with_files)
}

/// With what is wrong with the files that it names.
fn with_files(mut loaded: Loaded) -> Loaded {
    loaded.warn_of_files(&Reader::This);
    loaded
}

fn source(disk: &Disk, letter: u8) -> SourceFile {
    let format = match letter {
        b't' => Format::CertsD,
        b'c' => Format::RegistriesConf,
        b'i' => Format::ImageCriShim,
        b'o' => Format::ContainerdConfig,
        b'j' => Format::DockerDaemon,
        b's' => Format::OpenShift,
        b'a' => Format::Talos,
        _ => Format::RegistriesYaml,
    };
    SourceFile { format, path: disk.path("s"), disable_default_endpoint: letter == b'Y' }
}

fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(NEXT.len()).position(|bytes| bytes == NEXT.as_bytes()) {
        parts.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    parts.push(rest);
    parts.truncate(8);
    parts
}

/// With a password on a line of its own in the middle, where the lines around it look like one for it.
fn with_password(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(SECRET))?;
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let at = text[middle..].find('\n').map_or(text.len(), |newline| middle + newline + 1);
    let (before, after) = text.split_at(at);
    // There the next line is the name of a directory.
    if !before.ends_with('\n') || before.ends_with("%%\n") {
        return None;
    }
    let indent = &after[..after.len() - after.trim_start_matches(' ').len()];
    let line = match before.contains(" = ") || before.contains("]\n") {
        true => format!("password = \"{SECRET}\""),
        false => format!("{indent}password: {SECRET}"),
    };
    Some(format!("{before}{line}\n{after}").into_bytes())
}

/// Checks what people are told of a load.
fn said_of(loaded: &Result<Loaded, Diagnostics>, root: &Path, secret: bool) {
    let said = match loaded {
        Ok(loaded) => {
            assert_eq!(loaded.warnings.count(Severity::Error), 0);
            &loaded.warnings
        }
        Err(problems) => {
            assert!(problems.count(Severity::Error) > 0);
            let root = root.to_string_lossy();
            let names_a_file = |(severity, line): &(Severity, String)| {
                *severity == Severity::Error && line.contains(root.as_ref())
            };
            assert!(problems.lines().iter().any(names_a_file), "{:?}", problems.lines());
            problems
        }
    };
    let mut texts: Vec<String> = said.lines().into_iter().map(|(_, line)| line).collect();
    assert!(texts.iter().all(|line| !line.contains('\n')));
    texts.push(said.render(Style::Plain, true));
    for text in &texts {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    if secret {
        // A message may quote a value, and a quote that is not closed makes a password a part of it.
        let is_of_the_file = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        texts.iter().flat_map(|text| text.lines()).filter(is_of_the_file).for_each(hidden);
    }
    let _ = said.render(Style::Coloured, false);
}

/// Names that many files speak of, and some that this policy does.
fn names(policy: &Policy) -> Vec<Name> {
    let mut names: Vec<Name> = NAMES.iter().map(|name| name.parse().unwrap()).collect();
    for rule in policy.rules().iter().take(8) {
        let prefix = rule.prefix.as_str().replace("*.", "a.").replace('*', "any.example");
        names.extend([prefix.parse(), format!("{prefix}/x:1").parse()].into_iter().flatten());
    }
    let routed: Vec<Name> = names.iter().flat_map(|name| candidates(policy, name)).collect();
    names.extend(routed);
    names
}

fn candidates(policy: &Policy, name: &Name) -> Vec<Name> {
    match policy.decide(&Asked::of(name)) {
        Decision::Route { candidates, .. } => candidates.into_iter().map(|found| found.name).collect(),
        Decision::Pass { .. } | Decision::Deny { .. } => Vec::new(),
    }
}

fn decided(policy: &Policy, name: &Name) -> String {
    match policy.decide(&Asked::of(name)) {
        Decision::Route { mut candidates, .. } => {
            // A native rule tells only a mirror that needs it.
            candidates.iter_mut().filter(|candidate| candidate.ns == Ns::Sent).for_each(|it| it.ns = Ns::Off);
            format!("{candidates:?}")
        }
        Decision::Pass { .. } => "pass".to_owned(),
        Decision::Deny { .. } => "deny".to_owned(),
    }
}

// === files of others ===

fn docker(disk: &Disk, bytes: &[u8]) {
    for (bytes, planted) in with_and_without(bytes) {
        let path = disk.write("config.json", &bytes);
        let config = || DockerConfig::new(path.clone(), Some("/nowhere".into()), Duration::from_secs(1));
        let examined = config().examine();
        let docker = vec![config()];
        let known = known(Sources { docker, ..Sources::default() });
        if planted {
            hidden(&format!("{examined:?}{known}"));
            assert!(!known.contains(DECODED), "{known}");
        }
    }
}

fn kubelet(disk: &Disk, bytes: &[u8]) {
    for (bytes, planted) in with_and_without(bytes) {
        let path = disk.write("kubelet/config.yaml", &bytes);
        let read = read_providers(&path, Path::new("/nowhere"), Duration::from_secs(1), |_| {});
        let told = match read {
            Err(cause) => cause.to_string(),
            Ok(read) => {
                assert!(!read.providers.is_empty() || !read.not_asked.is_empty());
                let shown = format!("{:?}", read.providers);
                shown + &known(Sources { providers: read.providers, ..Sources::default() })
            }
        };
        if planted {
            hidden(&told);
        }
    }
}

/// What is known of a login for each of the names.
fn known(sources: Sources) -> String {
    let credentials = Credentials::new(sources);
    NAMES
        .iter()
        .map(|name| format!("{:?}", credentials.known(&name.parse().unwrap(), &Reader::This)))
        .collect()
}

fn certificates(disk: &Disk, bytes: &[u8]) {
    let file = disk.write("certificate.pem", bytes);
    let client = |key: Option<PathBuf>| Transport::ClientCert { cert: file.clone(), key };
    let needs = [Transport::CaFile(file.clone()), client(None), client(Some(file.clone()))];
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for needed in needs.iter().flat_map(HostFile::of) {
        let _ = needed.check(now);
    }
}

fn expected(bytes: &[u8]) {
    let files = parts(bytes).into_iter().map(|part| ("e".to_owned(), Ok(part.to_vec()))).collect();
    if let Err(problems) = expectations(files) {
        assert!(problems.count(Severity::Error) > 0);
        let _ = (problems.render(Style::Plain, true), problems.lines());
    }
}
