//! `sigstoreSigned` in policy.json.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::super::claim::shown;
use super::super::demand::{Demand, Enough};
use super::super::identity::Identity;
use super::super::key::PublicKey;
use super::super::keyless::{Identities, TrustRoot, Words};
use super::requirement::{ReadFile, Requirement};

/// As it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sigstore {
    key_path: Option<String>,
    key_paths: Option<Vec<String>>,
    key_data: Option<String>,
    key_datas: Option<Vec<String>>,
    fulcio: Option<Fulcio>,
    pki: Option<Value>,
    rekor_public_key_path: Option<String>,
    rekor_public_key_paths: Option<Vec<String>>,
    rekor_public_key_data: Option<String>,
    rekor_public_key_datas: Option<Vec<String>>,
    signed_identity: Option<RawIdentity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fulcio {
    ca_path: Option<String>,
    ca_data: Option<String>,
    oidc_issuer: String,
    subject_email: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum RawIdentity {
    MatchExact {},
    MatchRepoDigestOrExact {},
    MatchRepository {},
    #[serde(rename_all = "camelCase")]
    ExactReference {
        docker_reference: String,
    },
    #[serde(rename_all = "camelCase")]
    ExactRepository {
        docker_repository: String,
    },
    #[serde(rename_all = "camelCase")]
    RemapIdentity {
        prefix: String,
        signed_prefix: String,
    },
}

/// The places of one thing: a file or several, or as many texts.
struct Places<'p> {
    files: Vec<&'p String>,
    texts: Vec<&'p String>,
    /// In how many of these ways they are given.
    ways: usize,
}

impl<'p> Places<'p> {
    fn of(
        file: &'p Option<String>,
        files: &'p Option<Vec<String>>,
        text: &'p Option<String>,
        texts: &'p Option<Vec<String>>,
    ) -> Self {
        let ways = [file.is_some(), files.is_some(), text.is_some(), texts.is_some()];
        Places {
            files: file.iter().chain(files.iter().flatten()).collect(),
            texts: text.iter().chain(texts.iter().flatten()).collect(),
            ways: ways.into_iter().filter(|is_there| *is_there).count(),
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.texts.is_empty()
    }

    /// What is there, each with its place; or the first that cannot be read.
    fn read<T>(
        &self,
        read_file: &ReadFile<'_>,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let files = self.files.iter().map(|path| (path.as_str(), read_file(path)));
        let decode = |text: &&String| STANDARD.decode(text).map_err(|error| error.to_string());
        let texts = self.texts.iter().map(|text| ("the data", decode(text)));
        let all = files.chain(texts);
        all.map(|(place, bytes)| {
            bytes.and_then(|bytes| read(&bytes)).map_err(|error| format!("{}: {error}", shown(place)))
        })
        .collect()
    }
}

impl Sigstore {
    pub(super) fn read(self, read_file: &ReadFile<'_>) -> Result<Requirement, String> {
        let keys = Places::of(&self.key_path, &self.key_paths, &self.key_data, &self.key_datas);
        let logs = Places::of(
            &self.rekor_public_key_path,
            &self.rekor_public_key_paths,
            &self.rekor_public_key_data,
            &self.rekor_public_key_datas,
        );
        if keys.ways + usize::from(self.fulcio.is_some()) + usize::from(self.pki.is_some()) != 1 {
            let one = "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki is needed";
            return Err(format!("sigstoreSigned: {one}"));
        }
        if keys.ways == 1 && keys.is_empty() || logs.ways == 1 && logs.is_empty() {
            return Err("sigstoreSigned: its list of keys is empty".to_owned());
        }
        if logs.ways > 1 {
            return Err("sigstoreSigned: only one of the keys rekorPublicKey… can be there".to_owned());
        }
        if let Some(fulcio) = &self.fulcio {
            fulcio.check(logs.is_empty())?;
        }
        let identity = match &self.signed_identity {
            Some(identity) => identity.read()?,
            None => Identity::RepoDigestOrExact,
        };
        if self.pki.is_some() {
            let text =
                "sigstoreSigned with pki (a certificate without a log) is not verified by this program";
            return Ok(Requirement::Unmet(text.to_owned()));
        }
        let demand = self.demand(&keys, &logs, identity, read_file);
        Ok(demand.map_or_else(Requirement::Unmet, |demand| Requirement::Signed(Box::new(demand))))
    }

    /// What it demands, or what cannot be read of it.
    fn demand(
        &self,
        keys: &Places<'_>,
        logs: &Places<'_>,
        identity: Identity,
        read_file: &ReadFile<'_>,
    ) -> Result<Demand, String> {
        let key = |bytes: &[u8]| PublicKey::from_pem(bytes).map_err(|error| error.to_string());
        let (keys, logs) = (keys.read(read_file, key)?, logs.read(read_file, key)?);
        let keyless = match &self.fulcio {
            None => None,
            Some(_) if !logs.iter().all(PublicKey::is_p256) => {
                return Err("the key of a log is not one of ECDSA P-256".to_owned());
            }
            Some(fulcio) => {
                let authorities = Places::of(&fulcio.ca_path, &None, &fulcio.ca_data, &None);
                let root = authorities.read(read_file, |bytes| TrustRoot::of_parts(bytes, &logs))?.pop();
                let root = root.ok_or("fulcio has no certificates")?;
                let [issuer, subject] = [&fulcio.oidc_issuer, &fulcio.subject_email];
                let [issuer, subject] = [issuer, subject].map(|words| Words::Exact(words.clone()));
                Some((root, vec![Identities { issuer, subject, mail: true }]))
            }
        };
        let (enough, without_name, annotations) = (Enough::Any, false, BTreeMap::new());
        Ok(Demand { keys, keyless, logs, enough, identity, without_name, annotations })
    }
}

impl Fulcio {
    fn check(&self, without_log: bool) -> Result<(), String> {
        let Fulcio { ca_path, ca_data, oidc_issuer, subject_email } = self;
        if ca_path.is_some() == ca_data.is_some() {
            return Err("fulcio: exactly one of caPath and caData is needed".to_owned());
        }
        if oidc_issuer.is_empty() || subject_email.is_empty() {
            return Err("fulcio: oidcIssuer and subjectEmail are needed".to_owned());
        }
        match without_log {
            true => Err("fulcio needs rekorPublicKey…, which tells when was signed".to_owned()),
            false => Ok(()),
        }
    }
}

impl RawIdentity {
    fn read(&self) -> Result<Identity, String> {
        Ok(match self {
            Self::MatchExact {} => Identity::Exact,
            Self::MatchRepoDigestOrExact {} => Identity::RepoDigestOrExact,
            Self::MatchRepository {} => Identity::Repository,
            Self::ExactReference { docker_reference } => Identity::exact_reference(docker_reference)
                .map_err(|error| format!("dockerReference {error}"))?,
            Self::ExactRepository { docker_repository } => Identity::exact_repository(docker_repository)?,
            Self::RemapIdentity { prefix, signed_prefix } => Identity::remap(prefix, signed_prefix)?,
        })
    }
}
