//! What containerd's error of one candidate means for the next, and the error when none is left.
//!
//! Before: `route` has a candidate's failure.  After: the next candidate, or the client.
//! Holds: an unknown text never ends a pull: the next candidate is tried. The client's error names the
//! image it asked for, the rule, and every candidate with its own error.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use tonic::{Code, Status};

use super::rule_text;
use crate::containerd::hosts;
use crate::policy::{Name, RuleRef};

/// What a failure says about the candidate. The order is that of [`status`]: the later tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nobody answered at the host and port.
    Unreachable,
    /// The registry answers, and has no such image.
    NotFound,
    /// The registry answers with an error of its own, or something no row of the table knows.
    Other,
    /// Too many requests (429).
    RateLimited,
    /// Credentials are missing or not enough (401, 403).
    Unauthorized,
    /// This machine is at fault: no other registry can cure it.
    Local,
}

/// containerd's texts, in lower case. The first row that is found decides, so what is certain comes first.
///
/// Texts as of containerd 1.6.20, 1.7.24 and 2.1.4 with Go's `net`, `net/http` and `crypto/tls`
/// (`core/remotes/docker/{resolver,fetcher,pusher,errcode}.go`, `core/remotes/errors`).
const TEXTS: &[(&str, Class)] = &[
    ("no space left on device", Class::Local),
    ("disk quota exceeded", Class::Local),
    ("read-only file system", Class::Local),
    ("too many open files", Class::Local),
    ("429 too many requests", Class::RateLimited),
    ("toomanyrequests", Class::RateLimited),
    ("401 unauthorized", Class::Unauthorized),
    ("403 forbidden", Class::Unauthorized),
    // The words behind the number are the server's own where it speaks HTTP/1.
    (": 401 ", Class::Unauthorized),
    (": 403 ", Class::Unauthorized),
    ("authorization failed", Class::Unauthorized),
    ("failed to authorize", Class::Unauthorized),
    ("no basic auth credentials", Class::Unauthorized),
    ("pull access denied", Class::Unauthorized),
    ("connection refused", Class::Unreachable),
    ("connection reset by peer", Class::Unreachable),
    ("no such host", Class::Unreachable),
    ("server misbehaving", Class::Unreachable),
    ("temporary failure in name resolution", Class::Unreachable),
    ("no route to host", Class::Unreachable),
    ("network is unreachable", Class::Unreachable),
    ("i/o timeout", Class::Unreachable),
    ("tls handshake timeout", Class::Unreachable),
    ("timeout awaiting response headers", Class::Unreachable),
    ("connection timed out", Class::Unreachable),
    ("proxyconnect", Class::Unreachable),
    (": eof", Class::Unreachable),
    ("unexpected eof", Class::Other),
    (": not found", Class::NotFound),
    ("404 not found", Class::NotFound),
];

/// One candidate's failure.
#[derive(Debug)]
pub struct Failure {
    candidate: Name,
    status: Status,
    /// What it says about the candidate.
    pub class: Class,
    /// What a refusal has to do with the login that was sent, in words.
    login: Option<String>,
    /// What there is to be known beside containerd's text.
    remark: Option<String>,
}

impl Failure {
    /// From containerd's status.
    pub fn new(candidate: Name, status: Status) -> Self {
        let class = classify(&status);
        Self { candidate, status, class, login: None, remark: None }
    }

    /// A login is configured for the candidate and cannot be used. Nothing was asked of the registry.
    pub(super) fn no_login(candidate: Name, reason: &str) -> Self {
        let status = Status::unauthenticated(reason);
        Self { candidate, status, class: Class::Unauthorized, login: None, remark: None }
    }

    /// The same failure, with what is to be said of the login where the registry refused.
    pub fn with_login(mut self, login: &str) -> Self {
        if self.class == Class::Unauthorized {
            self.login = Some(login.to_owned());
        }
        self
    }

    /// A candidate that was cancelled because it showed no life.
    pub(super) fn swallowed(candidate: Name, reason: &str, after: Duration) -> Self {
        let text = format!("nothing came within {:.1} s, and {reason}", after.as_secs_f64());
        Self {
            candidate,
            status: Status::unavailable(text),
            class: Class::Unreachable,
            login: None,
            remark: None,
        }
    }

    /// Adds what may be behind a refusal: a file by which containerd asks somebody else, and so withholds the
    /// credentials that are for the candidate's host.
    pub fn explain(&mut self, config_path: &[PathBuf]) {
        let host = self.candidate.host();
        self.remark = hosts::redirect(config_path, host).map(|redirect| {
            let (file, to) = (redirect.file.display(), redirect.to.join(", "));
            format!(
                " (containerd asks {to} instead of {host}, by {file}, and withholds credentials that are for {host}: let \
                 that file name {host} itself)"
            )
        });
    }

    /// A candidate that is not asked, for containerd would ask another place for it.
    pub(super) fn untold(candidate: Name) -> Self {
        let host = candidate.host();
        let text = format!(
            "not asked: containerd is not told of the API root of {host} (cri-shunt status says why)"
        );
        Self { candidate, status: Status::unavailable(text), class: Class::Other, login: None, remark: None }
    }

    /// Whether an image GC removed a record while containerd was working with it: that is no registry's
    /// word. The image store quotes the name (`core/metadata/images.go`: `image "m/r:1": not found`),
    /// registries' clients do not.
    pub fn overtaken(&self) -> bool {
        self.class == Class::NotFound && self.message().ends_with("\": not found")
    }

    /// containerd's text.
    pub fn message(&self) -> &str {
        self.status.message()
    }
}

fn classify(status: &Status) -> Class {
    let text = status.message().to_ascii_lowercase();
    if let Some((_, class)) = TEXTS.iter().find(|(part, _)| text.contains(part)) {
        return *class;
    }
    match status.code() {
        Code::NotFound => Class::NotFound,
        Code::Unauthenticated | Code::PermissionDenied => Class::Unauthorized,
        _ => Class::Other,
    }
}

/// The error when every candidate has failed.
///
/// kubelet makes its reason `RegistryUnavailable` of an `Unknown` error that begins with that word
/// (`pkg/kubelet/images/image_manager.go`, evalCRIPullErr).
pub fn status(name: &Name, rule: &RuleRef<'_>, failures: &[Failure]) -> Status {
    let text = summary(name, rule, failures);
    if failures.iter().all(|failure| failure.class == Class::Unreachable) {
        return Status::unknown(format!("RegistryUnavailable: {text}"));
    }
    if failures.iter().all(|failure| failure.class == Class::NotFound) {
        return Status::not_found(text);
    }
    let telling = failures.iter().max_by_key(|failure| failure.class);
    let code = match telling.map(|failure| failure.status.code()) {
        // Clients take that for a runtime without PullImage.
        Some(Code::Unimplemented) | None => Code::Unknown,
        Some(code) => code,
    };
    Status::new(code, text)
}

/// The failures in words.
pub fn summary(name: &Name, rule: &RuleRef<'_>, failures: &[Failure]) -> String {
    let mut text = format!("{name}: no candidate of {} served it", rule_text(rule));
    for (index, failure) in failures.iter().enumerate() {
        let separator = if index == 0 { ": " } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}[{}] {}: {}", index + 1, failure.candidate, failure.message());
        if let Some(login) = &failure.login {
            let _ = write!(text, " ({login})");
        }
        text.push_str(failure.remark.as_deref().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_under_a_pull_is_not_taken_for_the_registrys_word() {
        let overtaken =
            |text: &str| Failure::new("m/r:1".parse().unwrap(), Status::not_found(text)).overtaken();
        assert!(overtaken(r#"failed to create image reference "m/r:1": image "m/r:1": not found"#));
        assert!(overtaken(
            r#"failed to get image "m/r:1" from containerd image store: image "m/r:1": not found"#
        ));
        assert!(!overtaken(r#"failed to resolve reference "m/r:1": m/r:1: not found"#));
    }

    #[test]
    fn texts_of_all_versions_fall_into_their_class() {
        let head = r#"failed to pull and unpack image "m:1/r:1": failed to resolve reference "m:1/r:1": "#;
        let rows = [
            (
                r#"failed to do request: Head "https://m:1/v2/r/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused"#,
                Class::Unreachable,
            ),
            (
                r#"failed to do request: Head "https://m/v2/": dial tcp: lookup m on 1.1.1.1:53: no such host"#,
                Class::Unreachable,
            ),
            (r#"failed to do request: Head "http://m:1/v2/r/manifests/1": EOF"#, Class::Unreachable),
            (
                r#"failed to do request: Head "https://m/": net/http: TLS handshake timeout"#,
                Class::Unreachable,
            ),
            ("m:1/r:1: not found", Class::NotFound),
            (
                "unexpected status from HEAD request to https://m/v2/r/manifests/1: 403 Forbidden",
                Class::Unauthorized,
            ),
            ("unexpected status code [manifests 1]: 401 Unauthorized", Class::Unauthorized),
            (
                "pulling from host m:1 failed with status code [manifests 1]: 401 Login Required",
                Class::Unauthorized,
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                Class::Unauthorized,
            ),
            (
                "unexpected status from HEAD request to https://m/v2/r/manifests/1: 429 Too Many Requests",
                Class::RateLimited,
            ),
            (
                "unexpected status from HEAD request to https://m/v2/r/manifests/1: 500 Internal Server Error",
                Class::Other,
            ),
            ("failed to copy: write /var/lib/x: no space left on device", Class::Local),
            ("something that nobody has seen yet", Class::Other),
        ];
        for (text, class) in rows {
            assert_eq!(classify(&Status::unknown(format!("{head}{text}"))), class, "{text}");
        }
        // The client's own end is no answer; this is containerd's progress timeout, worth another candidate.
        assert_eq!(classify(&Status::cancelled("context canceled")), Class::Other);
        assert_eq!(classify(&Status::not_found("x")), Class::NotFound);
    }
}
