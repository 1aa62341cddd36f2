//! `cri-shunt check`: is this configuration good? `serve` loads it with the same code.

mod hosts;

use serde::Serialize;

use super::detail::Detail;
use super::exit::Exit;
use super::eyes;
use super::facts;
use super::format::Format;
use super::inputs::Inputs;
use super::{runtime, terminal};
use crate::config::{self, Config, Diagnostics, Listed, Loaded, Severity};
use crate::containerd::Facts;
use crate::containerd::hosts::{self as hosts_toml, Plan};
use crate::policy::{Mode, Policy};
use crate::pull::pause_image;

/// What no configuration of the shunt can reach. It is said at every check, because people forget it.
const NOT_COVERED: &str = "\
Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
";

/// Check the configuration and report everything that is wrong with it.
///
/// Reads the configuration as `serve` does and reports every problem of every file at once, each with its place and
/// what to do. Needs no daemon and no containerd. Where pulls need files, check asks the daemon whether it can use
/// them; if it does not run, check judges by its unit. If containerd answers, check asks it where it looks for
/// hosts.toml files, and which image it needs for every pod.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt check\n  \
    cri-shunt check --config ./config.toml --strict\n  \
    generate-config | cri-shunt check --format json --config -\n\n\
    Exit status:\n  \
    0  the configuration can be used\n  \
    1  it cannot be used (with --strict: or there are warnings)\n  \
    2  wrong usage")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Fail on warnings too
    #[arg(long, visible_alias = "deny-warnings")]
    strict: bool,

    #[command(flatten)]
    detail: Detail,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The answer as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Report {
    configuration: String,
    usable: bool,
    rules: Option<usize>,
    /// Those that are in force, and not only observed.
    rules_in_force: Option<usize>,
    mode: Option<&'static str>,
    default: Option<&'static str>,
    default_registry: Option<String>,
    /// How many images each lock holds to a digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locks: Vec<LockFile>,
    problems: Vec<Listed>,
    hosts_toml: Option<hosts::Files>,
}

#[derive(Serialize)]
struct LockFile {
    file: String,
    images: usize,
}

/// The locks that the policy names.
fn locks(policy: &Policy) -> Vec<LockFile> {
    let locks = policy.locks().into_iter();
    locks.map(|list| LockFile { file: list.file().to_owned(), images: list.tags().len() }).collect()
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { inputs, strict, detail: Detail { quiet, verbose }, format } = arguments;
    if let Err(exit) = inputs.check_stdin(0) {
        return exit;
    }
    let title = inputs.title();
    let loaded = config::load_from(&inputs.clone().read(false));
    match (format, loaded) {
        (Format::Text, Err(problems)) => {
            terminal::say(&problems.render(terminal::style(), *verbose));
            if !quiet {
                terminal::say(&format!("{title}: not usable: {}\n", counts(&problems)));
            }
            Exit::Bad
        }
        (Format::Json, Err(problems)) => print(&terminal::json(&unusable(title, &problems)), true),
        (_, Ok(mut loaded)) => {
            loaded.warn_of_files(&eyes::of_the_daemon(&loaded.config));
            let plan = hosts_toml::plan(loaded.config.policy.acting(), &loaded.config.reach());
            let facts = facts(&loaded.config, &plan);
            let files = hosts::Files::of(&loaded.config, &plan, &facts);
            let name = facts.pause_image.as_deref().and_then(|name| name.parse().ok());
            if let Some(denied) = name.and_then(|name| pause_image::denied(&loaded.config.policy, &name)) {
                let message = match pause_image::denied(loaded.config.policy.acting(), &denied.image) {
                    Some(_) => denied.message,
                    None => format!("once this policy is in force, {}", denied.message),
                };
                loaded.warn(message, denied.hint);
            }
            let warned = loaded.warnings.count(Severity::Warning) + files.problems.len() > 0;
            let text = match format {
                Format::Text => {
                    terminal::say(&loaded.warnings.render(terminal::style(), *verbose));
                    match quiet {
                        true => files.problems_text(),
                        false => format!("{title}: {}\n{}{NOT_COVERED}", summary(&loaded), files.text()),
                    }
                }
                Format::Json if *quiet && !warned => String::new(),
                Format::Json => terminal::json(&usable(title, &loaded, files)),
            };
            print(&text, *strict && warned)
        }
    }
}

/// What prevents the `hosts.toml` files of a configuration.
pub(super) fn problems_of_hosts(config: &Config, facts: &Facts) -> Vec<String> {
    let plan = hosts_toml::plan(config.policy.acting(), &config.reach());
    hosts::Files::of(config, &plan, facts).problems
}

/// How containerd is set up, as far as that matters here.
fn facts(config: &Config, plan: &Plan) -> Facts {
    if config.policy.passes_all() && !plan.must_be_read() {
        return Facts::default();
    }
    runtime::block_on(facts::facts(config)).unwrap_or_default()
}

fn print(text: &str, is_bad: bool) -> Exit {
    terminal::print(text).err().unwrap_or(if is_bad { Exit::Bad } else { Exit::Ok })
}

fn unusable(configuration: String, problems: &Diagnostics) -> Report {
    let problems = problems.listed();
    Report {
        configuration,
        usable: false,
        rules: None,
        rules_in_force: None,
        mode: None,
        default: None,
        default_registry: None,
        locks: Vec::new(),
        problems,
        hosts_toml: None,
    }
}

fn usable(configuration: String, loaded: &Loaded, files: hosts::Files) -> Report {
    let policy = &loaded.config.policy;
    Report {
        configuration,
        usable: true,
        rules: Some(policy.rules().len()),
        rules_in_force: Some(policy.acting().rules().len()),
        mode: Some(mode(policy)),
        default: Some(default(loaded)),
        default_registry: policy
            .settings()
            .default_registry
            .as_ref()
            .map(|(location, _)| location.to_string()),
        locks: locks(policy),
        problems: loaded.warnings.listed(),
        hosts_toml: Some(files),
    }
}

fn summary(loaded: &Loaded) -> String {
    let policy = &loaded.config.policy;
    let rules = plural(policy.rules().len(), "rule");
    let default = default(loaded);
    let mut text = format!("usable: {rules}, default {default}");
    let enforced = policy.acting().rules().len();
    if enforced < policy.rules().len() || policy.settings().mode == Mode::Observe {
        text.push_str(&format!(", mode {}: {enforced} of {rules} enforce", mode(policy)));
    }
    if let Some((location, _)) = &policy.settings().default_registry {
        text.push_str(&format!(", default registry {location}"));
    }
    for LockFile { file, images } in locks(policy) {
        text.push_str(&format!(", {} locked by {file}", plural(images, "image")));
    }
    match loaded.warnings.count(Severity::Warning) {
        0 => text,
        _ => format!("{text}; {}", counts(&loaded.warnings)),
    }
}

fn mode(policy: &Policy) -> &'static str {
    policy.settings().mode.word()
}

fn default(loaded: &Loaded) -> &'static str {
    loaded.config.policy.settings().default.word()
}

fn counts(problems: &Diagnostics) -> String {
    let counted = [(Severity::Error, "error"), (Severity::Warning, "warning")];
    let parts = counted.into_iter().map(|(severity, word)| (problems.count(severity), word));
    let parts: Vec<String> =
        parts.filter(|(count, _)| *count > 0).map(|(count, word)| plural(count, word)).collect();
    parts.join(", ")
}

/// A number of things, in words.
pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
