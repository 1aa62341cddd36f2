//! No secret of a file is in a diagnostic, whatever is wrong with the file.
//!
//! Each format gets a small file with a secret in it. Then the file is broken: cut off at every byte, with every
//! character left out or swapped with the next, with every line twice, with values of another type.

use std::path::Path;

use crate::config::{self, Format, ImportRequest, Input, MainFile, SourceFile, Style};

/// Any cut of it that is longer than half is found.
const SECRET: &str = "Zq7Zq7Zq7Zq7";
const SIGN: &str = "Zq7Zq7";

/// What holds a secret: the file's place, its text with `NAME` for a header or key and `SECRET`, and how it is read.
struct Sample {
    file: &'static str,
    text: &'static str,
    read: Read,
}

#[derive(Clone, Copy)]
enum Read {
    Main,
    /// By a main file that names it.
    Named(&'static str),
    Source(Format, &'static str),
}

const SAMPLES: &[Sample] = &[
    Sample {
        file: "config.toml",
        text: "[[transport]]\nregistry = 'm.dev'\nheaders = { NAME = 'SECRET' }\n[log]\nlevel = 'info'\n",
        read: Read::Main,
    },
    Sample {
        file: "config.toml",
        text: "[[transport]]\nregistry = \"m.dev\"\n[transport.headers]\nNAME = [\n  \"SECRET\",\n]\n",
        read: Read::Main,
    },
    Sample {
        file: "config.toml",
        text: "[[credentials]]\nregistry = 'm.dev'\nusername = 'u'\npassword = 'SECRET'\n",
        read: Read::Main,
    },
    Sample {
        file: "r.yaml",
        text: "mirrors:\n  a.dev:\n    endpoint: [\"https://m.dev\"]\nconfigs:\n  m.dev:\n    auth:\n      username: u\n      password: SECRET\n    headers: {NAME: SECRET}\n",
        read: Read::Source(Format::RegistriesYaml, "r.yaml"),
    },
    Sample {
        file: "r.yaml",
        text: "configs:\n  \"m.dev\":\n    auth:\n      auth: >-\n        SECRET\n      identity_token: 'SECRET\n        SECRET'\n",
        read: Read::Source(Format::RegistriesYaml, "r.yaml"),
    },
    Sample {
        file: "c/a.dev/hosts.toml",
        text: "server = 'https://a.dev'\n[host.'https://m.dev']\ncapabilities = ['pull']\n[host.'https://m.dev'.header]\nNAME = ['SECRET']\n",
        read: Read::Source(Format::CertsD, "c"),
    },
    Sample {
        file: "c/a.dev/hosts.toml",
        text: "[host.'https://m.dev']\nheader = { NAME = 'SECRET', NAME = ['SECRET', 'x'] }\nskip_verify = true\n",
        read: Read::Source(Format::CertsD, "c"),
    },
    Sample {
        file: "r.conf",
        text: "[[registry]]\nlocation = 'a.dev'\nNAME = 'SECRET'\n[[registry.mirror]]\nlocation = 'm.dev'\n",
        read: Read::Source(Format::RegistriesConf, "r.conf"),
    },
    Sample {
        file: "s.yaml",
        text: "address: http://m.dev\nauth: u:SECRET\nregistries:\n- address: n.dev\n  auth: \"u:SECRET\"\n",
        read: Read::Source(Format::ImageCriShim, "s.yaml"),
    },
    Sample {
        file: "s.yaml",
        text: "kind: ConfigMap\ndata:\n  registries.yaml: |\n    sealos:\n      address: m.dev\n      auth: {username: u, password: SECRET}\n",
        read: Read::Source(Format::ImageCriShim, "s.yaml"),
    },
    Sample {
        file: "c.toml",
        text: "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'a.dev']\nendpoint = ['https://m.dev']\n[plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev'.auth]\nusername = 'u'\npassword = 'SECRET'\n[plugins.'io.containerd.grpc.v1.cri'.registry.headers]\nNAME = ['SECRET']\n",
        read: Read::Source(Format::ContainerdConfig, "c.toml"),
    },
    Sample {
        file: "t.yaml",
        text: "kind: RegistryAuthConfig\nname: m.dev\nusername: u\npassword: SECRET\n---\nkind: RegistryTLSConfig\nname: m.dev\nclientIdentity: {cert: x, key: SECRET}\n---\nkind: RegistryMirrorConfig\nname: a.dev\nendpoints:\n- url: https://m.dev\n",
        read: Read::Source(Format::Talos, "t.yaml"),
    },
    Sample {
        file: "docker.json",
        text: "{\"auths\": {\"m.dev\": {\"auth\": \"SECRET\", \"identitytoken\": \"SECRET\"}},\n\"HttpHeaders\": {\"NAME\": \"SECRET\"}}\n",
        read: Read::Named("docker-config = 'docker.json'"),
    },
    Sample {
        file: "kubelet.yaml",
        text: "kind: CredentialProviderConfig\napiVersion: kubelet.config.k8s.io/v1\nproviders:\n- name: p\n  matchImages: [m.dev]\n  defaultCacheDuration: 1m\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  env: [{name: NAME, value: SECRET}]\n",
        read: Read::Named(
            "image-credential-provider-config = 'kubelet.yaml'\nimage-credential-provider-bin-dir = '/'",
        ),
    },
];

/// Logins in URLs, with passwords that make them hard to recognise.
const URLS: &[Sample] = &[
    Sample {
        file: "config.toml",
        text: "[[policy.rule]]\nprefix = 'a.dev'\nmirrors = ['https://u:SECRET/w@m.dev', 'u:SECRET/w@m.dev']\n",
        read: Read::Main,
    },
    Sample {
        file: "config.toml",
        text: "[[policy.rule]]\nprefix = 'https://u:SECRET/w@m.dev'\nmirrors = ['u:SECRET w@m.dev']\n",
        read: Read::Main,
    },
    Sample {
        file: "config.toml",
        text: "[[credentials]]\nregistry = 'u:SECRET/w@m.dev'\n[[transport]]\nregistry = 'u:SECRET/w@m.dev'\n",
        read: Read::Main,
    },
    Sample {
        file: "r.yaml",
        text: "mirrors:\n  a.dev:\n    endpoint: ['https://u:SECRET/w@m.dev', 'u:SECRET w@m.dev']\n",
        read: Read::Source(Format::RegistriesYaml, "r.yaml"),
    },
    Sample {
        file: "c/a.dev/hosts.toml",
        text: "server = 'https://u:SECRET/w@a.dev'\n[host.'https://u:SECRET/w@m.de']\n[host.'u:SECRET w@m.de']\nca = 1\n",
        read: Read::Source(Format::CertsD, "c"),
    },
    Sample {
        file: "r.conf",
        text: "[[registry]]\nlocation = 'u:SECRET/w@a.dev'\n[[registry.mirror]]\nlocation = 'u:SECRET/w@m.dev'\n",
        read: Read::Source(Format::RegistriesConf, "r.conf"),
    },
    Sample {
        file: "c.toml",
        text: "version = 1\n[plugins.cri.registry.mirrors.'a.dev']\nendpoint = ['https://u:SECRET/w@m.dev', 'u:SECRET w@m.dev']\n[plugins.cri.registry.configs.'https://u:SECRET/w@m.dev'.tls]\nca_file = 1\n",
        read: Read::Source(Format::ContainerdConfig, "c.toml"),
    },
    Sample {
        file: "daemon.json",
        text: "{\"registry-mirrors\": [\"https://u:SECRET/w@m.dev\", \"u:SECRET w@m.dev\"],\n\"insecure-registries\": [\"u:SECRET/w@m.dev\"]}\n",
        read: Read::Source(Format::DockerDaemon, "daemon.json"),
    },
    Sample {
        file: "o.yaml",
        text: "kind: ImageTagMirrorSet\nspec:\n  imageTagMirrors:\n  - source: 'u:SECRET/w@a.dev'\n    mirrors: ['https://u:SECRET/w@m.dev', 'u:SECRET w@m.dev']\n",
        read: Read::Source(Format::OpenShift, "o.yaml"),
    },
    Sample {
        file: "t.yaml",
        text: "kind: RegistryMirrorConfig\nname: 'u:SECRET/w@a.dev'\nendpoints: [{url: 'https://u:SECRET/w@m.dev'}, {url: 'u:SECRET w@m.dev'}]\n",
        read: Read::Source(Format::Talos, "t.yaml"),
    },
    Sample {
        file: "s.yaml",
        text: "address: http://u:SECRET/w@m.dev\nregistries:\n- address: u:SECRET w@n.dev\n",
        read: Read::Source(Format::ImageCriShim, "s.yaml"),
    },
];

/// Names of headers as people have them, and some that nobody foresees.
fn names() -> Vec<String> {
    let known = ["Authorization", "cookie", "X-JFrog-Art-Api", "PRIVATE-TOKEN", "x_api_key", "\"X Y\"", "X"];
    let mut names: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
    let mut dice = 7_u32;
    for length in 2..12 {
        let letter = |_| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(
                b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[(dice >> 26) as usize],
            )
        };
        names.push((0..length).map(letter).collect());
    }
    names
}

/// All ways in which a text is broken here.
fn broken(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    for (at, c) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
        all.push(before.to_owned());
        all.push(format!("{before}{after}"));
        let mut rest = after.chars();
        all.extend(rest.next().map(|next| format!("{before}{next}{c}{}", rest.as_str())));
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        all.push([&lines[..=at], &lines[at..]].concat().concat());
        all.push([&lines[..at], &lines[at + 1..]].concat().concat());
    }
    let types = [
        "[SECRET]",
        "{ a = 'SECRET' }",
        "{a: SECRET}",
        "1 SECRET",
        "[[SECRET]]",
        "\"SECRET",
        "SECRET: x",
        "|\n SECRET",
    ];
    for value in types.map(|value| value.replace("SECRET", SECRET)) {
        all.push(text.replace(&format!("'{SECRET}'"), &value));
        all.push(text.replace(&format!("\"{SECRET}\""), &value));
        all.push(text.replace(SECRET, &value));
    }
    all
}

/// What is said of a sample's file with this text, in every form.
fn said(sample: &Sample, directory: &Path) -> String {
    let mut input = Input::file(&directory.join("config.toml"));
    let mut imported = String::new();
    if let Read::Source(format, path) = sample.read {
        let path = directory.join(path);
        input.main = MainFile::Absent;
        input.sources = vec![SourceFile { format, path: path.clone(), disable_default_endpoint: false }];
        let format = Some(format);
        let request = ImportRequest { files: vec![path], format, disable_default_endpoint: false };
        imported = match config::import(&request) {
            Ok(import) => import.toml + &import.report.render(Style::Plain, true),
            Err(problems) => problems.render(Style::Plain, true),
        };
    }
    let problems = config::load_from(&input).map_or_else(|problems| problems, |loaded| loaded.warnings);
    let lines = problems.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    format!("{imported}\n{}\n{}", problems.render(Style::Plain, true), lines.join("\n"))
}

fn check(sample: &Sample, texts: &[String]) {
    let root = tempfile::tempdir().unwrap();
    let directories: Vec<_> = (0..texts.len()).map(|index| root.path().join(index.to_string())).collect();
    // All files first: one that was written just now would be waited for.
    for (text, directory) in texts.iter().zip(&directories) {
        let path = directory.join(sample.file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        if let Read::Named(keys) = sample.read {
            std::fs::write(directory.join("config.toml"), format!("[[credentials]]\n{keys}\n")).unwrap();
        }
    }
    for (text, directory) in texts.iter().zip(&directories) {
        let said = said(sample, directory);
        assert!(!said.contains(SIGN), "of {}\n{text}\nis told:\n{said}", sample.file);
    }
}

#[test]
fn no_broken_file_tells_its_secret() {
    for sample in SAMPLES {
        let text = sample.text.replace("SECRET", SECRET).replace("NAME", "Cookie");
        check(sample, &broken(&text));
    }
}

/// Only the form of a URL tells a login. So it is whole in all of them.
#[test]
fn no_login_of_a_url_is_told() {
    for sample in URLS {
        for secret in [SECRET, "Zq7Zq7 Zq7Zq7"] {
            let text = sample.text.replace("SECRET", secret);
            let whole = |word: &str, of: &str| of.matches(word).count() >= text.matches(word).count();
            let mut texts: Vec<_> = broken(&text).into_iter().step_by(5).collect();
            texts.retain(|broken| {
                ["://", "u:Zq7", "/w@m.", " w@m.", "@"].iter().all(|word| whole(word, broken))
            });
            check(sample, &texts);
        }
    }
}

#[test]
fn no_header_is_shown_whatever_its_name() {
    for sample in SAMPLES.iter().filter(|sample| sample.text.contains("NAME")) {
        let text = |name: &String| {
            let whole = sample.text.replace("SECRET", SECRET).replace("NAME", name);
            let misspelt = whole.replace("header", "haeder");
            let plural = whole.replace("headers", "header").replace("header'", "headers'");
            // What the file itself is about goes wrong beside the header, or the header is there twice.
            let broken = whole.replacen("dev'", "dev//'", 1);
            let twice = whole.replace(&format!("{name} ="), &format!("{name} = '{SECRET}'\n{name} ="));
            [whole, misspelt, plural, broken, twice]
        };
        check(sample, &names().iter().flat_map(text).collect::<Vec<_>>());
    }
}
