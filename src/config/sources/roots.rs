//! Several ways to one host: a spelling of the host for each.
//!
//! Before: every source is read.  After: `assemble` makes a policy; containerd is told of each spelling.
//! Holds: containerd is told of hosts, and a reference names no more than a host, so two API roots (or http and
//! https) on one host need two names for it. A port may be written out, and with noughts before it: all of
//! these are one host to rules and credentials, and several to containerd's files. The first way keeps the
//! host's own name.
//! Not here: what containerd is told (`transport`).

use foldhash::{HashMap, HashSet};

use super::super::diagnostic::{Located, Problem, Severity, Span, TextId};
use super::super::rules::Draft;
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::{Action, Layer, Location, Mirror};

/// What an endpoint says of its host that another endpoint may say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Way {
    plain_http: bool,
    root: Option<String>,
}

/// Where an endpoint is written: its text, and its beginning and end there.
type Place = (TextId, usize, usize);

fn place(at: &Span) -> Place {
    (at.text, at.range.start, at.range.end)
}

/// The spellings of hosts that something has.
#[derive(Default)]
struct Spellings {
    taken: HashSet<String>,
    /// How many noughts the next one of a host's port has at least.
    noughts: HashMap<(String, String), usize>,
}

/// The spelling of each way to a host, and the hosts that have one.
#[derive(Default)]
struct Known {
    spelled: HashMap<(String, Way), String>,
    hosts: HashSet<String>,
}

/// What each endpoint says that does not go without saying.
struct Ways(HashMap<Place, Way>);

/// Where what is said of hosts is in the list of needs.
#[derive(Default)]
struct Said {
    at: HashMap<Place, Vec<usize>>,
    of: HashMap<String, Vec<usize>>,
    /// What sources say of a host and no endpoint's address does.
    whole: HashMap<String, Vec<usize>>,
}

/// Gives each way to a host its own spelling, in the mirrors of sources and in what their hosts need.
pub(in crate::config) fn settle(
    draft: &mut Draft,
    needs: &mut Vec<Located<TransportNeed>>,
    out: &mut Vec<Problem>,
) {
    if !needs.iter().any(|need| of_endpoint(&need.value.what)) {
        return;
    }
    let said = Ways::of(needs);
    let mut spellings = Spellings::default();
    spellings.taken.extend(needs.iter().map(|need| need.value.host.clone()));
    let mut known = Known::default();
    for (mirror, _) in mirrors(draft, |layer| layer == Layer::Native) {
        let host = mirror.location.host();
        spellings.taken.insert(host.to_owned());
        known.first(host, Way::default());
    }
    entries_of_hosts_themselves(draft, needs, &said, &mut known);
    let mut moved = Vec::new();
    for (mirror, at) in mirrors(draft, |layer| layer != Layer::Native) {
        let course = (mirror.location.host().to_owned(), said.at(&at));
        let (host, way) = &course;
        if let Some(spelled) = known.spelled.get(&course) {
            if spelled != host {
                respell(mirror, spelled);
                moved.push((host.clone(), spelled.clone(), at));
            }
            continue;
        }
        let spelled = match known.hosts.insert(host.clone()) {
            true => host.clone(),
            false => spellings.free(host, way.plain_http),
        };
        spellings.taken.insert(spelled.clone());
        if spelled != *host {
            respell(mirror, &spelled);
            out.push(note(host, way, &spelled, &at));
            moved.push((host.clone(), spelled.clone(), at));
        }
        known.spelled.insert(course, spelled);
    }
    move_needs(&moved, needs);
}

/// What is said of a registry under its own name keeps that name.
fn entries_of_hosts_themselves(
    draft: &mut Draft,
    needs: &[Located<TransportNeed>],
    said: &Ways,
    known: &mut Known,
) {
    let of_mirrors: HashSet<Place> = mirrors(draft, |_| true).map(|(_, at)| place(&at)).collect();
    let own = |need: &&Located<TransportNeed>| {
        of_endpoint(&need.value.what) && !of_mirrors.contains(&place(&need.at))
    };
    for need in needs.iter().filter(own) {
        known.first(&need.value.host, said.at(&need.at));
    }
}

/// The mirrors of layers, each with its place.
fn mirrors(draft: &mut Draft, wanted: impl Fn(Layer) -> bool) -> impl Iterator<Item = (&mut Mirror, Span)> {
    let rules = draft.rules.iter_mut().filter(move |drafted| wanted(drafted.rule.layer));
    rules.flat_map(|drafted| {
        let mirrors = match &mut drafted.rule.action {
            Action::Route(route) => route.mirrors.as_mut_slice(),
            Action::Deny { .. } | Action::Pass => &mut [],
        };
        mirrors.iter_mut().zip(drafted.mirrors_at.iter().cloned())
    })
}

fn respell(mirror: &mut Mirror, host: &str) {
    let path = mirror.location.path();
    let text = if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") };
    if let Ok(location) = text.parse::<Location>() {
        mirror.location = location;
    }
}

fn note(host: &str, way: &Way, spelled: &str, at: &Span) -> Problem {
    let scheme = if way.plain_http { "http" } else { "https" };
    let root = way.root.as_deref().unwrap_or("/v2");
    let message = format!("images from {scheme}://{host}{root} are asked for as {spelled}/...");
    let hint =
        "there is another way to that host, and containerd tells the two apart by their spelling alone";
    Problem::new(Severity::Note, message).at(at).hint(hint)
}

/// What an endpoint says goes with its spelling; everything else is said of each spelling.
fn move_needs(moved: &[(String, String, Span)], needs: &mut Vec<Located<TransportNeed>>) {
    let said = Said::of(needs);
    let mut told: HashSet<&str> = HashSet::default();
    let mut added: Vec<Located<TransportNeed>> = Vec::new();
    for (host, spelled, at) in moved {
        let own = said.at.get(&place(at)).map_or(&[][..], Vec::as_slice);
        for need in own {
            let need = &mut needs[*need].value;
            if of_endpoint(&need.what) {
                need.host.clone_from(spelled);
            }
        }
        if told.contains(spelled.as_str()) {
            continue;
        }
        let whole = said.whole.get(host).into_iter().flatten();
        let mut whole: Vec<Located<TransportNeed>> = whole.map(|&i| needs[i].clone()).collect();
        // An endpoint without needs of its own is the plain one, and has none to say where it really is.
        let bare = || said.of.get(host)?.iter().map(|&i| &needs[i]).find(|need| need.value.host == *host);
        let real = own.first().map(|&i| &needs[i]).or(whole.first()).or_else(bare).cloned();
        whole.extend(real.map(|mut need| {
            need.value.what = Transport::AskedAs(host.clone());
            need
        }));
        if !whole.is_empty() {
            told.insert(spelled);
        }
        added.extend(whole.into_iter().map(|mut need| {
            need.value.host.clone_from(spelled);
            need
        }));
    }
    needs.extend(added);
}

/// Whether it is said by an endpoint's address.
fn of_endpoint(what: &Transport) -> bool {
    matches!(what, Transport::PlainHttp | Transport::ApiRoot(_))
}

// === impl Known ===

impl Known {
    /// Where it is the first way to its host, it has the host's own name.
    fn first(&mut self, host: &str, way: Way) {
        if self.hosts.insert(host.to_owned()) {
            self.spelled.insert((host.to_owned(), way), host.to_owned());
        }
    }
}

// === impl Said ===

impl Said {
    fn of(needs: &[Located<TransportNeed>]) -> Self {
        let mut said = Said::default();
        for (i, Located { value: need, at }) in needs.iter().enumerate() {
            said.at.entry(place(at)).or_default().push(i);
            said.of.entry(need.host.clone()).or_default().push(i);
            if need.layer != Layer::Native && !of_endpoint(&need.what) {
                said.whole.entry(need.host.clone()).or_default().push(i);
            }
        }
        said
    }
}

// === impl Spellings ===

impl Spellings {
    /// A spelling of the host that nothing has yet.
    fn free(&mut self, host: &str, plain_http: bool) -> String {
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (name, port, least) = match host.rsplit_once(':').filter(|(_, digits)| is_port(digits)) {
            Some((name, digits)) => (name, digits, 1),
            None => (host, if plain_http { "80" } else { "443" }, 0),
        };
        let noughts = self.noughts.entry((name.to_owned(), port.to_owned())).or_insert(least);
        loop {
            let spelled = format!("{name}:{}{port}", "0".repeat(*noughts));
            *noughts += 1;
            if !self.taken.contains(&spelled) {
                return spelled;
            }
        }
    }
}

// === impl Ways ===

impl Ways {
    fn of(needs: &[Located<TransportNeed>]) -> Self {
        let mut ways: HashMap<Place, Way> = HashMap::default();
        for need in needs {
            match &need.value.what {
                Transport::PlainHttp => ways.entry(place(&need.at)).or_default().plain_http = true,
                Transport::ApiRoot(root) => {
                    ways.entry(place(&need.at)).or_default().root = Some(root.clone())
                }
                _ => {}
            }
        }
        Ways(ways)
    }

    fn at(&self, at: &Span) -> Way {
        self.0.get(&place(at)).cloned().unwrap_or_default()
    }
}
