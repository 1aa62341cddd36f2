//! `cri-shunt inspect`: where images on the node came from, in full.

use std::fmt::Write as _;

use serde::Serialize;

use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::images::node::{Node, OnNode, Refused};
use super::images::{Of, UNKNOWN};
use super::{runtime, table, terminal};
use crate::config::visible;

/// Show where an image on the node came from, in full.
///
/// For each name: the registry that served it, by which reference and rule, which candidates were tried before, whose
/// login the registry was asked with, when that was, and what the policy says of the name now. All but the last is what
/// the daemon has noted at the last pull, in containerd's own records. Needs no daemon, and asks no registry.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt inspect nginx:1.25\n  \
    cri-shunt inspect --format json quay.io/prometheus/prometheus:v3.0.0\n\n\
    Exit status:\n  \
    0  the images are on the node, and it is known where they came from\n  \
    1  an image is not on the node, did not come through the daemon, or is denied now\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  containerd cannot be reached")]
pub(super) struct Arguments {
    #[command(flatten)]
    of: Of,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    /// Names of images as a client writes them, or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { of, format, detail, images } = arguments;
    of.read()
        .and_then(|config| {
            let node = Node::new(&config);
            let found = runtime::block_on(node.each(&images))?.map_err(Refused::tell)?;
            show(&found, format, detail)
        })
        .unwrap_or_else(|exit| exit)
}

fn show(found: &[(&String, Vec<OnNode>)], format: Format, detail: Detail) -> Result<Exit, Exit> {
    let (mut exit, mut shown) = (Exit::Ok, Vec::new());
    for (asked, images) in found {
        if images.is_empty() {
            terminal::say(&format!("error: {} is not on the node\n", visible(asked)));
            exit = Exit::Bad;
        }
        for image in images {
            let is_well = image.provenance.is_some() && !image.today.is_denied;
            if !is_well {
                exit = Exit::Bad;
            }
            if !is_well || !detail.quiet {
                shown.push(match format {
                    Format::Json => terminal::json(&Report::of(asked, image)),
                    Format::Text => text(image),
                });
            }
        }
    }
    // A blank line between two texts.
    terminal::print(&shown.join(if format == Format::Text { "\n" } else { "" }))?;
    Ok(exit)
}

/// The answer as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Report<'i> {
    input: &'i str,
    name: &'i str,
    digest: &'i str,
    id: Option<&'i str>,
    size: Option<u64>,
    since: Option<String>,
    pulled: Option<&'i str>,
    registry: Option<&'i str>,
    reference: Option<&'i str>,
    rule: Option<&'i str>,
    tried: Option<&'i str>,
    login_source: Option<&'i str>,
    verified: Option<&'i str>,
    hosts_toml: Option<&'i str>,
    answered_in_outage: Option<&'i str>,
    today: Today<'i>,
}

#[derive(Serialize)]
struct Today<'i> {
    decision: &'static str,
    rule: Option<&'i str>,
    source: Option<&'i str>,
    reason: Option<&'i str>,
    verify: &'i [String],
}

impl<'i> Report<'i> {
    fn of(input: &'i str, image: &'i OnNode) -> Self {
        let from = image.provenance.as_ref();
        let today = Today {
            decision: image.today.decision,
            rule: image.today.rule.as_deref(),
            source: image.today.place.as_deref(),
            reason: image.today.reason.as_deref(),
            verify: &image.today.verify,
        };
        Report {
            input,
            name: &image.name,
            digest: &image.digest,
            id: image.id.as_deref(),
            size: image.size,
            since: image.since_text(),
            pulled: from.map(|from| from.time.as_str()),
            registry: image.registry(),
            reference: from.map(|from| from.reference.as_str()),
            rule: from.map(|from| from.rule.as_str()),
            tried: from.and_then(|from| from.tried.as_deref()),
            login_source: from.and_then(|from| from.login_source.as_deref()),
            verified: image.verified(),
            hosts_toml: from.and_then(|from| from.redirect.as_deref()),
            answered_in_outage: from.and_then(|from| from.outage.as_deref()),
            today,
        }
    }
}

fn text(image: &OnNode) -> String {
    let unknown = || UNKNOWN.to_owned();
    let mut lines = vec![
        ("digest", image.digest.clone()),
        ("id", image.id.clone().unwrap_or_else(unknown)),
        ("size", image.size.map_or_else(unknown, table::size)),
        ("on the node", image.since_text().map_or_else(unknown, |since| format!("since {since}"))),
    ];
    match &image.provenance {
        None => lines.push(("from", format!("{UNKNOWN}: its last pull did not go through cri-shunt"))),
        Some(from) => {
            lines.push(("last pull", from.time.clone()));
            lines.push(("from", from.registry.clone()));
            lines.push(("as", from.reference.clone()));
            lines.push(("by", from.rule.clone()));
            // An older version has noted neither of these.
            if let Some(source) = &from.login_source {
                lines.push(("tried before", from.tried.clone().unwrap_or_else(|| "none".to_owned())));
                lines.push(("login", source.clone()));
            }
            if let Some(verified) = &from.verified {
                lines.push(("signed by", verified.clone()));
            }
            if let Some(file) = &from.redirect {
                lines.push(("see also", format!("{file}, which may lead containerd to another host")));
            }
            if let Some(time) = &from.outage {
                lines.push((
                    "in an outage",
                    format!("at {time} it was the answer to a pull, as no registry could serve it"),
                ));
            }
        }
    }
    let today = &image.today;
    let rule = today.rule.as_ref().map(|rule| match &today.place {
        Some(place) => format!(" by rule \"{rule}\" ({place})"),
        None => format!(" by rule \"{rule}\""),
    });
    let reason = today.reason.as_ref().map(|reason| format!(": {reason}"));
    let verify = Some(today.verify.join(" and ")).filter(|all| !all.is_empty());
    let verify = verify.map(|all| format!(", has to be signed: {all}"));
    let parts = [Some(today.decision.to_owned()), rule, reason, verify];
    lines.push(("today", parts.into_iter().flatten().collect()));
    let mut text = format!("{}\n", visible(&image.name));
    for (label, value) in lines {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {label:12}  {}", table::on_one_line(&value));
    }
    text
}
