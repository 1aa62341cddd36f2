//! `cri-shunt verify`: are the images on the node signed as the policy demands it now?

mod row;

use std::collections::BTreeMap;

use self::row::Row;
use super::asking::{self, Asking};
use super::exit::Exit;
use super::explain::{Answer, Checked, Depth, Held, Live};
use super::format::Format;
use super::names::{self, Kept};
use super::progress::Progress;
use super::{eyes, terminal};
use crate::config::{Config, visible};
use crate::files::reader::Reader;
use crate::state::Seals;

/// Check whether the images on the node are signed as the policy demands.
///
/// Takes the digest that each name has on the node, and looks for the signatures that its rule and the policy.json demand:
/// at the candidates in their order and where `signatures-from` says, as a pull does, with the node's credentials. What the
/// daemon has found before (verified.json in the state directory) counts only if a registry does not answer, as for a pull:
/// for a day, and longer with when-away = "cached". With --offline no registry is asked, and only that counts, however old
/// it is.
///
/// Without names, the images are those on the node, also those that `present = "hide"` hides. The policy decides as for a
/// client without a pod, like crictl. What a rule demands that is only observed counts, and is marked. An image that the
/// policy denies is refused. Whether a tag is still the same image elsewhere, drift says.
///
/// Nothing is pulled, hidden or removed, and nothing is written. The daemon alone writes verified.json: it has it in memory,
/// and would write over what another program adds.
#[derive(Debug, clap::Args)]
#[command(mut_arg("node", |node| node.visible_alias("all")),
    after_long_help = "Examples:\n  \
    cri-shunt verify\n  \
    cri-shunt verify --offline --quiet\n  \
    cri-shunt verify docker.io/team/app:1.4\n  \
    cri-shunt verify --config ./new.toml --format json\n\n\
    Exit status:\n  \
    0  every image is signed as the policy demands, or nothing is demanded of it\n  \
    1  an image is refused or is not on the node, or a registry did not answer\n  \
    2  wrong usage, or a file or a configuration that cannot be used\n  \
    3  containerd cannot be reached, or the program cannot run")]
pub(super) struct Arguments {
    /// Ask no registry: only what the daemon has found before counts
    #[arg(long, conflicts_with_all = ["jobs", "timeout"])]
    offline: bool,

    #[command(flatten)]
    asking: Asking,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    verify(arguments).unwrap_or_else(|exit| exit)
}

fn verify(arguments: &Arguments) -> Result<Exit, Exit> {
    let asking = &arguments.asking;
    let config = asking.load(0)?;
    let node = names::on_node(config.containerd.socket.as_path())?;
    let images = asking.names.or_those_on_the_node().in_full(Some(&node))?;
    let reader = eyes::of_the_daemon(&config);
    let answers = asking::decided(&images, &config, &reader);
    let checked = checked(arguments, &answers, &node, (&config, &reader))?;
    let rows: Vec<Row<'_>> = answers
        .iter()
        .enumerate()
        .map(|(number, answer)| Row::of(answer, node.get(answer.input()), checked.get(&number)))
        .collect();
    let shown = rows.iter().filter(|row| !asking.detail.quiet || row.is_bad());
    terminal::print(&match asking.format {
        Format::Json => shown.map(terminal::json).collect(),
        Format::Text => row::table(&shown.collect::<Vec<_>>(), &rows, asking.detail),
    })?;
    Ok(if rows.iter().any(Row::is_bad) { Exit::Bad } else { Exit::Ok })
}

/// What was found of those images that are on the node and have to be signed, by their number.
fn checked(
    Arguments { offline, asking, .. }: &Arguments,
    answers: &[Answer],
    node: &BTreeMap<String, Kept>,
    (config, reader): (&Config, &Reader),
) -> Result<BTreeMap<usize, Checked>, Exit> {
    let held = |(number, answer): (usize, &Answer)| {
        let Kept { digest, is_index } = node.get(answer.input()).filter(|_| !answer.says_no())?;
        Some((number, Held::new(answer.input(), digest, *is_index, config)?))
    };
    let held: Vec<(usize, Held<'_>)> = answers.iter().enumerate().filter_map(held).collect();
    if held.is_empty() {
        return Ok(BTreeMap::new());
    }
    let seals = seals(config, *offline)?;
    if *offline {
        return Ok(held.iter().map(|(number, held)| (*number, held.kept(&seals))).collect());
    }
    let live = Live::for_many(config, asking.timeout, Depth::Digest)?;
    let progress = Progress::new(held.len());
    let checked = live.check_each(&held, asking.jobs.into(), &seals, (config, reader), || progress.step());
    Ok(checked.into_iter().collect())
}

/// What the daemon has found before. Without that registries can be asked all the same.
fn seals(config: &Config, offline: bool) -> Result<Seals, Exit> {
    let dir = &config.state.dir;
    Seals::of_daemon(dir).or_else(|error| {
        let text = format!("what the daemon has found signed in {} is not known: {error}", dir.display());
        let (kind, found) =
            if offline { ("error", Err(Exit::Usage)) } else { ("warning", Ok(Seals::default())) };
        terminal::say(&format!("{kind}: {}\n", visible(&text)));
        found
    })
}
