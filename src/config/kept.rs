//! The last good configuration, kept in the state directory for a start at which the files cannot be used.
//!
//! Holds: what is kept has no secrets, and decides as the files did; else nothing is kept.
//! Not here: files of logins, certificates and helpers. They are read where they are.

#[cfg(test)]
mod tests;
mod without_secrets;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostics, Texts};
use super::input::{Input, MainFile};
use super::load::{load_copies, load_from};
use super::{Config, Loaded, defaults, text};
use crate::files::regular_file;
use crate::files::replace::replace;
use crate::policy::{Action, Policy, Source};
use crate::state::Extent;
use crate::tell::moment::moment;

/// The file in the state directory.
const FILE: &str = "last-good.json";

/// The file while it is being written.
const NEW: &str = "last-good.json.new";

/// The one form that it has.
const VERSION: u32 = 1;

/// No more is read.
const LIMIT: u64 = 256 << 20;

/// A configuration as it is kept.
#[derive(Debug, Deserialize, Serialize)]
pub struct Kept {
    version: u32,
    /// The main file: another daemon's configuration is never used.
    main: PathBuf,
    /// When it was read, seconds since the Unix epoch.
    read_at: u64,
    extent: Extent,
    files: BTreeMap<PathBuf, String>,
    /// The place and the key of each secret that the copy lacks.
    left_out: Vec<String>,
}

/// What a start finds.
#[derive(Debug)]
pub enum StartsWith {
    /// The files, which can be used.
    Files(Box<Loaded>),
    /// The last good configuration. The files cannot be used, and why not.
    LastGood(Box<Loaded>, Kept, Unusable),
    /// Neither of them, and why.
    Nothing(Unusable),
}

/// Files that cannot be used.
#[derive(Debug)]
pub struct Unusable {
    /// What is wrong with each, or with all of them together.
    pub problems: Result<String, Diagnostics>,
    /// What was looked at.
    pub seen: crate::files::fingerprint::Snapshot,
    /// The break-glass file, as far as that can be told.
    pub bypass: PathBuf,
    /// The state directory, if that can be told.
    pub dir: Option<PathBuf>,
    /// The sockets of clients and of containerd, as far as they can be told.
    pub sockets: [Option<String>; 2],
    /// Why what was kept is not used, if there is something.
    pub kept: Option<String>,
}

/// Reads the files, or else what was kept of them.
#[must_use]
pub fn starts_with(input: &Input) -> StartsWith {
    let (loaded, hints) = match load_from(input) {
        Ok(loaded) => {
            let hints = Hints { dir: Some(loaded.config.state.dir.clone()), ..Hints::default() };
            (Ok(loaded), hints)
        }
        Err(problems) => {
            let hints = Hints::of(input, problems.texts());
            (Err(problems), hints)
        }
    };
    let (kept, mut why_not) = Kept::find(&hints.directories(), input);
    let problems = match (loaded, &kept) {
        (Ok(loaded), kept) => {
            match kept.as_ref().and_then(|(_, kept)| kept.extent.refuses(&loaded.config.extent)) {
                Some(reason) => Ok((reason, loaded.warnings.seen().clone())),
                None => return StartsWith::Files(Box::new(loaded)),
            }
        }
        (Err(problems), _) => Err(problems),
    };
    let (problems, seen) = match problems {
        Ok((reason, seen)) => (Ok(reason), seen),
        Err(problems) => {
            let seen = problems.seen().clone();
            (Err(problems), seen)
        }
    };
    let kept = kept.and_then(|(path, kept)| match kept.load(input) {
        Ok(loaded) => Some((loaded, kept)),
        Err(problems) => {
            why_not = Some(not_usable(&path, &first_of(&problems)));
            None
        }
    });
    let bypass = hints.bypass.unwrap_or_else(|| PathBuf::from(defaults::BYPASS_FILE));
    let (dir, sockets) = (hints.dir, hints.sockets);
    let unusable = Unusable { problems, seen, bypass, dir, sockets, kept: why_not };
    match kept {
        Some((loaded, kept)) => StartsWith::LastGood(Box::new(loaded), kept, unusable),
        None => StartsWith::Nothing(unusable),
    }
}

fn not_usable(path: &Path, why: &str) -> String {
    format!("{} cannot be used: {why}", path.display())
}

fn first_of(problems: &Diagnostics) -> String {
    problems.lines().into_iter().next().map(|(_, line)| line).unwrap_or_default()
}

// === impl Kept ===

impl Kept {
    /// What is to be kept of a configuration; nothing where its main file is no file.
    ///
    /// # Errors
    /// Why nothing can be kept, in words.
    pub fn of(input: &Input, loaded: &Loaded) -> Result<Option<Kept>, String> {
        let Some(main) = main(input) else { return Ok(None) };
        let (mut files, mut left_out) = (BTreeMap::new(), Vec::new());
        for (id, name, content) in loaded.warnings.texts().all() {
            if name.starts_with("--") {
                continue;
            }
            if name == "stdin" {
                return Ok(None);
            }
            // Another program's file may be in the same directory.
            let native = loaded.own.contains(&id);
            let pruned =
                without_secrets::of(id, content, native).ok_or(format!("{name} is not understood"))?;
            left_out.extend(pruned.left_out.into_iter().map(|(line, key)| format!("{name}:{line} `{key}`")));
            files.insert(PathBuf::from(name), pruned.text);
        }
        let as_they_are = loaded.warnings.texts().kept();
        files.extend(as_they_are.map(|(path, content)| (path.to_path_buf(), content.to_owned())));
        let read_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let extent = loaded.config.extent;
        let kept = Kept { version: VERSION, main, read_at, extent, files, left_out };
        let cannot = |problems| format!("without its secrets it cannot be used: {}", first_of(&problems));
        let again = kept.load(input).map_err(cannot)?;
        if essence(&again.config.policy) != essence(&loaded.config.policy) {
            return Err("without its secrets it would decide otherwise".to_owned());
        }
        Ok(Some(kept))
    }

    /// Removes what was kept in `dir`: it is no longer the last good one.
    pub fn remove(dir: &Path) {
        let _ = fs::remove_file(dir.join(FILE));
    }

    /// Puts it in the place of what was kept before.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        replace(&dir.join(FILE), &dir.join(NEW), &serde_json::to_vec(self)?)
    }

    /// Whether a file of a state directory is one of what was kept, by its name.
    #[must_use]
    pub fn is_file(name: &str) -> bool {
        [FILE, NEW].contains(&name)
    }

    /// The first one of these directories that can be read, with its path; or why the first that is there cannot.
    fn find(directories: &[PathBuf], input: &Input) -> (Option<(PathBuf, Kept)>, Option<String>) {
        let mut why_not = None;
        for path in directories.iter().map(|dir| dir.join(FILE)) {
            match Kept::read(&path, input) {
                Ok(Some(kept)) => return (Some((path, kept)), None),
                Ok(None) => {}
                Err(why) => drop(why_not.get_or_insert_with(|| not_usable(&path, &why))),
            }
        }
        (None, why_not)
    }

    /// Nothing where there is no file. An error says why it cannot be used.
    fn read(path: &Path, input: &Input) -> Result<Option<Kept>, String> {
        let bytes = match regular_file::read(path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let whole: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| format!("it is not JSON: {error}"))?;
        if whole.get("version").and_then(serde_json::Value::as_u64) != Some(u64::from(VERSION)) {
            return Err("another version of cri-shunt wrote it".to_owned());
        }
        let kept: Kept =
            serde_json::from_value(whole).map_err(|_| "it is not what cri-shunt writes".to_owned())?;
        if Some(&kept.main) != main(input).as_ref() {
            return Err(format!("it is of {}", kept.main.display()));
        }
        Ok(Some(kept))
    }

    fn load(&self, input: &Input) -> Result<Loaded, Diagnostics> {
        load_copies(input, self.files.clone())
    }

    /// When the files were read.
    #[must_use]
    pub fn read_at(&self) -> SystemTime {
        moment(self.read_at)
    }

    /// The place and the key of each secret that is missing.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

fn main(input: &Input) -> Option<PathBuf> {
    let (MainFile::Required(path) | MainFile::IfPresent(path)) = &input.main else { return None };
    let is_file = path != Path::new(text::STDIN);
    is_file.then(|| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
}

/// What a policy decides by. The places of rules, and how mirrors are reached, are not part of it.
fn essence(policy: &Policy) -> String {
    let place = || Source { file: "".into(), line: 0 };
    let rules = policy.rules().iter().map(|rule| {
        let mut rule = rule.clone();
        rule.source = place();
        if let Action::Route(route) = &mut rule.action {
            for mirror in &mut route.mirrors {
                (mirror.endpoint, mirror.apart) = (None, false);
            }
        }
        format!("{rule:?}\n")
    });
    let mut settings = policy.settings().clone();
    settings.default_source = None;
    if let Some((_, source)) = &mut settings.default_registry {
        *source = place();
    }
    format!("{settings:?}\n{}", rules.collect::<String>())
}

/// What a main file with a mistake still tells.
#[derive(Default)]
struct Hints {
    dir: Option<PathBuf>,
    bypass: Option<PathBuf>,
    sockets: [Option<String>; 2],
}

impl Hints {
    fn of(input: &Input, texts: &Texts) -> Hints {
        let (MainFile::Required(main) | MainFile::IfPresent(main)) = &input.main else {
            return Hints::default();
        };
        let content = texts.all().find(|(_, name, _)| Path::new(name) == main).map(|(.., content)| content);
        let (document, _) = DeTable::parse_recoverable(content.unwrap_or_default());
        let text = |table: &str, key: &str| match document.get_ref().get(table)?.get_ref() {
            DeValue::Table(table) => match table.get(key)?.get_ref() {
                DeValue::String(text) if text.starts_with('/') => Some(text.to_string()),
                _ => None,
            },
            _ => None,
        };
        Hints {
            dir: text("state", "dir").map(PathBuf::from),
            bypass: text("state", "bypass-file").map(PathBuf::from),
            sockets: [text("listen", "socket"), text("containerd", "socket")],
        }
    }

    /// Where something may be kept. An emptied file does not tell, but systemd may.
    fn directories(&self) -> Vec<PathBuf> {
        let of_unit = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        let default = PathBuf::from(defaults::STATE_DIR);
        self.dir.iter().cloned().chain(of_unit).chain([default]).collect()
    }
}

/// Settings with which everything is relayed while the break-glass file is there. Without it everything is denied.
///
/// # Errors
/// Where even that cannot be.
pub fn relay_only(input: &Input, unusable: &Unusable) -> Result<Loaded, Diagnostics> {
    let [socket, containerd] = unusable.sockets.clone();
    let input = Input {
        socket: input.socket.clone().or(socket),
        containerd: input.containerd.clone().or(containerd),
        ..Input::of(MainFile::Absent)
    };
    let mut loaded = load_from(&input)?;
    let Config { policy, state, .. } = &mut loaded.config;
    let settings =
        crate::policy::Settings { default: crate::policy::DefaultAction::Deny, ..policy.settings().clone() };
    let Ok(denying) = Policy::new(Vec::new(), settings) else {
        return Err(Diagnostics::new(Texts::default(), Vec::new()));
    };
    *policy = denying;
    state.bypass_file.clone_from(&unusable.bypass);
    if let Some(dir) = &unusable.dir {
        state.dir.clone_from(dir);
    }
    Ok(loaded)
}
