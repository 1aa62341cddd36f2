//! Which signatures an image has to have, as `explain` shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::files::go_duration;
use crate::signature::{Demand, Identities, Identity, PublicKey, Signed, WhenAway, Words};

/// What one part of the configuration asks for. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(crate) struct Signatures {
    /// The name of the signature, or the scope in a policy.json.
    pub(crate) by: String,
    /// The SHA-256 of each key.
    keys: Vec<String>,
    identities: Vec<Json>,
    /// How many of both have to have signed.
    needed: usize,
    identity: Json,
    #[serde(skip)]
    under: String,
    /// Whether a signature counts that says no name.
    without_name: bool,
    annotations: BTreeMap<String, String>,
    /// Where signatures are looked for that the registry of the image does not have.
    signatures_from: Vec<String>,
    when_away: &'static str,
    max_age: Option<String>,
    #[serde(skip)]
    away: Option<String>,
}

// === impl Signatures ===

impl Signatures {
    pub(super) fn of(signed: &Signed) -> Self {
        let Signed { by, demand, from, when_away } = signed;
        let away = when_away.words();
        let (when_away, max_age) = match when_away {
            WhenAway::Closed => ("closed", None),
            WhenAway::Cached(age) => ("cached", Some(go_duration::text(*age))),
        };
        let Demand { keys, identity, without_name, annotations, .. } = demand;
        Self {
            by: by.to_string(),
            keys: keys.iter().map(PublicKey::fingerprint).map(str::to_owned).collect(),
            identities: demand.identities().map(of_identities).collect(),
            needed: demand.needed(),
            identity: of_identity(identity),
            under: identity.to_string(),
            without_name: *without_name,
            annotations: annotations.clone(),
            signatures_from: from.iter().map(ToString::to_string).collect(),
            when_away,
            max_age,
            away,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { by, keys, identities, needed, under, annotations, signatures_from, away, .. } = self;
        let counted = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let who = [counted(keys.len(), "key", "keys"), counted(identities.len(), "identity", "identities")];
        let who: Vec<String> = who.into_iter().flatten().collect();
        let of =
            if *needed == keys.len() + identities.len() { String::new() } else { format!("{needed} of ") };
        let mut text = format!("{by}: signed by {of}{}, under {under}", who.join(" and "));
        for (name, value) in annotations {
            text.push_str(&format!(", with {name}={value}"));
        }
        if !signatures_from.is_empty() {
            text.push_str(&format!("; looked for at {} as well", signatures_from.join(", ")));
        }
        if let Some(away) = away {
            text.push_str(&format!("; {away}"));
        }
        text
    }
}

/// By the keys that it has in a file.
fn of_identities(who: &Identities) -> Json {
    let key = |words: &Words, exact: &str| match words {
        Words::Exact(_) => exact.to_owned(),
        Words::Matching(_) => format!("{exact}_pattern"),
    };
    let Identities { issuer, subject, mail: _ } = who;
    json!({key(issuer, "issuer"): issuer.to_string(), key(subject, "subject"): subject.to_string()})
}

/// As it is written in a file.
fn of_identity(identity: &Identity) -> Json {
    match identity {
        Identity::Exact => json!("exact"),
        Identity::RepoDigestOrExact => json!("exact-or-digest"),
        Identity::Repository => json!("repository"),
        Identity::ExactReference(reference) => json!({"reference": reference}),
        Identity::ExactRepository(repository) => json!({"repository": repository}),
        Identity::Remap { prefix, signed } => json!({"prefix": prefix, "signed_prefix": signed}),
    }
}
