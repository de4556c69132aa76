//! TLS (RFC 3261 §26.2.1, RFC 5922): whom we trust, who we are, and what is said when no trust comes about.
//!
//! A server is trusted when its certificate verifies against the roots of the operating system or those of the account's
//! trust file, for the name that the account gives (not the one that DNS answered with, RFC 5922 §4), or when exactly
//! this certificate is pinned. There is no way to trust just any.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use deskline_core::account::{CertificateFault, Fingerprint, TlsOptions};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ConnectError;
use super::dial::Deadline;

/// Accounts whose sessions are remembered for resumption: a program has a few.
const REMEMBERED: usize = 8;
/// How long a server that asked for a certificate may take to say that it wants another one (TLS 1.3 tells it late).
const SECOND_THOUGHTS: Duration = Duration::from_millis(300);

/// What a listener shows: PEM files with the certificate chain and its key.
#[derive(Debug, Clone)]
pub struct ServerIdentity {
    pub chain: PathBuf,
    pub key: PathBuf,
    /// Who may issue the clients' certificates: with it, clients without one are turned away.
    pub clients: Option<PathBuf>,
}

/// The configurations in use, so that sessions can be resumed and the system's roots are not read anew each time.
#[derive(Default)]
pub(super) struct Configurations(Mutex<Vec<(Sources, Arc<ClientConfig>)>>);

/// What a configuration was made of: the options, and the files at the time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sources {
    options: TlsOptions,
    changed: Vec<Option<SystemTime>>,
}

impl Configurations {
    /// Shakes hands with `host`.
    pub(super) async fn connect(
        self: &Arc<Self>,
        stream: TcpStream,
        host: &str,
        options: &TlsOptions,
        protocol: Option<&[u8]>,
        deadline: Deadline,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| ConnectError::Resolve(host.to_owned()))?;
        // Files are read, and on some systems the roots are asked for.
        let (this, wanted) = (Arc::clone(self), options.clone());
        let read = tokio::task::spawn_blocking(move || this.of(&wanted));
        let shared = deadline.limit(read).await?.map_err(|error| ConnectError::Tls(error.to_string()))??;
        let asked = Arc::new(AtomicBool::new(false));
        let mut config = ClientConfig::clone(&shared);
        config.client_auth_cert_resolver =
            Arc::new(Noting { inner: Arc::clone(&config.client_auth_cert_resolver), asked: Arc::clone(&asked) });
        config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
        let shaken = deadline.limit(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
        let mut stream = shaken.map_err(|error| {
            self.forget(options);
            failure(&error, asked.load(Ordering::Relaxed), deadline)
        })?;
        if asked.load(Ordering::Relaxed)
            && let Ok(Err(error)) = tokio::time::timeout(SECOND_THOUGHTS, stream.fill_buf()).await
        {
            self.forget(options);
            return Err(failure(&error, true, deadline));
        }
        Ok(stream)
    }

    fn of(&self, options: &TlsOptions) -> Result<Arc<ClientConfig>, ConnectError> {
        let files =
            options.trust_file.iter().chain(options.client.iter().flat_map(|client| [&client.chain, &client.key]));
        let changed = files.map(|file| std::fs::metadata(file).and_then(|about| about.modified()).ok()).collect();
        let sources = Sources { options: options.clone(), changed };
        if let Some((_, config)) = self.lock().iter().find(|(made_of, _)| *made_of == sources) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(client(options)?);
        let mut known = self.lock();
        known.retain(|(made_of, _)| made_of.options != sources.options);
        if known.len() >= REMEMBERED {
            known.remove(0);
        }
        known.push((sources, Arc::clone(&config)));
        Ok(config)
    }

    /// After a failure everything is read anew: somebody may be mending it right now.
    fn forget(&self, options: &TlsOptions) {
        self.lock().retain(|(made_of, _)| made_of.options != *options);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Sources, Arc<ClientConfig>)>> {
        // Entries are put in and taken out whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The configuration of a listener.
pub(super) fn server(identity: &ServerIdentity) -> io::Result<Arc<ServerConfig>> {
    let invalid = |error: &dyn fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    let chain = certificates(&identity.chain).map_err(|error| invalid(&error))?;
    let key = key(&identity.key).map_err(|error| invalid(&error))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?;
    let builder = match &identity.clients {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = roots(certificates(file).map_err(|error| invalid(&error))?);
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| invalid(&error))?)
        }
    };
    builder.with_single_cert(chain, key).map(Arc::new).map_err(|error| invalid(&error))
}

fn client(options: &TlsOptions) -> Result<ClientConfig, ConnectError> {
    let extra = options.trust_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let verifier = Arc::new(Verifier { inner: platform(extra)?, pinned: options.pinned.clone() });
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Tls(error.to_string()))?
        .dangerous() // The name of the door through which every verifier but the default one comes in.
        .with_custom_certificate_verifier(verifier);
    match &options.client {
        None => Ok(builder.with_no_client_auth()),
        Some(files) => builder
            .with_client_auth_cert(certificates(&files.chain)?, key(&files.key)?)
            .map_err(|error| ConnectError::TlsFile { file: files.key.clone(), why: error.to_string() }),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The system's verifier together with further roots. `None`: there are no roots at all, as on a system without
/// certificates: then only what is pinned is trusted.
fn platform(extra: Vec<CertificateDer<'static>>) -> Result<Option<rustls_platform_verifier::Verifier>, ConnectError> {
    match rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider()) {
        Ok(verifier) => Ok(Some(verifier)),
        Err(error) => {
            tracing::warn!(%error, "no certification authorities: only pinned certificates are trusted");
            Ok(None)
        }
    }
}

fn roots(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let wrong = |why: String| ConnectError::TlsFile { file: file.to_owned(), why };
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| wrong(describe_pem(&error)))?;
    if found.is_empty() { Err(wrong("no certificate (PEM) is in it".to_owned())) } else { Ok(found) }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, ConnectError> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| ConnectError::TlsFile { file: file.to_owned(), why: describe_pem(&error) })
}

fn describe_pem(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.kind().to_string(),
        Error::NoItemsFound => "no unencrypted private key (PEM) is in it".to_owned(),
        other => other.to_string(),
    }
}

/// The system's verifier, behind the list of pinned certificates.
#[derive(Debug)]
struct Verifier {
    inner: Option<rustls_platform_verifier::Verifier>,
    pinned: Vec<Fingerprint>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = Fingerprint(Sha256::digest(end_entity).into());
        if self.pinned.contains(&fingerprint) {
            // That the server has the key to it, its signature of the handshake must show as always.
            return Ok(ServerCertVerified::assertion());
        }
        let verified = match &self.inner {
            Some(inner) => inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        verified.map_err(|error| match error {
            Error::InvalidCertificate(error) => {
                let refused = Refused { fault: fault(&error), fingerprint };
                CertificateError::Other(OtherError(Arc::new(refused))).into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Travels inside the library's error: which certificate was refused, and why.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the certificate is refused: {fault}")]
struct Refused {
    fault: CertificateFault,
    fingerprint: Fingerprint,
}

fn fault(error: &CertificateError) -> CertificateFault {
    match error {
        CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        CertificateError::Revoked => CertificateFault::Revoked,
        CertificateError::BadSignature => CertificateFault::BadSignature,
        CertificateError::BadEncoding => CertificateFault::Malformed,
        // What a server signs for itself by the simplest means: an authority that is its own only customer.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            CertificateFault::UnknownIssuer
        }
        _ => CertificateFault::Unsuitable,
    }
}

/// What a failed handshake means. `asked`: the server has asked for a certificate of ours.
pub(super) fn failure(error: &io::Error, asked: bool, deadline: Deadline) -> ConnectError {
    use rustls::AlertDescription as Alert;
    let Some(told) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                ConnectError::Tls("the server closed the connection".to_owned())
            }
            _ => ConnectError::from_io(error, deadline),
        };
    };
    match told {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            match inner.downcast_ref::<Refused>() {
                Some(Refused { fault, fingerprint }) => {
                    ConnectError::Certificate { fault: *fault, fingerprint: *fingerprint }
                }
                None => ConnectError::Tls(told.to_string()),
            }
        }
        Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => ConnectError::ClientCertificate,
        Error::AlertReceived(Alert::HandshakeFailure | Alert::DecryptError) if asked => ConnectError::ClientCertificate,
        Error::AlertReceived(alert) => ConnectError::Tls(format!("the server answered {alert:?}")),
        Error::InvalidMessage(_) => ConnectError::Tls("what answers there is not TLS".to_owned()),
        other => ConnectError::Tls(other.to_string()),
    }
}

/// Notes that the server has asked for our certificate.
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn ResolvesClientCert>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Noting {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.inner.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
