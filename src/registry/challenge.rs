//! What a registry asks for in `WWW-Authenticate`.
//!
//! Any bytes can come. What cannot be read is passed over, and the next challenge is still found.
//!
//! Facts: RFC 9110, 11.6.1 and 5.6 (token, quoted-string). A header may hold several challenges, there may
//! be several headers, and parameters are separated by the same comma as challenges. Without quotes a value ends at
//! the first byte that no token has: containerd (`core/remotes/docker/auth/parse.go`) takes `realm=https://t` for
//! `https`, and reads no parameter after it.

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// In lower case.
    pub scheme: String,
    /// Names in lower case; the first of a name counts.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter; `None` where it is empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads the challenges of one header's value.
pub fn parse(header: &[u8]) -> Vec<Challenge> {
    let mut reader = Reader { rest: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    // Whether a value of the last challenge has ended too early for anything behind it to count.
    let mut is_over = false;
    loop {
        reader.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
        if reader.rest.is_empty() {
            return challenges;
        }
        let word = reader.token();
        if word.is_empty() {
            // No token begins here: on to what follows the next comma.
            reader.skip_item();
            continue;
        }
        let blank = reader.skip(|byte| matches!(byte, b' ' | b'\t'));
        if reader.peek() == Some(b'=') && !challenges.is_empty() {
            reader.take();
            reader.skip(|byte| matches!(byte, b' ' | b'\t'));
            let is_quoted = reader.peek() == Some(b'"');
            let value = reader.value();
            if let (Some(value), Some(challenge), false) = (value, challenges.last_mut(), is_over) {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
            is_over |= !is_quoted && reader.peek().is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b','));
            reader.skip_item();
            continue;
        }
        is_over = false;
        challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
        if !blank && reader.peek().is_some_and(|byte| byte != b',') {
            challenges.pop();
            reader.skip_item();
        }
    }
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Whether there was anything to skip.
    fn skip(&mut self, belongs: impl Fn(u8) -> bool) -> bool {
        let before = self.rest.len();
        while self.peek().is_some_and(&belongs) {
            self.take();
        }
        self.rest.len() < before
    }

    fn token(&mut self) -> String {
        let end = self.rest.iter().position(|byte| !is_token(*byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        String::from_utf8_lossy(token).into_owned()
    }

    /// A token or a quoted string; `None` where a quoted string has no end. Some registries send values that
    /// are neither (a URL without quotes): there the text before the next comma or blank counts.
    fn value(&mut self) -> Option<String> {
        if self.peek() == Some(b'"') {
            self.take();
            return self.quoted();
        }
        Some(self.token())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.take()? {
                b'"' => return Some(String::from_utf8_lossy(&text).into_owned()),
                b'\\' => text.push(self.take()?),
                byte => text.push(byte),
            }
        }
    }

    /// Up to the next comma outside of quotes.
    fn skip_item(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b',' {
                return;
            }
            self.take();
            if byte == b'"' {
                drop(self.quoted());
            }
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(header: &[u8]) -> Vec<String> {
        let show = |challenge: Challenge| {
            let parameters = challenge.parameters.iter().map(|(name, value)| format!(" {name}={value:?}"));
            challenge.scheme.clone() + &parameters.collect::<String>()
        };
        parse(header).into_iter().map(show).collect()
    }

    #[test]
    fn challenges_are_read() {
        let rows: &[(&str, &[&str])] = &[
            (r#"Basic realm="Registry Realm""#, &[r#"basic realm="Registry Realm""#]),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                &[
                    r#"bearer realm="https://auth.docker.io/token" service="registry.docker.io" scope="repository:a/b:pull,push""#,
                ],
            ),
            // Two challenges in one header.
            (
                r#"Basic realm="a, b", charset="UTF-8", Bearer realm="https://t", service=s"#,
                &[r#"basic realm="a, b" charset="UTF-8""#, r#"bearer realm="https://t" service="s""#],
            ),
            ("Negotiate, Basic realm=x", &["negotiate", r#"basic realm="x""#]),
            // A scheme with a token68, and one with no comma behind.
            ("Negotiate YII=, Basic realm=x", &["negotiate yii=\"\"", r#"basic realm="x""#]),
            (r#"BEARER  Realm = "h\"t\\t" ,, service=x"#, &[r#"bearer realm="h\"t\\t" service="x""#]),
            ("Bearer realm=https://t/a?b=c,service=x", &[r#"bearer realm="https""#]),
            (
                r#"Bearer realm=a/b, x=y, Basic realm="r", c=d"#,
                &[r#"bearer realm="a""#, r#"basic realm="r" c="d""#],
            ),
            (r#"Bearer realm="""#, &[r#"bearer realm="""#]),
            ("", &[]),
            (" , ,", &[]),
        ];
        for (header, expected) in rows {
            assert_eq!(shown(header.as_bytes()), *expected, "{header}");
        }
    }

    #[test]
    fn what_is_broken_is_passed_over() {
        let rows: &[(&[u8], &[&str])] = &[
            (br#"Bearer realm="no end"#, &["bearer"]),
            (br#"Bearer realm="no end\"#, &["bearer"]),
            (br#""quoted", Basic realm=x"#, &[r#"basic realm="x""#]),
            (br#"realm=x, Basic realm=y"#, &[r#"basic realm="y""#]),
            (b"\xff\xfe, Basic realm=\"\xc3\x28\"", &["basic realm=\"\u{fffd}(\""]),
            (b"Bear\x00er realm=x, Basic", &["basic"]),
            (br#"Bearer realm="a" junk "in, between" , service=s"#, &[r#"bearer realm="a" service="s""#]),
        ];
        for (header, expected) in rows {
            assert_eq!(shown(header), *expected, "{:?}", String::from_utf8_lossy(header));
        }
    }

    #[test]
    fn the_first_of_a_name_counts_and_an_empty_one_does_not() {
        let challenges = parse(br#"Bearer realm="",service=a,Service=b"#);
        assert_eq!(challenges[0].parameter("realm"), None);
        assert_eq!(challenges[0].parameter("service"), Some("a"));
        assert_eq!(challenges[0].parameter("scope"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse(&bytes));
        }

        /// What does not close a quote does not hide a challenge behind it.
        #[test]
        fn a_challenge_behind_anything_is_found(before in r#"[^"\\,]{0,40}"#) {
            let header = format!(r#"{before},Bearer realm="https://t""#);
            let found = parse(header.as_bytes());
            prop_assert!(found.iter().any(|challenge| challenge.scheme == "bearer"
                && challenge.parameter("realm") == Some("https://t")));
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[ -~]{0,40}") {
            let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
            let header = format!(r#"Bearer x="{escaped}", y=1"#);
            let found = parse(header.as_bytes());
            prop_assert_eq!(found[0].parameters[0].1.as_str(), value.as_str());
            prop_assert_eq!(found[0].parameter("y"), Some("1"));
        }
    }
}
