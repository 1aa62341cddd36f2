//! Basic logins, at docker-registry with htpasswd.

use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::registry::{Endpoint, Login};

use crate::support::guarded::{Guard, PASSWORD, USER};
use crate::{ask, stored, user};

#[tokio::test]
async fn a_user_and_a_password() {
    let Some((registry, found)) = stored("live/basic") else { return };
    let dir = tempfile::tempdir().unwrap();
    let guarded = Guard::default().htpasswd(dir.path()).start(registry);
    let name = format!("{}/live/basic:1", guarded.host());
    let access = Endpoint::of(guarded.host());
    assert_eq!(ask(&name, &access, &user(USER, PASSWORD)).await, found);
    assert_eq!(
        ask(&name, &access, &user(USER, "wrong")).await,
        "unauthorized: HOST answers 401 Unauthorized: the registry does not accept the password of robot"
    );
    let wants = "; it wants a user and a password";
    let rows = [
        (Login::Anonymous, "without credentials"),
        (user(USER, ""), "without credentials (those of robot have an empty password)"),
        (Login::IdentityToken(Secret::new("t".to_owned())), "with an identity token"),
    ];
    for (login, presented) in rows {
        assert_eq!(
            ask(&name, &access, &login).await,
            format!("unauthorized: HOST answers 401 Unauthorized, asked {presented}{wants}")
        );
    }
}
