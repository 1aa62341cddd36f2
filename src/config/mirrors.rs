//! Reads the `mirrors` of a native rule: where each is, and how it is reached.

use super::diagnostic::{Located, Problem, Span, Texts};
use super::draft::{self, Own};
use super::node::Value;
use super::references::{Address, mirror_address};
use super::section::Field;
use super::sources::endpoint::Scheme;
use super::transport::{self, Statements};
use crate::containerd::hosts::Transport;
use crate::policy::{Mirror, Ns, Only};

/// The mirrors of a rule, in order.
#[derive(Default)]
pub(super) struct Mirrors {
    pub(super) mirrors: Vec<Mirror>,
    /// The place of each.
    pub(super) at: Vec<Span>,
    /// What the rule says of each itself.
    pub(super) own: Vec<Own>,
}

/// Reads the array. What is wrong with it is in `out`.
pub(super) fn read(field: &Field<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Option<Mirrors> {
    if let Value::Text(text) = field.value {
        let message = format!("`{}` must be an array, not a string", field.name);
        out.push(Problem::error(message).at(field.at).hint(format!("write mirrors = [\"{text}\"]")));
        return None;
    }
    let items = field.items(out)?;
    if items.is_empty() {
        let hint = "name at least one registry; to refuse the images write deny = \"reason\"";
        out.push(Problem::error("the rule has no mirror").at(field.at).hint(hint));
        return None;
    }
    let mut found = Mirrors::default();
    for item in &items {
        if let Some((mirror, own)) = read_mirror(item, texts, out) {
            found.mirrors.push(mirror);
            found.at.push(item.at.clone());
            found.own.push(own);
        }
    }
    Some(found)
}

/// `"host/path"`, `"http://host/path"`, or a table with `location` and how it is reached.
fn read_mirror(item: &Field<'_>, texts: &Texts, out: &mut Vec<Problem>) -> Option<(Mirror, Own)> {
    match item.value {
        Value::Text(_) => {
            let address = item.parse(out, mirror_address)?;
            let address = Located { value: address, at: item.at.clone() };
            let own = own(&address, Statements::default(), texts, out);
            Some((Mirror::at(address.value.location), own))
        }
        Value::Map(_) => {
            let mut section = item.section(out)?;
            let before = out.len();
            let set = section.parse("location", out, mirror_address);
            if set.is_none() && out.len() == before {
                section.missing("location", "name the registry, with a path if it needs one", out);
            }
            let only = section.choice("only", out, &[("digests", Only::Digests), ("tags", Only::Tags)]);
            let strip = section.boolean("strip-prefix", out);
            let ns = section.boolean("ns", out).filter(|set| set.value);
            let warm = section.boolean("warm-by-tag", out).filter(|set| set.value);
            let stated = Statements::read(&mut section, out);
            section.finish(out);
            let address = set?;
            let own = own(&address, stated, texts, out);
            if let (Some(warm), Some(Located { value: Only::Tags, at })) = (&warm, &only) {
                let message = "`warm-by-tag` has no meaning for a mirror that is asked for tags only";
                out.push(Problem::error(message).at(&warm.at).also(at, "here").hint("remove one of them"));
            }
            let strip = strip.filter(|set| set.value);
            if let Some(ns) = &ns {
                contradicts_ns(ns, &address, strip.as_ref(), out);
            }
            let ns = if ns.is_some() { Ns::Needed } else { Ns::Off };
            let mirror = Mirror {
                only: only.map_or(Only::Any, |set| set.value),
                strip_prefix: strip.is_some(),
                ns,
                warm_by_tag: warm.is_some(),
                ..Mirror::at(address.value.location)
            };
            Some((mirror, own))
        }
        _ => item.wrong_type("a registry or a table with `location`", out),
    }
}

/// A mirror that is told of the registry is asked for the repository as the name has it.
fn contradicts_ns(
    ns: &Located<bool>,
    address: &Located<Address>,
    strip: Option<&Located<bool>>,
    out: &mut Vec<Problem>,
) {
    if address.value.location.has_placeholder() {
        let message = "`ns` and {host} both tell the mirror the registry";
        out.push(Problem::error(message).at(&ns.at).also(&address.at, "the mirror").hint("keep one of them"));
    }
    if let Some(strip) = strip {
        let message = "`ns` has no meaning with `strip-prefix`: the mirror is asked for the whole repository";
        out.push(Problem::error(message).at(&ns.at).also(&strip.at, "here").hint("remove one of them"));
    }
}

/// The mirror's own settings: by the scheme in its address, and by its table.
fn own(address: &Located<Address>, stated: Statements, texts: &Texts, out: &mut Vec<Problem>) -> Own {
    let Located { value: Address { location, scheme }, at } = address;
    let Statements { mut needs, https, verify } = stated;
    let plain = needs.iter().position(|need| need.value == Transport::PlainHttp);
    if let (Some(Scheme::Https), Some(plain)) = (scheme, plain) {
        let message = "this has no meaning with https:// in the mirror";
        out.push(Problem::error(message).at(&needs[plain].at).also(at, "the mirror"));
    }
    if let (Some(Scheme::Http), Some(https)) = (scheme, &https) {
        let message = "this has no meaning with http:// in the mirror";
        out.push(Problem::error(message).at(https).also(at, "the mirror"));
    }
    if *scheme == Some(Scheme::Http) && plain.is_none() {
        needs.push(Located { value: Transport::PlainHttp, at: at.clone() });
    }
    transport::contradictions(&needs, out);
    let plain = needs.iter().position(|need| need.value == Transport::PlainHttp);
    let plain = plain.map(|at| needs.remove(at));
    let host = location.host();
    let needs = needs.into_iter().map(|what| draft::need(host, what, texts)).collect();
    let https = *scheme == Some(Scheme::Https) || https.is_some();
    let mut own = Own { needs, https, verify: verify.is_some(), alone: false };
    if let Some(plain) = plain {
        own.say_http(draft::need(host, plain, texts));
    }
    own
}
