//! Finds problems that say the same of other places, so that hundreds of them do not hide the others.

use std::collections::HashMap;

use super::severity::Severity;

/// How many problems that say the same are shown.
const SHOWN: usize = 20;

/// Whether each problem is shown: `None` where it is not, else how many like it are left out after it.
pub(super) fn cap<'m>(problems: impl Iterator<Item = (Severity, &'m str)>) -> Vec<Option<usize>> {
    let mut cap: Vec<Option<usize>> = Vec::new();
    // By what is said: how often, and where the last one is that is shown.
    let mut seen: HashMap<(Severity, String), (usize, usize)> = HashMap::new();
    for (i, (severity, message)) in problems.enumerate() {
        let (count, last) = seen.entry((severity, without_names(message))).or_insert((0, i));
        *count += 1;
        if *count <= SHOWN {
            *last = i;
            cap.push(Some(0));
        } else {
            cap[*last] = Some(*count - SHOWN);
            cap.push(None);
        }
    }
    cap
}

/// The words of a message that are no names, numbers or quotes.
fn without_names(message: &str) -> String {
    let is_word = |word: &&str| word.trim_end_matches([',', ';', ':']).chars().all(char::is_alphabetic);
    message.split(' ').filter(is_word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_twenty_that_say_the_same_of_other_names_the_rest_is_counted() {
        let mut problems: Vec<(Severity, String)> =
            (0..300).map(|i| (Severity::Warning, format!("`h{i}.dev` is not a registry"))).collect();
        problems.push((Severity::Error, "`h.dev` is not a registry".to_owned()));
        problems.push((Severity::Warning, "`h.dev` is a registry".to_owned()));
        let cap = cap(problems.iter().map(|(severity, message)| (*severity, message.as_str())));
        let mut expected = vec![Some(0); 19];
        expected.push(Some(280));
        expected.extend([None; 280]);
        expected.extend([Some(0); 2]);
        assert_eq!(cap, expected);
    }
}
