//! Follows redirects.
//!
//! Before: a request with what only the registry itself may see.  After: the answer at the end of the way.
//! Holds: credentials and configured headers go to the origin that was asked first, and to no other, were it
//! a subdomain or the same host in plain http.
//!
//! Facts: Go's `http.Client` follows ten; it lets credentials go on to subdomains too, which is left out.

use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, Method};

use super::connect::Wire;
use super::error::RegistryError;
use super::exchange::{self, Answer, Question};

/// The most redirects, as in Go.
const MAX_REDIRECTS: usize = 10;

/// Asks with the headers `private` as long as the origin is that of the question. Only requests without a
/// body are sent on.
pub(super) async fn follow(
    wire: &Wire,
    mut question: Question,
    private: &HeaderMap,
) -> Result<Answer, RegistryError> {
    let origin = question.url.clone();
    let open = question.headers.clone();
    debug_assert!(!open.contains_key(AUTHORIZATION), "credentials are private");
    for _ in 0..=MAX_REDIRECTS {
        question.headers = open.clone();
        if question.url.same_origin(&origin) {
            for (name, value) in private {
                question.headers.append(name, value.clone());
            }
        }
        let answer = exchange::ask(wire, &question).await?;
        let redirected = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let sent_on = question.method == Method::GET || question.method == Method::HEAD;
        if !redirected || !sent_on {
            return Ok(answer);
        }
        let Some(location) = answer.headers.get(LOCATION) else { return Ok(answer) };
        let text = String::from_utf8_lossy(location.as_bytes());
        question.url = answer.url.join(&text).ok_or_else(|| RegistryError::Redirect {
            host: answer.url.authority(),
            problem: format!("to {}, which is no URL that can be asked", answer.quote(&text)),
        })?;
    }
    let problem = format!("more than {MAX_REDIRECTS} times");
    Err(RegistryError::Redirect { host: origin.authority(), problem })
}
