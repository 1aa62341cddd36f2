//! `[audit]` and `[metrics]`.

use std::path::PathBuf;

use insta::assert_snapshot;

use super::{accepted_text, refused_text};
use crate::serve::metrics::MetricsAt;
use crate::tell::audit::AuditTo;

#[test]
fn the_audit_goes_to_one_place() {
    let audit = |text: &str| accepted_text(text).audit;
    assert_eq!(audit(""), None);
    assert_eq!(audit("[audit]\njournal = false"), None);
    assert_eq!(audit("[audit]\njournal = true"), Some(AuditTo::Journal));
    let file = |most| Some(AuditTo::File { path: PathBuf::from("/a/b"), most });
    assert_eq!(audit("[audit]\nfile = '/a/b'"), file(16 << 20));
    assert_eq!(audit("[audit]\nfile = '/a/b'\nmax-size = '64KiB'"), file(64 << 10));
    assert_eq!(audit("[audit]\nfile = '/a/b'\nmax-size = '2 GiB'\njournal = false"), file(2 << 30));
}

#[test]
fn what_is_no_place_for_an_audit_is_refused() {
    assert_snapshot!(refused_text("[audit]\nfile = 'audit.jsonl'\nmax-size = '1KiB'\njournal = 'yes'"), @r#"
    error: `audit.file`: "audit.jsonl" is not an absolute path
     --> config.toml:2:8
      |
    2 | file = 'audit.jsonl'
      |        ^^^^^^^^^^^^^

    error: `audit.max-size`: "1KiB" is too small
     --> config.toml:3:12
      |
    3 | max-size = '1KiB'
      |            ^^^^^^
      |
      = help: the least is "64KiB"

    error: `audit.journal` must be true or false, not a string
     --> config.toml:4:11
      |
    4 | journal = 'yes'
      |           ^^^^^
    "#);
    let folder = refused_text("[audit]\nfile = '/var/log/'\nmax-size = '16'");
    assert!(folder.contains("is not the name of a file") && folder.contains("is not a size"), "{folder}");
    let both = refused_text("[audit]\nfile = '/a'\njournal = true");
    assert!(both.contains("`audit.file` and `audit.journal` are both set"), "{both}");
}

#[test]
fn metrics_are_served_on_this_machine_only() {
    let metrics = |text: &str| accepted_text(&format!("metrics.listen = '{text}'")).metrics.unwrap();
    assert_eq!(metrics("/run/m.sock"), MetricsAt::Unix(PathBuf::from("/run/m.sock")));
    for (text, address) in
        [("127.0.0.1:9817", "127.0.0.1:9817"), ("localhost:9817", "127.0.0.1:9817"), ("[::1]:1", "[::1]:1")]
    {
        assert_eq!(metrics(text), MetricsAt::Tcp(address.parse().unwrap()));
    }
    let refused = |text: &str| refused_text(&format!("metrics.listen = '{text}'"));
    for text in ["0.0.0.0:9817", "10.0.0.1:9817", "[::]:9817"] {
        assert!(refused(text).contains("is not on the loopback"), "{}", refused(text));
    }
    for text in ["9817", ":9817", "node:9817", "127.0.0.1", "metrics.sock", ""] {
        assert!(refused(text).contains("is no path and no address"), "{}", refused(text));
    }
    assert!(refused("127.0.0.1:0").contains("has no port"));
}
