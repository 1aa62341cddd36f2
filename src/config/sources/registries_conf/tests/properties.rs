//! With any content of a file there is no panic, and nothing of a refused file is used.

use proptest::prelude::*;

use super::conf;

const VALID: &str = "unqualified-search-registries = ['docker.io']\nshort-name-mode = 'permissive'\n\
    [aliases]\n'a/b' = 'quay.io/a/b'\nc = ''\n\
    [[registry]]\nprefix = '*.corp.de'\nlocation = 'h.de/x'\ninsecure = true\n\
    [[registry.mirror]]\nlocation = 'm.de:5000'\npull-from-mirror = 'tag-only'\n\
    [[registry]]\nlocation = 'quay.io/a'\nblocked = true\nmirror-by-digest-only = true\n\
    [[registry.mirror]]\nlocation = 'n.de/q'\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_broken_file_is_refused_whole(
        at in any::<prop::sample::Index>(),
        length in 0usize..14,
        put in prop::sample::select(vec!["", "'", "[", "]", "\n", "=", "é", "\0", "://", "*", "*.", "/", ":", "@"]),
        as_drop_in in any::<bool>(),
    ) {
        let start = at.index(VALID.len());
        let end = (start + length).min(VALID.len());
        let content = format!("{}{put}{}", &VALID[..start], &VALID[end..]);
        let sample = if as_drop_in { conf(VALID, &[("1.conf", &content)]) } else { conf(&content, &[]) };
        let _ = sample.shown();
        if sample.is_refused() {
            prop_assert!(sample.imported.rules.is_empty() && sample.imported.transport.is_empty());
        } else {
            for name in ["quay.io/a/b:1", "x.corp.de:5000/a", "a/b", "c"] {
                let _ = sample.decide(name);
            }
        }
    }
}
