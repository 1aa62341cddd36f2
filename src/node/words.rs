//! Splits a command line as systemd does, and finds flags among its words.
//!
//! Source: systemd.service(5), "COMMAND LINES". Variables are put in by `units`.

use super::place::{Place, Said};

/// How long a command line may be that is looked at. Linux starts no program with one that is much longer.
pub(super) const MAX_LINE: usize = 1 << 20;

/// A word of a command line, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Place,
}

/// The words of a text. Quotes are removed, and each backslash with the letter after it is that letter.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote != Some('\'') => word.get_or_insert_default().extend(letters.next()),
            _ if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if letter.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The values of a flag, in their order: `--name=value` and `--name value`. The last one counts.
pub(super) fn flag(words: &[Word], name: &str) -> Vec<Said> {
    let mut found = Vec::new();
    for (index, Word { text, at }) in words.iter().enumerate() {
        let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else { continue };
        let value = match flag.split_once('=') {
            Some((flag, value)) if flag == name => Some(value),
            None if flag == name => words.get(index + 1).map(|word| word.text.as_str()),
            _ => None,
        };
        found.extend(value.map(|value| Said { value: value.to_owned(), at: at.clone() }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_at_blanks_outside_of_quotes() {
        let rows: [(&str, &[&str]); 6] = [
            ("kubelet --a=b  --c d", &["kubelet", "--a=b", "--c", "d"]),
            (r#"k "--a=b c" '--d=e "f"'"#, &["k", "--a=b c", "--d=e \"f\""]),
            (r"a\ b c\", &["a b", "c"]),
            ("a '' \"\"", &["a", "", ""]),
            ("a 'open quote", &["a", "open quote"]),
            ("  ", &[]),
        ];
        for (text, expected) in rows {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn a_flag_has_its_value_after_a_blank_or_an_equals_sign() {
        let at = Place::file("/f");
        let all: Vec<Word> = words("kubelet --a=1 --ab=2 --a 3 a=4 --a-b=5 -a=6 --a")
            .into_iter()
            .map(|text| Word { text, at: at.clone() })
            .collect();
        let values: Vec<String> = flag(&all, "a").into_iter().map(|said| said.value).collect();
        assert_eq!(values, ["1", "3", "6"]);
    }
}
