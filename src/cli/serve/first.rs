//! What the daemon begins with: the files, or what it has where they cannot be used.

use std::time::SystemTime;

use super::problems::{errors, log_problems};
use crate::cli::detail::Detail;
use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::config::{self, Config, Diagnostics, Input, Kept, Loaded, StartsWith, Unusable, defaults};
use crate::files::fingerprint::Snapshot;
use crate::serve::admin::time;
use crate::serve::log;

/// How many places at which something was left out are shown: a file of another program may have hundreds.
const SHOWN: usize = 8;

/// A configuration to begin with.
pub(super) struct First {
    pub(super) config: Config,
    /// What was looked at.
    pub(super) seen: Snapshot,
    /// When it was read.
    pub(super) read_at: SystemTime,
    /// Why it is not what the files say.
    pub(super) unusable: Option<String>,
    /// What is to be kept for the next start.
    pub(super) kept: Result<Option<Kept>, String>,
}

/// Reads the configuration and begins the log.
pub(super) fn read(input: &Input, detail: Detail) -> Result<First, Exit> {
    match config::starts_with(input) {
        StartsWith::Files(loaded) => {
            begin_log(&loaded, detail)?;
            let kept = Kept::of(input, &loaded);
            let Loaded { config, warnings, .. } = *loaded;
            let seen = warnings.seen().clone();
            Ok(First { config, seen, read_at: SystemTime::now(), unusable: None, kept })
        }
        StartsWith::LastGood(loaded, kept, unusable) => {
            begin_log(&loaded, detail)?;
            let since = time(kept.read_at());
            let mut what =
                format!("the configuration cannot be used; the last good policy, of {since}, is in force");
            what.push_str(&without(kept.left_out()));
            Ok(stand_in(*loaded, &unusable, &what, kept.read_at()))
        }
        StartsWith::Nothing(unusable) => {
            if unusable.bypass.exists() {
                let loaded = config::relay_only(input, &unusable).map_err(|problems| refuse(&problems))?;
                begin_log(&loaded, detail)?;
                let what = format!(
                    "the configuration cannot be used; while {} exists, every call goes to containerd unchanged, and \
                     then every image is denied",
                    unusable.bypass.display()
                );
                return Ok(stand_in(loaded, &unusable, &what, SystemTime::now()));
            }
            if let Some(why) = &unusable.kept {
                let priority = if log::is_journal() { "<3>" } else { "" };
                terminal::say(&format!("{priority}error: {why}\n"));
            }
            match &unusable.problems {
                Err(problems) => Err(refuse(problems)),
                Ok(reason) => Err(terminal::fail(reason, Exit::Usage)),
            }
        }
    }
}

/// Something else than the files say. That is one record of the journal.
fn stand_in(loaded: Loaded, unusable: &Unusable, what: &str, read_at: SystemTime) -> First {
    let mut reasons = match &unusable.problems {
        Ok(reason) => vec![reason.clone()],
        Err(problems) => errors(problems).collect(),
    };
    reasons.extend(unusable.kept.clone());
    let reasons = reasons.join("\n");
    tracing::error!("{what}: {reasons}");
    let seen = unusable.seen.clone();
    let unusable = Some(format!("{what}:\n{reasons}"));
    First { config: loaded.config, seen, read_at, unusable, kept: Ok(None) }
}

/// The places at which the copy lacks something, as the end of a sentence.
fn without(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        few if few.len() <= SHOWN => format!(", without what may be a secret in {}", few.join(", ")),
        many => {
            let (shown, more) = many.split_at(SHOWN);
            format!(", without what may be a secret in {} and {} more", shown.join(", "), more.len())
        }
    }
}

fn begin_log(loaded: &Loaded, detail: Detail) -> Result<(), Exit> {
    let level = match detail {
        Detail { quiet: true, .. } => "warn",
        Detail { verbose: true, .. } => "debug",
        _ => loaded.config.log.level.as_str(),
    };
    if let Err(error) = log::init(level, loaded.config.log.format, defaults::LOG_ENV) {
        terminal::complain(&error);
        return Err(Exit::Usage);
    }
    log_problems(&loaded.warnings);
    Ok(())
}

fn refuse(problems: &Diagnostics) -> Exit {
    if log::is_journal() {
        // One record of the journal for each problem, of priority "error".
        terminal::say(&errors(problems).map(|line| format!("<3>{line}\n")).collect::<String>());
    } else {
        terminal::say(&problems.render(terminal::style(), false));
    }
    terminal::say("error: cri-shunt does not start: the configuration cannot be used\n");
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_places_are_shown_and_the_others_are_counted() {
        let places = |count: usize| (1..=count).map(|line| format!("f:{line} `a`")).collect::<Vec<_>>();
        assert_eq!(without(&[]), "");
        assert_eq!(without(&places(2)), ", without what may be a secret in f:1 `a`, f:2 `a`");
        let many = without(&places(SHOWN + 300));
        assert!(many.ends_with("f:8 `a` and 300 more"), "{many}");
    }
}
