//! The reason why a value cannot be used, and the word that was probably meant.

/// Why a value cannot be used, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Refusal { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The candidate that a misspelt word most likely stands for.
pub(super) fn did_you_mean<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let plain = |text: &str| text.replace('_', "-").to_lowercase();
    let word = plain(word);
    let distance = |candidate: &str| strsim::osa_distance(&word, &plain(candidate));
    let nearest = candidates.iter().min_by_key(|candidate| distance(candidate))?;
    // A third of the word: `socet` is `socket`, `host` is not `group`.
    (distance(nearest) <= nearest.len().div_ceil(3)).then_some(*nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_word_finds_none() {
        let known = ["socket", "mode", "group", "default-registry", "skip_verify"];
        let rows = [
            ("socet", Some("socket")),
            ("sokcet", Some("socket")),
            ("Mode", Some("mode")),
            ("default_registry", Some("default-registry")),
            ("defaultregistry", Some("default-registry")),
            ("skip-verify", Some("skip_verify")),
            ("host", None),
            ("x", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(did_you_mean(word, &known), expected, "{word}");
        }
        assert_eq!(did_you_mean("socket", &[]), None);
    }
}
