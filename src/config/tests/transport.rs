//! `[[transport]]`: what it says, what is refused, and what is said of files that are no good.

use super::{accepted, accepted_text, refused, refused_text, warned};
use crate::containerd::hosts::{self, Wanted};

fn needs(wanted: &Wanted, host: &str) -> Vec<String> {
    wanted.needs_of(host).iter().map(|need| format!("{} ({})", need.what, need.source.line)).collect()
}

/// A certificate that is none, but looks like one from afar.
fn damaged() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    file
}

#[test]
fn every_key_is_a_need() {
    let config = accepted_text(
        "[containerd]\nfence = true\nconfig-path = \"/c\"\n\
         [[transport]]\nregistry = \"M.dev:5000\"\nplain-http = true\nskip-verify = false\ndial-timeout = \"5s\"\n\
         headers = { X-One = \"1\", X-Two = { file = \"/dev/null\" } }\n\
         [[transport]]\nregistry = \"t.dev\"\nskip-verify = true\napi-root = \"/p/v2/\"\n"
            .replace(", X-Two = { file = \"/dev/null\" }", "")
            .as_str(),
    );
    assert!(config.transport.fence());
    assert_eq!(config.containerd.config_path.as_deref(), Some("/c".as_ref()));
    assert_eq!(
        needs(&config.transport, "m.dev:5000"),
        ["plain http (5)", "the header X-One (5)", "the dial timeout 5s (5)"]
    );
    assert_eq!(
        needs(&config.transport, "t.dev:443"),
        ["no look at its certificate (11)", "the API root /p/v2 (11)"]
    );
}

#[test]
fn a_drop_in_has_tables_of_its_own() {
    let table = |host: &str| format!("[[transport]]\nregistry = \"{host}\"\nplain-http = true\n");
    let config = accepted(&[("config.toml", &table("a.dev")), ("conf.d/x.toml", &table("b.dev"))]);
    assert_eq!(config.transport.needs().len(), 2);
    let both = refused(&[("config.toml", &table("a.dev")), ("conf.d/x.toml", &table("a.dev"))]);
    insta::assert_snapshot!(both, @r#"
error: there are two tables for the registry a.dev
 --> conf.d/x.toml:2:12
  |
2 | registry = "a.dev"
  |            ^^^^^^^
  |
 ::: config.toml:2:12
  |
2 | registry = "a.dev"
  |            ------- first here
  |
  = help: put all that it needs into one
"#);
}

#[test]
fn what_contradicts_itself_is_refused() {
    insta::assert_snapshot!(refused_text(
        "[[transport]]\nregistry = \"https://m.dev\"\nplain-http = true\nskip-verify = true\n\
         [[transport]]\nregistry = \"m.dev/path\"\nclient-key = \"/k\"\nca = \"relative\"\n\
         [[transport]]\nregistry = \"n.dev\"\n\
         [[transport]]\nplain-http = true\n\
         [[transport]]\nregistry = \"o.dev\"\napi-root = \"v2\"\ndial-timeout = \"0s\"\n\
         [[transport]]\nregistry = \"p.dev\"\napi-root = \"/v2\"\ninsecure = true\n\
         [[transport]]\nregistry = \"q.dev\"\nheaders = { Authorization = \"Bearer x\", \"a b\" = \"\", X = { flie = \"/x\" } }\n"
    ), @r#"
error: `transport.registry`: registry "https://m.dev" begins with a scheme
 --> config.toml:2:12
  |
2 | registry = "https://m.dev"
  |            ^^^^^^^^^^^^^^^
  |
  = help: leave the scheme out; for http write plain-http = true

error: this has no meaning beside `plain-http`, which has no TLS
 --> config.toml:4:15
  |
3 | plain-http = true
  |              ---- plain http
4 | skip-verify = true
  |               ^^^^

error: `transport.registry`: "m.dev/path" has a path
 --> config.toml:6:12
  |
6 | registry = "m.dev/path"
  |            ^^^^^^^^^^^^
  |
  = help: write the host alone, "m.dev"; all of its images are reached in one way

error: `client-key` has no meaning without `client-cert`
 --> config.toml:7:14
  |
7 | client-key = "/k"
  |              ^^^^

error: `transport.ca`: "relative" is not an absolute path
 --> config.toml:8:6
  |
8 | ca = "relative"
  |      ^^^^^^^^^^

error: this table says nothing
 --> config.toml:9:1
  |
9 | [[transport]]
  | ^^^^^^^^^^^^^
  |
  = help: leave the table out, or say what the registry needs

error: `transport` needs a `registry`
  --> config.toml:11:1
   |
11 | [[transport]]
   | ^^^^^^^^^^^^^
   |
   = help: say which host it is for: registry = "mirror.dev.de:5000"

error: `transport.api-root`: "v2" is no path
  --> config.toml:15:12
   |
15 | api-root = "v2"
   |            ^^^^
   |
   = help: write it as "/proxy/v2"

error: `transport.dial-timeout`: must be longer than nothing
  --> config.toml:16:16
   |
16 | dial-timeout = "0s"
   |                ^^^^

error: `transport.api-root`: this is the usual one
  --> config.toml:19:12
   |
19 | api-root = "/v2"
   |            ^^^^^
   |
   = help: leave it out

error: unknown key `insecure` in `transport`
  --> config.toml:20:1
   |
20 | insecure = true
   | ^^^^^^^^
   |
   = help: known here: registry, plain-http, http-fallback, ca, client-cert, client-key, skip-verify, headers, api-root, dial-timeout

error: the header Authorization is a credential, and does not belong in this file
  --> config.toml:23:29
   |
23 | headers = { Authorization = **********, "a b" = **, X = { flie = "/x" } }
   |                             ^^^^^^^^^^
   |
   = help: put its value into a file that root alone can read: Authorization = { file = "/path" }

error: "a b" is no name of a header
  --> config.toml:23:41
   |
23 | headers = { Authorization = **********, "a b" = **, X = { flie = "/x" } }
   |                                         ^^^^^

error: unknown key `flie` in `transport.headers.X`
  --> config.toml:23:59
   |
23 | headers = { Authorization = **********, "a b" = **, X = { flie = "/x" } }
   |                                                           ^^^^
   |
   = help: did you mean `file`?
"#);
}

#[test]
fn files_that_are_no_good_are_named_with_their_host() {
    let file = damaged();
    let path = file.path().display().to_string();
    let text = format!("[[transport]]\nregistry = \"m.dev\"\nca = [\"{path}\", \"/nonexistent/ca.pem\"]\n");
    let shown = warned(&text);
    assert!(
        shown.contains(&format!("{path}, for the registry m.dev: a certificate in it is damaged")),
        "{shown}"
    );
    assert!(shown.contains("/nonexistent/ca.pem, for the registry m.dev: No such file"), "{shown}");
    let yaml = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(yaml.path(), format!("configs:\n  m.dev:\n    tls:\n      ca_file: {path}\n")).unwrap();
    let source = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", yaml.path().display());
    let shown = warned(&source);
    assert!(
        shown.contains("warning: ") && shown.contains("for the registry m.dev: a certificate"),
        "{shown}"
    );
}

#[test]
fn several_ways_to_one_host_have_spellings_of_their_own() {
    let yaml = tempfile::NamedTempFile::new().unwrap();
    let text = "mirrors:\n  a.io:\n    endpoint: ['https://m.dev/one']\n  b.io:\n    endpoint: ['https://m.dev/two']\n  \
                c.io:\n    endpoint: ['https://m.dev/one', 'http://m.dev/one', 'https://m.dev']\n  \
                d.io:\n    endpoint: ['https://n.dev:8443/one']\nconfigs:\n  m.dev:\n    tls:\n      insecure_skip_verify: true\n";
    std::fs::write(yaml.path(), text).unwrap();
    let config = accepted_text(&format!(
        "[[policy.rule]]\nprefix = \"e.io\"\nmirrors = [\"n.dev:8443/p\"]\n\
         [[policy.source]]\nregistries-yaml = \"{}\"\n",
        yaml.path().display()
    ));
    let candidates = |name: &str| match config.policy.decide(&name.parse().unwrap()) {
        crate::policy::Decision::Route { candidates, .. } => {
            candidates.iter().map(|candidate| candidate.name.to_string()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(candidates("a.io/x:1"), ["m.dev/x:1", "a.io/x:1"]);
    assert_eq!(candidates("b.io/x:1"), ["m.dev:443/x:1", "b.io/x:1"]);
    assert_eq!(candidates("c.io/x:1"), ["m.dev/x:1", "m.dev:80/x:1", "m.dev:0443/x:1", "c.io/x:1"]);
    assert_eq!(candidates("d.io/x:1"), ["n.dev:08443/x:1", "d.io/x:1"]);
    let what = |host: &str| -> Vec<String> {
        config.transport.needs_of(host).iter().map(|need| need.what.to_string()).collect()
    };
    let (skip, real) = ("no look at its certificate", "to be asked as m.dev");
    assert_eq!(what("m.dev"), ["the API root /one", skip]);
    assert_eq!(what("m.dev:443"), ["the API root /two", skip, real]);
    assert_eq!(what("m.dev:80"), ["plain http", "the API root /one", skip, real]);
    assert_eq!(what("m.dev:0443"), [skip, real]);
    assert_eq!(what("n.dev:08443"), ["the API root /one", "to be asked as n.dev:8443"]);
    assert_eq!(config.transport.asked_host("m.dev:0443"), "m.dev");
    assert!(hosts::plan(&config.policy, &config.transport).summaries().len() > 4);
}
