//! From the core's words to those of the front ends, and from the network's to the core's.

use deskline_core::workbench::{self, Edge, Refusal};
use deskline_ipc::snapshot::RegistrationFailure;
use deskline_ipc::view::FIRST_LINE;
use deskline_ipc::{Error, ErrorCode, Event};

use crate::net::ConnectError;

pub(crate) fn event(edge: Edge) -> Event {
    match edge {
        Edge::Registered => Event::Registered { line: FIRST_LINE.to_owned() },
        Edge::RegistrationFailed(failure) => {
            let RegistrationFailure { code, status, certificate } = failure.into();
            Event::RegistrationFailed { line: FIRST_LINE.to_owned(), code, status, certificate }
        }
        Edge::Unregistered => Event::Unregistered { line: FIRST_LINE.to_owned() },
        Edge::Ringing(call) => Event::Ringing { call: call.to_string() },
        Edge::Alerting(call) => Event::Alerting { call: call.to_string() },
        Edge::Established(call) => Event::Established { call: call.to_string() },
        Edge::Ended(call, end) => Event::Ended { call: call.to_string(), cause: end.cause.into(), status: end.status },
        Edge::Dtmf(call, digit) => Event::Dtmf { call: call.to_string(), digit: digit.to_string() },
    }
}

pub(crate) fn refused(refusal: &Refusal) -> Error {
    let code = match refusal {
        Refusal::NotSignedIn => ErrorCode::NotSignedIn,
        Refusal::AlreadySignedIn => ErrorCode::AlreadySignedIn,
        Refusal::Account(_) => ErrorCode::BadAccount,
        Refusal::Target(_) => ErrorCode::BadNumber,
        Refusal::Agent(_) | Refusal::CallState => ErrorCode::WrongState,
        Refusal::NoCall => ErrorCode::NoCall,
        Refusal::CallInProgress => ErrorCode::CallInProgress,
        Refusal::Digits => ErrorCode::BadCommand,
        Refusal::Full => ErrorCode::Internal,
    };
    Error::new(code, refusal.to_string())
}

pub(crate) fn failure_code(error: &ConnectError) -> workbench::FailureCode {
    use workbench::FailureCode;
    match error {
        ConnectError::Resolve(_) => FailureCode::UnknownHost,
        ConnectError::Refused => FailureCode::ConnectionRefused,
        ConnectError::TimedOut(_) => FailureCode::TimedOut,
        ConnectError::Unreachable => FailureCode::NetworkUnreachable,
        ConnectError::WebSocket(_) => FailureCode::NotSipOverWebSocket,
        ConnectError::Unsupported(_) => FailureCode::UnsupportedTransport,
        ConnectError::Other(_) => FailureCode::ConnectionLost,
    }
}
