//! The policy of containers' tools (podman, skopeo, CRI-O): `/etc/containers/policy.json`.
//!
//! Of the scopes that an image is in, the longest holds, and no other. All of its requirements have to be met.
//! Holds: the file is read as strictly as these tools read it. What it demands and this program cannot verify refuses the
//! images that it is for, and [`PolicyJson::unmet`] says so.
//!
//! Facts: containers-policy.json(5); containers/image `signature/policy_config.go`, `docker/policyconfiguration/naming.go`.

mod requirement;
mod sigstore;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::claim::shown;
use super::json::{self, Anything};
use crate::policy::Name;

pub use self::requirement::Requirement;

use self::requirement::ReadFile;
use self::sigstore::Sigstore;

/// No policy is longer, in bytes.
const LONGEST: usize = 4 << 20;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyJson {
    default: Vec<Requirement>,
    /// By scope: `host/path:tag`, `host/path`, `host`, `*.domain`, or nothing for all images.
    scopes: BTreeMap<String, Vec<Requirement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Vec<Value>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum Raw {
    InsecureAcceptAnything {},
    Reject {},
    SignedBy(Anything),
    SignedBaseLayer(Anything),
    SigstoreSigned(Box<Sigstore>),
}

impl PolicyJson {
    /// Reads a policy; `read_file` reads the files of keys that it names.
    ///
    /// # Errors
    /// What is wrong, with the scope that it is in. A key that cannot be read is no error of the policy: as with the
    /// tools that it is for, it refuses the images of its scope.
    pub fn read(bytes: &[u8], read_file: &ReadFile<'_>) -> Result<Self, String> {
        let File { default, transports } = json::read(bytes, LONGEST)?;
        let default = requirements("default", default, read_file)?;
        let mut scopes = BTreeMap::new();
        for (transport, of_transport) in transports {
            for (scope, values) in of_transport {
                let place = format!("{} \"{}\"", shown(&transport), shown(&scope));
                let read = requirements(&place, values, read_file)?;
                // Others are for archives, folders and daemons.
                if transport == "docker" {
                    scopes.insert(scope, read);
                }
            }
        }
        Ok(PolicyJson { default, scopes })
    }

    /// The scope that an image is in, and what it demands; `None` for the default.
    pub fn of(&self, name: &Name) -> (Option<&str>, &[Requirement]) {
        let found = scopes_of(name).into_iter().find_map(|scope| self.scopes.get_key_value(&scope));
        found.map_or((None, &self.default), |(scope, requirements)| (Some(scope), requirements))
    }

    /// What it demands and this program cannot verify, with the scope of each.
    pub fn unmet(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let default = self.default.iter().map(|requirement| (None, requirement));
        let scopes = self.scopes.iter().flat_map(|(scope, requirements)| {
            requirements.iter().map(|requirement| (Some(scope.as_str()), requirement))
        });
        default.chain(scopes).filter_map(|(scope, requirement)| match requirement {
            Requirement::Unmet(why) => Some((scope, why.as_str())),
            _ => None,
        })
    }
}

/// The scopes that an image is in, the longest first.
fn scopes_of(name: &Name) -> Vec<String> {
    let mut scopes = vec![name.as_str().to_owned()];
    let mut rest = name.repository();
    scopes.push(rest.to_owned());
    while let Some((before, _)) = rest.rsplit_once('/') {
        scopes.push(before.to_owned());
        rest = before;
    }
    // Domains are looked up without a port.
    let mut domain = rest.split(':').next().unwrap_or_default();
    while let Some((_, above)) = domain.split_once('.') {
        scopes.push(format!("*.{above}"));
        domain = above;
    }
    scopes.push(String::new());
    scopes
}

fn requirements(
    place: &str,
    values: Vec<Value>,
    read_file: &ReadFile<'_>,
) -> Result<Vec<Requirement>, String> {
    if values.is_empty() {
        return Err(format!(
            "{place}: it has no requirement; to accept all images it says insecureAcceptAnything"
        ));
    }
    let read = |value| match serde_json::from_value(value).map_err(|error| error.to_string())? {
        Raw::InsecureAcceptAnything {} => Ok(Requirement::Accept),
        Raw::Reject {} => Ok(Requirement::Reject),
        Raw::SignedBy(_) => {
            Ok(Requirement::Unmet("signedBy (GPG) is not verified by this program".to_owned()))
        }
        Raw::SignedBaseLayer(_) => {
            Ok(Requirement::Unmet("signedBaseLayer is not verified by any program".to_owned()))
        }
        Raw::SigstoreSigned(sigstore) => sigstore.read(read_file),
    };
    let read = values.into_iter().map(read).collect::<Result<_, String>>();
    read.map_err(|error| format!("{place}: {error}"))
}

#[cfg(test)]
mod tests;
