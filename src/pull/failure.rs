//! What a candidate's failure means: a registry's refusal, or containerd's error once a registry has said that it has the
//! image.
//!
//! The registry's own refusals are known from the registry itself (`registry`). The rest is read from containerd's
//! text, which registries can write into: so only what this machine's own containerd says of itself decides anything.

use tonic::{Code, Status};

use super::auth::Auth;
use super::record::{Class, Failure};
use crate::policy::{Name, is_digest};
use crate::registry::{self, Refusal};
use crate::state::{Rest, Trouble};

/// What containerd says of its own machine, in lower case. No other registry can help there.
///
/// Texts of Linux' errors as Go prints them (`syscall/zerrors_linux_*.go`).
const LOCAL: [&str; 4] =
    ["no space left on device", "disk quota exceeded", "read-only file system", "too many open files"];

/// What may stand behind the text of a [`LOCAL`] error: what sort of error one part of containerd tells another
/// (`errdefs`).
const SORTS: [&str; 4] = [": unknown", ": resource exhausted", ": internal", ": failed precondition"];

/// Where a registry's words begin in containerd's error. `Server message:` and the lines behind
/// `unexpected status` are as the registry sent them (containerd `core/remotes/docker/{resolver,fetcher}.go`,
/// `core/remotes/errors`). Go repeats lines of a head that it cannot read (`malformed MIME header line: …`), and the names
/// in a certificate (`x509: certificate is valid for …`).
const WORDS_OF_A_REGISTRY: [&str; 5] = ["server message:", STATUS[0], STATUS[1], "malformed ", "x509: "];

/// Behind these is the number of the answer.
const STATUS: [&str; 2] = ["unexpected status", "failed with status code"];

/// What containerd says of a registry that it cannot reach (Go's `net`).
const NO_ANSWER: [&str; 3] = ["dial tcp", "i/o timeout", "connection reset by peer"];

/// Where containerd reads an answer: its head, or a blob's bytes (`core/content/helpers.go`, up to 1.7 and from 2.0).
const READING: [&str; 3] =
    ["failed to do request: ", "failed to read expected number of bytes: ", "short read: expected "];

/// What a registry's refusal means for the pull. `rest` says until when it is left alone, if it is.
pub(super) fn of_registry(refusal: &Refusal, auth: &Auth, rest: Option<Rest>) -> Failure {
    let class = class(refusal);
    let text = match class {
        Class::Unauthorized | Class::Forbidden => format!("{} ({auth})", refusal.brief()),
        _ => refusal.brief().to_owned(),
    };
    let short = Some(refusal.short().to_owned());
    let failure = Failure { short, status: refusal.status(), ..Failure::new(class, text) };
    match rest {
        Some(rest) => failure.with_rest(rest),
        None => failure,
    }
}

/// The failure of a candidate that is not asked, as its registry wants to be left alone.
pub(super) fn of_rest(rest: Rest) -> Failure {
    let text = format!("{}: {rest}", rest.host);
    Failure { rest: Some(Box::new(rest)), ..Failure::new(Class::RateLimited, text) }
}

/// Whether the registry wants to be left alone after this.
pub(super) fn wants_rest(refusal: &Refusal) -> bool {
    refusal.failure() == registry::Failure::RateLimited || refusal.retry_after().is_some()
}

/// What a refusal says against the registry; none where nothing.
pub(super) fn trouble(refusal: &Refusal) -> Option<Trouble> {
    match (class(refusal), refusal.failure()) {
        (_, registry::Failure::Content | registry::Failure::Protocol | registry::Failure::Cut) => {
            Some(Trouble::NotGiven)
        }
        (Class::Unreachable, _) => Some(Trouble::Mute),
        (Class::ServerError, _) => Some(Trouble::Errors),
        _ => None,
    }
}

/// What sort of failure a refusal is.
pub(super) fn class(refusal: &Refusal) -> Class {
    use registry::Failure as Registry;
    match refusal.failure() {
        Registry::Config => Class::Config,
        Registry::Login => Class::Login,
        Registry::Dns | Registry::Connect | Registry::Proxy | Registry::Tls => Class::Unreachable,
        Registry::Timeout | Registry::Cut => Class::Unreachable,
        Registry::Unauthorized => Class::Unauthorized,
        Registry::Forbidden => Class::Forbidden,
        Registry::NotFound => Class::NotFound,
        Registry::RateLimited => Class::RateLimited,
        Registry::Status if refusal.status().is_some_and(|status| status >= 500) => Class::ServerError,
        Registry::Status | Registry::Protocol | Registry::Content => Class::Protocol,
    }
}

/// The failure of a candidate by which containerd could not fetch.
pub fn of_containerd(status: &Status, candidate: &Name) -> Failure {
    let own = own_words(status.message());
    let class = match status.code() {
        // Its reason is what a program says, and that may say anything.
        _ if is_vetoed(&own) => Class::Content,
        _ if is_local(&own) => Class::Local,
        Code::NotFound => Class::NotFound,
        Code::Unauthenticated => Class::Unauthorized,
        Code::PermissionDenied => Class::Forbidden,
        // Better known than from an error of containerd's: of a registry that the shunt does not ask itself.
        _ if NO_ANSWER.iter().any(|text| own.contains(text)) || is_cut(&own) => Class::Unreachable,
        _ if spoilt(status).is_some() => Class::Protocol,
        _ => of_status(status.message()),
    };
    Failure::new(class, short(status.message(), candidate.as_str()))
}

/// What the number means that a registry has answered containerd with. It can be believed: a registry could say the same
/// to the shunt.
fn of_status(message: &str) -> Class {
    let text = message.to_ascii_lowercase();
    let places = WORDS_OF_A_REGISTRY.iter().filter_map(|words| Some((text.find(words)?, *words)));
    // What is behind it is the status, after a URL: `unexpected status code https://m.dev/v2/…: 503 Service Unavailable`.
    let status = places.min().filter(|(_, words)| STATUS.contains(words)).and_then(|(at, _)| {
        let (_, behind) = text[at..].split_once(": ")?;
        let number = behind.split([' ', '\n']).next()?;
        number.parse::<u16>().ok().filter(|_| number.len() == 3)
    });
    match status {
        Some(429) => Class::RateLimited,
        Some(500..=599) => Class::ServerError,
        _ => Class::Containerd,
    }
}

/// Whether containerd's garbage collection removed what it was working with: an image record, a layer that was unpacked
/// before by a pull that broke off, or content. A registry's client does not put it this way (`core/metadata`: `image
/// "m/r:1": not found`, `parent snapshot sha256:… does not exist: not found`, `content digest sha256:…: not found`).
pub fn is_overtaken(status: &Status) -> bool {
    let own = own_words(status.message());
    let is_snapshot = own.contains("snapshot sha256:") && own.ends_with(" does not exist: not found");
    let is_content = own.contains("content digest sha256:") && own.ends_with(": not found");
    status.code() == Code::NotFound && (is_snapshot || is_content || own.ends_with("\": not found"))
}

/// A download that containerd could not bring to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spoilt {
    /// What was to come.
    pub digest: String,
    /// Whether other bytes came, or another number of them. Else somebody removed the download meanwhile.
    pub is_wrong: bool,
}

/// The download that failed the pull at its end (`core/content/helpers.go`: `failed commit on ref
/// "layer-sha256:…": …`; `plugins/content/local/writer.go` for the reasons).
pub(super) fn spoilt(status: &Status) -> Option<Spoilt> {
    const WRONG: [&str; 2] = ["unexpected commit digest ", "failed size validation: "];
    const REMOVED: &str = "no such file or directory";
    let own = own_words(status.message());
    let (_, rest) = own.split_once("failed commit on ref \"")?;
    let (reference, why) = rest.split_once("\": ")?;
    let (_, digest) = reference.split_once('-')?;
    let is_wrong = WRONG.iter().any(|text| why.contains(text));
    let is_spoilt = is_wrong || why.contains(REMOVED);
    (is_spoilt && is_digest(digest)).then(|| Spoilt { digest: digest.to_owned(), is_wrong })
}

/// Whether the registry has hung up in the middle of its answer. A layer may end too early as well, when it is unpacked.
fn is_cut(own: &str) -> bool {
    let is_end = own.ends_with(": eof") || own.ends_with(": unexpected eof");
    is_end && READING.iter().any(|text| own.contains(text))
}

/// Whether one of containerd's own image verifiers has refused it, or could not be asked (`core/transfer/local/pull.go`,
/// 2.1). What a registry says stands elsewhere.
fn is_vetoed(own: &str) -> bool {
    let behind =
        own.strip_prefix("failed to pull and unpack image \"").and_then(|rest| rest.split_once("\": "));
    behind.is_some_and(|(_, text)| {
        text.starts_with("blocking pull of ")
            || text.strip_prefix("image verifier ").is_some_and(|text| text.contains(" blocked pull of "))
    })
}

/// Whether the machine itself is at fault. That stands at the end: before it there may be a URL that a registry has led
/// to, or the name of a file in a layer.
fn is_local(own: &str) -> bool {
    let end = SORTS.iter().find_map(|sort| own.strip_suffix(sort)).unwrap_or(own);
    LOCAL.iter().any(|text| end.ends_with(text))
}

/// containerd's own words in its error, in lower case: what stands before a registry's.
fn own_words(message: &str) -> String {
    let text = message.to_ascii_lowercase();
    let end = WORDS_OF_A_REGISTRY.iter().filter_map(|words| text.find(words)).min();
    // A registry's words may go on over several lines, containerd's never do.
    let text = &text[..end.unwrap_or(text.len())];
    text.lines().next().unwrap_or_default().to_owned()
}

/// The text without the beginnings that say nothing new, on one line.
fn short(message: &str, name: &str) -> String {
    let mut text = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    for beginning in ["failed to pull and unpack image", "failed to pull image", "failed to resolve image"] {
        if let Some(rest) = text.strip_prefix(beginning)
            && let Some((_, rest)) = rest.split_once("\": ")
        {
            text = rest.to_owned();
        }
    }
    text.replace(&format!("\"{name}\""), "it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Class {
        let candidate = "m.dev:5000/r:1".parse().unwrap();
        of_containerd(&Status::unknown(text), &candidate).class
    }

    #[test]
    fn only_containerds_own_words_decide() {
        for text in LOCAL {
            assert_eq!(class(&format!("failed to copy: write /var/lib/x: {text}")), Class::Local, "{text}");
            assert_eq!(class(&format!("failed to extract layer: mkdir /x: {text}: unknown")), Class::Local);
            // A mirror leads to any URL, and a layer has files of any name.
            for (said, expected) in [
                (
                    format!("failed to do request: Get \"http://x/?{text}\": dial tcp: refused"),
                    Class::Unreachable,
                ),
                (format!("failed to extract layer: mkdir /x/{text}: file exists"), Class::Containerd),
                (format!("failed to copy: malformed MIME header line: a b: {text}"), Class::Containerd),
                (format!("x509: certificate is valid for {text}"), Class::Containerd),
            ] {
                assert_eq!(class(&said), expected, "{said}");
            }
            for before in WORDS_OF_A_REGISTRY {
                let said = format!("failed to copy: httpReadSeeker: {before} 500: {text}");
                assert_eq!(class(&said), Class::Containerd, "{said}");
            }
            assert_eq!(
                class(&format!("failed to copy: x\n{text}")),
                Class::Containerd,
                "on another line: {text}"
            );
        }
    }

    #[test]
    fn a_registry_that_cannot_serve_anybody_is_known_by_containerds_words() {
        let head = r#"failed to do request: Head "https://m.dev/v2/r/manifests/1": dial tcp 1.2.3.4:443: i/o timeout"#;
        assert_eq!(class(head), Class::Unreachable);
        let rows = [
            (
                "unexpected status code https://m.dev/v2/r/manifests/1: 503 Service Unavailable",
                Class::ServerError,
            ),
            (
                "unexpected status from HEAD request to https://m.dev/v2/: 429 Too Many Requests",
                Class::RateLimited,
            ),
            (
                "pulling from host m.dev failed with status code [manifests 1]: 500 Internal",
                Class::ServerError,
            ),
            ("unexpected status code https://m.dev/v2/: 418 503 dial tcp", Class::Containerd),
            ("unexpected status code https://m.dev/v2/: 5030", Class::Containerd),
            ("Server message: x: 503 unexpected status y: 503", Class::Containerd),
            ("malformed MIME header line: 429 a: 429 b: unexpected status y: 429", Class::Containerd),
        ];
        for (text, expected) in rows {
            assert_eq!(class(&format!("failed to resolve: {text}")), expected, "{text}");
        }
    }

    #[test]
    fn a_verifiers_refusal_is_known_whatever_it_says() {
        let words =
            ["not this one", "no space left on device", "dial tcp: i/o timeout", "unexpected status: 429"];
        for words in words {
            for text in [
                "image verifier bindir blocked pull of m.dev/r@sha256:1 with digest sha256:1 for reason: verifier v rejected \
                 image (exit code 1): ",
                "blocking pull of m.dev/r@sha256:1 with digest sha256:1: image verifier bindir returned error: ",
            ] {
                let pulled = "failed to pull and unpack image \"m.dev/r@sha256:1\": ";
                assert_eq!(class(&format!("{pulled}{text}{words}")), Class::Content, "{words}");
                let repeated = format!("{pulled}failed to copy: unexpected status: 500 {text}{words}");
                assert_ne!(class(&repeated), Class::Content, "{words}");
            }
        }
    }

    #[test]
    fn a_registry_that_hangs_up_is_known_by_containerds_words() {
        let get =
            r#"failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://m.dev/v2/": "#;
        for text in [
            &format!("{get}EOF"),
            &format!("{get}net/http: HTTP/1.x transport connection broken: unexpected EOF"),
            "failed to read expected number of bytes: unexpected EOF",
            "short read: expected 321 bytes but got 0: unexpected EOF",
        ] {
            assert_eq!(class(text), Class::Unreachable, "{text}");
        }
        for text in [
            "failed to extract layer sha256:1: archive/tar: unexpected EOF",
            "failed to do request: malformed MIME header line: a b: EOF",
            "failed to do request: unexpected status x: EOF",
        ] {
            assert_eq!(class(text), Class::Containerd, "{text}");
        }
    }

    #[test]
    fn a_removal_under_a_pull_is_known_by_containerds_own_words() {
        let overtaken = |text: &str| is_overtaken(&Status::not_found(text));
        assert!(overtaken(r#"failed to create image reference "m/r:1": image "m/r:1": not found"#));
        assert!(overtaken(
            "failed to prepare extraction snapshot \"extract-775478192-rp0d sha256:29\": parent snapshot sha256:68 \
             does not exist: not found"
        ));
        assert!(overtaken("failed to extract layer sha256:1: content digest sha256:2: not found"));
        assert!(!overtaken(r#"failed to resolve reference "m/r:1": m/r:1: not found"#));
        assert!(!overtaken("failed open: content at https://m.dev/v2/r/blobs/sha256:1 not found: not found"));
        assert!(!overtaken(r#"unexpected status from HEAD: "x": not found"#));
    }

    #[test]
    fn a_spoilt_download_is_known_by_containerds_own_words() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let commit = format!("failed to copy: failed commit on ref \"layer-{digest}\": ");
        let other = format!("unexpected commit digest sha256:{}, expected {digest}: failed", "b".repeat(64));
        let size = format!("\"layer-{digest}\" failed size validation: 300 != 200: failed precondition");
        let removed = "rename /c/ingest/1/data /c/blobs/sha256/2: no such file or directory";
        for (why, is_wrong) in [(other.as_str(), true), (&size, true), (removed, false)] {
            let found = |text: &str| spoilt(&Status::unknown(text));
            let expected = Spoilt { digest: digest.clone(), is_wrong };
            assert_eq!(found(&format!("{commit}{why}")), Some(expected), "{why}");
            assert_eq!(found(&format!("Server message: {commit}{why}")), None, "{why}");
        }
        for text in ["no space left on device", "rename: exists"] {
            assert_eq!(spoilt(&Status::unknown(format!("{commit}{text}"))), None, "{text}");
        }
    }

    #[test]
    fn the_text_is_short() {
        let status = Status::unknown(
            "failed to pull and unpack image \"m.dev:5000/r@sha256:1\": failed to copy: unexpected EOF\nmore",
        );
        let candidate = "m.dev:5000/r:1".parse().unwrap();
        assert_eq!(of_containerd(&status, &candidate).text, "failed to copy: unexpected EOF more");
    }
}
