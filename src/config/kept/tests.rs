//! What is kept of real files, and what is read of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::config::fixture::write;
use crate::config::load;
use crate::config::sources::source_file::Format;
use crate::registry::Endpoint;

/// Files with what is kept of them. In them `@` is their directory.
struct Sample {
    dir: tempfile::TempDir,
    input: Input,
    loaded: Loaded,
    kept: Kept,
}

impl Sample {
    fn of(files: &[(&str, &str)]) -> Sample {
        let dir = write(files);
        let main = dir.path().join("config.toml");
        let text = std::fs::read_to_string(&main).unwrap().replace('@', dir.path().to_str().unwrap());
        std::fs::write(&main, text).unwrap();
        let input = Input::file(&main);
        let loaded = load(&main).unwrap_or_else(|problems| panic!("{:?}", problems.lines()));
        let kept = Kept::of(&input, &loaded).unwrap().unwrap();
        Sample { dir, input, loaded, kept }
    }

    /// The copy as it is written.
    fn text(&self) -> String {
        serde_json::to_string(&self.kept).unwrap()
    }

    /// Asserts that the copy decides as the files did.
    #[track_caller]
    fn is_unchanged(&self) -> Loaded {
        let again = self.kept.load(&self.input).unwrap_or_else(|problems| panic!("{:?}", problems.lines()));
        assert_eq!(essence(&again.config.policy), essence(&self.loaded.config.policy));
        again
    }
}

/// A file of each format, with what it has to do with secrets, and what its mirrors need.
fn file_of(format: Format) -> (&'static str, &'static str, &'static [&'static str]) {
    match format {
        Format::RegistriesYaml => (
            "s",
            "mirrors:\n  a.dev:\n    endpoint: ['https://m.dev']\n    rewrite: {'^x/(.*)': 'y/$1'}\nconfigs:\n  m.dev:\n    \
             auth: {username: hush-u, password: hush-p}\n    tls: {insecure_skip_verify: true, ca_file: /ca.pem}\n",
            &["the certificate authority /ca.pem", "skip-verify (its certificate is not verified)"],
        ),
        Format::CertsD => (
            "s/a.dev/hosts.toml",
            "[host.'https://m.dev/x']\nskip_verify = true\noverride_path = true\n[host.'https://m.dev/x'.header]\nX = 'hush'\n",
            &[],
        ),
        Format::RegistriesConf => (
            "s",
            "unqualified-search-registries = ['docker.io']\ncredential-helpers = ['helper-x'] # hush\n[[registry]]\n\
             prefix = 'a.dev'\nlocation = 'a.dev'\n[[registry.mirror]]\nlocation = 'm.dev'\ninsecure = true\n",
            &[],
        ),
        Format::ImageCriShim => (
            "s",
            "shim: /run/x.sock\naddress: http://m.dev:5000\nauth: hush:hush\nregistries:\n- address: https://n.dev\n  auth: hush:hush\n",
            &[],
        ),
        Format::ContainerdConfig => (
            "s",
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'a.dev']\nendpoint = ['https://m.dev']\n\
             [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev'.auth]\nusername = 'hush-u'\npassword = 'hush-p'\n\
             [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev'.tls]\ninsecure_skip_verify = true\n\
             [[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\nplatform = 'hush'\n\
             [[plugins.'io.containerd.transfer.v1.local'.unpack_config]]\nplatform = 'hush'\n",
            &["skip-verify (its certificate is not verified)"],
        ),
        Format::DockerDaemon => (
            "s",
            "{\n\t\"registry-mirrors\": [\n\t\t\"https://m.dev\"\n\t],\n\t\"insecure-registries\": [\"n.dev:5000\"],\n\t\
             \"log-opts\": {\"env\": \"hush\"}\n}\n",
            &["skip-verify (its certificate is not verified)", "plain http where https fails"],
        ),
        Format::OpenShift => (
            "s",
            "apiVersion: v1\nkind: Secret\ndata: {x: hush}\n---\nkind: ImageDigestMirrorSet\nmetadata: {annotations: {a: hush}}\n\
             spec:\n  imageDigestMirrors:\n  - source: a.dev/x\n    mirrors: [m.dev/x]\n    mirrorSourcePolicy: NeverContactSource\n\
             ---\nkind: ImageTagMirrorSet\nspec:\n  imageTagMirrors:\n  - source: a.dev/y\n    mirrors: [m.dev/y]\n",
            &[],
        ),
        Format::Talos => (
            "s",
            "version: v1alpha1\nmachine:\n  token: hush\n  registries:\n    mirrors:\n      b.dev: {endpoints: ['https://n.dev'], \
             skipFallback: true}\n    config:\n      n.dev:\n        auth: {username: hush-u, password: hush-p}\n        \
             tls: {insecureSkipVerify: true}\n---\nkind: RegistryMirrorConfig\nname: a.dev\nendpoints:\n- url: https://m.dev/x\n  \
             overridePath: true\nskipFallback: true\n---\nkind: RegistryTLSConfig\nname: m.dev\ninsecureSkipVerify: true\n\
             clientIdentity: {crt: hush, key: hush}\n---\nkind: RegistryAuthConfig\nname: m.dev\nusername: u\npassword: hush-p\n",
            &[
                "skip-verify (its certificate is not verified)",
                "skip-verify (its certificate is not verified)",
            ],
        ),
    }
}

#[test]
fn of_each_format_everything_is_kept_but_secrets() {
    for format in Format::ALL {
        let (name, text, needs) = file_of(format);
        let config = format!("[[policy.source]]\n{} = '@/s'\n", format.key());
        let sample = Sample::of(&[("config.toml", &config), (name, text)]);
        assert!(!sample.text().contains("hush"), "{format:?}: {}", sample.text());
        let again = sample.is_unchanged();
        assert!(!again.config.policy.rules().is_empty(), "{format:?}");
        assert!(again.config.credentials.logins().is_empty(), "{format:?}");
        let needed = |loaded: &Loaded| {
            let needs = loaded.config.transport.needs().iter();
            needs.map(|need| need.what.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(needed(&again), needs, "{format:?}");
        assert_eq!(needed(&again), needed(&sample.loaded), "{format:?}");
        let reached = |loaded: &Loaded| {
            let endpoints = loaded.config.endpoints.iter();
            let shown = |one: &Endpoint| format!("{:?}", (&one.schemes, &one.api_root, one.skip_verify));
            endpoints.map(shown).collect::<Vec<_>>()
        };
        assert_eq!(reached(&again), reached(&sample.loaded), "{format:?}");
    }
}

/// A copy has no comments, so it cannot end in the mark.
#[test]
fn a_file_with_an_end_mark_is_kept() {
    let rule = "[[policy.rule]]\nprefix = 'a.dev'\ndeny = 'no'\n";
    let text = format!("end-mark = 'whole'\n{rule}# hush\n# whole\n");
    let sample = Sample::of(&[("config.toml", &text)]);
    assert!(sample.kept.left_out.is_empty() && !sample.text().contains("hush"), "{}", sample.text());
    sample.is_unchanged();
}

/// Another program's file is one wherever it is.
#[test]
fn a_source_beside_the_drop_ins_loses_its_password() {
    let yaml = "mirrors: {a.dev: {endpoint: ['https://m.dev']}}\nconfigs: {m.dev: {auth: {username: u, password: hush}}}\n";
    let sample = Sample::of(&[
        ("config.toml", "[[policy.source]]\nregistries-yaml = '@/conf.d/registries.yaml'\n"),
        ("conf.d/own.toml", "[[policy.rule]]\nprefix = 'b.dev'\ndeny = 'no'\n"),
        ("conf.d/registries.yaml", yaml),
    ]);
    assert!(!sample.text().contains("hush") && sample.text().contains("b.dev"), "{}", sample.text());
    sample.is_unchanged();
}

/// What is on the disk now has no part in it: neither files that are new, nor files that are gone.
#[test]
fn a_copy_is_read_without_the_files_of_today() {
    let config = "[[policy.source]]\nregistries-conf = '@/registries.conf'\n[[policy.source]]\ncerts-d = '@/empty'\n\
                  [[policy.source]]\ncerts-d = '@/certs.d'\n[[policy.source]]\nregistries-yaml = '@/none.yaml'\n";
    let sample = Sample::of(&[
        ("config.toml", config),
        ("registries.conf", "[[registry]]\nlocation = 'a.dev'\nblocked = true\n"),
        ("empty/", ""),
        ("certs.d/_default/hosts.toml", "[host.'https://m.dev']\n"),
        ("certs.d/b.dev/ca.crt", ""),
        ("none.yaml", "mirrors: {}\n"),
    ]);
    let put = |path: &str, text: &str| {
        let path = sample.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("conf.d/new.toml", "[[policy.rule]]\nprefix = 7\n");
    put("registries.conf.d/new.conf", "[[registry]]\nlocation = 7\n");
    put("empty/c.dev/hosts.toml", "broken");
    put("none.yaml", "registry-mirrors: []\n");
    std::fs::remove_dir_all(sample.dir.path().join("certs.d/b.dev")).unwrap();
    std::fs::create_dir(sample.dir.path().join("certs.d/b.dev")).unwrap();
    let gone = sample.dir.path().join("gone");
    std::os::unix::fs::symlink(gone, sample.dir.path().join("certs.d/b.dev/hosts.toml")).unwrap();
    sample.is_unchanged();
    std::fs::remove_dir_all(sample.dir.path().join("certs.d")).unwrap();
    sample.is_unchanged();
}

/// The keys are part of the policy, and the files of them may be gone.
#[test]
fn public_keys_are_kept() {
    let key = include_str!("../../../fuzz/corpus/signature/key");
    let json = r#"{"default": [{"type": "sigstoreSigned", "keyPath": "@/j.pub"}]}"#;
    let config = "[policy]\nverify = 'main'\npolicy-json = '@/p.json'\n[[signature]]\nname = 'main'\nkeys = ['k.pub']\n\
                  trusted-root = 'root.json'\nidentities = [{ issuer = 'i', subject = 's' }]\n";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("j.pub"), key).unwrap();
    let json = json.replace('@', dir.path().to_str().unwrap());
    let root = include_str!("../../../fuzz/corpus/signature/trusted_root");
    let sample =
        Sample::of(&[("config.toml", config), ("k.pub", key), ("p.json", &json), ("root.json", root)]);
    for name in ["k.pub", "p.json", "root.json"] {
        std::fs::remove_file(sample.dir.path().join(name)).unwrap();
    }
    drop(dir);
    assert_eq!(sample.is_unchanged().config.demands, sample.loaded.config.demands);
}

/// What may be a secret is not kept, and then nothing is.
#[test]
fn a_private_key_beside_the_public_one_is_not_kept() {
    let key = include_str!("../../../fuzz/corpus/signature/key");
    let both = format!("{key}-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n");
    let config = "[policy]\nverify = 'main'\n[[signature]]\nname = 'main'\nkeys = ['k.pub']\n";
    let dir = write(&[("config.toml", config), ("k.pub", &both)]);
    let input = Input::file(&dir.path().join("config.toml"));
    let loaded = load_from(&input).unwrap_or_else(|problems| panic!("{:?}", problems.lines()));
    let why = Kept::of(&input, &loaded).unwrap_err();
    assert!(why.starts_with("without its secrets it cannot be used: ") && !why.contains("hush"), "{why}");
}

#[test]
fn it_is_said_why_a_copy_cannot_be_used() {
    let dir = write(&[("config.toml", "[policy]\nnonsense = 1\n"), ("state/", "")]);
    let input = Input::file(&dir.path().join("config.toml"));
    let state = dir.path().join("state");
    let whole = |version: u32, main: &Path, files: &str| {
        let extent = serde_json::to_value(Extent::default()).unwrap();
        format!(
            r#"{{"version": {version}, "main": {main:?}, "read_at": 1, "extent": {extent}, "files": {files}, "left_out": []}}"#
        )
    };
    let main = dir.path().join("config.toml");
    let rows = [
        (None, None),
        (Some("x".to_owned()), Some("it is not JSON")),
        (Some("{}".to_owned()), Some("another version of cri-shunt wrote it")),
        (Some(r#"{"version": 1}"#.to_owned()), Some("it is not what cri-shunt writes")),
        (Some(whole(1, Path::new("/other.toml"), "{}")), Some("it is of /other.toml")),
        (Some(whole(1, &main, "{}")), None),
    ];
    for (text, expected) in rows {
        if let Some(text) = &text {
            std::fs::write(state.join(FILE), text).unwrap();
        }
        let (_, why_not) = Kept::find(&[dir.path().join("none"), state.clone()], &input);
        let path = state.join(FILE);
        let expected = expected.map(|why| format!("{} cannot be used: {why}", path.display()));
        let fits = match (&why_not, &expected) {
            (Some(found), Some(expected)) => found.starts_with(expected),
            (found, expected) => found == expected,
        };
        assert!(fits, "{text:?}: {why_not:?}");
    }
}

#[test]
fn a_lock_is_kept_with_what_names_it() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let lock = format!(
        "version = 1\n# hush\n[[image]]\nname = \"quay.io/a:1\"\ndigest = \"{}\"\nasked = \"m.dev/a:1\"\n\
         [image.platforms]\n\"linux/amd64\" = \"{}\"\n",
        digest("a"),
        digest("b")
    );
    let config =
        "[policy]\nlocked = '@/images.lock'\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev']\n";
    let sample = Sample::of(&[("config.toml", config), ("images.lock", &lock)]);
    assert!(!sample.text().contains("hush"), "{}", sample.text());
    let lists = sample.loaded.config.policy.locks().len();
    assert_eq!((lists, sample.is_unchanged().config.policy.locks().len()), (1, 1));
    assert!(sample.kept.left_out().is_empty(), "{:?}", sample.kept.left_out());
    std::fs::remove_file(sample.dir.path().join("images.lock")).unwrap();
    sample.is_unchanged();
}
