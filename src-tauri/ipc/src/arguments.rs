//! What comes with each command.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::snapshot::{AccountOptions, DeviceRole, Header, Language, Theme, Transport};

/// No arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Nothing {}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SignIn {
    /// Host name or address of the SIP server, with an optional port: `pbx.example.com`, `10.0.0.2:5070`, `[::1]:5060`.
    pub server: String,
    /// The SIP user, as a rule the extension.
    pub user: String,
    /// The SIP password. Absent: the password that the program knows for this account (the demo), or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub password: Option<String>,
    #[serde(default)]
    #[ts(optional, as = "Option<Transport>")]
    pub transport: Transport,
    /// The name shown to those whom the agent calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub display_name: Option<String>,
    /// The SIP domain of the address of record, where it differs from the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub domain: Option<String>,
    /// The digest username, where it differs from the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub auth_user: Option<String>,
    /// How this account is used, beyond user and server.
    #[serde(default)]
    #[ts(optional, as = "Option<AccountOptions>")]
    pub options: AccountOptions,
}

/// The password and who signs in never reach a log.
impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("transport", &self.transport).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AgentBreak {
    /// The reason's id, 1..=5 where the platform has reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AfterCallWork {
    /// 0..=3600.
    pub seconds: u32,
}

/// Numbers are private: they are not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallTo {
    /// A number (spaces and the usual marks are removed), a user name, or a SIP URI.
    pub uri: String,
    /// The line to call from. Absent: the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<String>,
    /// Further headers of the INVITE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Header>>")]
    pub headers: Vec<Header>,
}

impl std::fmt::Debug for CallTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallTo").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallRef {
    /// Absent: the one call that the command can mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallMute {
    pub muted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AddLine {
    pub account: SignIn,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LineRef {
    pub line: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HangUp {
    /// Absent: the one call that the command can mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
    /// Further headers of the BYE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Header>>")]
    pub headers: Vec<Header>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Transfer {
    /// Absent: the active call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
    /// A number, a user name or a SIP URI.
    pub to: String,
    /// Further headers of the REFER.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Header>>")]
    pub headers: Vec<Header>,
}

impl std::fmt::Debug for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfer").field("call", &self.call).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Consult {
    /// Absent: the active call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
    /// A number, a user name or a SIP URI.
    pub to: String,
}

impl std::fmt::Debug for Consult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consult").field("call", &self.call).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
    /// `application/json` and the like.
    pub content_type: String,
    /// At most 16 KiB.
    pub body: String,
    /// Further headers of the INFO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Header>>")]
    pub headers: Vec<Header>,
}

impl std::fmt::Debug for CallInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallInfo").field("call", &self.call).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SendMessage {
    /// A number, a user name or a SIP URI.
    pub to: String,
    /// `text/plain` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub content_type: Option<String>,
    /// At most 16 KiB.
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<String>,
}

impl std::fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendMessage").field("line", &self.line).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Subscribe {
    /// The event package: `dialog`, `presence`, `message-summary`, `reg`.
    pub event: String,
    /// Whose: a number, a user name or a SIP URI.
    pub target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<String>,
}

impl std::fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscribe").field("event", &self.event).field("line", &self.line).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SubscriptionRef {
    /// As `subscribe` returned it. (No argument is named `id`: that is the line's own where commands travel as lines.)
    pub subscription: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SetPresence {
    /// Whether one can be reached.
    pub open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<String>,
}

impl std::fmt::Debug for SetPresence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetPresence").field("open", &self.open).field("line", &self.line).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SendDtmf {
    /// `0-9`, `*`, `#`, `A-D`; at most 64.
    pub digits: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub call: Option<String>,
}

/// Digits may be card numbers: they are not shown.
impl std::fmt::Debug for SendDtmf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendDtmf").field("call", &self.call).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SetVolume {
    pub role: DeviceRole,
    /// 0..=100.
    pub percent: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SelectDevice {
    pub role: DeviceRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub device: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TestDevice {
    pub role: DeviceRole,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallQuery {
    /// Part of a number or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub search: Option<String>,
    #[serde(default)]
    #[ts(optional, as = "Option<u32>")]
    pub offset: u32,
    /// 1..=500, 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub limit: Option<u32>,
}

impl std::fmt::Debug for CallQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallQuery").field("offset", &self.offset).field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SetSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub language: Option<Language>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub theme: Option<Theme>,
    /// Seconds of after-call work, 0..=3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub after_call_work_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DismissNotice {
    pub notice: u32,
}
