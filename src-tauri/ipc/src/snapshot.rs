//! The snapshot: everything that a front end shows, whole, with a revision that grows by each change.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// All times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Snapshot {
    pub rev: u64,
    pub version: String,
    /// What can be done on this platform and in this program. What is absent is not shown.
    pub capabilities: Vec<Capability>,
    /// The account that is signed in or being signed in.
    pub account: Option<Account>,
    /// What the sign-in view is filled with.
    pub sign_in: SignInForm,
    pub registration: Registration,
    pub agent: Agent,
    /// Live calls, oldest first.
    pub calls: Vec<Call>,
    /// The call that ended last, until it is dismissed or the next one begins.
    pub last_call: Option<Call>,
    pub devices: Devices,
    pub settings: Settings,
    pub notices: Vec<Notice>,
    /// Grows with each change of the call list: time to read it again.
    pub call_list_rev: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// An embedded contact centre runs: `demo_call` works and the demo numbers can be dialled.
    DemoCentre,
    Hold,
    Dtmf,
    AfterCallWork,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Account {
    pub server: String,
    pub user: String,
    pub display_name: Option<String>,
    pub transport: Transport,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("transport", &self.transport).finish_non_exhaustive()
    }
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SignInForm {
    pub server: String,
    pub user: String,
    pub display_name: String,
    pub transport: Transport,
    /// The program knows this account's password (the demo's): the field may stay empty.
    pub password_known: bool,
    /// Numbers of the embedded centre that can be dialled.
    pub demo_numbers: Vec<DemoNumber>,
}

impl std::fmt::Debug for SignInForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInForm").field("password_known", &self.password_known).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DemoNumber {
    pub number: String,
    pub kind: DemoNumberKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DemoNumberKind {
    /// Another agent, simulated: answers and speaks.
    Agent,
    Echo,
    Busy,
    NoAnswer,
    NotFound,
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

/// The agent's state by the workbench codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Agent {
    /// −1 unregistered, 0 registering, 1 signed out, 2 signed in, 3 ready, 4 break, 5 after-call work, 6 ringing, 8 dialling,
    /// 9 talking inbound, 10 talking outbound, 11 talking internally, 12 held.
    pub code: i8,
    pub since_ms: i64,
    /// When the state ends by itself (after-call work).
    pub until_ms: Option<i64>,
    /// The reason of a break, 1..=5.
    pub break_reason: Option<u8>,
    /// The agent commands that are legal now.
    pub allowed: Vec<AgentAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum AgentAction {
    SignIn,
    SignOut,
    Ready,
    Break,
    AfterCallWork,
    Call,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Call {
    pub id: String,
    pub direction: CallDirection,
    /// The far side's number or address, as it is shown and called back.
    pub number: String,
    pub name: Option<String>,
    pub state: CallState,
    pub since_ms: i64,
    pub started_ms: i64,
    pub answered_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    /// The peer has put us on hold.
    pub held_by_peer: bool,
    pub muted: bool,
    /// `opus`, `PCMA`, `PCMU`.
    pub codec: Option<String>,
    /// The DTMF digits sent so far.
    pub dtmf: String,
    pub end: Option<CallEnd>,
    /// The call commands that are legal now.
    pub allowed: Vec<CallAction>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("state", &self.state)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    Inbound,
    Outbound,
    /// With another agent of the same centre.
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Incoming, not answered.
    Ringing,
    /// Outgoing, the far phone does not ring yet.
    Dialing,
    /// Outgoing, the far phone rings or plays early media.
    Alerting,
    /// Answered here, the connection is being made.
    Answering,
    Talking,
    /// On hold by us.
    Held,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallAction {
    Answer,
    Hangup,
    Hold,
    Retrieve,
    Mute,
    Dtmf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallEnd {
    pub cause: EndCause,
    /// The SIP status, where there is one.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// We hung up a call that stood.
    HungUp,
    /// The far side hung up a call that stood.
    PeerHungUp,
    /// We gave up before an answer.
    Cancelled,
    /// The caller gave up before we answered: a missed call.
    Missed,
    /// Another device answered it.
    AnsweredElsewhere,
    /// We declined it.
    Declined,
    /// It came while the agent was not ready.
    NotReady,
    Busy,
    NoAnswer,
    NotFound,
    /// The far side declined.
    Rejected,
    Forbidden,
    Unavailable,
    /// No codec in common.
    NotAcceptable,
    ServerError,
    /// No answer from the network at all.
    TimedOut,
    Unreachable,
    /// The media could not be set up here.
    MediaFailed,
    /// Any other refusal.
    Failed,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Devices {
    pub inputs: Vec<Device>,
    pub outputs: Vec<Device>,
    pub microphone: DeviceUse,
    pub speaker: DeviceUse,
    pub ringer: DeviceUse,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Device {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeviceUse {
    /// The agent's choice; `null` follows the system's default.
    pub chosen: Option<String>,
    /// 0..=100.
    pub volume: u8,
    pub trouble: Option<DeviceTrouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRole {
    Microphone,
    Speaker,
    Ringer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DeviceTrouble {
    Missing,
    Busy,
    Denied,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Settings {
    pub language: Language,
    pub theme: Theme,
    pub after_call_work_seconds: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub enum Language {
    /// The system's language, Simplified Chinese or English.
    #[default]
    #[serde(rename = "system")]
    System,
    #[serde(rename = "zh-CN")]
    ZhCn,
    #[serde(rename = "en")]
    En,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
    HighContrast,
}

/// Something that the agent should know and can do something about; it stays until dismissed or healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Notice {
    pub id: u32,
    pub level: NoticeLevel,
    pub code: NoticeCode,
    pub at_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    Info,
    Warning,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    MicrophoneMissing,
    MicrophoneBusy,
    MicrophoneDenied,
    MicrophoneFailed,
    SpeakerMissing,
    SpeakerBusy,
    SpeakerFailed,
    RingerMissing,
    RingerBusy,
    RingerFailed,
    /// The call list on disk was damaged; it was put aside and a new one begun.
    StoreRecovered,
    /// Calls cannot be written to disk now.
    StoreFailed,
    /// The hold or retrieve was refused by the far side.
    HoldRefused,
    /// The far side does not take DTMF.
    DtmfRefused,
}

/// One row of the call list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallRecord {
    pub id: i64,
    pub direction: CallDirection,
    pub number: String,
    pub name: Option<String>,
    pub started_ms: i64,
    pub answered_ms: Option<i64>,
    pub ended_ms: i64,
    pub end: CallEnd,
}

impl std::fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallRecord").field("id", &self.id).field("end", &self.end).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallPage {
    pub calls: Vec<CallRecord>,
    /// How many match in all.
    pub total: u32,
}
