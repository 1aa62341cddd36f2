//! Keeps the `hosts.toml` files that containerd is to find.
//!
//! Holds: it compares them with the plan when containerd's set-up was learned, when another policy is put in force, and
//! now and then: a header's file may change, or a person may remove a directory. A problem is logged once. A pull from
//! such a host waits for the first comparison, but not long (`State::synced`).
//! Not here: which files (`containerd::hosts::plan`).

use std::sync::Arc;
use std::time::Duration;

use crate::containerd::Facts;
use crate::containerd::hosts::{self, Report};
use crate::state::{Generation, State};

/// How long until the files are looked at again without any sign.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// Keeps them for as long as it is polled.
pub async fn run(state: Arc<State>) {
    let (mut facts, mut generations) = (state.containerd.watch_facts(), state.generations());
    let mut before = Report::default();
    loop {
        // Seen before the values are read: what changes meanwhile is looked at once more.
        let generation = *generations.borrow_and_update();
        let Ok(known) = facts.wait_for(Option::is_some).await.map(|known| known.clone().unwrap_or_default())
        else {
            return;
        };
        let (report, idle) = look(&state, known).await;
        tell(&before, &report);
        state.note_transport(generation, report.clone());
        before = report;
        let again = async {
            match idle {
                true => std::future::pending().await,
                false => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        tokio::select! {
            _ = facts.changed() => {}
            _ = generations.changed() => {}
            () = again => {}
        }
    }
}

/// One look, and whether there is nothing to look after.
async fn look(state: &Arc<State>, facts: Arc<Facts>) -> (Report, bool) {
    let generation = state.generation();
    // The disk may be slow, and the one thread of the program is for calls.
    match tokio::task::spawn_blocking(move || pass(&generation, &facts)).await {
        Ok(done) => done,
        Err(error) => {
            (Report::failed(format!("containerd's hosts.toml files were not looked at: {error}")), false)
        }
    }
}

/// Puts the files back where one for these hosts was removed since they were looked at: k3s and Spegel write the directory
/// anew when they start. Says whether those are there then. Looks at the disk.
pub(super) fn put_back(state: &State, facts: &Facts, hosts: &[&str]) -> bool {
    let before = state.transport();
    if !before.has_lost(&facts.roots, hosts) {
        return true;
    }
    let (report, _) = pass(&state.generation(), facts);
    tell(&before, &report);
    !before.has_lost(&facts.roots, hosts)
}

fn pass(generation: &Generation, facts: &Facts) -> (Report, bool) {
    let plan = hosts::plan(&generation.policy, &generation.reach());
    let report = hosts::keep(&plan, &facts.roots);
    let report = match hosts::set_up(facts).filter(|_| plan.must_be_read()) {
        Some(problem) => report.unread(problem),
        None => report,
    };
    (report, plan.is_empty())
}

fn tell(before: &Report, report: &Report) {
    for change in &report.changes {
        tracing::info!("for containerd: {change}");
    }
    for problem in report.problems.iter().filter(|problem| !before.problems.contains(problem)) {
        tracing::warn!("{problem}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::hosts::{Transport, Wanted};
    use crate::containerd::{PullMode, Roots};
    use crate::policy::{
        Action, Checkpoint, Layer, Location, Mirror, Origin, Policy, Route, Rule, Settings, Source,
    };
    use crate::registry::HeaderValue;
    use crate::state::fixture;

    /// A rule with this mirror, and nothing that hosts need.
    fn mirrored(location: Location, endpoint: Option<u32>) -> Generation {
        let mirror = Mirror { endpoint, ..Mirror::at(location) };
        let route = Route {
            mirrors: vec![mirror],
            order: Default::default(),
            rewrites: Vec::new(),
            origin: Origin::Never,
            collapse: true,
            node_credentials: None,
            outage: Default::default(),
        };
        let rule = Rule {
            prefix: "a.dev".parse().unwrap(),
            action: Action::Route(route),
            checkpoint: Checkpoint::Refuse,
            foreign_urls: false,
            verify: None,
            lock: Default::default(),
            namespaces: None,
            mode: None,
            source: Source { file: "c.toml".into(), line: 1 },
            layer: Layer::Native,
        };
        Generation {
            policy: Arc::new(Policy::new(vec![rule], Settings::default()).unwrap()),
            transport: Wanted::default(),
            ..fixture::generation("h.dev", Transport::SkipVerify)
        }
    }

    #[test]
    fn a_file_that_leads_a_mirror_elsewhere_is_looked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let facts = fixture::facts(dir.path());
        let generation = mirrored("m.dev".parse().unwrap(), None);
        let theirs = dir.path().join("m.dev");
        std::fs::create_dir(&theirs).unwrap();
        std::fs::write(theirs.join("hosts.toml"), "[host.'https://elsewhere.dev']\n").unwrap();
        let (report, idle) = pass(&generation, &facts);
        assert!(report.problems.len() == 1 && !idle, "{report:?}");
        std::fs::remove_dir_all(theirs).unwrap();
        let (report, idle) = pass(&generation, &facts);
        assert!(report.problems.is_empty() && !idle, "{report:?}");
        let nothing = Generation {
            policy: Arc::new(Policy::new(Vec::new(), Settings::default()).unwrap()),
            ..mirrored("m.dev".parse().unwrap(), None)
        };
        assert!(pass(&nothing, &facts).1);
    }

    #[test]
    fn a_mirror_that_needs_a_host_of_its_own_needs_a_config_path() {
        let facts = Facts { roots: Roots::None, ..fixture::facts(std::path::Path::new("/c")) };
        let nexus = Location::of_endpoint("nexus", "").unwrap();
        for (location, endpoint, is_problem) in [
            ("m.dev".parse().unwrap(), None, false),
            ("m.dev".parse().unwrap(), Some(0), true),
            (nexus, None, true),
        ] {
            let (report, _) = pass(&mirrored(location, endpoint), &facts);
            assert_eq!(report.problems.len(), usize::from(is_problem), "{report:?}");
        }
    }

    #[test]
    fn a_file_that_is_gone_is_put_back_or_missed() {
        let dir = tempfile::tempdir().unwrap();
        let state = fixture::state(dir.path(), "h.dev:5000", Transport::SkipVerify);
        let [own, theirs] = ["own", "theirs"].map(|root| dir.path().join(root));
        let text = format!("{}:{}", own.display(), theirs.display());
        let roots = Roots::of("v1.7.0", Some(PullMode::Local), &text, false);
        let facts = Facts { roots, ..fixture::facts(&own) };
        let is_there = || put_back(&state, &facts, &["h.dev:5000"]);
        state.note_transport(0, pass(&state.generation(), &facts).0);
        let file = own.join("h.dev_5000_/hosts.toml");
        let whole = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_dir_all(&own).unwrap();
        assert!(is_there() && file.exists());
        // Where it cannot be put back, containerd must not be asked as if it was there.
        std::fs::remove_dir_all(&own).unwrap();
        std::fs::write(&own, "").unwrap();
        assert!(!is_there());
        std::fs::remove_file(&own).unwrap();
        // Another's file that says the same stands in the other root: nothing is missing.
        let other = theirs.join("h.dev_5000_");
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("hosts.toml"), whole.split_once("\n").unwrap().1).unwrap();
        let (report, _) = pass(&state.generation(), &facts);
        assert!(report.is_synced("h.dev:5000") && !own.exists(), "{report:?}");
        state.note_transport(0, report);
        assert!(is_there());
        std::fs::remove_file(other.join("hosts.toml")).unwrap();
        assert!(!is_there());
    }

    #[tokio::test(start_paused = true)]
    async fn a_headers_file_that_changes_is_read_again_within_20_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "first\n").unwrap();
        let value = HeaderValue::File(token.clone());
        let header = Transport::Header { name: "X-Token".to_owned(), value };
        let state = fixture::state(dir.path(), "h.dev:5000", header);
        let certs = dir.path().join("certs.d");
        state.containerd.learned(fixture::facts(&certs));
        let file = certs.join("h.dev_5000_").join("hosts.toml");
        let says = |value: &str| std::fs::read_to_string(&file).unwrap().contains(value);
        let test = async {
            assert!(state.synced("h.dev:5000").await && says("first"));
            std::fs::write(&token, "second\n").unwrap();
            // The clock stands while the disk is at work, so this is 20 seconds after the look.
            tokio::time::sleep(Duration::from_secs(19)).await;
            assert!(says("first"), "nothing has looked yet");
            tokio::time::sleep(Duration::from_secs(1) + Duration::from_millis(10)).await;
            assert!(says("second"));
        };
        tokio::select! {
            () = run(state.clone()) => panic!("it ends with the program only"),
            () = test => {}
        }
    }
}
