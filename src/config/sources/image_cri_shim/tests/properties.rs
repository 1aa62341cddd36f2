//! With any content of a file there is no panic, and nothing of a refused file is used.

use proptest::prelude::*;

use super::{CONFIG_MAP, shim};

const VALID: &str = "shim: /run/shim.sock\naddress: http://hub.de:5000\nauth: admin:p:w\nofflinePriority: 7\n\
    registries:\n- address: https://r.de/x\n  auth: {username: u, password: \"p\"}\n  priority: 700\n\
    - &a {address: s.de}\n- *a\ntimeout: 15m\ncache: {disableStats: true}\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_broken_file_is_refused_whole(
        map in any::<bool>(),
        at in any::<prop::sample::Index>(),
        length in 0usize..14,
        put in prop::sample::select(vec!["", "'", "\"", "[", "{", "\n", ":", "é", "\0", "\t", "|", "- ", "  ", "&a ", "*a"]),
    ) {
        let text = if map { CONFIG_MAP } else { VALID };
        let mut start = at.index(text.len());
        while !text.is_char_boundary(start) { start -= 1; }
        let mut end = (start + length).min(text.len());
        while !text.is_char_boundary(end) { end += 1; }
        let content = format!("{}{put}{}", &text[..start], &text[end..]);
        let sample = shim(&content);
        let _ = sample.shown();
        if sample.is_refused() {
            prop_assert!(sample.imported.rules.is_empty() && sample.imported.logins.is_empty());
        } else {
            let _ = sample.decide("quay.io/a:1");
        }
    }
}
