//! What a pull meets: containerd's words, manifests, files in its `config_path`, programs' answers.
//!
//! Input: a letter for which of them, then its bytes.
//! What must hold: only containerd's own words end a pull; a walk over manifests is bounded; a file of another stays
//! as it is, and what is ours is right after one pass; no secret of an answer is told.

use std::sync::OnceLock;

use cri_shunt::inside::containerd::Roots;
use cri_shunt::inside::containerd::hosts::{self, Plan};
use cri_shunt::inside::credentials::{read_helper_answer, read_provider_answer};
use cri_shunt::inside::policy::{Name, Policy};
use cri_shunt::inside::pull::{Class, Walk, failure};
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
        b'm' => manifests(rest),
        b'a' => answers(rest),
        _ => failures(rest),
    });
}

fn failures(bytes: &[u8]) {
    let candidate: Name = "m.dev:5000/r:1".parse().unwrap();
    let text = String::from_utf8_lossy(bytes);
    let code = Code::from_i32(i32::from(bytes.first().copied().unwrap_or(0) % 16) + 1);
    let failed = |text: &str| failure::of_containerd(&Status::new(code, text), &candidate);
    assert!(!failed(&text).text.contains('\n'));
    let _ = failure::is_overtaken(&Status::new(code, text.as_ref()));
    // What a registry says is never this machine's own failure.
    for before in ["Server message: ", "unexpected status from GET: 500\n", "malformed MIME header line: "] {
        assert_ne!(failed(&format!("failed to copy: {before}{text}")).class, Class::Local);
    }
}

fn manifests(bytes: &[u8]) {
    let mut walk = Walk::from("sha256:top");
    let mut steps = 0;
    while walk.next_digest().is_some() {
        steps += 1;
        let _ = walk.add_bytes(bytes);
    }
    assert!(steps <= 16, "{steps}");
}

fn hosts(disk: &Disk, bytes: &[u8]) {
    let (_, plan) = known();
    disk.clear();
    let file = disk.write("certs.d/m.dev/hosts.toml", bytes);
    let roots = Roots::at(disk.path("certs.d"));
    let read = || std::fs::read(&file).unwrap();
    let owned = hosts::is_owned(bytes);
    let redirect = hosts::redirect(roots.read(), "m.dev");
    assert!(!(owned && redirect.is_some()));
    let _ = hosts::hosts_toml(roots.read(), "m.dev");
    let looked = hosts::survey(plan, &roots);
    assert_eq!(read(), bytes);
    let kept = hosts::keep(plan, &roots);
    assert_eq!(kept.changes, looked.changes);
    match owned {
        true => assert!(kept.is_synced("m.dev")),
        false => assert_eq!(read(), bytes),
    }
    let again = hosts::keep(plan, &roots);
    assert_eq!(again.changes, Vec::<String>::new());
    assert_eq!(again.is_synced("m.dev"), kept.is_synced("m.dev"));
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
        let plan = hosts::plan(&config.policy, &config.reach());
        (config.policy, plan)
    })
}
