//! What systemd allows the daemon, by its unit: the installed one with its drop-ins, else the one that belongs to this
//! program.
//!
//! Source: systemd.unit(5), systemd.exec(5). Only the settings are read that decide which files the daemon can read.

use std::path::{Path, PathBuf};

use crate::files::access::Rights;
use crate::node::{self, Tree};

/// The unit that `make install` copies.
const OWN: &str = include_str!("../../packaging/systemd/cri-shunt.service");

const NAME: &str = "cri-shunt.service";

/// The capabilities by which root reads the files of all users.
const READS_ALL: [&str; 2] = ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"];

/// The settings that count.
#[derive(Debug, Default)]
pub(super) struct Unit {
    is_installed: bool,
    user: Option<String>,
    group: Option<String>,
    more_groups: Vec<String>,
    /// The values of `CapabilityBoundingSet=` in order; empty if there is no limit.
    bounds: Vec<String>,
    private_tmp: bool,
    protect_home: String,
    credentials: Vec<String>,
    /// Whether it may get credentials whose names are not in it.
    has_more_credentials: bool,
}

/// `/etc/passwd` or `/etc/group`: names and numbers (passwd(5), group(5)).
struct Table(Vec<Vec<String>>);

/// The fields of both files, of the first, and of the second.
const ID: usize = 2;
const PRIMARY_GROUP: usize = 3;
const MEMBERS: usize = 3;

// === impl Unit ===

impl Unit {
    /// The unit of this machine.
    pub(super) fn installed() -> Self {
        Tree::at(Path::new("/")).map_or_else(|_| Self::of(None), |tree| Self::below(&tree))
    }

    fn below(tree: &Tree) -> Self {
        Self::of(node::Unit::read(tree, NAME))
    }

    fn of(installed: Option<node::Unit>) -> Self {
        let mut unit = Unit { is_installed: installed.is_some(), ..Unit::default() };
        unit.read(&installed.unwrap_or_else(|| node::Unit::of_text(NAME, OWN)));
        unit
    }

    fn read(&mut self, unit: &node::Unit) {
        for (key, value) in unit.section("Service") {
            self.set(key, value);
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "User" => self.user = text(),
            "Group" => self.group = text(),
            "SupplementaryGroups" if value.is_empty() => self.more_groups.clear(),
            "SupplementaryGroups" => self.more_groups.extend(value.split_whitespace().map(str::to_owned)),
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
        self.rights_by(&Table::read("/etc/passwd"), &Table::read("/etc/group"))
    }

    /// Without `Group=` it is in the groups of its user (systemd.exec(5)).
    fn rights_by(&self, users: &Table, groups: &Table) -> Rights {
        let user = self.user.as_deref().unwrap_or("root");
        // An unknown user is like any other one.
        let uid = users.id(user).unwrap_or(if user == "root" { 0 } else { u32::MAX });
        let own = match &self.group {
            Some(group) => groups.id(group),
            None if uid == 0 => Some(0),
            None => users.field(user, PRIMARY_GROUP).and_then(|gid| gid.parse().ok()),
        };
        let more = self.more_groups.iter().filter_map(|group| groups.id(group));
        let mut gids: Vec<u32> = own.into_iter().chain(groups.with_member(user)).chain(more).collect();
        gids.sort_unstable();
        gids.dedup();
        Rights { uid, gids, reads_all: uid == 0 && self.reads_all() }
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

    /// Whether it is the unit of this machine, and not only that of this program.
    pub(super) fn is_installed(&self) -> bool {
        self.is_installed
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

// === impl Table ===

impl Table {
    /// A file that is not there is an empty one.
    fn read(path: &str) -> Self {
        Self::of(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn of(text: &str) -> Self {
        Self(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }

    /// The number of a user or a group, by its name or by the number itself.
    fn id(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| self.field(name, ID)?.parse().ok())
    }

    fn field(&self, name: &str, field: usize) -> Option<&str> {
        let is_it = |row: &&Vec<String>| {
            row.first().is_some_and(|first| first == name) || row.get(ID).is_some_and(|id| id == name)
        };
        self.0.iter().find(is_it)?.get(field).map(String::as_str)
    }

    /// The groups in which this user is beside the own one.
    fn with_member<'a>(&'a self, user: &'a str) -> impl Iterator<Item = u32> + 'a {
        let has = move |row: &&Vec<String>| {
            row.get(MEMBERS).is_some_and(|members| members.split(',').any(|member| member == user))
        };
        self.0.iter().filter(has).filter_map(|row| row.get(ID)?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_own_daemon_is_root_without_the_right_to_read_everything() {
        let own = Unit::of(None);
        assert_eq!(own.rights(), Rights { uid: 0, gids: vec![0], reads_all: false });
        assert!(own.private_tmp && own.hidden().is_empty(), "{own:?}");
        assert_eq!(own.credentials(), None);
    }

    #[test]
    fn drop_ins_change_what_the_daemon_may_read() {
        let root = tempfile::tempdir().unwrap();
        let (admin, vendor) =
            (root.path().join("etc/systemd/system"), root.path().join("usr/lib/systemd/system"));
        std::fs::create_dir_all(&vendor).unwrap();
        std::fs::write(vendor.join(NAME), OWN).unwrap();
        let tree = Tree::at(root.path()).unwrap();
        let unit = || Unit::below(&tree);
        assert_eq!(unit().hidden(), [PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]);
        assert_eq!(unit().credentials(), Some(Vec::new()));
        let add = |name: &str, text: &str| {
            let dir = admin.join(format!("{NAME}.d"));
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
    fn without_a_group_it_is_in_those_of_its_user() {
        let users = Table::of("root:x:0:0::/root:/bin/sh\nshunt:x:990:991::/:/bin/false\n");
        let groups =
            Table::of("root:x:0:\nshunt:x:991:\ndocker:x:992:alice,shunt\nkeys:x:993:\nadm:x:4:alice\n");
        let rights = |lines: &str| {
            let mut unit = Unit::default();
            unit.read(&node::Unit::of_text(NAME, &format!("[Service]\n{lines}\n")));
            let Rights { uid, gids, .. } = unit.rights_by(&users, &groups);
            (uid, gids)
        };
        assert_eq!(rights(""), (0, vec![0]));
        assert_eq!(rights("User=shunt"), (990, vec![991, 992]));
        assert_eq!(rights("User=990\nSupplementaryGroups=keys adm"), (990, vec![4, 991, 993]));
        assert_eq!(rights("User=shunt\nGroup=keys"), (990, vec![992, 993]));
        assert_eq!(rights("User=nobody-knows"), (u32::MAX, Vec::new()));
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
