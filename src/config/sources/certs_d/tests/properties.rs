//! With any content of a tree there is no panic, and nothing of a refused tree is used.

use proptest::prelude::*;

use super::tree;

const VALID: &str = "server = \"https://s.de/v2/p\"\noverride_path = true\nca = [\"a.pem\"]\n\
    [host.\"https://m.de\"]\ncapabilities = [\"pull\", \"resolve\"]\nskip_verify = true\n\
    client = [[\"c\", \"k\"], \"p\"]\n[host.\"https://m.de\".header]\nx = [\"y\"]\n\
    [host.\"http://n:5000/v2\"]\ndial_timeout = \"3s\"\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_broken_file_is_refused_whole(
        at in any::<prop::sample::Index>(),
        length in 0usize..12,
        put in prop::sample::select(vec!["", "\"", "[", "]", "\n", "=", "é", "\0", "://", "host", "v2", "{}"]),
        name in prop::sample::select(vec!["quay.io", "_default", "h_5000_", "_1_", "_", "a_b", "::", "[::1]_5_"]),
    ) {
        let start = at.index(VALID.len());
        let end = (start + length).min(VALID.len());
        let content = format!("{}{put}{}", &VALID[..start], &VALID[end..]);
        let sample = tree(&[(&format!("{name}/hosts.toml"), &content)]);
        let _ = sample.shown();
        if sample.is_refused() {
            prop_assert!(sample.imported.rules.is_empty() && sample.imported.transport.is_empty());
        } else {
            let _ = (sample.decide("quay.io/a:1"), sample.decide("h:5000/a/b:1"));
        }
    }
}
