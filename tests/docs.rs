//! The messages that the documentation quotes are those that the program has, and its examples can be used.
//!
//! Whatever stands in backquotes and has a space or is in a heading is a message, unless it is a command or a setting; so is a
//! code block without a language, and what follows `error: ` or `warning: ` in a `console` block. In a quote, `…` and words in capitals stand for
//! anything, as do names with a dot or a digit. Each phrase between them has to be in a string literal of `src`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

const PAGES: [&str; 16] = [
    "README.md",
    "SECURITY.md",
    "docs/air-gap.md",
    "docs/audit.md",
    "docs/compare.md",
    "docs/configuration.md",
    "docs/images.md",
    "docs/install.md",
    "docs/kubernetes.md",
    "docs/metrics.md",
    "docs/set-up.md",
    "docs/specification.md",
    "docs/troubleshooting.md",
    "docs/uninstall.md",
    "docs/upgrade.md",
    "docs/where-to-look.md",
];

/// What commands begin with.
const COMMANDS: [&str; 25] = [
    "cargo",
    "check",
    "chown",
    "containerd",
    "cri-shunt",
    "crictl",
    "ctr",
    "dpkg",
    "explain",
    "helm",
    "journalctl",
    "kubeadm",
    "kubectl",
    "make",
    "man",
    "readelf",
    "restorecon",
    "rm",
    "rpm",
    "strace",
    "sudo",
    "systemctl",
    "tar",
    "touch",
    "valgrind",
];

/// What stands in quotes as an example of what a user, a registry or the system may say.
const VALUES: [&str; 5] = [
    "not from this registry",
    "Permission denied",
    "Read-only file system",
    "robot",
    "rule \"docker.io/evil\"",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

// === what the pages quote ===

/// `RateLimit-Remaining:` stands before a value.
fn is_header(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|name| name.starts_with(char::is_uppercase) && name.contains('-'))
}

fn is_message(span: &str, in_heading: bool) -> bool {
    let first = span.split(' ').next().unwrap();
    let is_command = COMMANDS.contains(&first) && !span.contains(" cannot ") && !span.contains(" does not ");
    let is_setting = first.starts_with(['-', '[', '{', '"', '#']) || span.split(' ').nth(1) == Some("=");
    let is_other = span.contains("unix://") || is_header(first);
    (span.contains(' ') || in_heading) && !is_command && !is_setting && !is_other && !first.contains('=')
}

/// The messages that a page quotes, each on one line.
fn quoted(page: &str) -> BTreeSet<String> {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quoted = BTreeSet::new();
    for (nth, part) in page.split("\n```").enumerate() {
        let (language, text) = part.split_once('\n').unwrap_or((part, ""));
        match (nth % 2 == 1, language) {
            (true, "") => {
                quoted.insert(one_line(text));
            }
            (true, "console") => {
                let said = text.lines().filter_map(|line| {
                    line.split_once("error: ").or_else(|| line.split_once("warning: ")).map(|(_, said)| said)
                });
                quoted.extend(said.map(one_line));
            }
            (true, _) => {}
            (false, _) => {
                // Where a paragraph ends, so does what is quoted in it.
                for paragraph in part.split("\n\n") {
                    let spans = paragraph.split('`').skip(1).step_by(2).map(one_line);
                    quoted.extend(spans.filter(|span| is_message(span, paragraph.trim().starts_with('#'))));
                }
            }
        }
    }
    quoted
}

// === what the program says ===

/// The string literals of a Rust file.
fn literals(code: &str) -> Vec<String> {
    let (mut literals, mut rest) = (Vec::new(), code);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let here = &rest[at..];
        rest = &here[1..];
        if here.starts_with("//") {
            rest = here.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(after) =
            ["'\"'", "'\\''", "'\\\"'", "'/'", "'\\\\'"].iter().find_map(|c| here.strip_prefix(c))
        {
            rest = after;
        } else if here.starts_with('"') {
            let hashes = code[..code.len() - here.len()].chars().rev().take_while(|&c| c == '#').count();
            let before = code[..code.len() - here.len() - hashes].chars().next_back();
            let is_raw = before == Some('r');
            let end = if is_raw { format!("\"{}", "#".repeat(hashes)) } else { "\"".to_owned() };
            let mut length = rest.find(&end).unwrap();
            while !is_raw && rest[..length].chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
                length += 1 + rest[length + 1..].find('"').unwrap();
            }
            literals.push(if is_raw { rest[..length].to_owned() } else { unescaped(&rest[..length]) });
            rest = &rest[length + end.len()..];
        }
    }
    literals
}

fn unescaped(literal: &str) -> String {
    let (mut text, mut chars) = (String::new(), literal.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', _) => text.extend(chars.next().map(|c| if c == 'n' { '\n' } else { c })),
            _ => text.push(c),
        }
    }
    text
}

/// The fixed words of all messages: literals, without the places for values.
fn fragments(directory: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap();
        if entry.is_dir() && name != "tests" {
            fragments(&entry, into);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let code = std::fs::read_to_string(&entry).unwrap();
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for literal in literals(code) {
                let parts = literal.split('{').enumerate().map(|(nth, part)| {
                    if nth == 0 { part } else { part.split_once('}').map_or(part, |(_, fixed)| fixed) }
                });
                into.extend(parts.map(words).filter(|fragment| !fragment.trim().is_empty()));
            }
        }
    }
}

// === whether one is the other ===

/// The words of a text, each between blanks.
fn words(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || ",:;.()\"`=".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The phrases of a message: what stands between values and punctuation.
fn phrases(message: &str) -> Vec<String> {
    let message = VALUES.iter().fold(message.to_owned(), |message, value| message.replace(value, "…"));
    let mut phrases = vec![String::new()];
    for word in message.split(' ') {
        let bare = word.trim_matches(|c: char| ",:;.()\"".contains(c));
        let is_value = bare.contains(|c: char| c.is_ascii_digit() || "…/".contains(c))
            || !bare.contains(|c: char| c.is_lowercase())
            || (bare.contains('.') && bare != "hosts.toml");
        if is_value || word.starts_with(['(', '"']) {
            phrases.push(String::new());
        }
        if !is_value {
            *phrases.last_mut().unwrap() += &words(word);
        }
        if is_value || word.ends_with([',', ':', ';', '.', ')', '"']) {
            phrases.push(String::new());
        }
    }
    phrases.into_iter().map(|phrase| words(&phrase)).filter(|phrase| !phrase.trim().is_empty()).collect()
}

fn is_said(phrase: &str, fragments: &BTreeSet<String>) -> bool {
    fragments.iter().any(|fragment| fragment.contains(phrase))
}

#[test]
fn messages_that_the_pages_quote_are_those_of_the_program() {
    let mut said = BTreeSet::new();
    fragments(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut said);
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in PAGES {
        for message in quoted(&read(page)) {
            count += 1;
            let phrases = phrases(&message).into_iter().filter(|phrase| !is_said(phrase, &said));
            missing.extend(phrases.map(|phrase| format!("{page}: {message}\n    not in src: {phrase}")));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    // The quotes are found, and a word that the program has not is found too.
    assert!(count > 20, "{count}");
    assert!(!is_said(" reads no hosts toml at all ", &said) && !is_said(" has no certs_path ", &said));
}

/// An example is whole, or it is a part of a main file; of the files that it names k3s' own, a lock and public keys are
/// there.
#[test]
fn examples_of_the_pages_can_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let registries = directory.path().join("registries.yaml");
    std::fs::write(&registries, "mirrors:\n  k8s.gcr.io:\n    endpoint: [\"https://mirror.dev.de\"]\n")
        .unwrap();
    std::fs::write(directory.path().join("images.lock"), "version = 1\n").unwrap();
    for key in ["platform.pub", "platform-next.pub"] {
        std::fs::write(directory.path().join(key), include_str!("../fuzz/corpus/signature/key")).unwrap();
    }
    let (mut tried, mut with_source) = (0, 0);
    for page in PAGES {
        let page = read(page);
        for example in page.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            if example.contains("[[expect]]") {
                continue;
            }
            with_source += usize::from(example.contains("[[policy.source]]"));
            let example = example.replace("/etc/rancher/k3s/registries.yaml", registries.to_str().unwrap());
            std::fs::write(directory.path().join("config.toml"), &example).unwrap();
            let check = std::process::Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
                .current_dir(directory.path())
                .args(["check", "--config", "config.toml"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&check.stdout);
            assert!(said.contains("config.toml: usable"), "{example}\n{said}{check:?}");
            tried += 1;
        }
    }
    assert!(tried >= 3 && with_source >= 1, "{tried} {with_source}");
}

/// Two branches that change one row leave both when they are merged.
#[test]
fn no_table_has_a_row_twice() {
    let mut twice = Vec::new();
    for page in PAGES.iter().chain(&["docs/architecture.md"]) {
        let mut begins = BTreeSet::new();
        for line in read(page).lines() {
            let Some(cells) = line.strip_prefix("| ") else {
                begins.clear();
                continue;
            };
            let begin: String = cells.split(" |").next().unwrap_or_default().chars().take(32).collect();
            if !begins.insert(begin.clone()) {
                twice.push(format!("{page}: {begin}"));
            }
        }
    }
    assert_eq!(twice, [""; 0]);
}
