//! Errors as a front end receives them. A code exists only where a front end acts on it or has its own text for it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `message` is English and says what to do; the panel shows its own text for `code` in the agent's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
#[ts(rename = "IpcError")]
pub struct Error {
    pub code: ErrorCode,
    pub message: String,
    /// The same command may succeed a little later.
    pub retryable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The command is unknown or its arguments are not of its form.
    BadCommand,
    /// Sign in first.
    NotSignedIn,
    /// Sign out first.
    AlreadySignedIn,
    /// A field of the sign-in is empty or malformed (`message` names it).
    BadAccount,
    /// The number or address cannot be dialled.
    BadNumber,
    /// The agent's or the call's state does not allow this.
    WrongState,
    /// There is no such call.
    NoCall,
    /// A call is in progress: end it first.
    CallInProgress,
    /// The account's limit of calls at once is reached.
    CallLimit,
    /// There is no such line.
    NoLine,
    /// A header may not be set, or its value holds a line break.
    BadHeader,
    /// There is no such subscription.
    NoSubscription,
    /// This platform or this far side cannot do that.
    Unsupported,
    /// No such sound device.
    NoDevice,
    /// Only with the embedded contact centre.
    NoCentre,
    /// The disk does not take or give the data.
    Storage,
    /// The program is shutting down, or an invariant broke; details are in the log.
    Internal,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false }
    }

    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}
