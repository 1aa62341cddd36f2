//! Whether a request brings the same login as an earlier pull, without that login being kept.
//!
//! Holds: what is kept is a hash with a key that only this node's root can read, and with a salt of its own. Without the
//! key nobody can find out by guessing which login it was, nor whether two pulls had the same. It is bound to the
//! repository and the digest, so at another image it fits nothing; and to the rule, where that is for some namespaces: what
//! one namespace has pulled is no answer to another.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::files::random::random;
use crate::policy::{Name, RuleRef};
use crate::state::{LoginKey, NoKey};
use crate::wire::{self, WireError, cri};

/// What a label begins with: the one form that there is.
const FORM: &str = "1";

/// How long the disk may take to give the key. A pull needs it only for a later outage.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many labels are worked on at once. A disk that hangs keeps so many threads and no more: the program needs others.
static WORKING: Semaphore = Semaphore::const_new(4);

/// How many random bytes stand in a label.
const SALT: usize = 16;

/// The login of one request; a request without a login has one too, the empty one.
pub(super) struct BroughtLogin {
    fields: Vec<Vec<u8>>,
    key: LoginKey,
}

/// Why a login cannot be remembered or compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknowable {
    #[error(transparent)]
    Key(#[from] NoKey),
    #[error("{0}")]
    Random(std::io::Error),
    #[error("the login was not compared: {0}")]
    Stopped(tokio::task::JoinError),
    #[error("the disk with the state directory does not answer within {} s", PATIENCE.as_secs())]
    Slow,
}

impl BroughtLogin {
    /// The login in a PullImage.
    ///
    /// # Errors
    /// The message is not valid protobuf.
    pub(super) fn of(message: &[u8], key: &LoginKey) -> Result<Self, WireError> {
        let fields = [
            cri::auth_config::USERNAME,
            cri::auth_config::PASSWORD,
            cri::auth_config::AUTH,
            cri::auth_config::SERVER_ADDRESS,
            cri::auth_config::IDENTITY_TOKEN,
            cri::auth_config::REGISTRY_TOKEN,
        ];
        let field = |field: &[u32]| -> Result<Vec<u8>, WireError> {
            let path = [cri::pull_image_request::AUTH, field].concat();
            Ok(wire::get(message, &path)?.unwrap_or_default().to_vec())
        };
        Ok(Self { fields: fields.into_iter().map(field).collect::<Result<_, _>>()?, key: key.clone() })
    }

    /// The same for pulls by this rule alone, if it is not for all pods.
    pub(super) fn by_rule(mut self, rule: &RuleRef<'_>) -> Self {
        if let Some(namespaces) = rule.namespaces() {
            self.fields.push(format!("{} {namespaces}", rule.prefix()).into_bytes());
        }
        self
    }

    /// A label by which it is known again, at the image with this digest.
    ///
    /// # Errors
    /// There is no key.
    pub(super) async fn label(self, repository: &str, digest: &str) -> Result<String, Unknowable> {
        let text = self.text(repository, digest);
        on_disk(move || {
            let salt = random::<SALT>().map_err(Unknowable::Random)?;
            let hash = hmac::sign(self.key.get()?, &[&salt[..], &text].concat());
            Ok(format!("{FORM}:{}:{}", BASE64.encode(salt), BASE64.encode(hash)))
        })
        .await
    }

    /// Whether a label was made of the same login, repository and digest.
    ///
    /// # Errors
    /// There is no key.
    pub(super) async fn made(self, label: &str, repository: &str, digest: &str) -> Result<bool, Unknowable> {
        let text = self.text(repository, digest);
        let Some((salt, hash)) = read(label) else { return Ok(false) };
        let compare = move || {
            let key = self.key.get()?;
            Ok(hmac::verify(key, &[&salt[..], &text].concat(), &hash).is_ok())
        };
        on_disk(compare).await
    }

    /// Each part with its length, so that no two logins run together.
    fn text(&self, repository: &str, digest: &str) -> Vec<u8> {
        let place = [repository.as_bytes(), digest.as_bytes()];
        let mut text = Vec::new();
        for part in place.into_iter().chain(self.fields.iter().map(Vec::as_slice)) {
            text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend(part);
        }
        text
    }
}

/// A label for the login of a pull, where it is to be noted and can be.
pub(super) async fn label(login: Option<BroughtLogin>, name: &Name, digest: &str) -> Option<String> {
    match login?.label(name.repository(), digest).await {
        Ok(label) => Some(label),
        Err(error) => {
            tracing::warn!(image = %name, %error, "the image cannot be the answer when no registry serves (on-outage)");
            None
        }
    }
}

/// The key may have to be read.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Unknowable> + Send + 'static,
) -> Result<T, Unknowable> {
    let working = async {
        let permit = WORKING.acquire().await;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await
    };
    tokio::time::timeout(PATIENCE, working)
        .await
        .map_err(|_| Unknowable::Slow)?
        .map_err(Unknowable::Stopped)?
}

/// Salt and hash of a label.
fn read(label: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (salt, hash) = label.strip_prefix(FORM)?.strip_prefix(':')?.split_once(':')?;
    let (salt, hash) = (BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?);
    (salt.len() == SALT).then_some((salt, hash))
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{AuthConfig, PullImageRequest};
    use prost::Message as _;

    use super::*;

    const DIGEST: &str = "sha256:d";

    fn login(key: &LoginKey, username: &str, password: &str) -> BroughtLogin {
        let (username, password) = (username.to_owned(), password.to_owned());
        let auth = Some(AuthConfig { username, password, ..AuthConfig::default() });
        let request = PullImageRequest { auth, ..PullImageRequest::default() };
        BroughtLogin::of(&request.encode_to_vec(), key).unwrap()
    }

    #[tokio::test]
    async fn only_the_same_login_for_the_same_image_fits() {
        let dir = tempfile::tempdir().unwrap();
        let key = LoginKey::of(dir.path());
        let label = login(&key, "robot", "hush-1").label("r.dev/a", DIGEST).await.unwrap();
        let fits = async |username: &str, password: &str, repository: &str, digest: &str| {
            login(&key, username, password).made(&label, repository, digest).await.unwrap()
        };
        assert!(fits("robot", "hush-1", "r.dev/a", DIGEST).await);
        assert!(!fits("robot", "hush-2", "r.dev/a", DIGEST).await);
        assert!(!fits("robo", "thush-1", "r.dev/a", DIGEST).await);
        assert!(!fits("", "", "r.dev/a", DIGEST).await);
        assert!(!fits("robot", "hush-1", "r.dev/b", DIGEST).await);
        assert!(!fits("robot", "hush-1", "r.dev/a", "sha256:e").await);
        let other = tempfile::tempdir().unwrap();
        let other = login(&LoginKey::of(other.path()), "robot", "hush-1");
        assert!(!other.made(&label, "r.dev/a", DIGEST).await.unwrap(), "with the key of another node");
    }

    #[tokio::test]
    async fn no_login_is_one_too_and_no_label_shows_which_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let key = LoginKey::of(dir.path());
        let none = || BroughtLogin::of(&[], &key).unwrap();
        let label = none().label("r.dev/a", DIGEST).await.unwrap();
        assert!(none().made(&label, "r.dev/a", DIGEST).await.unwrap());
        assert!(
            login(&key, "", "").made(&label, "r.dev/a", DIGEST).await.unwrap(),
            "empty fields are no login"
        );
        assert!(!login(&key, "robot", "").made(&label, "r.dev/a", DIGEST).await.unwrap());
        assert_ne!(none().label("r.dev/a", DIGEST).await.unwrap(), label, "each has a salt of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_does_not_answer_is_not_waited_for() {
        let (open, shut) = std::sync::mpsc::channel::<()>();
        // Time passes by itself only where nothing blocks.
        let asked = tokio::spawn(on_disk(move || Ok(shut.recv().is_ok())));
        tokio::task::yield_now().await;
        tokio::time::advance(PATIENCE).await;
        let problem = asked.await.unwrap().unwrap_err();
        assert_eq!(problem.to_string(), "the disk with the state directory does not answer within 5 s");
        drop(open);
    }

    #[tokio::test]
    async fn what_is_no_label_fits_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let key = LoginKey::of(dir.path());
        let label = login(&key, "robot", "hush-1").label("r.dev/a", DIGEST).await.unwrap();
        let cut = &label[..label.len() - 1];
        let (salt, hash) = label.strip_prefix("1:").unwrap().split_once(':').unwrap();
        let (other_hash, other_salt) = (&format!("1:{salt}:{}", salt), &format!("1:{hash}:{hash}"));
        for text in ["", "1", "1::", "1:?:?", "1:AAAA:AAAA", "ä", cut, other_hash, other_salt, &label[1..]] {
            let login = login(&key, "robot", "hush-1");
            assert!(!login.made(text, "r.dev/a", DIGEST).await.unwrap(), "{text:?}");
        }
    }
}
