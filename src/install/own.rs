//! The program's own files: itself, its units, its configuration. What a package has put there stays the package's.

use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags as Mount;

use super::draft::{Content, Draft, Part};
use super::edit;
use super::node::{Client, Node};
use super::record::{DIRECTORY, Record};
use crate::config::defaults;
use crate::node::{Endpoint, Tree, Unit, is_wanted};

/// The units.
pub const SERVICE: &str = "cri-shunt.service";
/// The one that holds the socket.
pub const SOCKET: &str = "cri-shunt.socket";

/// The main file of the configuration.
pub const CONFIG: &str = defaults::CONFIG_FILE;

/// The texts that `make install` copies, and the program that they name.
const SERVICE_TEXT: &str = include_str!("../../packaging/systemd/cri-shunt.service");
const SOCKET_TEXT: &str = include_str!("../../packaging/systemd/cri-shunt.socket");
const NAMED: &str = "/usr/bin/cri-shunt";

/// Where units of an administrator are, also where /usr cannot be written.
const UNITS: &str = "/etc/systemd/system";

/// Where the program goes, the first one that can be written and from which programs can be started.
const PREFIXES: [&str; 3] = ["/usr/local", "/opt/cri-shunt", "/var/lib/cri-shunt/program"];

/// What is asked for.
pub struct Wanted<'w> {
    /// The clients.
    pub clients: &'w [Client],
    /// `--prefix`.
    pub prefix: Option<&'w Path>,
    /// What earlier runs have done.
    pub record: &'w Record,
    /// containerd's socket by the configuration.
    pub containerd: &'w Path,
    /// Whether a file says so.
    pub containerd_is_set: bool,
    /// Whether a path has the same content as this program.
    pub is_program: &'w dyn Fn(&Path) -> bool,
}

/// Plans them.
pub(super) fn plan(node: &Node<'_>, wanted: &Wanted<'_>, draft: &mut Draft<'_>) -> Result<(), String> {
    let units = units(node, wanted, draft)?;
    config(node, wanted, draft)?;
    for (target, name) in [("sockets.target", SOCKET), ("multi-user.target", SERVICE)] {
        if !is_wanted(node.tree, name) {
            let link = Path::new(UNITS).join(format!("{target}.wants")).join(name);
            draft.add(&link, Content::Link(units.join(name)), 0, Part::Own);
        }
    }
    Ok(())
}

/// The program and its units. The directory of the units.
fn units(node: &Node<'_>, wanted: &Wanted<'_>, draft: &mut Draft<'_>) -> Result<PathBuf, String> {
    let found = [SERVICE, SOCKET].map(|name| Unit::read(node.tree, name));
    let is_ours = |unit: &Unit| wanted.record.has(&unit.file);
    if let Some(unit) = found.iter().flatten().find(|unit| unit.is_masked) {
        return Err(format!("{0} is masked, so nothing can start it: systemctl unmask {0}", unit.name));
    }
    let of_others = found.iter().flatten().find(|unit| !is_ours(unit));
    if let Some(unit) = of_others {
        return by_package(node, &found, unit);
    }
    if node.socket != Path::new(defaults::LISTEN_SOCKET) {
        return Err(format!(
            "by {CONFIG} the socket is {}, and the units hold {}: remove socket under [listen]",
            node.socket.display(),
            defaults::LISTEN_SOCKET
        ));
    }
    let earlier = found[0].as_ref().and_then(|unit| earlier(node.tree, unit));
    let program = match (wanted.prefix, earlier) {
        (Some(prefix), _) => prefix.join("bin/cri-shunt"),
        (None, Some(earlier)) => earlier,
        (None, None) => prefix(node.tree)?.join("bin/cri-shunt"),
    };
    let Some(shown) = program
        .to_str()
        .filter(|path| path.starts_with('/') && !path.contains([' ', '%', '$', '"', '\'', '\\']))
    else {
        return Err(format!(
            "systemd cannot start a program at {}: name an absolute path with --prefix, without blanks, quotes, \\, $ and %",
            program.display()
        ));
    };
    if !(wanted.is_program)(&program) {
        draft.add(&program, Content::Program, 0o755, Part::Own);
    }
    for (name, text) in [(SOCKET, SOCKET_TEXT), (SERVICE, SERVICE_TEXT)] {
        let (file, text) = (Path::new(UNITS).join(name), text.replace(NAMED, shown));
        if node.tree.text(&file).as_ref() != Some(&text) {
            if wanted.record.is_changed(node.tree, &file) {
                return Err(format!(
                    "somebody has changed {} since cri-shunt install has written it: move the changes to a drop-in \
                     (systemctl edit {name}), remove the file, and run this again",
                    file.display()
                ));
            }
            draft.write(&file, text, 0o644, Part::Own);
        }
    }
    Ok(PathBuf::from(UNITS))
}

/// The program that an earlier run has put in its unit. What a drop-in starts may be any program.
fn earlier(tree: &Tree, unit: &Unit) -> Option<PathBuf> {
    let own = Unit::of_text(SERVICE, &tree.text(&unit.file)?);
    own.program(tree).filter(|program| program.ends_with("bin/cri-shunt"))
}

/// What somebody else has installed has to be whole.
fn by_package(node: &Node<'_>, found: &[Option<Unit>; 2], unit: &Unit) -> Result<PathBuf, String> {
    let whole = "an installation is not whole";
    let [Some(service), Some(socket)] = found else {
        let missing = if found[0].is_some() { SOCKET } else { SERVICE };
        return Err(format!(
            "{whole}: {} is there and {missing} is not: install the package again, or remove {}",
            unit.file.display(),
            unit.file.display()
        ));
    };
    let program = service.program(node.tree).unwrap_or_default();
    if !node.tree.has(&program) {
        return Err(format!(
            "{whole}: {} starts {}, which is not there: install the package again, or remove both units",
            service.file.display(),
            program.display()
        ));
    }
    Ok(socket.file.parent().unwrap_or(Path::new(UNITS)).to_owned())
}

/// A directory that can be written, and from which programs can be started.
fn prefix(tree: &Tree) -> Result<PathBuf, String> {
    let fits = |prefix: &&&str| {
        let mut path = Path::new(prefix).join("bin");
        // The nearest directory that is there.
        while !tree.has(&path) && path.pop() {}
        let found = tree.way(&path).ok().and_then(|real| rustix::fs::statvfs(&real).ok());
        found.is_some_and(|found| !found.f_flag.intersects(Mount::RDONLY | Mount::NOEXEC))
    };
    let found = PREFIXES.iter().find(fits).map(PathBuf::from);
    found.ok_or_else(|| {
        format!(
            "none of {} can be written and run programs: name a directory with --prefix",
            PREFIXES.join(", ")
        )
    })
}

/// The configuration has to name the containerd of the clients.
fn config(node: &Node<'_>, wanted: &Wanted<'_>, draft: &mut Draft<'_>) -> Result<(), String> {
    let mut behind: Vec<(Client, PathBuf)> = Vec::new();
    for client in wanted.clients {
        behind.extend(node.containerd(*client).map(|socket| (*client, socket)));
    }
    // crictl alone says nothing of it; the kubelet of the node does.
    if behind.is_empty() {
        behind.extend(Client::ALL.iter().filter_map(|client| Some((*client, node.containerd(*client)?))));
    }
    let leads = |socket: &Path, other: &Path| Endpoint::Containerd(socket.to_owned()).leads_to(other);
    let socket = match behind.split_first() {
        None if wanted.containerd_is_set => wanted.containerd.to_owned(),
        None => PathBuf::from(defaults::CONTAINERD_SOCKET),
        Some(((_, first), rest)) => {
            if let Some((_, other)) = rest.iter().find(|(_, other)| !leads(other, first)) {
                return Err(format!(
                    "the clients use two containerds, {} and {}, and cri-shunt stands in front of one: name one client \
                     with --for",
                    first.display(),
                    other.display()
                ));
            }
            first.clone()
        }
    };
    let file = Path::new(CONFIG);
    let Some(text) = node.tree.text(file) else {
        // Whatever a file of a client has in its path.
        let socket = toml::Value::String(socket.display().to_string());
        let text = format!(
            "# Written by cri-shunt install. cri-shunt.toml(5) and docs/configuration.md have every key.\n\n\
             [containerd]\nsocket = {socket}\n"
        );
        draft.write(file, text, 0o640, Part::Own);
        return Ok(());
    };
    if leads(wanted.containerd, &socket) {
        return Ok(());
    }
    let refused = || {
        format!(
            "the clients use the containerd at {}, and by {CONFIG} cri-shunt connects to {}: set socket under [containerd]",
            socket.display(),
            wanted.containerd.display()
        )
    };
    let new = socket.to_str().ok_or_else(refused)?;
    let old = defaults::CONTAINERD_SOCKET;
    let edited = match wanted.containerd_is_set {
        false => edit::insert_toml(&text, "containerd", "socket", new),
        // What a package has put there, and nobody has changed.
        true if wanted.containerd == Path::new(old) => {
            text.replacen(&format!("\nsocket = \"{old}\""), &format!("\nsocket = \"{new}\""), 1)
        }
        true => return Err(refused()),
    };
    let table: Option<toml::Table> = edited.parse().ok();
    let says = table.as_ref().and_then(|table| table.get("containerd")?.get("socket")?.as_str());
    if says != Some(new) {
        return Err(refused());
    }
    draft.write(file, edited, 0o640, Part::Own);
    Ok(())
}

/// Whether a path is below the directory of the record, which is there in any case.
pub(super) fn is_below_record(path: &Path) -> bool {
    Path::new(DIRECTORY).starts_with(path)
}

/// Whether the units are those of this program, and not of a package.
pub fn has_units(record: &Record) -> bool {
    record.has(&Path::new(UNITS).join(SERVICE))
}
