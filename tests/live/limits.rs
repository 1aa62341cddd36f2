//! Registries and token servers that want to be left alone for a while.

use std::time::Duration;

use cri_shunt::inside::registry::{Failure, Login, Refusal};

use crate::support::scripted::{Scripted, reply};
use crate::{PATIENCE, client, plain, resolve};

async fn refusal(host: &str) -> Refusal {
    let name = format!("{host}/a:1");
    resolve(&client(), &name, &plain(host), &Login::Anonymous, PATIENCE).await.unwrap_err()
}

/// The refusal of a registry that answers so, and of one whose token server does.
async fn both(status: u16, headers: &'static [(&'static str, &'static str)]) -> [Refusal; 2] {
    let server = Scripted::start(move |_| reply(status, headers, ""));
    let challenge = format!(r#"Bearer realm="http://{}/token""#, server.host());
    let registry = Scripted::start(move |_| reply(401, &[("WWW-Authenticate", &challenge)], ""));
    [refusal(&server.host()).await, refusal(&registry.host()).await]
}

#[tokio::test]
async fn how_long_is_part_of_the_refusal() {
    let minute = Some(Duration::from_secs(60));
    for refusal in both(429, &[("Retry-After", "60")]).await {
        let class = (refusal.failure(), refusal.status(), refusal.retry_after());
        assert_eq!(class, (Failure::RateLimited, Some(429), minute), "{refusal}");
        assert!(refusal.to_string().ends_with("429 Too Many Requests; again after 60 s"), "{refusal}");
    }
    for refusal in both(503, &[("Retry-After", "60")]).await {
        let class = (refusal.failure(), refusal.status(), refusal.retry_after());
        assert_eq!(class, (Failure::Status, Some(503), minute), "{refusal}");
    }
    for refusal in both(429, &[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")]).await {
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(24 * 3600)), "{refusal}");
    }
    for refusal in both(403, &[("X-RateLimit-Remaining", "0")]).await {
        assert_eq!((refusal.failure(), refusal.retry_after()), (Failure::RateLimited, None), "{refusal}");
    }
}
