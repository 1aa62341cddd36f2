//! What is kept between questions: connections and tokens. Requests are counted at servers that record them.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cri_shunt::inside::registry::{Client, Login};

use crate::support::http1::{self, Message};
use crate::support::image::MANIFEST;
use crate::support::scripted::{Scripted, reply};
use crate::{PATIENCE, ask_through, client, plain, resolve, user};

/// A registry that has every manifest, and keeps its connections.
pub(crate) struct KeepAlive {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: Mutex<Vec<Message>>,
    /// After how many answers a connection is closed, and how.
    ends: Option<(usize, End)>,
}

/// How a server closes a connection that it has not announced to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    AtOnce,
    /// Reads one more request first.
    AfterRequest,
    /// Answers one more request as if it had come too late.
    TimedOut,
}

impl KeepAlive {
    pub(crate) fn start() -> Self {
        Self::serve(State::default())
    }

    /// Closes each connection after so many answers, without saying so before.
    fn ending(answers: usize, end: End) -> Self {
        Self::serve(State { ends: Some((answers, end)), ..State::default() })
    }

    fn serve(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = KeepAlive { addr: listener.local_addr().unwrap(), state: Arc::new(state) };
        let state = server.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                state.connections.fetch_add(1, Ordering::SeqCst);
                let state = state.clone();
                std::thread::spawn(move || drop(state.answer_all(stream)));
            }
        });
        server
    }

    pub(crate) fn host(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<Message> {
        self.state.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    async fn asked(&self, client: &Client) -> String {
        ask_through(&format!("{}/a:1", self.host()), &plain(&self.host()), &Login::Anonymous, client).await
    }
}

impl State {
    fn answer_all(&self, mut stream: TcpStream) -> std::io::Result<()> {
        for answered in 0.. {
            let end = self.ends.filter(|(answers, _)| *answers == answered).map(|(_, end)| end);
            if end == Some(End::AtOnce) {
                return Ok(());
            }
            let request = http1::read(&stream, true)?;
            let body = if request.method_and_path().0 == "HEAD" { "" } else { "1234567" };
            self.requests.lock().unwrap().push(request);
            match end {
                None => {}
                Some(End::TimedOut) => {
                    return stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
                }
                Some(_) => return Ok(()),
            }
            let digest = "a".repeat(64);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {MANIFEST}\r\nContent-Length: 7\r\n\
                 Docker-Content-Digest: sha256:{digest}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes())?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn one_connection_serves_one_question_after_the_other() {
    let (server, client) = (KeepAlive::start(), client());
    for _ in 0..3 {
        let said = server.asked(&client).await;
        assert!(said.starts_with("sha256:"), "{said}");
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 3));
    // Another client has connections of its own.
    server.asked(&crate::client()).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    for end in [End::AtOnce, End::AfterRequest, End::TimedOut] {
        let (server, client) = (KeepAlive::ending(1, end), client());
        for _ in 0..3 {
            let said = server.asked(&client).await;
            assert!(said.starts_with("sha256:"), "{end:?}: {said}");
        }
        assert_eq!(server.connections(), 3, "{end:?}");
    }
    // A new connection that is closed without an answer is an error, and is not tried again.
    let (server, client) = (KeepAlive::ending(0, End::AfterRequest), client());
    let said = server.asked(&client).await;
    assert_eq!(said, "cut: HOST hangs up before its answer is whole");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

/// A registry that takes tokens of its token server, which numbers them. Its log has a word for each request.
struct Tokens {
    registry: Scripted,
    server: Scripted,
    log: Arc<Mutex<Vec<String>>>,
    /// The oldest token that is still taken.
    oldest: Arc<AtomicUsize>,
}

impl Tokens {
    /// The token server answers with a token and these further fields.
    fn start(fields: &'static str) -> Self {
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (given, oldest) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(1)));
        let (records, of_server) = (log.clone(), log.clone());
        let server = Scripted::start(move |request| {
            of_server.lock().unwrap().push(format!("{} token", request.method_and_path().0));
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            reply(
                200,
                &[],
                &format!(r#"{{"token":"token-{number}","access_token":"token-{number}"{fields}}}"#),
            )
        });
        let (realm, taken) = (server.host(), oldest.clone());
        let registry = Scripted::start(move |request| {
            let (method, _) = request.method_and_path();
            let token = request.header("authorization").and_then(|token| token.strip_prefix("Bearer token-"));
            let number = token.and_then(|number| number.parse::<usize>().ok());
            if number.is_some_and(|number| number >= taken.load(Ordering::SeqCst)) {
                records.lock().unwrap().push(method.to_owned());
                let digest = format!("sha256:{}", "a".repeat(64));
                let headers = [
                    ("Content-Type", MANIFEST),
                    ("Docker-Content-Digest", &*digest),
                    ("Content-Length", "7"),
                ];
                return reply(200, &headers, "");
            }
            records.lock().unwrap().push(format!("{method} 401"));
            let challenge = format!(r#"Bearer realm="http://{realm}/token",service="s""#);
            reply(401, &[("WWW-Authenticate", &challenge)], "")
        });
        Tokens { registry, server, log, oldest }
    }

    /// The requests that one question takes.
    async fn requests_for(&self, client: &Client, repository: &str, login: &Login) -> Vec<String> {
        self.log.lock().unwrap().clear();
        let name = format!("{}/{repository}:1", self.registry.host());
        resolve(client, &name, &plain(&self.registry.host()), login, PATIENCE).await.unwrap();
        self.log.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_token_is_got_once_for_repository_and_login() {
    let tokens = Tokens::start(r#","expires_in":300"#);
    let client = client();
    let (anonymous, robot) = (Login::Anonymous, user("robot", "hunter2"));
    assert_eq!(tokens.requests_for(&client, "a", &anonymous).await, ["HEAD 401", "GET token", "HEAD"]);
    assert_eq!(tokens.requests_for(&client, "a", &anonymous).await, ["HEAD"]);
    assert_eq!(tokens.requests_for(&client, "a", &robot).await, ["HEAD 401", "POST token", "HEAD"]);
    assert_eq!(tokens.requests_for(&client, "a", &robot).await, ["HEAD"]);
    let changed = user("robot", "hunter3");
    assert_eq!(tokens.requests_for(&client, "a", &changed).await, ["HEAD 401", "POST token", "HEAD"]);
    assert_eq!(tokens.requests_for(&client, "b", &robot).await, ["HEAD 401", "POST token", "HEAD"]);
    // What the registry no longer takes is replaced.
    tokens.oldest.store(5, Ordering::SeqCst);
    assert_eq!(tokens.requests_for(&client, "a", &robot).await, ["HEAD 401", "POST token", "HEAD"]);
    assert_eq!(tokens.requests_for(&client, "a", &robot).await, ["HEAD"]);
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced_before_the_registry_refuses_it() {
    let tokens = Tokens::start(r#","expires_in":1"#);
    let client = client();
    let anonymous = Login::Anonymous;
    assert_eq!(tokens.requests_for(&client, "a", &anonymous).await, ["HEAD 401", "GET token", "HEAD"]);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(tokens.requests_for(&client, "a", &anonymous).await, ["GET token", "HEAD"]);
}

#[tokio::test]
async fn many_questions_at_once_get_one_token() {
    let tokens = Tokens::start("");
    let client = client();
    let name = format!("{}/a:1", tokens.registry.host());
    let endpoint = plain(&tokens.registry.host());
    let ask = || resolve(&client, &name, &endpoint, &Login::Anonymous, PATIENCE);
    let all = futures_util::future::join_all((0..20).map(|_| ask())).await;
    assert_eq!(all.iter().filter(|found| found.is_ok()).count(), 20);
    assert_eq!(tokens.server.requests().len(), 1);
}

#[tokio::test]
async fn a_token_is_not_for_another_way_to_the_same_host() {
    let tokens = Tokens::start("");
    let client = client();
    let anonymous = Login::Anonymous;
    assert_eq!(tokens.requests_for(&client, "a", &anonymous).await.len(), 3);
    let value = cri_shunt::inside::files::secret::Secret::new("tenant-b".to_owned());
    let other = cri_shunt::inside::registry::Endpoint {
        headers: vec![("X-Tenant".to_owned(), cri_shunt::inside::registry::HeaderValue::Text(value))],
        ..plain(&tokens.registry.host())
    };
    let name = format!("{}/a:1", tokens.registry.host());
    resolve(&client, &name, &other, &anonymous, PATIENCE).await.unwrap();
    assert_eq!(tokens.server.requests().len(), 2);
}

#[tokio::test]
async fn basic_is_sent_at_once_the_next_time() {
    let registry = Scripted::start(|request: &Message| match request.header("authorization") {
        Some(_) => reply(404, &[], ""),
        None => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
    });
    let (client, name) = (client(), format!("{}/a:1", registry.host()));
    let ask = async || {
        let before = registry.requests().len();
        ask_through(&name, &plain(&registry.host()), &user("robot", "hunter2"), &client).await;
        registry.seen("authorization")[before..].iter().map(|(_, login)| login.is_some()).collect::<Vec<_>>()
    };
    // HEAD with its 401, HEAD again, and GET to learn why.
    assert_eq!(ask().await, [false, true, true]);
    assert_eq!(ask().await, [true, true]);
}

#[tokio::test]
async fn a_form_with_a_password_is_not_sent_twice() {
    // The token server keeps connections, and ends them when a second request comes.
    let server = KeepAlive::ending(1, End::AfterRequest);
    let realm = format!(r#"Bearer realm="http://{}/token""#, server.host());
    let registry = Scripted::start(move |_| reply(401, &[("WWW-Authenticate", &realm)], ""));
    let client = client();
    for repository in ["a", "b"] {
        let name = format!("{}/{repository}:1", registry.host());
        let said = ask_through(&name, &plain(&registry.host()), &user("robot", "hunter2"), &client).await;
        // Its answers are no tokens.
        assert!(said.contains("no token for HOST"), "{said}");
    }
    let posts = server.requests().iter().filter(|asked| asked.method_and_path().0 == "POST").count();
    assert_eq!((posts, server.connections()), (2, 2));
}
