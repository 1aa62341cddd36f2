//! What a registry host needs that no image reference can say.
//!
//! Before: `config` reads it from `[[transport]]` and from sources.  After: `plan` makes files of it.
//! Holds: of two statements about one host the native one holds, whole; a header's value is not shown.
//! Not here: whether the files that are named are any good (`certificate`).

use std::fmt;
use std::io;
use std::path::PathBuf;

use foldhash::HashMap;

use crate::files::regular_file;
use crate::files::secret::Secret;
use crate::policy::{Layer, Prefix, Source};

use super::host_config::Reach;

/// In bytes; no server takes a longer header.
const LONGEST_HEADER: u64 = 64 << 10;

/// One thing that a host needs.
#[derive(Clone, Debug)]
pub struct TransportNeed {
    /// The host as references spell it, with its port; `*` is every host that nothing else is said of.
    pub host: String,
    /// What it needs.
    pub what: Transport,
    /// Where that is written.
    pub source: Source,
    /// Whose word it is.
    pub layer: Layer,
}

/// What a host can need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `http` instead of `https`.
    PlainHttp,
    /// `http` where `https` does not come about.
    HttpFallback,
    /// This spelling of the host is there to be told from others: the host is really asked by this one.
    AskedAs(String),
    /// An API root that does not begin with `/v2`: its path, for example `/proxy`.
    ApiRoot(String),
    /// A certificate authority of its own: the file.
    CaFile(PathBuf),
    /// A client certificate.
    ClientCert {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file, where it is not the same.
        key: Option<PathBuf>,
    },
    /// The certificate is not looked at.
    SkipVerify,
    /// A header in every request.
    Header {
        /// Its name.
        name: String,
        /// Its value, which may be a token.
        value: HeaderValue,
    },
    /// How long a connection may take to come about, as written.
    DialTimeout(String),
}

/// The value of a header, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// As written.
    Text(Secret),
    /// The text of a file, read whenever the file for containerd is written.
    File(PathBuf),
}

/// Everything that is wanted of containerd's files.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    needs: Vec<TransportNeed>,
    /// What is said of each spelling of a host, for every pull asks several times.
    said: HashMap<String, Said>,
    /// The first spelling with a native table, by the folded host.
    natives: HashMap<String, String>,
    fence: bool,
}

/// What is said of one spelling: places in the list of needs.
#[derive(Clone, Debug, Default)]
struct Said {
    native: Vec<usize>,
    /// Those of the lowest layer that says anything, each once.
    sources: Vec<usize>,
}

impl Wanted {
    /// Puts together what hosts need; `fence` is whether what goes round the shunt is to be kept to the rules
    /// as well.
    #[must_use]
    pub fn new(needs: Vec<TransportNeed>, fence: bool) -> Self {
        let mut said: HashMap<String, Said> = HashMap::default();
        let mut natives = HashMap::default();
        for (i, need) in needs.iter().enumerate() {
            let of_host = said.entry(need.host.clone()).or_default();
            if need.layer != Layer::Native {
                of_host.add_source(i, &needs);
                continue;
            }
            if of_host.native.is_empty() {
                natives.entry(fold(&need.host)).or_insert_with(|| need.host.clone());
            }
            of_host.native.push(i);
        }
        Self { needs, said, natives, fence }
    }

    /// What hosts need, in the order of the files.
    #[must_use]
    pub fn needs(&self) -> &[TransportNeed] {
        &self.needs
    }

    /// Whether what goes round the shunt is to be kept to the rules as well.
    #[must_use]
    pub fn fence(&self) -> bool {
        self.fence
    }

    /// What is said of a host, spelled as references spell it.
    ///
    /// A native statement is for every spelling of the host that has none of its own, and takes the place of
    /// what sources say, but for what their endpoints' addresses say and it does not. A source's is for its own
    /// spelling alone, as in its own program; `*` is for hosts of which the same source says nothing else.
    #[must_use]
    pub fn needs_of(&self, host: &str) -> Vec<&TransportNeed> {
        let mut own = self.native(host);
        let mut sources = self.sources(host);
        if sources.is_empty() {
            sources = self.sources("*");
        }
        if own.is_empty() {
            return sources;
        }
        let has = |test: fn(&Transport) -> bool| own.iter().any(|need| test(&need.what));
        let has_root = has(|what| matches!(what, Transport::ApiRoot(_)));
        let has_scheme = has(|what| matches!(what, Transport::PlainHttp) || is_tls(what));
        sources.retain(|need| match &need.what {
            Transport::ApiRoot(_) => !has_root,
            Transport::PlainHttp => !has_scheme,
            what => matches!(what, Transport::AskedAs(_)),
        });
        own.extend(sources);
        own
    }

    /// The native table for a host: that of its own spelling, else the first for any spelling of it.
    fn native(&self, host: &str) -> Vec<&TransportNeed> {
        let table = |host: &str| self.said.get(host).map_or(&[][..], |said| &said.native);
        let mut found = table(host);
        if found.is_empty() && !self.natives.is_empty() {
            found = self.natives.get(&fold(host)).map_or(&[], |first| table(first));
        }
        found.iter().map(|&i| &self.needs[i]).collect()
    }

    /// What sources say of exactly this spelling.
    fn sources(&self, host: &str) -> Vec<&TransportNeed> {
        let found = self.said.get(host).map_or(&[][..], |said| &said.sources);
        found.iter().map(|&i| &self.needs[i]).collect()
    }

    /// How a host is reached.
    #[must_use]
    pub fn reach(&self, host: &str) -> Reach {
        Reach::of(host, &self.needs_of(host))
    }

    /// The host that containerd asks for the names of `host`, once it has been told: credentials that are bound
    /// to a host must be bound to this one.
    #[must_use]
    pub fn asked_host(&self, host: &str) -> String {
        self.reach(host).host
    }

    /// The host that containerd connects to for the names of `host`, with a port where it is not that of https.
    #[must_use]
    pub fn connected_host(&self, host: &str) -> String {
        let Reach { host, schemes, .. } = self.reach(host);
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if schemes == ["http"] && !has_port { format!("{host}:80") } else { host }
    }

    /// Whether containerd, as long as it is not told, would ask another place of the host, where another image
    /// may have the same name.
    #[must_use]
    pub fn must_be_told(&self, host: &str) -> bool {
        self.reach(host).api_root.is_some()
    }
}

fn is_tls(what: &Transport) -> bool {
    matches!(what, Transport::CaFile(_) | Transport::ClientCert { .. } | Transport::SkipVerify)
}

/// The host that containerd asks by itself (`docker.DefaultHost` in its resolver).
pub(super) fn host_asked(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

/// One spelling for all of a host.
#[must_use]
pub fn fold(host: &str) -> String {
    host.parse::<Prefix>().map_or_else(|_| host.to_owned(), |prefix| prefix.as_str().to_owned())
}

// === impl Said ===

impl Said {
    fn add_source(&mut self, added: usize, needs: &[TransportNeed]) {
        let layer = |i: usize| needs[i].layer;
        if self.sources.first().is_some_and(|&first| layer(added) < layer(first)) {
            self.sources.clear();
        }
        let of_first = self.sources.first().is_none_or(|&first| layer(added) == layer(first));
        // Each of several endpoints with one address says the same.
        if of_first && self.sources.iter().all(|&other| needs[other].what != needs[added].what) {
            self.sources.push(added);
        }
    }
}

// === impl HeaderValue ===

impl HeaderValue {
    /// The value. A line break at the end of a file is not part of it.
    ///
    /// # Errors
    /// A file that can't be read, or whose text is no header's value.
    pub fn read(&self) -> io::Result<Secret> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let bytes = regular_file::read(path, LONGEST_HEADER)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not one line of text"));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("plain http"),
            Self::HttpFallback => f.write_str("plain http where https fails"),
            Self::AskedAs(host) => write!(f, "to be asked as {host}"),
            Self::ApiRoot(path) => write!(f, "the API root {path}"),
            Self::CaFile(path) => write!(f, "the certificate authority {}", path.display()),
            Self::ClientCert { cert, .. } => write!(f, "the client certificate {}", cert.display()),
            Self::SkipVerify => f.write_str("no look at its certificate"),
            Self::Header { name, .. } => write!(f, "the header {name}"),
            Self::DialTimeout(time) => write!(f, "the dial timeout {time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn need(host: &str, layer: Layer, ca: &str) -> TransportNeed {
        let source = Source { file: Arc::from("f"), line: 1 };
        TransportNeed { host: host.to_owned(), what: Transport::CaFile(ca.into()), source, layer }
    }

    #[test]
    fn a_header_is_one_line_of_bearable_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let value = HeaderValue::File(file.path().to_owned()).read();
            value.map(|value| value.expose().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read("Basic x\r\n"), Ok("Basic x".to_owned()));
        for bad in ["", "\n", "a\nb"] {
            assert_eq!(read(bad), Err("it is not one line of text".to_owned()), "{bad:?}");
        }
        let longest = "x".repeat(usize::try_from(LONGEST_HEADER).unwrap());
        read(&longest).unwrap();
        assert_eq!(read(&format!("{longest}x")), Err("it is longer than 64 KiB".to_owned()));
    }

    #[test]
    fn a_native_word_is_for_every_spelling_and_a_sources_for_its_own() {
        let needs = vec![
            need("m.dev", Layer::Native, "/native"),
            need("m.dev", Layer::Source(0), "/hidden"),
            TransportNeed {
                what: Transport::ApiRoot("/root".to_owned()),
                ..need("m.dev", Layer::Source(0), "")
            },
            need("s.dev:443", Layer::Source(1), "/later"),
            need("s.dev:443", Layer::Source(0), "/first"),
            need("*", Layer::Source(0), "/rest"),
        ];
        let wanted = Wanted::new(needs, false);
        let ca = |host: &str| -> Vec<String> {
            wanted.needs_of(host).iter().map(|need| need.what.to_string()).collect()
        };
        assert_eq!(ca("M.dev:443"), ["the certificate authority /native"]);
        assert_eq!(ca("m.dev"), ["the certificate authority /native", "the API root /root"]);
        assert_eq!(ca("s.dev:443"), ["the certificate authority /first"]);
        assert_eq!(ca("s.dev"), ["the certificate authority /rest"]);
    }

    #[test]
    fn the_host_that_is_asked_is_the_real_one() {
        let say = |host: &str, what| TransportNeed { what, ..need(host, Layer::Source(0), "") };
        let needs = vec![
            say("m.dev:0443", Transport::AskedAs("m.dev".to_owned())),
            say("m.dev:0443", Transport::ApiRoot("/p".to_owned())),
            say("h.dev", Transport::PlainHttp),
            say("h.dev:81", Transport::PlainHttp),
        ];
        let wanted = Wanted::new(needs, false);
        for (host, asked, connected) in [
            ("m.dev:0443", "m.dev", "m.dev"),
            ("h.dev", "h.dev", "h.dev:80"),
            ("h.dev:81", "h.dev:81", "h.dev:81"),
            ("docker.io", "registry-1.docker.io", "registry-1.docker.io"),
            ("x.dev:5000", "x.dev:5000", "x.dev:5000"),
        ] {
            assert_eq!(
                (wanted.asked_host(host), wanted.connected_host(host)),
                (asked.into(), connected.into())
            );
        }
        assert!(wanted.must_be_told("m.dev:0443") && !wanted.must_be_told("h.dev"));
    }

    #[test]
    fn a_header_from_a_file_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let value = HeaderValue::File(file.clone());
        value.read().unwrap_err();
        std::fs::write(&file, "Bearer x\n").unwrap();
        assert_eq!(value.read().unwrap().expose(), "Bearer x");
        std::fs::write(&file, "a\nb\n").unwrap();
        assert!(value.read().unwrap_err().to_string().contains("one line"));
    }
}
