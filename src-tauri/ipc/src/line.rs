//! Accounts, their options, and their registrations.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Account {
    pub server: String,
    pub user: String,
    pub display_name: Option<String>,
    pub transport: Transport,
    pub options: AccountOptions,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// How an account is used. Every field may be absent.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct AccountOptions {
    #[ts(optional, as = "Option<TlsOptions>")]
    pub tls: TlsOptions,
    /// The HTTP proxy to the server: `http://proxy.example.com:3128`, with `user:password@` where it wants them. Only the
    /// address is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub proxy: Option<String>,
    #[ts(optional, as = "Option<KeepAlive>")]
    pub keep_alive: KeepAlive,
    #[ts(optional, as = "Option<DtmfMode>")]
    pub dtmf: DtmfMode,
    /// A caller may have us answer at once (Alert-Info, Call-Info, Answer-Mode), as intercoms and click-to-dial do.
    #[ts(optional, as = "Option<bool>")]
    pub auto_answer: bool,
    /// How many calls at once, 1..=8. Absent: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call_limit: Option<u8>,
    /// Whether the far side may transfer us (REFER). Absent: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub transfer_accept: Option<bool>,
    /// Session timer in seconds, 90..=7200; 0: none. Absent: 1800.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub session_timer: Option<u32>,
    /// Take calls from other addresses than the server's.
    #[ts(optional, as = "Option<bool>")]
    pub strangers: bool,
    /// Ask the server for a globally routable URI (RFC 5627). Only for servers that are known to route by them.
    #[ts(optional, as = "Option<bool>")]
    pub gruu: bool,
}

impl std::fmt::Debug for AccountOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountOptions")
            .field("keep_alive", &self.keep_alive)
            .field("dtmf", &self.dtmf)
            .field("auto_answer", &self.auto_answer)
            .field("call_limit", &self.call_limit)
            .field("transfer_accept", &self.transfer_accept)
            .field("session_timer", &self.session_timer)
            .field("strangers", &self.strangers)
            .field("gruu", &self.gruu)
            .finish_non_exhaustive()
    }
}

/// For `tls` and `wss`. Paths of files in PEM.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct TlsOptions {
    /// Authorities that are trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub trust_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub client_certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub client_key: Option<String>,
    /// SHA-256 of certificates that are accepted whoever issued them, in hexadecimal digits.
    #[ts(optional, as = "Option<Vec<String>>")]
    pub pinned: Vec<String>,
}

/// Names of files tell of people.
impl std::fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsOptions").field("pinned", &self.pinned.len()).finish_non_exhaustive()
    }
}

/// What keeps the way to the server open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum KeepAlive {
    /// CRLF, or a WebSocket ping (RFC 5626 §3.5.1).
    #[default]
    Crlf,
    /// STUN over UDP (RFC 5626 §3.5.2).
    Stun,
}

/// How digits are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DtmfMode {
    /// In the media (RFC 4733).
    #[default]
    Rtp,
    /// INFO with `application/dtmf-relay`.
    InfoRelay,
    /// INFO with `application/dtmf`.
    Info,
}

/// An account with its registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Line {
    pub id: String,
    pub account: Account,
    pub registration: Registration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
    /// Left to the server's domain (its NAPTR and SRV records).
    Auto,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Registration {
    /// Nobody is signed in; `failure` tells why the last attempt did not succeed.
    Offline {
        failure: Option<RegistrationFailure>,
    },
    /// Connecting, or REGISTER is on its way.
    Registering,
    Registered {
        since_ms: i64,
    },
    /// The connection or the registration was lost while signed in; the program keeps trying. A call goes on meanwhile.
    Reconnecting {
        since_ms: i64,
        retry_at_ms: Option<i64>,
        failure: RegistrationFailure,
    },
    /// Signing out.
    Unregistering,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RegistrationFailure {
    pub code: RegistrationFailureCode,
    /// The SIP status, where the server answered.
    pub status: Option<u16>,
    /// The certificate that was refused.
    pub certificate: Option<RefusedCertificate>,
}

/// A server's certificate that we do not trust. Whoever knows it may pin it by its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RefusedCertificate {
    pub fault: CertificateFault,
    /// SHA-256 over the certificate: `AB:CD:…`.
    pub fingerprint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// No authority that we trust has issued it.
    UnknownIssuer,
    Expired,
    NotYetValid,
    /// It is made out for another name.
    WrongName,
    Revoked,
    /// Not made for servers.
    Unsuitable,
    BadSignature,
    /// It cannot be read.
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationFailureCode {
    /// 401/407 after our answer, or 403: user or password are wrong.
    WrongCredentials,
    /// 404: the server does not know the user.
    UnknownUser,
    /// The host name cannot be resolved.
    UnknownHost,
    /// Nothing listens at that port.
    ConnectionRefused,
    /// No answer in time.
    TimedOut,
    /// No route to the server.
    NetworkUnreachable,
    /// The server does not speak SIP over WebSocket there.
    NotSipOverWebSocket,
    /// The domain offers no transport that we speak.
    UnsupportedTransport,
    /// The server's certificate is not trusted; `certificate` tells why and which one it is.
    CertificateRefused,
    /// The server wants a client certificate, or another one.
    ClientCertificateRefused,
    /// TLS failed for another reason.
    TlsFailed,
    /// A certificate file of the account cannot be read or used.
    TlsFiles,
    /// The HTTP proxy cannot be reached.
    ProxyUnreachable,
    /// The HTTP proxy wants credentials, or others.
    ProxyCredentials,
    /// The HTTP proxy does not let us through to this server.
    ProxyRefused,
    /// The connection broke.
    ConnectionLost,
    /// 5xx and the like.
    ServerError,
    /// Any other refusal.
    Refused,
}
