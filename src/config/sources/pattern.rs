//! Compiles the regular expressions of Go programs by the regex crate.
//!
//! Holds: what Go refuses is refused, and what both accept means the same for repository paths. Those are ASCII, so
//! that Unicode classes make no difference. Replacements mean the same in both.
//!
//! Source: Go's regexp/syntax, which is RE2's syntax. Only Go knows `\Q...\E`, octal escapes and an unescaped `[` in a
//! class. Only the crate knows sets in classes (`[a-z&&[^x]]`), the flags `x`, `u` and `R`, word boundaries with a
//! side, and counts above 1000.

use regex::Regex;

/// Why a pattern cannot be used, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PatternError(String);

/// The highest count of a repetition in Go.
const MAX_COUNT: u32 = 1000;

/// Compiles a pattern as Go would.
pub(crate) fn compile(go: &str) -> Result<Regex, PatternError> {
    let text = Translator { rest: go, out: String::with_capacity(go.len()) }.run()?;
    compile_own(&text)
}

/// Compiles a pattern of the crate's own syntax.
pub(crate) fn compile_own(text: &str) -> Result<Regex, PatternError> {
    Regex::new(text).map_err(|error| {
        let shown = error.to_string();
        // The crate's message has several lines; the last one says what is wrong.
        let last = shown.lines().last().unwrap_or_default();
        PatternError(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    })
}

/// Two patterns that may match the same text, by their indices. Patterns that are anchored at the beginning and start
/// with different texts do not.
pub(crate) fn meeting(patterns: &[&Regex]) -> Option<(usize, usize)> {
    let mut literals: Vec<(Vec<u8>, usize)> = Vec::new();
    for (i, pattern) in patterns.iter().enumerate() {
        match anchored_literals(pattern) {
            Some(found) => literals.extend(found.into_iter().map(|literal| (literal, i))),
            None if patterns.len() > 1 => return Some(if i == 0 { (0, 1) } else { (0, i) }),
            None => return None,
        }
    }
    literals.sort();
    // The stack holds the literals that the current one starts with. Sorting has put them before it.
    let mut beginnings: Vec<&(Vec<u8>, usize)> = Vec::new();
    for literal in &literals {
        while beginnings.pop_if(|(beginning, _)| !literal.0.starts_with(beginning)).is_some() {}
        if let Some((_, other)) = beginnings.last().filter(|(_, other)| *other != literal.1) {
            return Some((literal.1.min(*other), literal.1.max(*other)));
        }
        beginnings.push(literal);
    }
    None
}

/// The texts of which each match starts with one, at the beginning of the path; `None` where they are not known.
fn anchored_literals(pattern: &Regex) -> Option<Vec<Vec<u8>>> {
    let hir = regex_syntax::parse(pattern.as_str()).ok()?;
    if !hir.properties().look_set_prefix().contains(regex_syntax::hir::Look::Start) {
        return None;
    }
    let found = regex_syntax::hir::literal::Extractor::new().extract(&hir);
    Some(found.literals()?.iter().map(|literal| literal.as_bytes().to_vec()).collect())
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, PatternError> {
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' if self.rest.starts_with('?') => self.group()?,
                '{' => self.count()?,
                _ => self.out.push(c),
            }
        }
        Ok(self.out)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        let Some(c) = self.next() else {
            return Err(PatternError("a backslash at the end".to_owned()));
        };
        match c {
            'Q' if !in_class => {
                let (literal, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(literal));
                self.rest = rest;
            }
            // Octal: three digits, or fewer after a 0.
            '0'..='7' if c == '0' || self.rest.starts_with(|next: char| next.is_digit(8)) => {
                let digits = self.rest.chars().take(2).take_while(|next| next.is_digit(8)).count();
                let (more, rest) = self.rest.split_at(digits);
                self.rest = rest;
                let code = u32::from_str_radix(&format!("{c}{more}"), 8).unwrap_or(0);
                self.out.push_str(&format!("\\x{{{code:x}}}"));
            }
            'u' | 'U' => return Err(PatternError(format!("Go does not know the escape \\{c}"))),
            'b' if !in_class && self.rest.starts_with('{') => {
                return Err(PatternError("Go does not know word boundaries with a side".to_owned()));
            }
            // For Go these are the characters themselves, for the crate they are boundaries.
            '<' | '>' => self.out.push(c),
            _ => {
                self.out.push('\\');
                self.out.push(c);
            }
        }
        Ok(())
    }

    /// In a class the crate gives a meaning to `[`, `&&`, `--` and `~~`; for Go they are characters.
    fn class(&mut self) -> Result<(), PatternError> {
        self.out.push('[');
        if self.rest.starts_with('^') {
            self.next();
            self.out.push('^');
        }
        let mut first = true;
        while let Some(c) = self.next() {
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '[' if self.rest.starts_with(':') && self.rest[1..].contains(":]") => {
                    let end = self.rest.find(":]").map_or(self.rest.len(), |end| end + 2);
                    self.out.push('[');
                    self.out.push_str(&self.rest[..end]);
                    self.rest = &self.rest[end..];
                }
                '[' | '&' | '~' | ']' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '-' if first || self.rest.starts_with(']') => self.out.push_str("\\-"),
                // A range up to the minus sign, which for the crate is a difference of sets.
                '-' if self.rest.starts_with('-') => {
                    self.next();
                    self.out.push_str("-\\-");
                }
                _ => self.out.push(c),
            }
            first = false;
        }
        Err(PatternError("unclosed character class".to_owned()))
    }

    fn group(&mut self) -> Result<(), PatternError> {
        self.out.push('(');
        let flags = self.rest[1..].split([')', ':', '<', 'P']).next().unwrap_or_default();
        match flags.chars().find(|flag| matches!(flag, 'x' | 'u' | 'R')) {
            Some(flag) => Err(PatternError(format!("Go does not know the flag {flag}"))),
            None => Ok(()),
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`; for Go anything else in braces is text.
    fn count(&mut self) -> Result<(), PatternError> {
        let inside = self.rest.split_once('}').map(|(inside, _)| inside);
        let is_count = |inside: &&str| {
            let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            !low.is_empty() && digits(low) && digits(high)
        };
        let Some(inside) = inside.filter(is_count) else {
            self.out.push_str("\\{");
            return Ok(());
        };
        let too_high = |number: &str| !number.is_empty() && number.parse().unwrap_or(u32::MAX) > MAX_COUNT;
        if inside.split(',').any(too_high) {
            return Err(PatternError(format!("Go allows no count above {MAX_COUNT}")));
        }
        self.out.push('{');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_go_takes_means_what_it_means_to_go() {
        let rows = [
            ("^rancher/(.*)", "rancher/x/y", "<$1>", "<x/y>"),
            ("/", "a/b/c", "-", "a-b-c"),
            ("(.*)", "a/b", "p/$1", "p/a/b"),
            (r"\Qa.b\E/", "a.b/c", "x/", "x/c"),
            (r"\Qa.b\E/", "axb/c", "x/", "axb/c"),
            (r"\Qa.b", "a.b", "x", "x"),
            ("[[]?a", "a/b", "x", "x/b"),
            ("[a&&b]", "c&", "x", "cx"),
            ("[+--]b", ",b", "x", "x"),
            ("[a-]b", "-b", "x", "x"),
            (r"[\w.-]+$", "a/b-c.d", "x", "a/x"),
            ("[]a]", "a", "x", "x"),
            ("[^]a]", "ab", "x", "ax"),
            ("[[:alpha:]]+", "1ab", "x", "1x"),
            (r"\141", "a", "x", "x"),
            ("a{2}", "aa", "x", "x"),
            ("a{1000}", "a", "x", "a"),
            ("a{x}", "a{x}", "y", "y"),
            ("(?i)A", "a", "x", "x"),
            ("(?P<n>a)", "a", "${n}b", "ab"),
            ("a(?:b|c)", "ac", "x", "x"),
        ];
        for (pattern, path, replacement, expected) in rows {
            let found = compile(pattern).unwrap().replace_all(path, replacement).into_owned();
            assert_eq!(found, expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn patterns_that_begin_differently_do_not_meet() {
        let rows = [
            ("^a/(.*)", "^b/(.*)", false),
            ("^a/(.*)", "^a/b/(.*)", true),
            ("^a/", "^ab/", false),
            ("^(a|b)/", "^(c|d)/", false),
            ("^(a|b)/", "^(b|c)/", true),
            ("a/(.*)", "^b/(.*)", true),
            ("(.*)", "^b/(.*)", true),
            ("^.*/a", "^b/(.*)", true),
            ("^b$", "^bc", true),
        ];
        for (one, other, expected) in rows {
            let (one, other) = (&compile(one).unwrap(), &compile(other).unwrap());
            let found = expected.then_some((0, 1));
            assert_eq!((meeting(&[one, other]), meeting(&[other, one])), (found, found), "{one} and {other}");
        }
        let several = ["^b", "^(a|ab)", "^c", "^ac"].map(|pattern| compile(pattern).unwrap());
        assert_eq!(meeting(&several.each_ref()), Some((1, 3)));
        assert_eq!(meeting(&[&compile("a").unwrap()]), None);
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let rows = [
            ("a{1001}", "Go allows no count above 1000"),
            ("a{2,99999999999}", "Go allows no count above 1000"),
            ("(?x)a b", "Go does not know the flag x"),
            (r"\b{start}a", "Go does not know word boundaries with a side"),
            (r"\u0041", "Go does not know the escape \\u"),
            ("(.*", "unclosed group"),
            ("[a", "unclosed character class"),
            ("a\\", "a backslash at the end"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            (r"(a)\1", "backreferences are not supported"),
        ];
        for (pattern, expected) in rows {
            assert_eq!(compile(pattern).unwrap_err().to_string(), expected, "{pattern}");
        }
    }
}
