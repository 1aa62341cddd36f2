use super::*;

fn read(text: &str) -> Result<Manifest, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn contents(text: &str) -> Contents {
    read(text).unwrap().contents()
}

#[test]
fn a_checkpoint_and_a_foreign_layer_are_found() {
    let plain = contents(r#"{"schemaVersion": 2, "layers": [{"digest": "sha256:1"}, {"urls": []}]}"#);
    assert_eq!(plain, Contents::default());
    let checkpoint = contents(r#"{"annotations": {"org.criu.checkpoint.container.name": "x"}}"#);
    assert!(checkpoint.is_checkpoint);
    let foreign = contents(
        r#"{"layers": [{"digest": "sha256:1"}, {"digest": "sha256:2", "urls": ["https://u:p@far.dev:1/a?b"]}]}"#,
    );
    assert_eq!(foreign.foreign_url.as_deref(), Some("far.dev:1 (sha256:2)"));
}

#[test]
fn sizes_of_layers_are_read_as_go_reads_them() {
    let size = |text: &str| Ok::<_, String>(read(text)?.contents().size);
    let read = |layers: &str| size(&format!(r#"{{"config": {{"size": 1}}, "layers": [{layers}]}}"#));
    assert_eq!(read(r#"{"size": 7}, {"size": 8, "urls": ["https://far.dev"]}, {}"#), Ok(15));
    assert_eq!(read(r#"{"size": null}, {"size": -7}, {"size": 8}"#), Ok(8));
    let large = i64::MAX;
    assert_eq!(
        read(&format!(r#"{{"size": {large}}}, {{"size": {large}}}, {{"size": {large}}}"#)),
        Ok(u64::MAX)
    );
    for wrong in ["1.5", "1e3", "\"1\"", "9223372036854775808"] {
        assert!(read(&format!(r#"{{"size": {wrong}}}"#)).is_err(), "{wrong}");
    }
    let mut of_both = contents(r#"{"layers": [{"size": 7}]}"#);
    of_both.add(contents(r#"{"layers": [{"size": 5}]}"#));
    assert_eq!(of_both.size, 7);
}

fn digest(number: usize) -> String {
    format!("sha256:{number:064x}")
}

#[test]
fn of_an_index_what_is_for_this_machine_is_looked_at_and_no_more_than_a_few() {
    let arch = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
    let entry = |digest: &str, os: &str, architecture: &str| {
        format!(r#"{{"digest": "{digest}", "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#)
    };
    let index = |entries: &[String]| format!(r#"{{"manifests": [{}]}}"#, entries.join(", "));
    let (nested, inner) = (digest(1), digest(2));
    let looked_at = |top: &str| {
        let (mut walk, mut seen) = (Walk::from("top"), Vec::new());
        while let Some(digest) = walk.next_digest() {
            let text = match digest.as_str() {
                "top" => top.to_owned(),
                _ if digest == nested => index(&[entry(&inner, "linux", arch)]),
                _ if digest == inner => {
                    r#"{"layers": [{"digest": "l", "urls": ["https://far.dev"]}]}"#.to_owned()
                }
                _ => "{}".to_owned(),
            };
            walk.add_bytes(text.as_bytes()).unwrap();
            seen.push(digest);
        }
        (walk.contents, seen)
    };
    let here = entry(&digest(3), "linux", arch);
    let entries = [entry("a", "linux", "mips"), entry("b", "windows", arch), here.clone(), here.clone()];
    let (contents, seen) = looked_at(&index(&entries));
    assert_eq!((contents, seen), (Contents::default(), vec!["top".to_owned(), digest(3)]));
    let (contents, _) = looked_at(&index(&[format!(r#"{{"digest": "{nested}"}}"#)]));
    assert_eq!(contents.foreign_url.as_deref(), Some("far.dev (l)"));
    let mut hidden = vec![here; MOST_MANIFESTS + 1];
    hidden.push(entry(&inner, "linux", arch));
    let (contents, _) = looked_at(&index(&hidden));
    assert_eq!(contents.foreign_url.as_deref(), Some("far.dev (l)"), "behind many of one digest");
    let many: Vec<String> = (0..30_000).map(|i| entry(&digest(i), "linux", arch)).collect();
    let (contents, seen) = looked_at(&index(&many));
    assert!(contents.unclear.is_some() && seen.len() == MOST_MANIFESTS, "{}", seen.len());
}

#[test]
fn what_go_reads_in_another_way_is_refused() {
    let refused =
        |text: &str| Walk::from("top").add_bytes(text.as_bytes()).map_err(|error| error.to_string());
    for text in [
        r#"{"Layers": []}"#,
        r#"{"layers": [{"URLs": ["http://far.dev"]}]}"#,
        r#"{"layer\u017f": []}"#,
        r#"{"manifests": [{"platform": {"OS": "windows"}}]}"#,
        r#"{"ANNOTATIONS": {}}"#,
        r#"{"annotations": {}, "annotations": {"org.criu.checkpoint.container.name": "x"}}"#,
        r#"{"layers": [{"urls": ["\ud800"]}]}"#,
        r#"{"layers": "x"}"#,
        "\u{feff}{}",
    ] {
        assert!(refused(text).is_err(), "{text}");
    }
    let other = r#"{"mediaType": "x", "annotations": {"Layers": "an annotation"}, "layers": [{"size": 1}]}"#;
    assert_eq!(refused(other), Ok(()));
    assert_eq!(
        refused(r#"{"Layers": []}"#).unwrap_err(),
        "the key `Layers` stands for `layers` at line 1 column 9"
    );
}

#[test]
fn a_refusal_repeats_little_of_the_manifest_and_on_one_line() {
    for text in [
        format!(r#"{{"layers": "{}"}}"#, "A\\n".repeat(10_000)),
        format!(r#"{{"manifests": [{{"digest": "sha256:{}"}}]}}"#, "\\n".repeat(10_000)),
    ] {
        let error = Walk::from("top").add_bytes(text.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 1000 && !error.contains('\n'), "{error}");
    }
    let url = format!(r#"{{"layers": [{{"digest": "x", "urls": ["https://{}/a"]}}]}}"#, "f".repeat(10_000));
    assert!(contents(&url).foreign_url.unwrap().len() < 250);
}

#[test]
fn an_entry_for_this_machine_is_known_by_each_of_its_names() {
    let counts = |os: &str, architecture: &str| {
        let platform = Some(Platform { os: os.to_owned(), architecture: architecture.to_owned() });
        Child { platform, digest: digest(1) }.is_for_this_machine()
    };
    // As containerd calls it, not as Rust does.
    assert!(std::env::consts::ARCH != "x86_64" || machine() == "linux/amd64");
    let own: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["amd64", "x86_64", "X86-64", "386", "i386"],
        "aarch64" => &["arm64", "AArch64", "arm", "armhf", "armel"],
        _ => &[],
    };
    for architecture in own {
        assert!(counts("linux", architecture) && counts("Linux", architecture), "{architecture}");
        assert!(!counts("windows", architecture));
    }
    assert!(!counts("linux", "mips") && counts("linux", ""));
    assert!(counts("l\u{130}nux", own[0]) && counts("linux", "\u{130}386"), "Go has `linux` and `i386`");
}
