//! What systemd allows the daemon, by its unit: the installed one with its drop-ins, else the one that belongs to this
//! program.
//!
//! Source: systemd.unit(5), systemd.exec(5). Only the settings are read that decide which files the daemon can read.

use std::path::{Path, PathBuf};

use crate::files::access::Rights;

/// The unit that `make install` copies.
const OWN: &str = include_str!("../../packaging/systemd/cri-shunt.service");

/// Where units are, the most important directory first.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const NAME: &str = "cri-shunt.service";

/// The capabilities by which root reads the files of all users.
const READS_ALL: [&str; 2] = ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"];

/// The settings that count.
#[derive(Debug, Default)]
pub(super) struct Unit {
    is_installed: bool,
    user: Option<String>,
    group: Option<String>,
    /// The values of `CapabilityBoundingSet=` in order; empty if there is no limit.
    bounds: Vec<String>,
    private_tmp: bool,
    protect_home: String,
    credentials: Vec<String>,
    /// Whether it may get credentials whose names are not in it.
    has_more_credentials: bool,
}

// === impl Unit ===

impl Unit {
    /// The unit of this machine.
    pub(super) fn installed() -> Self {
        Self::in_directories(&DIRECTORIES.map(Path::new))
    }

    fn in_directories(directories: &[&Path]) -> Self {
        let main = directories.iter().find_map(|dir| std::fs::read_to_string(dir.join(NAME)).ok());
        let mut unit = Unit { is_installed: main.is_some(), ..Unit::default() };
        unit.read(main.as_deref().unwrap_or(OWN));
        drop_ins(directories).iter().filter_map(|path| std::fs::read_to_string(path).ok()).for_each(|text| {
            unit.read(&text);
        });
        unit
    }

    fn read(&mut self, text: &str) {
        let mut section = "";
        for line in text.replace("\\\n", " ").lines().map(str::trim) {
            if line.starts_with('[') {
                section = if line == "[Service]" { "service" } else { "" };
            }
            let is_comment = line.starts_with(['#', ';']);
            if let Some((key, value)) = line.split_once('=').filter(|_| section == "service" && !is_comment) {
                self.set(key.trim(), value.trim());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "User" => self.user = text(),
            "Group" => self.group = text(),
            "CapabilityBoundingSet" => self.bounds.push(value.to_owned()),
            "PrivateTmp" => self.private_tmp = is_true(value) || value == "disconnected",
            "ProtectHome" => value.clone_into(&mut self.protect_home),
            "LoadCredential" | "LoadCredentialEncrypted" | "SetCredential" | "SetCredentialEncrypted" => {
                match value.split(':').next() {
                    Some("") | None => self.credentials.clear(),
                    Some(name) => self.credentials.push(name.to_owned()),
                }
            }
            "ImportCredential" => self.has_more_credentials = !value.is_empty(),
            _ => {}
        }
    }

    /// Its user, and whether that may read everything.
    pub(super) fn rights(&self) -> Rights {
        let uid = self.user.as_deref().map_or(Some(0), |user| id(user, "/etc/passwd"));
        let gid = self.group.as_deref().map_or(Some(0), |group| id(group, "/etc/group"));
        // An unknown user is like any other one.
        let uid = uid.unwrap_or(u32::MAX);
        Rights { uid, gids: gid.into_iter().collect(), reads_all: uid == 0 && self.reads_all() }
    }

    /// An empty value begins again, `~` takes capabilities away.
    fn reads_all(&self) -> bool {
        let mut reads = [self.bounds.is_empty(); 2];
        for (at, value) in self.bounds.iter().enumerate() {
            let (takes, names) = match value.strip_prefix('~') {
                Some(names) => (true, names),
                None => (false, value.as_str()),
            };
            if value.is_empty() || value == "~" || (at == 0 && takes) {
                reads = [takes; 2];
            }
            for (has, capability) in reads.iter_mut().zip(READS_ALL) {
                if names.split_whitespace().any(|name| name == capability) {
                    *has = !takes;
                }
            }
        }
        reads.contains(&true)
    }

    /// The directories in which it does not see the files of others.
    pub(super) fn hidden(&self) -> Vec<PathBuf> {
        let mut hidden = Vec::new();
        // Where no unit is installed, a file in /tmp is there for a trial.
        if self.private_tmp && self.is_installed {
            hidden.extend(["/tmp", "/var/tmp"]);
        }
        if is_true(&self.protect_home) || self.protect_home == "tmpfs" {
            hidden.extend(["/home", "/root", "/run/user"]);
        }
        hidden.into_iter().map(PathBuf::from).collect()
    }

    /// The names of the credentials that it gets, if they are known.
    pub(super) fn credentials(&self) -> Option<Vec<String>> {
        (self.is_installed && !self.has_more_credentials).then(|| self.credentials.clone())
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "yes" | "y" | "true" | "t" | "on")
}

/// The drop-ins in the order of their names. Of two with one name that of the more important directory counts.
fn drop_ins(directories: &[&Path]) -> Vec<PathBuf> {
    let mut found = std::collections::BTreeMap::new();
    for directory in directories.iter().rev() {
        let entries = std::fs::read_dir(directory.join(format!("{NAME}.d"))).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
        found.extend(paths.filter_map(|path| Some((path.file_name()?.to_owned(), path))));
    }
    found.into_values().collect()
}

/// The number of a user or a group, which both files have in the third field.
fn id(name: &str, file: &str) -> Option<u32> {
    name.parse().ok().or_else(|| {
        let table = std::fs::read_to_string(file).ok()?;
        let mut fields = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
        fields.find(|fields| fields.first() == Some(&name))?.get(2)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_own_daemon_is_root_without_the_right_to_read_everything() {
        let own = Unit::in_directories(&[]);
        assert_eq!(own.rights(), Rights { uid: 0, gids: vec![0], reads_all: false });
        assert!(own.private_tmp && own.hidden().is_empty(), "{own:?}");
        assert_eq!(own.credentials(), None);
    }

    #[test]
    fn drop_ins_change_what_the_daemon_may_read() {
        let (admin, vendor) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(vendor.path().join(NAME), OWN).unwrap();
        let unit = || Unit::in_directories(&[admin.path(), vendor.path()]);
        assert_eq!(unit().hidden(), [PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]);
        assert_eq!(unit().credentials(), Some(Vec::new()));
        let add = |name: &str, text: &str| {
            let dir = admin.path().join(format!("{NAME}.d"));
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(name), format!("[Service]\n{text}\n")).unwrap();
        };
        add(
            "10.conf",
            "LoadCredential=mirror:/etc/m\n# LoadCredential=x\nSetCredential=hub:pw\nProtectHome=yes",
        );
        assert_eq!(unit().credentials(), Some(vec!["mirror".to_owned(), "hub".to_owned()]));
        assert!(unit().hidden().contains(&PathBuf::from("/root")));
        add("20.conf", "CapabilityBoundingSet=CAP_DAC_READ_SEARCH\nImportCredential=m*");
        assert!(unit().rights().reads_all);
        assert_eq!(unit().credentials(), None);
        add("30.conf", "CapabilityBoundingSet=~CAP_DAC_READ_SEARCH");
        assert!(!unit().rights().reads_all);
        add("40.conf", "User=4711\nGroup=root");
        assert_eq!(unit().rights(), Rights { uid: 4711, gids: vec![0], reads_all: false });
    }

    #[test]
    fn a_set_of_capabilities_is_read_as_systemd_reads_it() {
        let reads = |bounds: &[&str]| {
            let bounds = bounds.iter().map(|value| (*value).to_owned()).collect();
            Unit { bounds, ..Unit::default() }.reads_all()
        };
        assert!(reads(&[]) && reads(&["~CAP_KILL"]) && reads(&["CAP_KILL CAP_DAC_OVERRIDE"]));
        assert!(!reads(&[""]) && !reads(&["CAP_KILL"]) && !reads(&["~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH"]));
        assert!(reads(&["~"]) && !reads(&["CAP_DAC_OVERRIDE", ""]));
    }
}
