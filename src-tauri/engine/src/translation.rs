//! From the core's words to those of the front ends, and from the network's to the core's.

use deskline_core::pii::Pii;
use deskline_core::workbench::{self, Edge, Refusal};
use deskline_ipc::snapshot::RegistrationFailure;
use deskline_ipc::{Error, ErrorCode, Event};

use crate::net::ConnectError;

pub(crate) fn event(edge: Edge) -> Event {
    match edge {
        Edge::Registered(line) => Event::Registered { line: line.to_string() },
        Edge::RegistrationFailed(line, failure) => {
            let RegistrationFailure { code, status, certificate } = failure.into();
            Event::RegistrationFailed { line: line.to_string(), code, status, certificate }
        }
        Edge::Unregistered(line) => Event::Unregistered { line: line.to_string() },
        Edge::LoggedInElsewhere(line, contacts) => Event::LoggedInElsewhere {
            line: line.to_string(),
            contacts: contacts.into_iter().map(Pii::into_inner).collect(),
        },
        Edge::Ringing(call) => Event::Ringing { call: call.to_string() },
        Edge::Alerting(call) => Event::Alerting { call: call.to_string() },
        Edge::Established(call) => Event::Established { call: call.to_string() },
        Edge::Ended(call, end) => Event::Ended { call: call.to_string(), cause: end.cause.into(), status: end.status },
        Edge::Dtmf(call, digit) => Event::Dtmf { call: call.to_string(), digit: digit.to_string() },
        Edge::Transfer(call, transfer) => {
            Event::Transfer { call: call.to_string(), state: transfer.state.into(), status: transfer.status }
        }
        Edge::Info { call, content_type, body } => {
            Event::Info { call: call.to_string(), content_type, body: body.into_inner() }
        }
        Edge::Message { line, from, content_type, body } => {
            Event::Message { line: line.to_string(), from: from.into_inner(), content_type, body: body.into_inner() }
        }
        Edge::MessageSent(id) => Event::MessageSent { id: id.to_string() },
        Edge::MessageFailed(id, status) => Event::MessageFailed { id: id.to_string(), status },
        Edge::Notified { subscription, state, content_type, body } => Event::Notified {
            subscription: subscription.to_string(),
            state: state.to_owned(),
            content_type,
            body: body.into_inner(),
        },
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
        Refusal::CallLimit => ErrorCode::CallLimit,
        Refusal::NoLine | Refusal::OwnLine => ErrorCode::NoLine,
        Refusal::Header(_) => ErrorCode::BadHeader,
        Refusal::NoSubscription => ErrorCode::NoSubscription,
        Refusal::Unsupported => ErrorCode::Unsupported,
        Refusal::Digits | Refusal::Body | Refusal::TooManyLines => ErrorCode::BadCommand,
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
        ConnectError::Certificate { fault, fingerprint } => {
            FailureCode::CertificateRefused { fault: *fault, fingerprint: *fingerprint }
        }
        ConnectError::ClientCertificate => FailureCode::ClientCertificateRefused,
        ConnectError::Tls(_) => FailureCode::TlsFailed,
        ConnectError::TlsFile { .. } => FailureCode::TlsFiles,
        ConnectError::ProxyUnreachable(_) => FailureCode::ProxyUnreachable,
        ConnectError::ProxyCredentials => FailureCode::ProxyCredentials,
        ConnectError::ProxyRefused(_) => FailureCode::ProxyRefused,
        ConnectError::Unsupported(_) => FailureCode::UnsupportedTransport,
        ConnectError::Other(_) => FailureCode::ConnectionLost,
    }
}
