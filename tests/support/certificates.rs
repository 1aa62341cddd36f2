//! A private authority and certificates of it, made on the spot.
//!
//! A test says for which name and how long; servers and clients read the PEM files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// An authority.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub pem: String,
    pub key: String,
    pub der: Vec<u8>,
    pub key_der: Vec<u8>,
}

/// What is odd about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// Its days are over.
    Expired,
    /// Its days are to come.
    Early,
    /// It is an authority's own, signed by itself.
    SelfSigned,
    /// As `SelfSigned`, and its days are over.
    SelfSignedExpired,
}

impl Authority {
    pub fn new() -> Authority {
        Authority::named("testbed authority")
    }

    pub fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { params, key, pem }
    }

    /// The authority's own certificate, as a file in `dir`.
    pub fn file(&self, dir: &Path) -> PathBuf {
        let path = dir.join("ca.crt");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// The authority's own certificate, in DER.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    /// A certificate for DNS names or addresses.
    pub fn issue(&self, names: &[&str], oddity: Oddity) -> Certificate {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if matches!(oddity, Oddity::Expired | Oddity::SelfSignedExpired) {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 3, 4);
        }
        if oddity == Oddity::Early {
            params.not_before = rcgen::date_time_ymd(2901, 1, 1);
            params.not_after = rcgen::date_time_ymd(2902, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = if matches!(oddity, Oddity::SelfSigned | Oddity::SelfSignedExpired) {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap()
        };
        Certificate {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

impl Certificate {
    /// Both as files in `dir`: the certificate and the key.
    pub fn files(&self, dir: &Path, stem: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join(format!("{stem}.crt")), dir.join(format!("{stem}.key")));
        std::fs::write(&certificate, &self.pem).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (certificate, key)
    }
}
