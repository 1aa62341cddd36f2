//! `[[transport]]`: what it means, what is refused, and warnings of files that cannot be used.

use super::{accepted, accepted_text, refused, refused_text, warned};
use crate::containerd::hosts::Wanted;

fn needs(wanted: &Wanted, host: &str) -> Vec<String> {
    wanted.needs_of(host).iter().map(|need| format!("{} ({})", need.what, need.source.line)).collect()
}

/// Not a certificate, but in the form of one.
fn damaged() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    file
}

#[test]
fn every_key_is_a_need() {
    let config = accepted_text(
        "[containerd]\nfence = true\nconfig-path = \"/c\"\n\
         [[transport]]\nregistry = \"M.dev:5000\"\nplain-http = true\ndial-timeout = \"5s\"\n\
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
        ["skip-verify (its certificate is not verified) (10)", "the API root /p/v2 (10)"]
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
  = help: put everything into one table
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

    error: this has no meaning with `plain-http`, which does not use TLS
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
      = help: write the host alone, "m.dev"; the settings apply to all of its images

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

    error: this table has no effect
     --> config.toml:9:1
      |
    9 | [[transport]]
      | ^^^^^^^^^^^^^
      |
      = help: remove the table, or write what the registry needs

    error: `transport` needs the key `registry`
      --> config.toml:11:1
       |
    11 | [[transport]]
       | ^^^^^^^^^^^^^
       |
       = help: say which host it is for: registry = "mirror.dev.de:5000"

    error: `transport.api-root`: "v2" is not a path
      --> config.toml:15:12
       |
    15 | api-root = "v2"
       |            ^^^^
       |
       = help: write it as "/proxy/v2"

    error: `transport.dial-timeout`: must be longer than 0s
      --> config.toml:16:16
       |
    16 | dial-timeout = "0s"
       |                ^^^^

    error: `transport.api-root`: this is the default
      --> config.toml:19:12
       |
    19 | api-root = "/v2"
       |            ^^^^^
       |
       = help: remove it

    error: unknown key `insecure` in `transport`
      --> config.toml:20:1
       |
    20 | insecure = true
       | ^^^^^^^^
       |
       = help: known here: registry, plain-http, http-fallback, ca, client-cert, client-key, skip-verify, headers, api-root, dial-timeout

    error: the header Authorization is a credential and must not be in this file
    --> config.toml:23:29
     = note: line not shown: it may hold a secret
     = help: put its value into a file that only root can read: Authorization = { file = "/path" }

    error: "a b" is not the name of a header
    --> config.toml:23:41
     = note: line not shown: it may hold a secret

    error: unknown key `flie` in `transport.headers.X`
    --> config.toml:23:59
     = note: line not shown: it may hold a secret
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
fn a_table_of_a_registry_takes_nothing_back() {
    let text = "[[transport]]\nregistry = \"m.dev\"\nplain-http = false\nskip-verify = false\n";
    insta::assert_snapshot!(refused_text(text), @"
    error: `transport.plain-http`: only `true` has an effect here
     --> config.toml:3:14
      |
    3 | plain-http = false
      |              ^^^^^
      |
      = help: remove it, or write `plain-http = false` at the mirror that it is for

    error: `transport.skip-verify`: only `true` has an effect here
     --> config.toml:4:15
      |
    4 | skip-verify = false
      |               ^^^^^
      |
      = help: remove it, or write `skip-verify = false` at the mirror that it is for
    ");
    // Only the word of the message is changed, not what it quotes.
    let hosts = ["mirror_a/b", "mirror a.dev", ""].map(|host| {
        let shown = refused_text(&format!("[[transport]]\nregistry = \"{host}\"\nskip-verify = true\n"));
        shown.lines().next().unwrap_or_default().to_owned()
    });
    assert_eq!(
        hosts,
        [
            "error: `transport.registry`: registry \"mirror_a/b\" does not begin with a host",
            "error: `transport.registry`: \"mirror a.dev\" is not a registry host",
            "error: `transport.registry`: a registry can't be empty"
        ]
    );
}
