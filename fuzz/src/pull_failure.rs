//! What a pull meets: containerd's words, files in its `config_path`, the ledger, programs' answers.
//!
//! Input: a letter for which of them, then its bytes. A line `%%` begins the words of the next candidate.
//! What must hold: a failure is told whole, under a code that is one; a file of another stays as it is, and
//! what is ours is right after one pass; a ledger that cannot be read is kept; no secret of an answer is told.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cri_shunt::inside::containerd::Answer;
use cri_shunt::inside::containerd::hosts::{self, Plan};
use cri_shunt::inside::credentials::{read_helper_answer, read_provider_answer};
use cri_shunt::inside::policy::{Decision, Name, Policy};
use cri_shunt::inside::pull::failure::{self, Class, Failure};
use cri_shunt::inside::state::Ledger;
use tonic::{Code, Status};

use super::disk::Disk;
use super::secrets::{SECRET, hidden, with_and_without};

const CONFIG: &str = r#"
[containerd]
fence = true
[[policy.rule]]
prefix = "docker.io"
mirrors = ["m.dev", "n.dev:5000/hub"]
[[policy.rule]]
prefix = "evil.dev"
deny = "no"
[[transport]]
registry = "m.dev"
plain-http = true
"#;

pub(crate) fn run(bytes: &[u8]) {
    let Some((letter, rest)) = bytes.split_first() else { return };
    thread_local!(static DISK: Disk = Disk::new("pull_failure"));
    DISK.with(|disk| match letter {
        b'h' => hosts(disk, rest),
        b'l' => ledger(disk, rest),
        b'a' => answers(rest),
        _ => failures(disk, rest),
    });
}

fn failures(disk: &Disk, bytes: &[u8]) {
    let (policy, _) = known();
    let name: Name = "docker.io/library/nginx:1".parse().unwrap();
    let Decision::Route { rule, candidates } = policy.decide(&name) else { panic!("not routed") };
    let text = String::from_utf8_lossy(bytes);
    let mut failures = Vec::new();
    for (part, candidate) in text.split("\n%%\n").zip(candidates.iter().cycle()).take(4) {
        let code = Code::from_i32(i32::from(part.bytes().next().unwrap_or(0) % 16) + 1);
        let mut failure = Failure::new(candidate.name.clone(), Status::new(code, part)).with_login("(login)");
        let _ = failure.overtaken();
        assert_eq!(failure.message(), part);
        failure.explain(&[disk.path("certs.d")]);
        failures.push(failure);
    }
    let summary = failure::summary(&name, &rule, &failures);
    assert!(summary.starts_with(name.as_str()));
    assert!(failures.iter().all(|failure| summary.contains(failure.message())));
    let status = failure::status(&name, &rule, &failures);
    assert!(!matches!(status.code(), Code::Ok | Code::Unimplemented), "{status:?}");
    assert!(status.message().ends_with(&summary));
    let unreachable = failures.iter().all(|failure| failure.class == Class::Unreachable);
    assert_eq!(status.message().starts_with("RegistryUnavailable: "), unreachable);
    let answer = Answer::failure(&status);
    assert!(!answer.is_ok());
    assert_eq!((answer.status().code(), answer.status().message()), (status.code(), status.message()));
}

fn hosts(disk: &Disk, bytes: &[u8]) {
    let (_, plan) = known();
    disk.clear();
    let file = disk.write("certs.d/m.dev/hosts.toml", bytes);
    let roots = [disk.path("certs.d")];
    let read = || std::fs::read(&file).unwrap();
    let owned = hosts::is_owned(bytes);
    let redirect = hosts::redirect(&roots, "m.dev");
    assert!(!(owned && redirect.is_some()));
    let _ = hosts::hosts_toml(&roots, "m.dev");
    let looked = hosts::survey(plan, &roots);
    assert_eq!(read(), bytes);
    let kept = hosts::keep(plan, &roots);
    assert_eq!(kept.changes, looked.changes);
    match owned {
        true => assert!(kept.tells("m.dev")),
        false => assert_eq!(read(), bytes),
    }
    let again = hosts::keep(plan, &roots);
    assert_eq!(again.changes, Vec::<String>::new());
    assert_eq!(again.tells("m.dev"), kept.tells("m.dev"));
}

fn ledger(disk: &Disk, bytes: &[u8]) {
    disk.clear();
    let file = disk.write("state/mirror-names.json", bytes);
    let aside = disk.path("state/mirror-names.json.unreadable");
    let open = || Arc::new(Ledger::open(disk.path("state")).unwrap());
    let ledger = open();
    let kept: PathBuf = if aside.exists() { aside } else { file };
    assert_eq!(std::fs::read(kept).unwrap(), bytes);
    assert_eq!(open().pending(), ledger.pending());
    while let Some(due) = ledger.due(Duration::ZERO) {
        assert!(!due.brought().names.is_empty());
        ledger.put_off(due.repository(), Duration::from_secs(60));
    }
    for name in std::str::from_utf8(bytes).into_iter().flat_map(|text| text.split('"')) {
        ledger.about_to_sweep(name);
        assert!(ledger.speaks_of_swept(name));
    }
}

fn answers(bytes: &[u8]) {
    if let Err(told) = read_helper_answer(bytes)
        && bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    {
        hidden(&told);
    }
    for image in ["docker.io/library/nginx", "m.dev:5000/a/b", "a.dkr.ecr.b.amazonaws.com/c"] {
        for (bytes, planted) in with_and_without(bytes) {
            let told = match read_provider_answer(&bytes, "v1", image) {
                Ok(answer) => format!("{answer:?} {:?}", answer.login(image)),
                Err(told) => told,
            };
            if planted {
                hidden(&told);
            }
        }
    }
}

fn known() -> &'static (Policy, Plan) {
    static KNOWN: OnceLock<(Policy, Plan)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let disk = Disk::new("known");
        let loaded = cri_shunt::inside::config::load(&disk.write("config.toml", CONFIG.as_bytes()));
        let config = loaded.unwrap_or_else(|problems| panic!("{:?}", problems.lines())).config;
        let plan = hosts::plan(&config.policy, &config.transport);
        (config.policy, plan)
    })
}
