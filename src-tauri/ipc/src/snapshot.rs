//! The snapshot: everything that a front end shows, whole, with a revision that grows by each change.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use crate::call::*;
pub use crate::line::*;

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
    /// Every account with its registration; the first is the agent's own.
    pub lines: Vec<Line>,
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
    /// Blind transfer.
    Transfer,
    /// Consultation and attended transfer.
    Consult,
    /// Text messages.
    Message,
    /// Further accounts, and more than one call.
    SeveralLines,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SignInForm {
    pub server: String,
    pub user: String,
    pub display_name: String,
    pub transport: Transport,
    pub options: AccountOptions,
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
    /// The far side refused DTMF in the account's way; it goes the other way now.
    DtmfOtherWay,
    /// The far side refused the transfer.
    TransferRefused,
    /// The same account is registered from another place too.
    LoggedInElsewhere,
    /// The server's certificate is not trusted.
    CertificateRefused,
    /// The settings cannot be saved now.
    SettingsFailed,
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
    /// What the INVITE told beside From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub details: Option<CallDetails>,
}

/// What an INVITE told of its caller, and the application's headers in it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallDetails {
    pub caller: Caller,
    pub headers: Vec<Header>,
    pub referred_by: Option<String>,
}

impl std::fmt::Debug for CallDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallDetails").field("caller", &self.caller).finish_non_exhaustive()
    }
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
