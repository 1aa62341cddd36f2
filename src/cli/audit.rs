//! `cri-shunt audit`: shows the decisions that the audit has kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::inputs::STDIN;
use super::terminal;
use crate::config::{self, defaults, positive_duration, visible};
use crate::tell::audit::{AuditTo, predecessor, time};
use crate::tell::line::{Entry, Gap, Line, VERSION, Would};
use crate::tell::moment::moment;

/// The code of an answer that is not an error.
const OK: &str = "OK";

/// The longest line that is read. The daemon writes none that long.
const LONGEST: u64 = 1 << 20;

/// Show the decisions that the audit has kept.
///
/// Reads the file of `[audit]` and its predecessor FILE.1, the oldest decision first. All conditions must hold.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt audit --since 1h\n  \
    cri-shunt audit --pod team-a/web-0 --format json\n  \
    journalctl -t cri-shunt-audit -o cat | cri-shunt audit --file - --image nginx\n\n\
    Exit status:\n  \
    0  all lines could be read\n  \
    1  some lines are not lines of an audit\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  the file cannot be read")]
pub(super) struct Arguments {
    /// The configuration that names the file
    #[arg(long, value_name = "FILE", default_value = defaults::CONFIG_FILE)]
    config: PathBuf,

    /// Read this file instead of the configured one; `-` is stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Only decisions after this time: a duration such as 1h, or a time such as 2026-11-27T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,

    /// Only decisions about images with this text in their name
    #[arg(long, value_name = "TEXT")]
    image: Option<String>,

    /// Only decisions for this pod, or for all pods of a namespace: NAMESPACE/
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pod: Option<String>,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,
}

/// A time as the lines have it.
fn since(text: &str) -> Result<String, String> {
    if let Ok(ago) = positive_duration(text) {
        let then = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        return Ok(time(then));
    }
    let at: prost_types::Timestamp = text
        .parse()
        .map_err(|_| "write a duration such as 1h, or a time such as 2026-11-27T08:00:00Z".to_owned())?;
    let seconds = u64::try_from(at.seconds).unwrap_or_default();
    let nanos = u32::try_from(at.nanos).unwrap_or_default();
    Ok(time(moment(seconds) + Duration::from_nanos(nanos.into())))
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let path = match &arguments.file {
        Some(path) => path.clone(),
        None => match configured(&arguments.config) {
            Ok(path) => path,
            Err(exit) => return exit,
        },
    };
    match show(arguments, &path) {
        Ok(true) => Exit::Ok,
        Ok(false) => Exit::Bad,
        Err(exit) => exit,
    }
}

/// The file of the configuration.
fn configured(path: &Path) -> Result<PathBuf, Exit> {
    let hint = "name the file with --file";
    match config::load(path) {
        Ok(loaded) => match loaded.config.audit {
            Some(AuditTo::File { path, .. }) => Ok(path),
            Some(AuditTo::Journal) => {
                let pipe = "journalctl -t cri-shunt-audit -o cat | cri-shunt audit --file -";
                let why = format!("the audit is in the journal; read it like this: {pipe}");
                Err(terminal::fail(&why, Exit::Usage))
            }
            None => {
                let why = format!("{}: no audit is configured; {hint}", path.display());
                Err(terminal::fail(&why, Exit::Usage))
            }
        },
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), false));
            Err(terminal::fail(&format!("the configuration cannot be used; {hint}"), Exit::Usage))
        }
    }
}

/// Shows the decisions of the file and its predecessor. Returns whether all lines could be read, of those that were read
/// for somebody.
fn show(arguments: &Arguments, path: &Path) -> Result<bool, Exit> {
    let show_lines = |from: &mut dyn Read, path: &Path| {
        let mut foreign = Foreign::default();
        let next = show_lines(arguments, from, &mut foreign).map_err(|failed| failed.tell(path))?;
        let told = foreign.tell(path);
        told.iter().for_each(|line| terminal::say(line));
        Ok((told.is_none(), next))
    };
    if path == Path::new(STDIN) {
        return show_lines(&mut io::stdin().lock(), Path::new("stdin")).map(|(are_all_read, _)| are_all_read);
    }
    let failed = |path: &Path, error: io::Error| Failed::Read(error).tell(path);
    let mut file = File::open(path).map_err(|error| failed(path, error))?;
    let before = predecessor(path);
    let mut are_all_read = true;
    match File::open(&before) {
        // It may have become its own predecessor just now.
        Ok(other) if is_same(&file, &other) => {}
        Ok(mut other) => {
            let next;
            (are_all_read, next) = show_lines(&mut other, &before)?;
            if next.is_break() {
                return Ok(are_all_read);
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&before, error)),
    }
    Ok(show_lines(&mut file, path)?.0 && are_all_read)
}

fn is_same(one: &File, other: &File) -> bool {
    let id = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
    id(one) == id(other)
}

enum Failed {
    Read(io::Error),
    Print(Exit),
}

impl Failed {
    fn tell(self, path: &Path) -> Exit {
        match self {
            Self::Read(error) => {
                terminal::fail(&format!("cannot read {}: {error}", path.display()), Exit::Runtime)
            }
            Self::Print(exit) => exit,
        }
    }
}

/// The lines of a file that are not lines of an audit.
#[derive(Default)]
struct Foreign {
    count: usize,
    /// The number of the first one.
    first: usize,
}

impl Foreign {
    /// Where they are, if there are any.
    fn tell(&self, path: &Path) -> Option<String> {
        let more = match self.count {
            0 => return None,
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        Some(format!("error: {}:{}: not a line of an audit{more}\n", path.display(), self.first))
    }

    fn note(&mut self, number: usize) {
        if self.count == 0 {
            self.first = number;
        }
        self.count += 1;
    }
}

/// Shows the lines that are wanted, to the last one or for as long as somebody reads them.
fn show_lines(
    arguments: &Arguments,
    from: &mut dyn Read,
    foreign: &mut Foreign,
) -> Result<ControlFlow<()>, Failed> {
    let mut from = BufReader::new(from);
    let (mut bytes, mut number) = (Vec::new(), 1);
    loop {
        // What is too long is read in pieces.
        number += usize::from(bytes.ends_with(b"\n"));
        bytes.clear();
        let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut bytes).map_err(Failed::Read)?;
        if read == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let Some(entry) = entry(text) else {
            foreign.note(number);
            continue;
        };
        if !is_wanted(arguments, &entry) {
            continue;
        }
        let shown = match arguments.format {
            Format::Json => format!("{}\n", String::from_utf8_lossy(text)),
            Format::Text => render(&entry, arguments.detail.verbose),
        };
        if terminal::print_on(&shown).map_err(Failed::Print)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// A later version may have more fields, but not others.
fn entry(text: &[u8]) -> Option<Entry> {
    let entry: Entry = serde_json::from_slice(text).ok()?;
    let version = match &entry {
        Entry::Decision(line) => line.version,
        Entry::Gap(gap) => gap.version,
    };
    (version == VERSION).then_some(entry)
}

fn is_wanted(arguments: &Arguments, entry: &Entry) -> bool {
    let Arguments { since, image, pod, .. } = arguments;
    let time = match entry {
        Entry::Decision(line) => &line.time,
        Entry::Gap(gap) => &gap.time,
    };
    if since.as_ref().is_some_and(|since| time < since) {
        return false;
    }
    // Any line may be among those that are missing.
    let Entry::Decision(line) = entry else { return true };
    if arguments.detail.quiet && line.code == OK {
        return false;
    }
    let has_image = |text: &String| line.name.as_ref().unwrap_or(&line.asked).contains(text.as_str());
    image.as_ref().is_none_or(has_image) && pod.as_ref().is_none_or(|wanted| is_for(line, wanted))
}

fn is_for(line: &Line, wanted: &str) -> bool {
    line.pod.as_ref().is_some_and(|pod| match wanted.split_once('/') {
        Some((namespace, "")) => pod.namespace == namespace,
        Some((namespace, name)) => pod.namespace == namespace && pod.name == name,
        None => pod.name == wanted,
    })
}

/// An entry on one line, for people.
fn render(entry: &Entry, all: bool) -> String {
    let line = match entry {
        Entry::Decision(line) => line,
        Entry::Gap(Gap { time, dropped, .. }) => {
            let lines = if *dropped == 1 { "line is" } else { "lines are" };
            return format!("{} {dropped} {lines} missing\n", visible(time));
        }
    };
    let image = line.name.as_ref().unwrap_or(&line.asked);
    let mut text = format!("{} {} {image}", line.time, line.outcome);
    if let Some(served) = &line.served {
        let from = served.name.as_deref().unwrap_or("the node");
        text.push_str(&format!(" from {from}"));
    }
    for candidate in line.candidates.iter().filter(|candidate| candidate.outcome != "served") {
        text.push_str(&format!(", {} {}", candidate.registry, candidate.outcome));
    }
    if let Some(rule) = &line.rule {
        text.push_str(&format!(", rule \"{}\"", rule.prefix));
        if let Some(place) = &rule.place {
            text.push_str(&format!(" ({place})"));
        }
    }
    if let Some(reason) = &line.reason {
        text.push_str(&format!(": {reason}"));
    }
    if let Some(Would { rule, verdict, reason, .. }) = &line.would {
        let reason = reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
        text.push_str(&format!(", would be {verdict} by rule \"{}\"{reason}", rule.prefix));
    }
    if let Some(pod) = &line.pod {
        text.push_str(&format!(", pod {}/{}", pod.namespace, pod.name));
    }
    let program = line.client.program.as_deref().unwrap_or("unknown");
    text.push_str(&format!(", asked by {program}, {:.3} s", line.seconds));
    if all {
        let Line { containerd_seconds, method, code, id, policy, .. } = line.as_ref();
        text.push_str(&format!(
            " ({containerd_seconds:.3} s of containerd), {method} {code}, id {id}, policy {policy}"
        ));
    }
    format!("{}\n", visible(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let foreign = |count| Foreign { count, first: 17 }.tell(Path::new("/a")).unwrap_or_default();
        assert_eq!(foreign(0), "");
        assert_eq!(foreign(1), "error: /a:17: not a line of an audit\n");
        assert_eq!(foreign(4), "error: /a:17: not a line of an audit (and 3 more)\n");
        let gap =
            |dropped| render(&Entry::Gap(Gap { version: VERSION, time: "T".to_owned(), dropped }), false);
        assert_eq!((gap(1), gap(2)), ("T 1 line is missing\n".into(), "T 2 lines are missing\n".into()));
    }

    #[test]
    fn times_are_read_as_the_lines_have_them() {
        assert_eq!(since("2026-11-27T08:00:00Z").unwrap(), "2026-11-27T08:00:00.000Z");
        assert_eq!(since("2026-11-27T10:00:00+02:00").unwrap(), "2026-11-27T08:00:00.000Z");
        assert!(since("1h").unwrap() < time(SystemTime::now()));
        for wrong in ["yesterday", "", "-1h", "12:00"] {
            since(wrong).unwrap_err();
        }
    }
}
