//! Several ways to one host: a spelling of the host for each.
//!
//! Before: every source is read.  After: `assemble` makes a policy; containerd is told of each spelling.
//! Holds: containerd is told of hosts, and a reference names no more than a host, so two API roots (or http and
//! https) on one host need two names for it. A port may be written out, and with noughts before it: all of
//! these are one host to rules and credentials, and several to containerd's files. The first way keeps the
//! host's own name.
//! Not here: what containerd is told (`transport`).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::diagnostic::{Located, Problem, Severity, Span, TextId};
use super::super::rules::Draft;
use crate::policy::{Action, Layer, Location, Mirror};
use crate::transport::{Transport, TransportNeed};

/// What an endpoint says of its host that another endpoint may say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    plain_http: bool,
    root: Option<String>,
}

/// Where an endpoint is written: its text, and its beginning and end there.
type Place = (TextId, usize, usize);

fn place(at: &Span) -> Place {
    (at.text, at.range.start, at.range.end)
}

/// What each endpoint says that does not go without saying.
struct Ways(HashMap<Place, Way>);

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
    let mut taken: BTreeSet<String> = needs.iter().map(|need| need.value.host.clone()).collect();
    let mut known: HashMap<String, Vec<(Way, String)>> = HashMap::new();
    for (mirror, _) in mirrors(draft, |layer| layer == Layer::Native) {
        let host = mirror.location.host().to_owned();
        taken.insert(host.clone());
        known.entry(host.clone()).or_insert_with(|| vec![(Way::default(), host)]);
    }
    entries_of_hosts_themselves(draft, needs, &said, &mut known);
    let mut moved = Vec::new();
    for (mirror, at) in mirrors(draft, |layer| layer != Layer::Native) {
        let (host, way) = (mirror.location.host().to_owned(), said.at(&at));
        let ways = known.entry(host.clone()).or_default();
        if let Some((_, spelled)) = ways.iter().find(|(other, _)| *other == way) {
            if *spelled != host {
                respell(mirror, spelled);
                moved.push((host, spelled.clone(), at));
            }
            continue;
        }
        let spelled = match ways.is_empty() {
            true => host.clone(),
            false => spelling(&host, way.plain_http, &taken),
        };
        taken.insert(spelled.clone());
        if spelled != host {
            respell(mirror, &spelled);
            out.push(note(&host, &way, &spelled, &at));
            moved.push((host, spelled.clone(), at));
        }
        ways.push((way, spelled));
    }
    move_needs(&moved, needs);
}

/// What is said of a registry under its own name keeps that name.
fn entries_of_hosts_themselves(
    draft: &mut Draft,
    needs: &[Located<TransportNeed>],
    said: &Ways,
    known: &mut HashMap<String, Vec<(Way, String)>>,
) {
    let of_mirrors: HashSet<Place> = mirrors(draft, |_| true).map(|(_, at)| place(&at)).collect();
    let own = |need: &&Located<TransportNeed>| {
        of_endpoint(&need.value.what) && !of_mirrors.contains(&place(&need.at))
    };
    for need in needs.iter().filter(own) {
        let host = &need.value.host;
        known.entry(host.clone()).or_insert_with(|| vec![(said.at(&need.at), host.clone())]);
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

/// A spelling of the host that nothing has yet.
fn spelling(host: &str, plain_http: bool, taken: &BTreeSet<String>) -> String {
    let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (name, mut digits) = match host.rsplit_once(':').filter(|(_, digits)| port(digits)) {
        Some((name, digits)) => (name, format!("0{digits}")),
        None => (host, (if plain_http { "80" } else { "443" }).to_owned()),
    };
    loop {
        let spelled = format!("{name}:{digits}");
        if !taken.contains(&spelled) {
            return spelled;
        }
        digits.insert(0, '0');
    }
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
    let mut added: Vec<Located<TransportNeed>> = Vec::new();
    for (host, spelled, at) in moved {
        for need in needs.iter_mut().filter(|need| need.at == *at && of_endpoint(&need.value.what)) {
            need.value.host.clone_from(spelled);
        }
        if added.iter().any(|need| need.value.host == *spelled) {
            continue;
        }
        let of_host =
            |need: &&Located<TransportNeed>| need.value.host == *host && need.value.layer != Layer::Native;
        let whole = needs.iter().filter(of_host).filter(|need| !of_endpoint(&need.value.what)).cloned();
        let mut whole: Vec<Located<TransportNeed>> = whole.collect();
        let own = needs.iter().find(|need| need.at == *at).or(whole.first());
        let real = own.cloned().map(|mut need| {
            need.value.what = Transport::AskedAs(host.clone());
            need
        });
        // An endpoint without needs of its own is the plain one, and has none to say where it really is.
        whole.extend(real.or_else(|| bare(needs, host)));
        added.extend(whole.into_iter().map(|mut need| {
            need.value.host.clone_from(spelled);
            need
        }));
    }
    needs.extend(added);
}

/// For a host of which nothing is said but by other endpoints.
fn bare(needs: &[Located<TransportNeed>], host: &str) -> Option<Located<TransportNeed>> {
    let mut need = needs.iter().find(|need| need.value.host == host)?.clone();
    need.value.what = Transport::AskedAs(host.to_owned());
    Some(need)
}

/// Whether it is said by an endpoint's address.
fn of_endpoint(what: &Transport) -> bool {
    matches!(what, Transport::PlainHttp | Transport::ApiRoot(_))
}

// === impl Ways ===

impl Ways {
    fn of(needs: &[Located<TransportNeed>]) -> Self {
        let mut ways: HashMap<Place, Way> = HashMap::new();
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
