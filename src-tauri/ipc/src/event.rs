//! The few edge events, and the snapshot's changes.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::snapshot::{EndCause, RefusedCertificate, RegistrationFailureCode, Snapshot, TransferState};

/// Travels as `{"ev":"name", …}`.
#[derive(Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "ev", rename_all = "snake_case")]
#[ts(rename = "IpcEvent")]
pub enum Event {
    /// The state has changed. Front ends that fell behind receive the newest only.
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    Registered {
        line: String,
    },
    RegistrationFailed {
        line: String,
        code: RegistrationFailureCode,
        status: Option<u16>,
        certificate: Option<RefusedCertificate>,
    },
    Unregistered {
        line: String,
    },
    /// The same account is registered from another place too: its contact addresses.
    LoggedInElsewhere {
        line: String,
        contacts: Vec<String>,
    },
    /// A call comes in.
    Ringing {
        call: String,
    },
    /// The far phone rings.
    Alerting {
        call: String,
    },
    /// A call is answered, either way.
    Established {
        call: String,
    },
    Ended {
        call: String,
        cause: EndCause,
        status: Option<u16>,
    },
    /// A DTMF digit of the far side.
    Dtmf {
        call: String,
        digit: String,
    },
    /// A transfer of ours goes on.
    Transfer {
        call: String,
        state: TransferState,
        status: Option<u16>,
    },
    /// An INFO of the far side that is not DTMF.
    Info {
        call: String,
        content_type: String,
        body: String,
    },
    /// A text message has come (MESSAGE).
    Message {
        line: String,
        from: String,
        content_type: String,
        body: String,
    },
    /// The message of that id has been delivered.
    MessageSent {
        id: String,
    },
    MessageFailed {
        id: String,
        status: Option<u16>,
    },
    /// News of a subscription. `state` is `active`, `pending` or `terminated`.
    Notified {
        subscription: String,
        state: String,
        content_type: String,
        body: String,
    },
    /// Peak levels in dBFS (−96..=0), about ten times a second while a call runs.
    Levels {
        microphone: f32,
        speaker: f32,
    },
}

/// Events carry digits, messages and addresses: only their names are shown.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Snapshot { .. } => "Snapshot",
            Self::Registered { .. } => "Registered",
            Self::RegistrationFailed { .. } => "RegistrationFailed",
            Self::Unregistered { .. } => "Unregistered",
            Self::LoggedInElsewhere { .. } => "LoggedInElsewhere",
            Self::Ringing { .. } => "Ringing",
            Self::Alerting { .. } => "Alerting",
            Self::Established { .. } => "Established",
            Self::Ended { .. } => "Ended",
            Self::Dtmf { .. } => "Dtmf",
            Self::Transfer { .. } => "Transfer",
            Self::Info { .. } => "Info",
            Self::Message { .. } => "Message",
            Self::MessageSent { .. } => "MessageSent",
            Self::MessageFailed { .. } => "MessageFailed",
            Self::Notified { .. } => "Notified",
            Self::Levels { .. } => "Levels",
        })
    }
}
