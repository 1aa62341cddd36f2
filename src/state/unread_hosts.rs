//! Private hosts whose files containerd did not read when it pulled: its `config_path` is another than was thought.
//!
//! A pull notes such a host and takes it back once containerd has read its file; `status` shows what to change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::containerd::Facts;

/// Those hosts, by name.
#[derive(Debug, Default)]
pub struct UnreadHosts(Mutex<BTreeMap<String, Unread>>);

#[derive(Debug)]
struct Unread {
    problem: String,
    /// What was known of containerd then. It may read the file when something else is known.
    facts: Arc<Facts>,
}

impl UnreadHosts {
    /// Notes that containerd did not read the file of a private host, which leads to `mirror`. Logs it, unless it is known.
    pub fn note(&self, private_host: &str, mirror: &str, facts: &Arc<Facts>) {
        let problem = problem(mirror, facts.roots.read());
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, unread| Arc::ptr_eq(&unread.facts, facts));
        // Two private hosts may lead to one mirror.
        if hosts.values().all(|unread| unread.problem != problem) {
            tracing::warn!("{problem}");
        }
        hosts.insert(private_host.to_owned(), Unread { problem, facts: facts.clone() });
    }

    /// containerd has read the file of this host.
    pub fn is_read(&self, private_host: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(private_host);
    }

    /// Forgets all of them: another policy may lead to other mirrors.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The problems of the containerd that these facts are about.
    pub fn problems(&self, facts: &Arc<Facts>) -> Vec<String> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hosts.values().filter(|unread| Arc::ptr_eq(&unread.facts, facts));
        let mut problems: Vec<String> = now.map(|unread| unread.problem.clone()).collect();
        problems.sort();
        problems.dedup();
        problems
    }
}

fn problem(mirror: &str, roots: &[PathBuf]) -> String {
    let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    format!(
        "containerd does not read the file for {mirror}, which is below {}: it looks for hosts.toml in another directory; \
         set config-path under [containerd] to that directory, and restart cri-shunt",
        roots.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::state::fixture;

    #[test]
    fn a_problem_lasts_until_a_pull_succeeds_or_other_facts_are_known() {
        let facts = Arc::new(fixture::facts(Path::new("/c")));
        let hosts = UnreadHosts::default();
        hosts.note("zzz.1.invalid", "m.dev", &facts);
        hosts.note("zzz.1.invalid", "m.dev", &facts);
        hosts.note("zzz.2.invalid", "m.dev", &facts);
        let known = hosts.problems(&facts);
        assert_eq!(known.len(), 1, "{known:?}");
        assert!(known[0].contains("for m.dev, which is below /c:"), "{known:?}");
        hosts.is_read("zzz.1.invalid");
        assert_eq!(hosts.problems(&facts).len(), 1);
        hosts.is_read("zzz.2.invalid");
        assert_eq!(hosts.problems(&facts), Vec::<String>::new());
        hosts.note("zzz.1.invalid", "m.dev", &facts);
        // The same words of a containerd that was learned again are not the same.
        let later = Arc::new(fixture::facts(Path::new("/c")));
        assert_eq!(hosts.problems(&later), Vec::<String>::new());
        hosts.note("zzz.3.invalid", "n.dev", &later);
        assert_eq!((hosts.problems(&facts).len(), hosts.problems(&later).len()), (0, 1));
        hosts.clear();
        assert_eq!(hosts.problems(&later), Vec::<String>::new());
    }
}
