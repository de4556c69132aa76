//! The command table, declared once. From it come the [`Command`] enum (what travels), the [`Backend`](crate::Backend)
//! trait (what must be implemented), [`dispatch`] and the TypeScript table.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::snapshot::{CallPage, DeviceRole, Language, Snapshot, Theme, Transport};

/// Declares each command as `name(Arguments) -> Result;`. A command travels as `{"cmd":"name", …arguments}`.
macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $name:ident / $variant:ident ( $args:ty ) -> $result:ty; )+) => {
        /// A command as it travels.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "cmd", rename_all = "snake_case")]
        pub enum Command {
            $( $(#[doc = $doc])+ $variant($args), )+
        }

        /// What stands behind the front ends: one method a command. Implemented by the engine.
        pub trait Commands: Send + Sync + 'static {
            $( $(#[doc = $doc])+ fn $name(&self, args: $args) -> impl Future<Output = Result<$result, crate::Error>> + Send; )+
        }

        /// Carries a command out and returns its result as JSON (`null` for none).
        pub async fn dispatch<B: Commands>(backend: &B, command: Command) -> Result<serde_json::Value, crate::Error> {
            match command {
                $( Command::$variant(args) => {
                    let result: $result = backend.$name(args).await?;
                    serde_json::to_value(result).map_err(|error| crate::Error::new(crate::ErrorCode::Internal, error.to_string()))
                } )+
            }
        }

        /// The names of all commands.
        pub const NAMES: &[&str] = &[ $( stringify!($name), )+ ];

        /// The rows of the TypeScript table: documentation, name, arguments, result.
        pub(crate) fn typescript_rows(config: &ts_rs::Config) -> Vec<(String, &'static str, String, String)> {
            vec![ $( (
                [$( $doc.trim() ),+].join(" "),
                stringify!($name),
                <$args as TS>::name(config),
                <$result as TS>::name(config),
            ), )+ ]
        }
    };
}

commands! {
    /// Signs the agent in: connects, registers, becomes ready. Progress and failure show in the snapshot's `registration`.
    sign_in / SignIn(SignIn) -> ();
    /// Signs the agent out and removes the registration. Refused while a call is in progress.
    sign_out / SignOut(Nothing) -> ();
    /// Becomes ready (state 3): from break or after-call work.
    agent_ready / AgentReady(Nothing) -> ();
    /// Takes a break (state 4).
    agent_break / AgentBreak(AgentBreak) -> ();
    /// Sets the rest of after-call work (state 5) to so many seconds from now.
    after_call_work / AfterCallWork(AfterCallWork) -> ();
    /// Dials a number or a SIP URI; returns the id of the call.
    call / Call(CallTo) -> String;
    /// Answers the ringing call.
    answer / Answer(CallRef) -> ();
    /// Ends a call whatever its state: cancels, declines or hangs up.
    hangup / Hangup(CallRef) -> ();
    /// Holds the call; the peer hears music.
    call_hold / CallHold(CallRef) -> ();
    /// Retrieves the held call.
    call_retrieve / CallRetrieve(CallRef) -> ();
    /// Mutes or unmutes the microphone.
    call_mute / CallMute(CallMute) -> ();
    /// Sends DTMF digits into the call.
    send_dtmf / SendDtmf(SendDtmf) -> ();
    /// Sets a volume.
    set_volume / SetVolume(SetVolume) -> ();
    /// Chooses a device; without `device` the system's default is followed.
    select_device / SelectDevice(SelectDevice) -> ();
    /// Plays a short test sound on the device of that role.
    test_device / TestDevice(TestDevice) -> ();
    /// Asks the embedded contact centre for a call from a simulated customer.
    demo_call / DemoCall(Nothing) -> ();
    /// Reads the call list, newest first.
    calls / Calls(CallQuery) -> CallPage;
    /// Changes settings; absent fields stay as they are.
    set_settings / SetSettings(SetSettings) -> ();
    /// Takes a notice away.
    dismiss_notice / DismissNotice(DismissNotice) -> ();
    /// Takes the card of the last ended call away.
    dismiss_call / DismissCall(Nothing) -> ();
    /// The whole truth of the moment.
    snapshot / Snapshot(Nothing) -> Snapshot;
    /// Ends the program: hangs up, signs out, and closes.
    quit / Quit(Nothing) -> ();
}

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
    pub id: u32,
}
