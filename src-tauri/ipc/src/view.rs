//! From the core's state to what is shown: the only place that knows both.

use deskline_core::call::{self, Change, Hold, LineId};
use deskline_core::clock::Now;
use deskline_core::pii::Pii;
use deskline_core::workbench::{self, Workbench};
use deskline_core::{account, agent, flow, media};

use crate::snapshot::{
    Account, AccountOptions, Agent, AgentAction, Call, CallAction, CallDirection, CallEnd, CallState, CallTransfer,
    Caller, CertificateFault, DeviceRole, DeviceTrouble, Diversion, DtmfMode, EndCause, Header, KeepAlive, Line,
    Notice, NoticeCode, NoticeLevel, RefusedCertificate, Registration, RegistrationFailure, RegistrationFailureCode,
    TlsOptions, TransferState, Transport,
};

pub fn account(account: &account::Account) -> Account {
    let server = &account.server;
    Account {
        server: server.place(),
        user: account.user.expose().clone(),
        display_name: account.display_name.as_ref().map(|name| name.expose().clone()),
        transport: server.transport.into(),
        options: options(account),
    }
}

/// The options as they are shown and remembered: without the proxy's password.
pub fn options(account: &account::Account) -> AccountOptions {
    let (server, options) = (&account.server, &account.options);
    let defaults = account::Options::default();
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    AccountOptions {
        tls: TlsOptions {
            trust_file: server.tls.trust_file.as_deref().map(text),
            client_certificate: server.tls.client.as_ref().map(|client| text(&client.chain)),
            client_key: server.tls.client.as_ref().map(|client| text(&client.key)),
            pinned: server.tls.pinned.iter().map(ToString::to_string).collect(),
        },
        proxy: server.proxy.as_ref().map(|proxy| match proxy.host.contains(':') {
            true => format!("http://[{}]:{}", proxy.host, proxy.port),
            false => format!("http://{}:{}", proxy.host, proxy.port),
        }),
        keep_alive: server.keep_alive.into(),
        dtmf: options.dtmf.into(),
        auto_answer: options.auto_answer,
        call_limit: Some(options.call_limit).filter(|limit| *limit != defaults.call_limit),
        transfer_accept: Some(options.transfer_accept).filter(|accept| *accept != defaults.transfer_accept),
        session_timer: (options.session_timer != defaults.session_timer)
            .then(|| options.session_timer.map_or(0, |timer| u32::try_from(timer.as_secs()).unwrap_or(u32::MAX))),
        strangers: options.strangers,
        gruu: options.gruu,
    }
}

/// Every account with its registration; the agent's own first.
pub fn lines(workbench: &Workbench, now: Now) -> Vec<Line> {
    let line = |line: &workbench::Line| Line {
        id: line.id.to_string(),
        account: account(&line.account),
        registration: registration_of(workbench, line.id, &line.registration, now),
    };
    workbench.lines().iter().map(line).collect()
}

/// The registration of the agent's own line. `now` places the moment of the next attempt on the calendar.
pub fn registration(workbench: &Workbench, now: Now) -> Registration {
    registration_of(workbench, LineId::OWN, workbench.registration(), now)
}

fn registration_of(
    workbench: &Workbench,
    line: LineId,
    registration: &workbench::Registration,
    now: Now,
) -> Registration {
    match registration {
        workbench::Registration::Offline { failure } => Registration::Offline { failure: failure.map(Into::into) },
        workbench::Registration::Connecting { .. } | workbench::Registration::Registering { .. } => {
            Registration::Registering
        }
        workbench::Registration::Registered { since, .. } => Registration::Registered { since_ms: since.unix_ms },
        workbench::Registration::Restoring { since, failure, .. } => Registration::Reconnecting {
            since_ms: since.unix_ms,
            retry_at_ms: workbench
                .reconnect_at(line)
                .map(|at| now.plus(at.saturating_duration_since(now.instant)).unix_ms),
            failure: (*failure).into(),
        },
        workbench::Registration::Unregistering { .. } => Registration::Unregistering,
    }
}

pub fn agent(workbench: &Workbench) -> Agent {
    let agent = workbench.agent();
    let signed_in = workbench.account().is_some();
    let candidates = [
        (AgentAction::SignIn, agent::Input::SignIn, true),
        (AgentAction::SignOut, agent::Input::SignOut, workbench.calls().is_empty()),
        (AgentAction::Ready, agent::Input::Ready, signed_in),
        (AgentAction::Break, agent::Input::Break(None), signed_in),
        (AgentAction::AfterCallWork, agent::Input::AfterCallWork(std::time::Duration::ZERO), signed_in),
        (AgentAction::Call, agent::Input::Dialing, workbench.room_for_call(LineId::OWN).is_ok()),
    ];
    Agent {
        code: agent.state.code(),
        since_ms: agent.since.unix_ms,
        until_ms: match agent.state {
            agent::State::AfterCallWork { until, .. } => Some(until.unix_ms),
            _ => None,
        },
        break_reason: match agent.state {
            agent::State::Break(reason) => reason.map(agent::BreakReason::id),
            _ => None,
        },
        allowed: candidates
            .into_iter()
            .filter(|(_, input, possible)| *possible && agent.allows(*input))
            .map(|(action, ..)| action)
            .collect(),
    }
}

/// A call of that workbench, be it live or the last one.
pub fn call(workbench: &Workbench, call: &call::Call) -> Call {
    let shown = |text: &Pii<String>| text.expose().clone();
    Call {
        id: call.id.to_string(),
        line: call.line.to_string(),
        direction: call.direction.into(),
        number: shown(&call.number),
        name: call.name.as_ref().map(shown),
        state: match &call.state {
            call::State::Preparing | call::State::Dialing => CallState::Dialing,
            call::State::Alerting => CallState::Alerting,
            call::State::Ringing { .. } => CallState::Ringing,
            call::State::Answering { .. } => CallState::Answering,
            call::State::Established { hold: Hold::Active, .. } => CallState::Talking,
            call::State::Established { hold: Hold::Held, .. } => CallState::Held,
            call::State::Ended(_) => CallState::Ended,
        },
        since_ms: call.since.unix_ms,
        started_ms: call.started.unix_ms,
        answered_ms: call.answered.map(|at| at.unix_ms),
        ended_ms: call.ended.map(|at| at.unix_ms),
        held_by_peer: call.held_by_peer(),
        muted: call.muted && call.is_established(),
        codec: call.codec().map(|codec| codec.name().to_owned()),
        dtmf: shown(&call.dtmf),
        end: match call.state {
            call::State::Ended(end) => Some(end.into()),
            _ => None,
        },
        waiting: call.waiting && matches!(call.state, call::State::Ringing { .. }),
        reconnecting: call.reconnecting.is_some(),
        recovered: call.recovered,
        caller: caller(&call.caller),
        headers: headers(call),
        referred_by: call.referred_by.as_ref().map(shown),
        transfer: call.transfer.as_ref().map(|transfer| CallTransfer {
            state: transfer.state.into(),
            to: shown(&transfer.to),
            status: transfer.status,
        }),
        consults: call.consults.map(|id| id.to_string()),
        allowed: call_actions(workbench, call),
    }
}

/// The application's headers of a call's INVITE.
pub fn headers(call: &call::Call) -> Vec<Header> {
    let header = |field: &call::Field| Header { name: field.name.clone(), value: field.value.expose().clone() };
    call.headers.iter().map(header).collect()
}

/// What the server told of a caller, as it is shown.
pub fn caller(caller: &call::Caller) -> Caller {
    let shown = |text: &Pii<String>| text.expose().clone();
    let diversion =
        |diversion: &call::Diversion| Diversion { number: shown(&diversion.number), reason: diversion.reason.clone() };
    Caller {
        asserted: caller.asserted.as_ref().map(shown),
        remote_party: caller.remote_party.as_ref().map(shown),
        anonymous: caller.anonymous,
        diversions: caller.diversions.iter().map(diversion).collect(),
        history: caller.history.iter().map(diversion).collect(),
        call_info: caller.call_info.iter().map(shown).collect(),
        alert_info: caller.alert_info.iter().map(shown).collect(),
    }
}

fn call_actions(workbench: &Workbench, call: &call::Call) -> Vec<CallAction> {
    let (hold, change) = match call.state {
        call::State::Preparing | call::State::Dialing | call::State::Alerting | call::State::Answering { .. } => {
            return consulting_actions(workbench, call, vec![CallAction::Hangup]);
        }
        call::State::Ringing { .. } => return vec![CallAction::Answer, CallAction::Hangup],
        call::State::Established { hold, change } => (hold, change),
        call::State::Ended(_) => return Vec::new(),
    };
    let mut actions = vec![CallAction::Hangup, CallAction::Mute, CallAction::Dtmf, CallAction::Info];
    let others = || workbench.calls().iter().filter(|other| other.id != call.id);
    match (hold, change, call.hold_next) {
        (Hold::Active, Change::None, None) => actions.push(CallAction::Hold),
        (Hold::Held, Change::None, None) => actions.push(CallAction::Retrieve),
        // One re-INVITE at a time.
        _ => {}
    }
    if call.is_active() && others().any(|other| other.hold() == Hold::Held) {
        actions.push(CallAction::Swap);
    }
    if !call.transfer.as_ref().is_some_and(|transfer| transfer.state != call::TransferState::Failed) {
        actions.push(CallAction::Transfer);
    }
    if call.consults.is_none() && workbench.room_for_call(call.line).is_ok() {
        actions.push(CallAction::Consult);
    }
    consulting_actions(workbench, call, actions)
}

/// What the two calls of a consultation offer beside: on either of them.
fn consulting_actions(workbench: &Workbench, call: &call::Call, mut actions: Vec<CallAction>) -> Vec<CallAction> {
    let pair = workbench.calls().iter().find_map(|consulting| {
        let about = consulting.consults?;
        (consulting.id == call.id || about == call.id).then_some(consulting)
    });
    if let Some(consulting) = pair {
        if consulting.is_established() {
            actions.push(CallAction::CompleteTransfer);
        }
        actions.push(CallAction::CancelConsult);
    }
    actions
}

pub fn notice(notice: &workbench::Notice) -> Notice {
    use deskline_core::media::{DeviceRole as Role, DeviceTrouble as Trouble};
    let (level, code) = match notice.code {
        workbench::NoticeCode::HoldRefused => (NoticeLevel::Warning, NoticeCode::HoldRefused),
        workbench::NoticeCode::DtmfRefused => (NoticeLevel::Warning, NoticeCode::DtmfRefused),
        workbench::NoticeCode::DtmfOtherWay => (NoticeLevel::Info, NoticeCode::DtmfOtherWay),
        workbench::NoticeCode::TransferRefused => (NoticeLevel::Warning, NoticeCode::TransferRefused),
        workbench::NoticeCode::CertificateRefused => (NoticeLevel::Error, NoticeCode::CertificateRefused),
        workbench::NoticeCode::LoggedInElsewhere => (NoticeLevel::Info, NoticeCode::LoggedInElsewhere),
        workbench::NoticeCode::Device(role, trouble) => (
            if role == Role::Ringer { NoticeLevel::Warning } else { NoticeLevel::Error },
            match (role, trouble) {
                (Role::Microphone, Trouble::Missing) => NoticeCode::MicrophoneMissing,
                (Role::Microphone, Trouble::Busy) => NoticeCode::MicrophoneBusy,
                (Role::Microphone, Trouble::Denied) => NoticeCode::MicrophoneDenied,
                (Role::Microphone, Trouble::Failed) => NoticeCode::MicrophoneFailed,
                (Role::Speaker, Trouble::Missing) => NoticeCode::SpeakerMissing,
                (Role::Speaker, Trouble::Busy) => NoticeCode::SpeakerBusy,
                (Role::Speaker, Trouble::Denied | Trouble::Failed) => NoticeCode::SpeakerFailed,
                (Role::Ringer, Trouble::Missing) => NoticeCode::RingerMissing,
                (Role::Ringer, Trouble::Busy) => NoticeCode::RingerBusy,
                (Role::Ringer, Trouble::Denied | Trouble::Failed) => NoticeCode::RingerFailed,
            },
        ),
    };
    Notice { id: notice.id, level, code, at_ms: notice.at.unix_ms }
}

/// Enums that say the same on both sides.
macro_rules! same_variants {
    ($($from:path => $to:ty { $($variant:ident),+ $(,)? })+) => {
        $( impl From<$from> for $to {
            fn from(value: $from) -> Self {
                type Source = $from;
                match value { $( Source::$variant => Self::$variant, )+ }
            }
        } )+
    };
}

same_variants! {
    flow::Transport => Transport { Udp, Tcp, Tls, Ws, Wss }
    call::Direction => CallDirection { Inbound, Outbound, Internal }
    media::DeviceRole => DeviceRole { Microphone, Speaker, Ringer }
    DeviceRole => media::DeviceRole { Microphone, Speaker, Ringer }
    media::DeviceTrouble => DeviceTrouble { Missing, Busy, Denied, Failed }
    call::TransferState => TransferState { Requested, Accepted, Ringing, Succeeded, Failed }
    account::KeepAlive => KeepAlive { Crlf, Stun }
    account::DtmfMode => DtmfMode { Rtp, InfoRelay, Info }
    DtmfMode => account::DtmfMode { Rtp, InfoRelay, Info }
    account::CertificateFault => CertificateFault {
        UnknownIssuer, Expired, NotYetValid, WrongName, Revoked, Unsuitable, BadSignature, Malformed,
    }
    call::EndCause => EndCause {
        HungUp, PeerHungUp, Cancelled, Missed, AnsweredElsewhere, Declined, NotReady, Busy, NoAnswer, NotFound, Rejected,
        Forbidden, Unavailable, NotAcceptable, ServerError, TimedOut, Unreachable, MediaFailed, Transferred, Replaced,
        ConnectionLost, Failed,
    }
}

impl From<call::End> for CallEnd {
    fn from(end: call::End) -> Self {
        Self { cause: end.cause.into(), status: end.status }
    }
}

impl From<workbench::Failure> for RegistrationFailure {
    fn from(failure: workbench::Failure) -> Self {
        let certificate = match failure.code {
            workbench::FailureCode::CertificateRefused { fault, fingerprint } => {
                Some(RefusedCertificate { fault: fault.into(), fingerprint: fingerprint.to_string() })
            }
            _ => None,
        };
        Self { code: failure.code.into(), status: failure.status, certificate }
    }
}

impl From<workbench::FailureCode> for RegistrationFailureCode {
    fn from(code: workbench::FailureCode) -> Self {
        use workbench::FailureCode as Code;
        match code {
            Code::WrongCredentials => Self::WrongCredentials,
            Code::UnknownUser => Self::UnknownUser,
            Code::UnknownHost => Self::UnknownHost,
            Code::ConnectionRefused => Self::ConnectionRefused,
            Code::TimedOut => Self::TimedOut,
            Code::NetworkUnreachable => Self::NetworkUnreachable,
            Code::NotSipOverWebSocket => Self::NotSipOverWebSocket,
            Code::UnsupportedTransport => Self::UnsupportedTransport,
            Code::CertificateRefused { .. } => Self::CertificateRefused,
            Code::ClientCertificateRefused => Self::ClientCertificateRefused,
            Code::TlsFailed => Self::TlsFailed,
            Code::TlsFiles => Self::TlsFiles,
            Code::ProxyUnreachable => Self::ProxyUnreachable,
            Code::ProxyCredentials => Self::ProxyCredentials,
            Code::ProxyRefused => Self::ProxyRefused,
            Code::ConnectionLost => Self::ConnectionLost,
            Code::ServerError => Self::ServerError,
            Code::Refused => Self::Refused,
        }
    }
}

/// `None`: left to the server's domain.
impl From<Transport> for Option<flow::Transport> {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Some(flow::Transport::Udp),
            Transport::Tcp => Some(flow::Transport::Tcp),
            Transport::Tls => Some(flow::Transport::Tls),
            Transport::Ws => Some(flow::Transport::Ws),
            Transport::Wss => Some(flow::Transport::Wss),
            Transport::Auto => None,
        }
    }
}

impl From<Option<flow::Transport>> for Transport {
    fn from(transport: Option<flow::Transport>) -> Self {
        transport.map_or(Self::Auto, Self::from)
    }
}
