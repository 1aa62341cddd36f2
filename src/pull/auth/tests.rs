//! Tests of which login goes where.

use k8s_cri::v1::{AuthConfig, ImageSpec, PullImageRequest};
use prost::Message;

use std::sync::Arc;

use super::*;
use crate::policy::{
    Action, Asked, Checkpoint, Decision, Layer, Mirror, Origin, Policy, Route, Rule, Settings, Source,
};
use crate::pull::fixture::Parts;
use crate::registry::Endpoint;

/// A policy by which q.dev comes from a mirror of another host, from one of its own, and from itself.
fn policy() -> Policy {
    let mirror = |location: &str| Mirror::at(location.parse().unwrap());
    let route = Route {
        mirrors: vec![mirror("m.test/cache"), mirror("q.dev/cache")],
        order: Default::default(),
        rewrites: Vec::new(),
        origin: Origin::Last,
        collapse: false,
        node_credentials: None,
        outage: Default::default(),
    };
    let rule = Rule {
        prefix: "q.dev".parse().unwrap(),
        action: Action::Route(route),
        checkpoint: Checkpoint::Refuse,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces: None,
        mode: None,
        source: Source { file: "c.toml".into(), line: 1 },
        layer: Layer::Native,
    };
    Policy::new(vec![rule], Settings::default()).unwrap()
}

#[tokio::test]
async fn the_clients_login_goes_to_the_registry_that_was_asked_for_and_to_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let client =
        AuthConfig { username: "ann".to_owned(), password: "pw".to_owned(), ..AuthConfig::default() };
    let asked = PullImageRequest { auth: Some(client.clone()), ..PullImageRequest::default() };
    let parts = Parts::new(dir.path(), Arc::new(policy()), "q.dev/a:1", &asked);
    let pull = parts.pull();
    let Decision::Route { candidates, .. } = pull.generation.policy.decide(&Asked::of(pull.name)) else {
        panic!("not routed")
    };
    let mut sent = Vec::new();
    for candidate in &candidates {
        let endpoint = Endpoint::of(candidate.name.host());
        let mirror = Trial { candidate, endpoint, facts: Arc::default(), has_successor: false };
        let Ok(auth) = pull.auth(&mirror).await else { panic!("{}", candidate.name) };
        let Ok(message) = auth.put(pull.message, candidate.name.host()) else { panic!("{}", candidate.name) };
        let auth = PullImageRequest::decode(message.as_slice()).unwrap().auth;
        sent.push((candidate.name.as_str(), auth));
    }
    let bound = AuthConfig { server_address: "https://q.dev".to_owned(), ..client };
    let expected =
        [("m.test/cache/a:1", None), ("q.dev/cache/a:1", Some(bound.clone())), ("q.dev/a:1", Some(bound))];
    assert_eq!(sent, expected);
}

#[test]
fn the_clients_credentials_are_replaced_whole() {
    let request = |auth: Option<AuthConfig>| PullImageRequest {
        image: Some(ImageSpec { image: "m/x".to_owned(), ..ImageSpec::default() }),
        auth,
        sandbox_config: None,
    };
    let client = AuthConfig {
        username: "ann".to_owned(),
        password: "pw".to_owned(),
        auth: "eA==".to_owned(),
        registry_token: "t".to_owned(),
        ..AuthConfig::default()
    };
    // One more piece of the same field, as a decoder merges them.
    let mut bytes = request(Some(client)).encode_to_vec();
    bytes.extend([18, 3, 10, 1, b'b']);
    let put =
        |auth: &Auth| PullImageRequest::decode(auth.put(&bytes, "h.de:5000").unwrap().as_slice()).unwrap();
    let credential = |username: Option<&str>, proof| Auth::Node {
        credential: Credential {
            username: username.map(str::to_owned),
            proof,
            source: "c.toml:1".to_owned(),
        },
    };
    let secret = || Secret::new("s".to_owned());
    let expected = AuthConfig {
        username: "robot".to_owned(),
        password: "s".to_owned(),
        server_address: "https://h.de:5000".to_owned(),
        ..AuthConfig::default()
    };
    let of_containerd = Login::Password { username: "robot".to_owned(), password: secret() };
    assert_eq!(put(&Auth::Containerd(of_containerd)), request(Some(expected.clone())));
    assert_eq!(put(&credential(Some("robot"), Proof::Password(secret()))), request(Some(expected)));
    let expected = AuthConfig {
        identity_token: "s".to_owned(),
        server_address: "https://h.de:5000".to_owned(),
        ..AuthConfig::default()
    };
    assert_eq!(put(&credential(Some("x"), Proof::IdentityToken(secret()))), request(Some(expected)));
    assert_eq!(put(&Auth::None), request(None));
    assert_eq!(put(&Auth::Withheld { because: "" }), request(Some(AuthConfig::default())));
    assert_eq!(put(&Auth::Client).auth.unwrap().username, "b");
}

fn pull_of(auth: Option<AuthConfig>) -> Vec<u8> {
    let image = Some(ImageSpec { image: "q.io/a/b:1".to_owned(), ..ImageSpec::default() });
    PullImageRequest { image, auth, sandbox_config: None }.encode_to_vec()
}

#[test]
fn credentials_that_are_for_no_host_want_to_be_bound() {
    let given = |username: &str, address: &str| {
        Some(AuthConfig {
            username: username.to_owned(),
            server_address: address.to_owned(),
            ..AuthConfig::default()
        })
    };
    let rows = [
        (None, false),
        (given("", ""), false),
        (given("ann", ""), true),
        (given("ann", "https://else"), false),
    ];
    for (auth, expected) in rows {
        assert_eq!(wants_binding(&pull_of(auth.clone())).unwrap(), expected, "{auth:?}");
    }
}

#[test]
fn credentials_in_several_pieces_are_bound_whole() {
    let piece = |auth: AuthConfig| wire::append(&[], 2, &auth.encode_to_vec());
    let name = AuthConfig { username: "ann".to_owned(), ..AuthConfig::default() };
    let password = AuthConfig { password: "pw".to_owned(), ..AuthConfig::default() };
    let message = [pull_of(None), piece(name), piece(password)].concat();
    assert!(wants_binding(&message).unwrap());
    let bound = bind(&message, "registry-1.docker.io").unwrap();
    assert!(!wants_binding(&bound).unwrap());
    let bound = PullImageRequest::decode(bound.as_slice()).unwrap();
    assert_eq!(bound.image.unwrap().image, "q.io/a/b:1");
    let auth = bound.auth.unwrap();
    let address = "https://registry-1.docker.io";
    assert_eq!(
        (auth.username.as_str(), auth.password.as_str(), auth.server_address.as_str()),
        ("ann", "pw", address)
    );
}

#[test]
fn the_clients_login_is_what_containerd_makes_of_it() {
    let read = |auth: AuthConfig| client_login(&pull_of(Some(auth)), "q.io:1").unwrap();
    let password = |username: &str, password: &str| Login::Password {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
    };
    let ann = |address: &str| AuthConfig {
        username: "ann".to_owned(),
        password: "pw".to_owned(),
        server_address: address.to_owned(),
        ..AuthConfig::default()
    };
    for address in ["", "https://q.io:1", "http://x@q.io:1/v2/"] {
        assert_eq!(read(ann(address)), password("ann", "pw"), "{address}");
    }
    for address in ["https://q.io", "q.io:1", "https://else/q.io:1"] {
        assert_eq!(read(ann(address)), Login::Anonymous, "{address}");
    }
    let encoded = AuthConfig { auth: "YTpiOmM=".to_owned(), ..AuthConfig::default() };
    assert_eq!(read(encoded), password("a", "b:c"));
    let token = AuthConfig { identity_token: "t".to_owned(), ..AuthConfig::default() };
    assert_eq!(read(token), Login::IdentityToken(Secret::new("t".to_owned())));
    let registry = AuthConfig { registry_token: "t".to_owned(), ..AuthConfig::default() };
    assert_eq!(read(registry), Login::Anonymous);
}
