//! The few edge events, and the snapshot's changes.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::snapshot::{EndCause, RefusedCertificate, RegistrationFailureCode, Snapshot};

/// Travels as `{"ev":"name", …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "ev", rename_all = "snake_case")]
#[ts(rename = "IpcEvent")]
pub enum Event {
    /// The state has changed. Front ends that fell behind receive the newest only.
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    Registered,
    RegistrationFailed {
        code: RegistrationFailureCode,
        status: Option<u16>,
        certificate: Option<RefusedCertificate>,
    },
    Unregistered,
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
    /// Peak levels in dBFS (−96..=0), about ten times a second while a call runs.
    Levels {
        microphone: f32,
        speaker: f32,
    },
}
