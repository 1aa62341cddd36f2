//! A registry front that does what a healthy registry does not do on demand, and remembers all.
//!
//! A test says which paths behave how; everything else goes on to a real registry. Tests read who came, with which
//! credentials.
//! Holds: every request is recorded before it is answered, its `Authorization` header included.

pub use super::behaviour::Behaviour;
use super::behaviour::{bare, by_ns, index};
use super::cold::is_cold;
pub use super::http1::basic;
use super::http1::{self, Message};
use super::systemd::Systemd;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// The first byte of a TLS client.
const TLS_GREETING: u8 = 0x16;

/// One request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub method: String,
    /// With the query.
    pub path: String,
    pub host: String,
    pub authorization: Option<String>,
    pub user_agent: Option<String>,
    /// Of a token request the form, with a password or an identity token in it.
    pub body: String,
}

/// The front.
pub struct Fake {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    addr: SocketAddr,
    behind: Option<String>,
    records: Mutex<Vec<Record>>,
    rules: Mutex<Vec<(String, Behaviour)>>,
    /// Told when a rule was added.
    changed: Condvar,
    left: Mutex<usize>,
    stuck: Mutex<usize>,
    knocks: Mutex<usize>,
}

impl Fake {
    /// With nothing behind it.
    pub fn start() -> Fake {
        Fake::with("127.0.0.1", None)
    }

    /// In front of a registry, given as `127.0.0.1:PORT`.
    pub fn in_front_of(registry: &str) -> Fake {
        Fake::with("127.0.0.1", Some(registry.to_owned()))
    }

    /// As `in_front_of`, on another address of the loopback: another host to whoever leaves ports out.
    pub fn at(address: &str, registry: &str) -> Fake {
        Fake::with(address, Some(registry.to_owned()))
    }

    /// In front of a registry of this machine, on the loopback of another one.
    pub fn inside(systemd: &Systemd, registry: &str) -> Fake {
        Fake::on_listener(systemd.listen(), Some(registry.to_owned()))
    }

    fn with(address: &str, behind: Option<String>) -> Fake {
        Fake::on_listener(TcpListener::bind((address, 0)).unwrap(), behind)
    }

    fn on_listener(listener: TcpListener, behind: Option<String>) -> Fake {
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            addr,
            behind,
            records: Mutex::default(),
            rules: Mutex::default(),
            changed: Condvar::new(),
            left: Mutex::default(),
            stuck: Mutex::default(),
            knocks: Mutex::default(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || {
                    // Errors here are clients that went away.
                    if shared.serve(&stream).is_err() {
                        *shared.left.lock().unwrap() += 1;
                    }
                });
            }
        });
        Fake { addr, shared }
    }

    /// `127.0.0.1:PORT`, as it stands in image names.
    pub fn host(&self) -> String {
        self.addr.to_string()
    }

    /// The `Authorization` header with an access token from here.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.shared.access_token())
    }

    /// Requests whose path begins with `prefix` behave so from now on; the last rule that fits counts.
    pub fn on(&self, prefix: &str, behaviour: Behaviour) {
        self.shared.rules.lock().unwrap().push((prefix.to_owned(), behaviour));
        self.shared.changed.notify_all();
    }

    /// All requests so far, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.shared.records.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.shared.records.lock().unwrap().clear();
    }

    /// How many clients have hung up before their answer was whole.
    pub fn left(&self) -> usize {
        *self.shared.left.lock().unwrap()
    }

    /// How many answers have come to where [`Behaviour::Stuck`] or [`Behaviour::Paused`] stops.
    pub fn stuck(&self) -> usize {
        *self.shared.stuck.lock().unwrap()
    }

    /// How many connections were closed before a byte came: somebody looked whether anyone listens.
    pub fn knocks(&self) -> usize {
        *self.shared.knocks.lock().unwrap()
    }

    /// Every `Authorization` header that came, `""` where a request had none.
    pub fn authorizations(&self) -> Vec<String> {
        self.records().into_iter().map(|record| record.authorization.unwrap_or_default()).collect()
    }
}

impl Shared {
    /// No other fake's.
    fn access_token(&self) -> String {
        format!("testbed-token-{}", self.addr.port())
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        match first_byte(stream)? {
            None => {
                *self.knocks.lock().unwrap() += 1;
                return Ok(());
            }
            Some(TLS_GREETING) => return refuse_tls(stream),
            Some(_) => {}
        }
        let request = http1::read(stream, true)?;
        let (method, path) = request.method_and_path();
        let authorization = request.header("authorization").map(str::to_owned);
        self.records.lock().unwrap().push(Record {
            method: method.to_owned(),
            path: path.to_owned(),
            host: request.header("host").unwrap_or_default().to_owned(),
            authorization: authorization.clone(),
            user_agent: request.header("user-agent").map(str::to_owned),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        });
        if path.starts_with("/token") {
            return self.token(stream, authorization.as_deref(), &request.body);
        }
        let authorization = authorization.unwrap_or_default();
        let is_containerd =
            request.header("user-agent").is_some_and(|agent| agent.starts_with("containerd/"));
        let behaviour = match self.settled_behaviour(path) {
            Behaviour::ToContainerd(behaviour) if is_containerd => *behaviour,
            Behaviour::ToContainerd(_) => Behaviour::Forward,
            behaviour => behaviour,
        };
        match behaviour {
            Behaviour::ToContainerd(_) => panic!("one in another"),
            Behaviour::Raw(bytes) => (&mut &*stream).write_all(bytes.as_bytes()),
            Behaviour::Forward | Behaviour::Held => self.forward(stream, &request),
            Behaviour::Status(status) => answer(stream, &bare(status)),
            Behaviour::With(status, headers) => {
                let mut message = if status == 200 { self.ask_behind(&request)? } else { bare(status) };
                let is_said = |name: &str| headers.iter().any(|(said, _)| said.eq_ignore_ascii_case(name));
                message.headers.retain(|(name, _)| name != "Retry-After" && !is_said(name));
                message.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
                answer(stream, &message)
            }
            Behaviour::Basic(user, password) => {
                if authorization == basic(user, password) {
                    return self.forward(stream, &request);
                }
                challenge(stream, "Basic realm=\"testbed\"".to_owned())
            }
            Behaviour::Redirect(host) => {
                let mut message = bare(307);
                message.headers.push(("Location".to_owned(), format!("http://{host}{path}")));
                answer(stream, &message)
            }
            Behaviour::Bearer(..) | Behaviour::Identity(_) => {
                if authorization == format!("Bearer {}", self.access_token()) {
                    return self.forward(stream, &request);
                }
                let realm = format!("http://{}/token", self.addr);
                challenge(
                    stream,
                    format!("Bearer realm=\"{realm}\",service=\"testbed\",scope=\"repository:any:pull\""),
                )
            }
            Behaviour::Wants(name, value) => {
                if request.header(name) == Some(&value) {
                    return self.forward(stream, &request);
                }
                answer(stream, &bare(403))
            }
            Behaviour::Flaky(every, status) => match self.records.lock().unwrap().len() % every {
                0 => answer(stream, &bare(status)),
                _ => self.forward(stream, &request),
            },
            Behaviour::RawStuck(bytes) => {
                (&mut &*stream).write_all(bytes.as_bytes())?;
                *self.stuck.lock().unwrap() += 1;
                self.until_it_goes(stream);
                Ok(())
            }
            Behaviour::Index(bytes) => answer(stream, &index(&bytes)),
            Behaviour::Wrong(how) => {
                let mut message = self.ask_behind(&request)?;
                how.spoil(&mut message);
                answer(stream, &message)
            }
            Behaviour::ByNs => match by_ns(path) {
                Some(path) => {
                    let first = format!("{method} {path} HTTP/1.1");
                    self.forward(stream, &Message { first, ..request })
                }
                None => answer(stream, &bare(404)),
            },
            Behaviour::ByTag(fills, late) => {
                match is_cold(&self.records.lock().unwrap(), path, fills, late) {
                    true => answer(stream, &bare(404)),
                    false => self.forward(stream, &request),
                }
            }
            Behaviour::Cut(bytes) => self.cut(stream, &request, bytes),
            Behaviour::Silent => {
                self.until_it_goes(stream);
                Ok(())
            }
            Behaviour::Slow(parts, pause) => self.trickle(stream, &request, parts, pause),
            Behaviour::Stuck(bytes) => {
                if !self.first_part(stream, &request, bytes)?.is_empty() {
                    self.until_it_goes(stream);
                }
                Ok(())
            }
            Behaviour::Paused(bytes) => {
                let rest = self.first_part(stream, &request, bytes)?;
                self.behaviour_other_than(path, |behaviour| matches!(behaviour, Behaviour::Paused(_)));
                (&mut &*stream).write_all(&rest)
            }
        }
    }

    /// The behaviour of a path, once that is not `Held` any more.
    fn settled_behaviour(&self, path: &str) -> Behaviour {
        self.behaviour_other_than(path, |behaviour| matches!(behaviour, Behaviour::Held))
    }

    /// The behaviour of a path, once that is not such a one any more.
    fn behaviour_other_than(&self, path: &str, such: impl Fn(&Behaviour) -> bool) -> Behaviour {
        let behaviour = |rules: &[(String, Behaviour)]| {
            let fitting = rules.iter().rev().find(|(prefix, _)| path.starts_with(prefix.as_str()));
            fitting.map_or(Behaviour::Forward, |(_, behaviour)| behaviour.clone())
        };
        let waits = |rules: &mut Vec<_>| such(&behaviour(rules));
        behaviour(&self.changed.wait_while(self.rules.lock().unwrap(), waits).unwrap())
    }

    /// Waits until the client hangs up, and counts it.
    fn until_it_goes(&self, mut stream: &TcpStream) {
        while stream.read(&mut [0; 512]).is_ok_and(|count| count > 0) {}
        *self.left.lock().unwrap() += 1;
    }

    /// The token server of `Behaviour::Bearer`.
    fn token(&self, stream: &TcpStream, authorization: Option<&str>, body: &[u8]) -> std::io::Result<()> {
        let wanted = self.rules.lock().unwrap().iter().rev().find_map(|(_, behaviour)| match behaviour {
            Behaviour::Bearer(..) | Behaviour::Identity(_) => Some(behaviour.clone()),
            _ => None,
        });
        let welcome = match wanted {
            Some(Behaviour::Bearer("", _)) => true,
            Some(Behaviour::Bearer(user, password)) => authorization == Some(basic(user, password).as_str()),
            Some(Behaviour::Identity(token)) => {
                let sent = format!("refresh_token={token}");
                String::from_utf8_lossy(body).split('&').any(|field| field == sent)
            }
            _ => false,
        };
        if !welcome {
            return answer(stream, &bare(401));
        }
        let mut message = bare(200);
        let token = self.access_token();
        message.body =
            format!("{{\"token\":\"{token}\",\"access_token\":\"{token}\",\"expires_in\":300}}").into_bytes();
        message.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        answer(stream, &message)
    }

    fn ask_behind(&self, request: &Message) -> std::io::Result<Message> {
        let Some(behind) = &self.behind else { return Ok(bare(404)) };
        let (method, path) = request.method_and_path();
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !name.eq_ignore_ascii_case("authorization"))
            .collect();
        let mut answer = http1::send(behind, method, path, &headers, &request.body)?;
        answer.first = answer.first.replacen("HTTP/1.0", "HTTP/1.1", 1);
        Ok(answer)
    }

    fn forward(&self, stream: &TcpStream, request: &Message) -> std::io::Result<()> {
        answer(stream, &self.ask_behind(request)?)
    }

    fn cut(&self, mut stream: &TcpStream, request: &Message, bytes: usize) -> std::io::Result<()> {
        let message = self.ask_behind(request)?;
        stream.write_all(message.head().as_bytes())?;
        stream.write_all(&message.body[..bytes.min(message.body.len())])?;
        stream.shutdown(std::net::Shutdown::Both)
    }

    fn trickle(
        &self,
        mut stream: &TcpStream,
        request: &Message,
        parts: usize,
        pause: Duration,
    ) -> std::io::Result<()> {
        let message = self.ask_behind(request)?;
        stream.write_all(message.head().as_bytes())?;
        for part in message.body.chunks(message.body.len().div_ceil(parts).max(1)) {
            std::thread::sleep(pause);
            stream.write_all(part)?;
        }
        Ok(())
    }

    /// Sends so many bytes of the body, and returns the others.
    fn first_part(
        &self,
        mut stream: &TcpStream,
        request: &Message,
        bytes: usize,
    ) -> std::io::Result<Vec<u8>> {
        let message = self.ask_behind(request)?;
        let (first, rest) = message.body.split_at(bytes.min(message.body.len()));
        stream.write_all(message.head().as_bytes())?;
        stream.write_all(first)?;
        *self.stuck.lock().unwrap() += usize::from(!rest.is_empty());
        Ok(rest.to_vec())
    }
}

/// The first byte that a client sends; none where it hangs up before.
fn first_byte(stream: &TcpStream) -> std::io::Result<Option<u8>> {
    let mut first = [0];
    Ok((stream.peek(&mut first)? > 0).then_some(first[0]))
}

/// containerd tries TLS first on odd loopback ports, and falls back to plain http only when the
/// other side answers its greeting with something that is not TLS, as Go's http server does.
fn refuse_tls(mut stream: &TcpStream) -> std::io::Result<()> {
    // Taken off the socket, or closing it would reset the connection before the answer is read.
    let _all_of_it = stream.read(&mut [0; 4096])?;
    answer(stream, &bare(400))
}

fn challenge(stream: &TcpStream, challenge: String) -> std::io::Result<()> {
    let mut message = bare(401);
    message.headers.push(("WWW-Authenticate".to_owned(), challenge));
    answer(stream, &message)
}

fn answer(mut stream: &TcpStream, message: &Message) -> std::io::Result<()> {
    stream.write_all(message.head().as_bytes())?;
    stream.write_all(&message.body)
}
