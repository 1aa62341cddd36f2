//! Follows redirects.
//!
//! Credentials and configured headers go to the origin that was asked first and to no other, not even to a
//! subdomain or to the same host in plain http.
//!
//! Facts: Go's `http.Client` follows ten; it lets credentials go on to subdomains too, which is left out here.

use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, Method};

use super::error::RegistryError;
use super::exchange::{self, Answer, Question};
use super::guard::Reach;
use super::wire::Wire;

/// The most redirects, as in Go.
const MAX_REDIRECTS: usize = 10;

/// The answer at the end of the way, and where the host that was asked first may lead.
pub(super) struct Followed {
    pub(super) answer: Answer,
    pub(super) reach: Reach,
}

/// Asks with the headers `private` as long as the origin is that of the question. Only requests without a
/// body are sent on.
pub(super) async fn follow(
    wire: &Wire,
    mut question: Question,
    private: &HeaderMap,
    mut reach: Reach,
) -> Result<Followed, RegistryError> {
    let origin = question.url.clone();
    let open = question.headers.clone();
    debug_assert!(!open.contains_key(AUTHORIZATION), "credentials are private");
    let mut from = None;
    for _ in 0..=MAX_REDIRECTS {
        question.headers = open.clone();
        if question.url.same_origin(&origin) {
            for (name, value) in private {
                question.headers.append(name, value.clone());
            }
        }
        let asked = exchange::ask(wire, &question, reach).await;
        let answer = asked.map_err(|error| match from.take() {
            Some(from) => beyond(from, error),
            None => error,
        })?;
        reach = reach.beside(answer.special);
        let redirected = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let sent_on = question.method == Method::GET || question.method == Method::HEAD;
        if !redirected || !sent_on {
            return Ok(Followed { answer, reach });
        }
        let Some(location) = answer.headers.get(LOCATION) else { return Ok(Followed { answer, reach }) };
        let text = String::from_utf8_lossy(location.as_bytes());
        question.url = answer.url.join(&text).ok_or_else(|| {
            let to = answer.quote(&text).unwrap_or_else(|| "a place".to_owned());
            let problem = format!("to {to}, which is not a URL that can be asked");
            RegistryError::Redirect { host: answer.url.authority(), problem }
        })?;
        from = Some(answer.url.authority());
    }
    let problem = format!("more than {MAX_REDIRECTS} times");
    Err(RegistryError::Redirect { host: origin.authority(), problem })
}

/// The error of a host that `from` has redirected to.
fn beyond(from: String, error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Astray { host, astray } => {
            RegistryError::Redirect { host: from, problem: format!("to {host}, which {astray}") }
        }
        error => RegistryError::Beyond(Box::new(error)),
    }
}
