//! `cri-shunt images`: the images on the node, where each came from, and what the policy says of it now.

pub(super) mod node;

use std::cmp::Ordering;
use std::time::SystemTime;

use serde::Serialize;

use self::node::{Node, OnNode};
use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::inputs::Inputs;
use super::{runtime, table, terminal};
use crate::config::Config;

/// What stands where something is not known.
pub(super) const UNKNOWN: &str = "unknown";

/// Show the images on the node, and which registry served each.
///
/// Reads the records of containerd, with what the daemon has noted there at the pull, and decides by the files of the
/// configuration as `explain` does. "unknown" stands for an image whose last pull did not go through the daemon. The
/// age is since when the image is on the node from this repository. Needs no daemon, and asks no registry.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt images\n  \
    cri-shunt images --registry mirror.dev.de:443 'docker.io/library/*'\n  \
    cri-shunt images --denied --format json\n  \
    cri-shunt images --sort size\n\n\
    Exit status:\n  \
    0  the images could be read\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  containerd cannot be reached")]
pub(super) struct Arguments {
    #[command(flatten)]
    of: Of,

    /// Only images that this registry served; `unknown` stands for those that did not come through the daemon
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,

    /// Only images that came by the rule with this prefix
    #[arg(long, value_name = "PREFIX")]
    rule: Option<String>,

    /// Only images that the policy denies now
    #[arg(long)]
    denied: bool,

    /// What comes first: names by the alphabet, the largest, the youngest
    #[arg(long, value_enum, value_name = "COLUMN", default_value_t = Column::Name)]
    sort: Column,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    /// Only images with this text in their name; with `*`, which stands for any text, it is the whole name
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
}

/// Whose images, and by which policy.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    #[command(flatten)]
    inputs: Inputs,

    /// containerd's socket, instead of the configured `containerd.socket`
    #[arg(long, value_name = "PATH")]
    containerd: Option<String>,
}

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Column {
    /// The name
    Name,
    /// The size
    Size,
    /// The age
    Age,
    /// The registry that served it
    Registry,
    /// The rule by which it came
    Rule,
    /// What the policy says now
    Today,
}

// === impl Of ===

impl Of {
    /// Reads the configuration.
    pub(super) fn read(self) -> Result<Config, Exit> {
        let Of { inputs, containerd } = self;
        inputs.check_stdin(0)?;
        inputs.load(None, containerd.as_ref(), false)
    }
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { of, registry, rule, denied, sort, format, detail, patterns } = arguments;
    let only = Only { registry, rule, denied: denied || detail.quiet, patterns };
    let shown = of.read().and_then(|config| {
        let shows_verified = detail.verbose || config.policy.acting().asks_for_signatures();
        let all = runtime::block_on(Node::new(&config).all())?;
        let mut images = all.map_err(node::Refused::tell)?;
        images.retain(|image| only.takes(image));
        images.sort_by(|one, two| sort.order(one, two).then_with(|| one.name.cmp(&two.name)));
        terminal::print(&match format {
            Format::Json => images.iter().map(|image| terminal::json(&Row::of(image))).collect(),
            Format::Text if detail.quiet && images.is_empty() => String::new(),
            Format::Text => text(&images, detail.verbose, shows_verified, SystemTime::now()),
        })
    });
    shown.err().unwrap_or(Exit::Ok)
}

/// Which images are shown.
struct Only {
    registry: Option<String>,
    rule: Option<String>,
    denied: bool,
    /// A name has to fit one of them; without any, all names do.
    patterns: Vec<String>,
}

impl Only {
    fn takes(&self, image: &OnNode) -> bool {
        let Self { registry, rule, denied, patterns } = self;
        let by = image.provenance.as_ref().map_or(UNKNOWN, |provenance| provenance.rule_prefix());
        registry.as_ref().is_none_or(|registry| registry == image.registry().unwrap_or(UNKNOWN))
            && rule.as_ref().is_none_or(|rule| rule == by)
            && (!denied || image.today.is_denied)
            && (patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, &image.name)))
    }
}

/// Whether a name has this text in it; with `*`, which stands for any text, whether it is the whole name.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name.contains(pattern) };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Each part where it comes first, so that the most is left for the others.
    for part in middle.split('*') {
        match left.split_once(part) {
            Some((_, behind)) => left = behind,
            None => return false,
        }
    }
    left.ends_with(last)
}

impl Column {
    fn order(self, one: &OnNode, two: &OnNode) -> Ordering {
        let rule = |image: &OnNode| image.provenance.as_ref().map(|from| from.rule_prefix().to_owned());
        match self {
            Self::Name => Ordering::Equal,
            Self::Size => two.size.cmp(&one.size),
            Self::Age => two.since.cmp(&one.since),
            Self::Registry => one.registry().cmp(&two.registry()),
            Self::Rule => rule(one).cmp(&rule(two)),
            Self::Today => one.today.decision.cmp(two.today.decision),
        }
    }
}

/// One image as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Row<'i> {
    name: &'i str,
    digest: &'i str,
    id: Option<&'i str>,
    size: Option<u64>,
    since: Option<String>,
    registry: Option<&'i str>,
    reference: Option<&'i str>,
    rule: Option<&'i str>,
    pulled: Option<&'i str>,
    verified: Option<&'i str>,
    today: &'static str,
    today_rule: Option<&'i str>,
    today_verify: &'i [String],
}

impl<'i> Row<'i> {
    fn of(image: &'i OnNode) -> Self {
        let from = image.provenance.as_ref();
        Row {
            name: &image.name,
            digest: &image.digest,
            id: image.id.as_deref(),
            size: image.size,
            since: image.since_text(),
            registry: image.registry(),
            reference: from.map(|from| from.reference.as_str()),
            rule: from.map(|from| from.rule_prefix()),
            pulled: from.map(|from| from.time.as_str()),
            verified: image.verified(),
            today: image.today.decision,
            today_rule: image.today.rule.as_deref(),
            today_verify: &image.today.verify,
        }
    }
}

fn text(images: &[OnNode], verbose: bool, shows_verified: bool, now: SystemTime) -> String {
    let whole = |row: [String; 6], more: [String; 2], verified: String| {
        let more = more.into_iter().filter(|_| verbose);
        let verified = shows_verified.then_some(verified);
        row.into_iter().chain(more).chain(verified).collect::<Vec<String>>()
    };
    let row = |image: &OnNode| {
        let age = image.since.and_then(|since| now.duration_since(since).ok());
        let from = image.provenance.as_ref();
        let unknown = || UNKNOWN.to_owned();
        let row = [
            image.name.clone(),
            image.size.map_or_else(unknown, table::size),
            age.map_or_else(unknown, table::age),
            image.registry().map_or_else(unknown, str::to_owned),
            from.map_or_else(unknown, |from| from.rule_prefix().to_owned()),
            image.today.decision.to_owned(),
        ];
        let reference = from.map_or_else(unknown, |from| from.reference.clone());
        let verified = match image.is_verified() {
            None => "-",
            Some(false) => "no",
            Some(true) if verbose => image.verified().unwrap_or("yes"),
            Some(true) => "yes",
        };
        whole(row, [image.digest.clone(), reference], verified.to_owned())
    };
    let columns = ["NAME", "SIZE", "AGE", "FROM", "RULE", "TODAY"].map(str::to_owned);
    let head = whole(columns, ["DIGEST", "REFERENCE"].map(str::to_owned), "VERIFIED".to_owned());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(images.iter().map(row)).collect();
    table::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_is_a_part_of_a_name_or_with_a_star_the_whole_of_it() {
        let name = "docker.io/library/nginx:1.25";
        for (text, takes) in [
            ("nginx", true),
            ("dockerXio", false),
            ("*nginx", false),
            ("*/nginx:*", true),
            ("docker.io/*", true),
            ("docker.io/library/nginx:1.25*", true),
            ("docker.io/*nginx*:*25", true),
            ("docker.io/*nginx*nginx*", false),
            ("docker.io/library/nginx:1.2*25", false),
            ("*", true),
            ("", true),
            ("(", false),
        ] {
            assert_eq!(fits(text, name), takes, "{text}");
        }
        assert!(fits(&"*".repeat(100_000), name), "however long it is");
    }
}
