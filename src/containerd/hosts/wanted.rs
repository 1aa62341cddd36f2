//! Everything that hosts need, put together for one of them.
//!
//! Holds: where the native config has a table for a host, that counts. Of what sources say of the host, only plain http
//! and the API root can count then (`needs_of`).

use foldhash::HashMap;

use super::host_config::endpoint;
use super::host_settings::{Transport, TransportNeed};
use crate::policy::{Layer, fold_host};
use crate::registry::Endpoint;

/// Everything that containerd's files should say.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    needs: Vec<TransportNeed>,
    /// The needs of each spelling of a host, since each pull asks several times.
    by_host: HashMap<String, OfHost>,
    /// The first spelling with a native table, by the folded host.
    natives: HashMap<String, String>,
    fence: bool,
}

/// The needs of one spelling: places in the list of needs.
#[derive(Clone, Debug, Default)]
struct OfHost {
    native: Vec<usize>,
    /// Those of the lowest layer that has any, each once.
    sources: Vec<usize>,
}

impl Wanted {
    /// Puts together what hosts need; `fence` is whether pulls that do not go through the shunt should follow the
    /// rules, too.
    #[must_use]
    pub fn new(needs: Vec<TransportNeed>, fence: bool) -> Self {
        let mut by_host: HashMap<String, OfHost> = HashMap::default();
        let mut natives = HashMap::default();
        for (i, need) in needs.iter().enumerate() {
            let of_host = by_host.entry(need.host.clone()).or_default();
            if need.layer != Layer::Native {
                of_host.add_source(i, &needs);
                continue;
            }
            if of_host.native.is_empty() {
                natives.entry(fold(&need.host)).or_insert_with(|| need.host.clone());
            }
            of_host.native.push(i);
        }
        Self { needs, by_host, natives, fence }
    }

    /// What hosts need, in the order of the files.
    #[must_use]
    pub fn needs(&self) -> &[TransportNeed] {
        &self.needs
    }

    /// Whether pulls that do not go through the shunt should follow the rules, too.
    #[must_use]
    pub fn fence(&self) -> bool {
        self.fence
    }

    /// The needs of a host, spelled as references spell it.
    ///
    /// A native table is for every spelling of the host that has no table of its own. It replaces what sources say,
    /// except for what only the addresses of their endpoints say. A source's is for its own spelling alone, as in its
    /// own program; `*` is for hosts that have no other entry.
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
        let has_scheme = has(|what| matches!(what, Transport::PlainHttp) || what.is_tls());
        sources.retain(|need| match &need.what {
            Transport::ApiRoot(_) => !has_root,
            Transport::PlainHttp => !has_scheme,
            _ => false,
        });
        own.extend(sources);
        own
    }

    /// The native table for a host: that of its own spelling, else the first for any spelling of it.
    fn native(&self, host: &str) -> Vec<&TransportNeed> {
        let table = |host: &str| self.by_host.get(host).map_or(&[][..], |of_host| &of_host.native);
        let mut found = table(host);
        if found.is_empty() && !self.natives.is_empty() {
            found = self.natives.get(&fold(host)).map_or(&[], |first| table(first));
        }
        found.iter().map(|&i| &self.needs[i]).collect()
    }

    /// What sources say of exactly this spelling.
    fn sources(&self, host: &str) -> Vec<&TransportNeed> {
        let found = self.by_host.get(host).map_or(&[][..], |of_host| &of_host.sources);
        found.iter().map(|&i| &self.needs[i]).collect()
    }

    /// How a host is reached.
    #[must_use]
    pub fn endpoint(&self, host: &str) -> Endpoint {
        endpoint(host, &self.needs_of(host))
    }

    /// The host that containerd asks for the names of `host` once it has the file: a login that is bound to a host must
    /// be bound to this one.
    #[must_use]
    pub fn asked_host(&self, host: &str) -> String {
        self.endpoint(host).host
    }
}

/// How everything is reached that a policy names: mirrors may have endpoints of their own.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints<'c> {
    /// Settings of hosts.
    pub wanted: &'c Wanted,
    /// The mirrors' own, by their numbers.
    pub own: &'c [Endpoint],
}

/// One spelling for all of a host.
#[must_use]
pub fn fold(host: &str) -> String {
    fold_host(host).into_owned()
}

// === impl Endpoints ===

impl Endpoints<'_> {
    /// How a mirror or a candidate at `host` is reached, with the number of its own endpoint where it has one.
    #[must_use]
    pub fn of(&self, host: &str, own: Option<u32>) -> Endpoint {
        let own = own.and_then(|number| self.own.get(number as usize));
        own.cloned().unwrap_or_else(|| self.wanted.endpoint(host))
    }
}

// === impl OfHost ===

impl OfHost {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::Source;

    fn need(host: &str, layer: Layer, ca: &str) -> TransportNeed {
        let source = Source { file: Arc::from("f"), line: 1 };
        TransportNeed { host: host.to_owned(), what: Transport::CaFile(ca.into()), source, layer }
    }

    #[test]
    fn a_native_table_is_for_every_spelling_and_a_sources_for_its_own() {
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
            need("nexus", Layer::Native, "/short"),
        ];
        let wanted = Wanted::new(needs, false);
        let ca = |host: &str| -> Vec<String> {
            wanted.needs_of(host).iter().map(|need| need.what.to_string()).collect()
        };
        assert_eq!(ca("M.dev:443"), ["the certificate authority /native"]);
        assert_eq!(ca("Nexus"), ["the certificate authority /short"]);
        assert_eq!(ca("m.dev"), ["the certificate authority /native", "the API root /root"]);
        assert_eq!(ca("s.dev:443"), ["the certificate authority /first"]);
        assert_eq!(ca("s.dev"), ["the certificate authority /rest"]);
    }

    #[test]
    fn the_host_that_is_asked_is_the_real_one() {
        let wanted = Wanted::new(Vec::new(), false);
        for (host, asked) in
            [("docker.io", "registry-1.docker.io"), ("m.dev", "m.dev"), ("x.dev:5000", "x.dev:5000")]
        {
            assert_eq!(wanted.asked_host(host), asked);
        }
    }
}
