//! Imports of real files in a directory of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod generated;
mod properties;

use std::path::Path;

use super::*;
use crate::config::diagnostic::Style;
use crate::config::{Config, fixture, load};
use crate::policy::{Asked, Decision, Name, Role};

fn write(files: &[(String, String)]) -> tempfile::TempDir {
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    fixture::write(&files)
}

/// The configuration of the live sources, and the native one that they are converted into.
/// `None` where the sources are refused; then the import is refused as well.
fn both(
    directory: &Path,
    names: &[&str],
    disable_default_endpoint: bool,
) -> Result<Option<[Config; 2]>, String> {
    let files = names.iter().map(|name| directory.join(name)).collect();
    let request = ImportRequest { files, format: None, disable_default_endpoint };
    let shown = |problems: Diagnostics| problems.render(Style::Plain, true);
    let sources = sources(&request).map_err(shown)?;
    let live = Input { main: MainFile::Absent, sources, ..Input::file(Path::new("")) };
    let Ok(live) = load_from(&live) else {
        return if import(&request).is_err() {
            Ok(None)
        } else {
            Err("refused live, and imported".to_owned())
        };
    };
    let toml = import(&request).map_err(shown)?.toml;
    let path = directory.join("imported.toml");
    std::fs::write(&path, &toml).unwrap();
    let native = load(&path).map_err(|problems| format!("{toml}\n{}", shown(problems)))?;
    Ok(Some([live.config, native.config]))
}

/// Everything in a decision except the file of the rule.
fn shown(config: &Config, name: &Name) -> String {
    match config.policy.decide(&Asked::of(name)) {
        Decision::Pass { rule } => format!("pass by {} {:?}", rule.prefix(), rule.checkpoint()),
        Decision::Deny { rule, reason } => format!("deny by {}: {reason}", rule.prefix()),
        Decision::Route { rule, candidates, .. } => {
            let shown = candidates.iter().map(|candidate| {
                let role = if candidate.role == Role::Origin { "origin" } else { "mirror" };
                let credentials = if candidate.same_host { "client's" } else { "none" };
                let own = candidate.endpoint.map(|index| config.endpoints[index as usize].clone());
                let endpoint = own.unwrap_or_else(|| config.transport.endpoint(candidate.name.host()));
                let endpoint = endpoint.to_string().replace("%7B", "{").replace("%7D", "}");
                format!("{role} {} {credentials} by {endpoint}", candidate.name)
            });
            let shown: Vec<String> = shown.collect();
            format!("route by {} {:?}: {}", rule.prefix(), rule.checkpoint(), shown.join(", "))
        }
    }
}

#[test]
fn what_is_in_a_file_stays_in_its_string_or_comment() {
    let file =
        ("a\nb = [1]\n.conf".to_owned(), "[[registry]]\nlocation = 'q.io'\nblocked = true\n".to_owned());
    let directory = write(&[file]);
    let name: Name = "q.io/a:1".parse().unwrap();
    let [live, native] = both(directory.path(), &["a\nb = [1]\n.conf"], false).unwrap().unwrap();
    assert!(shown(&live, &name).contains("\nb = [1]\n.conf"), "{}", shown(&live, &name));
    assert_eq!(shown(&native, &name), shown(&live, &name));
    assert_eq!(native.policy.rules().len(), 1);
}

#[test]
fn the_order_of_a_rule_is_written() {
    for order in ["fixed", "fastest"] {
        let rule =
            format!("[[policy.rule]]\nprefix = 'q.io'\nmirrors = ['m.de', 'n.de']\norder = '{order}'\n");
        let directory = write(&[("config.toml".to_owned(), rule)]);
        let config = load(&directory.path().join("config.toml")).unwrap().config;
        let rules: Vec<_> = config.policy.rules_in_force().collect();
        let reach = Reach { endpoints: &config.endpoints, wanted: &config.transport };
        let (text, _) = native::rules(&rules, &reach);
        assert_eq!(text.contains("order = \"fastest\"\n"), order == "fastest", "{text}");
    }
}

#[test]
fn a_password_is_nowhere_in_what_is_written_or_said() {
    let yaml = "mirrors:\n  docker.io: {endpoint: ['https://u:s3cret0@m.de']}\nconfigs:\n  m.de:\n    auth:\n      \
                password: s3cret1\n      username: u\n      auth: dTpzM2NyZXQy\n      identity_token: s3cret3\n";
    let shim = "address: https://hub.de\nauth:\n  password: s3cret4\n  username: u\nregistries:\n- address: https://r.de\n  \
                auth: 'u:s3cret:5'\n";
    let hosts = "server = 'https://quay.io'\n[host.'https://m.de']\n[host.'https://m.de'.header]\n\
                 authorization = ['Bearer s3cret6']\n";
    let files = [
        ("registries.yaml".to_owned(), yaml.to_owned()),
        ("image-cri-shim.yaml".to_owned(), shim.to_owned()),
        ("certs.d/quay.io/hosts.toml".to_owned(), hosts.to_owned()),
    ];
    let directory = write(&files);
    let paths = ["registries.yaml", "image-cri-shim.yaml", "certs.d"].map(|name| directory.path().join(name));
    let request = ImportRequest { files: paths.to_vec(), format: None, disable_default_endpoint: false };
    let Import { toml, report, left_behind, rules } = import(&request).unwrap();
    assert_eq!((rules, left_behind), (3, 4), "{toml}");
    let said = format!("{toml}{}{report:?}", report.render(Style::Plain, true));
    let said = said.split("texts: ").next().unwrap();
    for secret in ["s3cret", "dTpzM2NyZXQy"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_mirror_says_the_api_root_that_a_table_for_its_host_cannot_have() {
    let yaml = "mirrors:\n  m.de: {endpoint: ['https://m.de/v2/{x}']}\n  q.io: {endpoint: ['https://n.de/v2/{x}']}\n";
    let hosts = "[host.'https://m.de/v2/{x}']\noverride_path = true\n";
    let files = [("registries.yaml", yaml), ("certs.d/r.io/hosts.toml", hosts)];
    let directory = write(&files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let [live, native] = both(directory.path(), &["registries.yaml", "certs.d"], false).unwrap().unwrap();
    for name in ["q.io/a:1", "r.io/a:1"] {
        let name: Name = name.parse().unwrap();
        assert!(shown(&live, &name).contains("API root /v2/{x}/"), "{}", shown(&live, &name));
        assert_eq!(shown(&native, &name), shown(&live, &name));
    }
}

#[test]
fn a_mirror_that_is_asked_by_the_tag_is_written() {
    let rule =
        "[[policy.rule]]\nprefix = 'q.io'\nmirrors = ['m.de', { location = 'n.de', warm-by-tag = true }]\n";
    let directory = write(&[("config.toml".to_owned(), rule.to_owned())]);
    let config = load(&directory.path().join("config.toml")).unwrap().config;
    let rules: Vec<_> = config.policy.rules_in_force().collect();
    let reach = Reach { endpoints: &config.endpoints, wanted: &config.transport };
    let (text, _) = native::rules(&rules, &reach);
    assert!(text.contains("[\"m.de\", { location = \"n.de\", warm-by-tag = true }]"), "{text}");
}
