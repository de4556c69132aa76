//! Certificates that a test makes for itself: an authority of its own, and servers' and clients' certificates by it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use sha2::{Digest, Sha256};

/// A certification authority that nobody else knows.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate_pem: String,
    pub key_pem: String,
    /// SHA-256 over the certificate: 64 hexadecimal digits.
    pub fingerprint: String,
}

/// For how long a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// For decades around today.
    Now,
    /// No longer, for years.
    Past,
    /// Not before decades have passed.
    Future,
}

impl Authority {
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).context("a certificate")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The authority's own certificate: what a trust file holds.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names and addresses, good for servers and clients.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn issue(&self, names: &[&str], validity: Validity) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate().context("a key")?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).context("the names of a certificate")?;
        params.distinguished_name.push(DnType::CommonName, "made for a test");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2099, 1, 1)),
            Validity::Past => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Validity::Future => (date_time_ymd(2098, 1, 1), date_time_ymd(2099, 1, 1)),
        };
        let certificate = params.signed_by(&key, &self.issuer).context("a certificate")?;
        let digest = Sha256::digest(certificate.der());
        let fingerprint = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        Ok(Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem(), fingerprint })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Writes `NAME.pem` and `NAME.key` and returns their paths.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate_pem).context("writing a certificate")?;
        std::fs::write(&key, &self.key_pem).context("writing a key")?;
        Ok((certificate, key))
    }
}
