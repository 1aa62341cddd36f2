//! Reads the answers of a registry to HEAD and to GET, and decides which of them counts.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::answer::{self, Found, MAX_MANIFEST, Verdict};
use super::endpoint::{Endpoint, HeaderValue};
use super::error::{Refusal, RegistryError};
use super::exchange::{Answer, Reply};
use super::login::Login;
use super::secrets::Secrets;
use super::session::Session;
use super::url::Url;

/// How long a GET may take where HEAD was answered with 403 or 404: with no answer to it, that of HEAD counts.
const REASON_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks for the manifest at `url`, which has the digest `asked` where one is known.
pub(super) async fn resolve(
    session: &Session<'_>,
    url: &Url,
    asked: Option<&str>,
) -> Result<Found, RegistryError> {
    let head = session.ask(Method::HEAD, url, 0).await?;
    match answer::of_head(&head, asked)? {
        Verdict::Found(found) => Ok(found),
        Verdict::AskAgain => answer::of_get(&session.ask(Method::GET, url, MAX_MANIFEST).await?, asked),
        Verdict::AskWhy => {
            let get = tokio::time::timeout(REASON_TIMEOUT, session.ask(Method::GET, url, MAX_MANIFEST)).await;
            after_refusal(&head, get.ok().and_then(Result::ok).as_ref(), asked)
        }
    }
}

/// Some registries refuse HEAD alone.
fn after_refusal(head: &Answer, get: Option<&Answer>, asked: Option<&str>) -> Result<Found, RegistryError> {
    match get {
        Some(get) if get.status.is_success() => answer::of_get(get, asked),
        get => Err(answer::reason(head, get)),
    }
}

/// Reads the answers of a registry to HEAD and to GET as [`super::Client::resolve`] does. Digest, media type and
/// length.
///
/// # Errors
/// As there, but for what can only happen to a connection.
pub fn judge(
    reference: &str,
    endpoint: &Endpoint,
    login: &Login,
    [head, get]: [Reply; 2],
) -> Result<(String, String, Option<u64>), Refusal> {
    let secrets = Arc::new(Secrets::default());
    login.hide_in(&secrets);
    for (_, value) in &endpoint.headers {
        if let HeaderValue::Text(text) = value {
            secrets.add_header(text.expose());
        }
    }
    let judged = || {
        let bad = || RegistryError::Config(format!("{} is not a host", endpoint.host));
        let url = Url::parse(&format!("https://{}/v2/", endpoint.host)).ok_or_else(bad)?;
        let [head, get] = [head, get].map(|reply| Answer::own(url.clone(), reply, Arc::clone(&secrets)));
        let asked = Some(reference).filter(|reference| answer::is_digest(reference));
        match answer::of_head(&head, asked)? {
            Verdict::Found(found) => Ok(found),
            Verdict::AskAgain => answer::of_get(&get, asked),
            Verdict::AskWhy => after_refusal(&head, Some(&get), asked),
        }
    };
    let judged = judged().map_err(|error: RegistryError| error.told(&secrets));
    judged.map(|Found { digest, media_type, size, .. }| (digest, media_type, size))
}
