//! The logins in containerd's own config, which it uses for a registry where a client brings none.
//!
//! Source: containerd `internal/cri/config/config.go` (`Registry`, `AuthConfig`), `internal/cri/server/images/image_pull.go`
//! (`registryHosts`, `ParseAuth`), v2.1.9. `auths` is the older form, by URL; containerd lets it overrule `configs`.

use std::collections::HashMap;

use serde_json::Value;

use crate::credentials::decode_basic;
use crate::files::secret::Secret;
use crate::registry::Login;

/// The logins by the host that is really asked, from the `registry` table of containerd's config.
pub(super) fn logins(registry: &Value) -> HashMap<String, Login> {
    let table = |key: &str| registry[key].as_object().into_iter().flatten();
    let by_host = table("configs").map(|(host, config)| (host.as_str(), &config["auth"]));
    let by_url = table("auths").map(|(url, auth)| (host_of(url), auth));
    by_host.chain(by_url).filter_map(|(host, auth)| Some((host.to_owned(), login(auth)?))).collect()
}

/// In the order in which containerd looks at the keys.
fn login(auth: &Value) -> Option<Login> {
    let text = |key: &str| auth[key].as_str().filter(|text| !text.is_empty());
    if let Some(username) = text("username") {
        let password = Secret::new(text("password").unwrap_or_default().to_owned());
        return Some(Login::Password { username: username.to_owned(), password });
    }
    if let Some(token) = text("identitytoken").or_else(|| text("identityToken")) {
        return Some(Login::IdentityToken(Secret::new(token.to_owned())));
    }
    let (username, password) = decode_basic(text("auth")?)?;
    Some(Login::Password { username, password })
}

/// `host[:port]` of a URL.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_login_is_read() {
        let registry = serde_json::json!({
            "configs": {
                "a.dev": {"auth": {"username": "ann", "password": "p", "auth": "", "identitytoken": "t"}},
                "b.dev:5000": {"auth": {"auth": "Ym9iOnE="}, "tls": null},
                "c.dev": {"auth": {"identitytoken": "t"}},
                "d.dev": {"auth": null, "tls": {"ca_file": "/ca"}},
                "e.dev": {"auth": {"username": "", "password": "p"}},
            },
            "auths": {"https://f.dev/v2/": {"username": "f"}},
        });
        let password = |username: &str, password: &str| Login::Password {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        };
        let expected = [
            ("a.dev", password("ann", "p")),
            ("b.dev:5000", password("bob", "q")),
            ("c.dev", Login::IdentityToken(Secret::new("t".to_owned()))),
            ("f.dev", password("f", "")),
        ];
        let expected: HashMap<_, _> =
            expected.into_iter().map(|(host, login)| (host.to_owned(), login)).collect();
        assert_eq!(logins(&registry), expected);
        assert_eq!(logins(&Value::Null), HashMap::new());
    }
}
