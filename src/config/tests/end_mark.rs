//! Files that say how they end.

use insta::assert_snapshot;

use super::{accepted, accepted_text, refused, refused_text};

const FILE: &str = "end-mark = 'written at 08:00'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\n\
                    [[policy.rule]]\nprefix = 'ghcr.io'\ndeny = 'no'\n# written at 08:00\n";

#[test]
fn a_file_that_was_cut_before_its_end_mark_is_refused() {
    assert_eq!(accepted_text(FILE).policy.rules().len(), 2);
    assert_eq!(accepted_text(&format!("{FILE}\n  \n")).policy.rules().len(), 2, "lines with nothing in them");
    assert_eq!(accepted_text(&FILE.replace("# w", "  #w")).policy.rules().len(), 2, "blanks around it");
    let cut = FILE.rfind("[[policy.rule]]").unwrap();
    assert_snapshot!(refused_text(&FILE[..cut]), @r#"
    error: this file does not end in its end mark: a part of it is missing
     --> config.toml:1:12
      |
    1 | end-mark = 'written at 08:00'
      |            ^^^^^^^^^^^^^^^^^^
      |
      = help: write the whole file again; its last line is this text as a comment, after a `#`
    "#);
    let ends = FILE.match_indices('\n').map(|(end, _)| end + 1).filter(|end| *end < FILE.len());
    for end in ends {
        assert!(refused_text(&FILE[..end]).contains("error: "), "{}", &FILE[..end]);
    }
    // A half of each of two versions.
    assert!(refused_text(&FILE.replace("# written at 08:00", "# written at 09:00")).contains("is missing"));
}

#[test]
fn each_file_has_a_mark_of_its_own() {
    accepted(&[("config.toml", "[policy]\n"), ("conf.d/a.toml", FILE), ("conf.d/b.toml", "# nothing\n")]);
    let cut = FILE.trim_end().strip_suffix("0").unwrap();
    let text = refused(&[("config.toml", "[policy]\n"), ("conf.d/a.toml", cut)]);
    assert!(text.contains("conf.d/a.toml:1:12"), "{text}");
}

#[test]
fn a_mark_is_the_text_of_a_line() {
    for mark in ["''", "' a'", "\"a\\nb\"", "\"a\\u0007\""] {
        let text = refused_text(&format!("end-mark = {mark}\n# a\n"));
        assert!(text.contains("cannot be the text of a line"), "{text}");
    }
    let text = refused_text("[policy]\nend-mark = 'a'\n# a\n");
    assert!(
        text.contains("unknown key `end-mark` in `policy`") && text.contains("above all tables"),
        "{text}"
    );
}
