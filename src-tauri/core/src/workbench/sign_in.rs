//! Signing in and out: the connection to the server, the registration, and their restoration.

use std::time::Duration;

use super::{ConnectId, Edge, Line, NoticeCode, Output, Refusal, Timer, Workbench};
use crate::account::{Account, CertificateFault, Fingerprint};
use crate::agent;
use crate::call::{Call, LineId};
use crate::clock::Now;
use crate::flow::{Destination, Flow, FlowId};
use crate::pii::Pii;
use crate::sip::NameAddr;
use crate::sip::user_agent::{Identity, Outbound, RegistrationId};
use crate::telemetry;

/// What we ask the registrar for.
const EXPIRES: Duration = Duration::from_secs(600);
/// How long a sign-in may take before the agent gets the form back.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(12);
/// How many further datagram servers are tried during a sign-in.
const MOST_TRIED: u8 = 2;
/// The pause before the first attempt to reconnect, doubled up to the limit (RFC 5626 §4.5 in small).
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
const RECONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The edge proxy no longer has our flow (RFC 5626 §11.5): only a new one helps.
const FLOW_FAILED: u16 = 430;

/// The registration's state, with what each state needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Registration {
    Offline {
        failure: Option<Failure>,
    },
    /// The flow is being opened for the first time, or for the first time to the next server.
    Connecting {
        connect: ConnectId,
        /// Counts the datagram servers that were tried before.
        tried: u8,
    },
    /// The first REGISTER is under way.
    Registering {
        id: RegistrationId,
        flow: Flow,
        tried: u8,
    },
    Registered {
        id: RegistrationId,
        flow: Flow,
        since: Now,
    },
    /// It stood, and is being restored.
    Restoring {
        id: RegistrationId,
        flow: Option<Flow>,
        attempt: u32,
        connect: Option<ConnectId>,
        since: Now,
        failure: Failure,
    },
    Unregistering {
        id: RegistrationId,
        flow: Option<Flow>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub code: FailureCode,
    /// The SIP status, where the server answered.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    WrongCredentials,
    UnknownUser,
    UnknownHost,
    ConnectionRefused,
    TimedOut,
    NetworkUnreachable,
    NotSipOverWebSocket,
    UnsupportedTransport,
    /// The server showed a certificate that we do not trust: pin it by its fingerprint, or add its issuer to the trust file.
    CertificateRefused {
        fault: CertificateFault,
        fingerprint: Fingerprint,
    },
    /// The server wants a client certificate, or another one than ours.
    ClientCertificateRefused,
    /// No TLS came about for another reason: no TLS there, no version in common.
    TlsFailed,
    /// A file of the account's TLS options cannot be read or used.
    TlsFiles,
    /// The HTTP proxy cannot be reached.
    ProxyUnreachable,
    /// The HTTP proxy wants credentials, or others than ours.
    ProxyCredentials,
    /// The HTTP proxy does not let us through to this server.
    ProxyRefused,
    ConnectionLost,
    ServerError,
    Refused,
}

impl FailureCode {
    const fn of_status(status: Option<u16>) -> Self {
        match status {
            None | Some(408) => Self::TimedOut,
            Some(401 | 403 | 407) => Self::WrongCredentials,
            Some(404) => Self::UnknownUser,
            Some(500..=599) => Self::ServerError,
            Some(_) => Self::Refused,
        }
    }
}

impl Registration {
    pub const fn is_registered(&self) -> bool {
        matches!(self, Self::Registered { .. })
    }

    /// The user agent's name of it, once REGISTER has been sent.
    pub const fn id(&self) -> Option<RegistrationId> {
        match self {
            Self::Registering { id, .. }
            | Self::Registered { id, .. }
            | Self::Restoring { id, .. }
            | Self::Unregistering { id, .. } => Some(*id),
            Self::Offline { .. } | Self::Connecting { .. } => None,
        }
    }

    /// The flow for new calls, if there is one: who signs out makes and takes none.
    pub const fn open_flow(&self) -> Option<Flow> {
        if matches!(self, Self::Unregistering { .. }) { None } else { self.flow() }
    }

    /// The flow that stands, if any.
    pub const fn flow(&self) -> Option<Flow> {
        match self {
            Self::Registering { flow, .. } | Self::Registered { flow, .. } => Some(*flow),
            Self::Restoring { flow, .. } | Self::Unregistering { flow, .. } => *flow,
            Self::Offline { .. } | Self::Connecting { .. } => None,
        }
    }
}

impl Workbench {
    pub(super) fn sign_in(&mut self, now: Now, account: Account) -> Result<(), Refusal> {
        account.check()?;
        account.options.check()?;
        if !matches!(self.registration(), Registration::Offline { .. } | Registration::Unregistering { .. }) {
            return Err(Refusal::AlreadySignedIn);
        }
        self.agent.handle(now, agent::Input::SignIn).map_err(|_| Refusal::AlreadySignedIn)?;
        if matches!(self.registration(), Registration::Unregistering { .. }) {
            // A server that does not answer keeps nobody from signing in anew.
            self.signed_out(LineId::OWN);
        }
        let own = Line::new(LineId::OWN, account);
        match self.lines.first_mut() {
            Some(line) => *line = own,
            None => self.lines.push(own),
        }
        self.track(self.tracked("sip_call_init").text("extPwd", telemetry::PASSWORD_MASK).text("content", ""));
        self.track(self.tracked("sip_call_register"));
        let session_timer = self.account().and_then(|account| account.options.session_timer);
        self.user_agent.set_session_expires(session_timer);
        self.begin_registering(now, LineId::OWN);
        self.agent_moved();
        Ok(())
    }

    pub(super) fn begin_registering(&mut self, now: Now, line: LineId) {
        self.timers.insert(Timer::SignInGuard(line), now.instant + SIGN_IN_LIMIT);
        self.connect(line);
    }

    pub(super) fn sign_out(&mut self, now: Now) -> Result<(), Refusal> {
        if self.lines.is_empty() {
            return Err(Refusal::NotSignedIn);
        }
        if !self.calls.is_empty() {
            return Err(Refusal::CallInProgress);
        }
        self.agent.handle(now, agent::Input::SignOut).map_err(|_| Refusal::Agent(self.agent))?;
        self.track(self.tracked("sip_call_unregister"));
        self.release_media();
        for line in self.lines.iter().map(|line| line.id).collect::<Vec<_>>() {
            self.unregister(now, line);
        }
        self.heal(|code| code == NoticeCode::LoggedInElsewhere);
        self.agent_moved();
        Ok(())
    }

    /// Removes the binding of a line, as far as the server can be told.
    pub(super) fn unregister(&mut self, now: Now, id: LineId) {
        let Some(index) = self.line_index(id) else { return };
        self.timers.remove(&Timer::SignInGuard(id));
        self.timers.remove(&Timer::Reconnect(id));
        self.fall_silent(now, id);
        match self.lines[index].registration.clone() {
            Registration::Registering { id: registration, flow, .. }
            | Registration::Registered { id: registration, flow, .. }
            | Registration::Restoring { id: registration, flow: Some(flow), .. } => {
                self.lines[index].registration = Registration::Unregistering { id: registration, flow: Some(flow) };
                if self.user_agent.unregister(now.instant, registration).is_err() {
                    self.signed_out(id);
                }
            }
            Registration::Restoring { id: registration, flow: None, .. } => {
                // There is no way to tell the server: the binding runs out by itself.
                let _ = self.user_agent.unregister(now.instant, registration);
                self.signed_out(id);
            }
            Registration::Unregistering { .. } => {}
            Registration::Offline { .. } | Registration::Connecting { .. } => self.signed_out(id),
        }
        self.touch();
    }

    fn signed_out(&mut self, id: LineId) {
        let Some(index) = self.line_index(id) else { return };
        let flow = self.lines[index].registration.flow();
        self.lines[index].registration = Registration::Offline { failure: None };
        self.linger(flow);
        self.edge(Edge::Unregistered(id));
        self.forget_line(id);
    }

    /// Opens a flow to the account's server: the first one, or a new one.
    pub(super) fn connect(&mut self, id: LineId) {
        let Some(index) = self.line_index(id) else { return };
        self.ids.connect += 1;
        let attempt = ConnectId(self.ids.connect);
        let line = &mut self.lines[index];
        match &mut line.registration {
            Registration::Restoring { connect, .. } => *connect = Some(attempt),
            Registration::Registering { tried, .. } => {
                line.registration = Registration::Connecting { connect: attempt, tried: *tried + 1 };
            }
            registration => *registration = Registration::Connecting { connect: attempt, tried: 0 },
        }
        let server = line.account.server.clone();
        self.outputs.push_back(Output::Connect { id: attempt, server });
        self.touch();
    }

    /// The line that waits for that connection.
    fn line_of_connect(&self, attempt: ConnectId) -> Option<usize> {
        self.lines.iter().position(|line| match line.registration {
            Registration::Connecting { connect, .. } => connect == attempt,
            Registration::Restoring { connect, .. } => connect == Some(attempt),
            _ => false,
        })
    }

    pub(super) fn flow_up(&mut self, now: Now, connect: ConnectId, flow: Flow) {
        // An attempt that nobody waits for any more.
        let Some(index) = self.line_of_connect(connect) else { return self.close(Some(flow)) };
        let id = self.lines[index].id;
        match self.lines[index].registration.clone() {
            Registration::Restoring { id: registration, attempt, since, failure, .. } => {
                self.lines[index].registration = Registration::Restoring {
                    id: registration,
                    flow: Some(flow),
                    attempt,
                    connect: None,
                    since,
                    failure,
                };
                if self.user_agent.move_registration(now.instant, registration, flow).is_err() {
                    return self.refused(now, id, failure);
                }
                self.move_calls(now, id, flow);
            }
            registration => {
                let tried = if let Registration::Connecting { tried, .. } = registration { tried } else { 0 };
                let account = &self.lines[index].account;
                let registrar = account.registrar();
                let mut identity = identity(account, flow);
                identity.outbound = self.config.instance.as_deref().map(|instance| Outbound {
                    instance: instance.into(),
                    reg_id: 1,
                    gruu: account.options.gruu,
                });
                let registration = self.user_agent.register(now.instant, identity, registrar, EXPIRES);
                self.lines[index].registration = Registration::Registering { id: registration, flow, tried };
            }
        }
        self.touch();
    }

    /// The calls of a line go along a new flow from now on.
    fn move_calls(&mut self, now: Now, line: LineId, flow: Flow) {
        if let Some(former) = self.line(line).and_then(|line| line.former_flow).filter(|former| *former != flow.id) {
            // A BYE that found no flow goes out now.
            self.user_agent.move_flow(now.instant, former, flow);
        }
        for session in self.calls.iter().filter(|call| call.line == line).filter_map(|call| call.session) {
            // A session that ended in the same moment is no longer there to be moved.
            let _ = self.user_agent.move_session(now.instant, session, flow);
        }
    }

    pub(super) fn connect_failed(&mut self, now: Now, connect: ConnectId, code: FailureCode) {
        let failure = Failure { code, status: None };
        let Some(index) = self.line_of_connect(connect) else { return };
        let id = self.lines[index].id;
        match &self.lines[index].registration {
            Registration::Restoring { .. } => self.restore(now, id, failure),
            _ => self.refused(now, id, failure),
        }
    }

    pub(super) fn flow_down(&mut self, now: Now, flow: FlowId) {
        self.user_agent.handle_flow_closed(now.instant, flow);
        let failure = Failure { code: FailureCode::ConnectionLost, status: None };
        for id in self.lines_on_flow(flow) {
            let Some(line) = self.line(id) else { continue };
            match line.registration {
                // Nothing tells beforehand whether a datagram server is there. Perhaps there is another (RFC 3263 §4.3):
                // the network knows, and remembers which of them was silent.
                Registration::Registering { id: registration, flow, tried }
                    if !flow.transport.is_reliable() && tried < MOST_TRIED =>
                {
                    let _ = self.user_agent.unregister(now.instant, registration);
                    self.connect(id);
                }
                Registration::Registering { .. } => self.refused(now, id, failure),
                Registration::Registered { .. } | Registration::Restoring { .. } => self.restore(now, id, failure),
                Registration::Unregistering { .. } => self.signed_out(id),
                Registration::Offline { .. } | Registration::Connecting { .. } => {}
            }
        }
    }

    pub(super) fn registered(&mut self, now: Now, registration: RegistrationId) {
        let Some(id) = self.line_of_registration(registration) else { return };
        let Some(index) = self.line_index(id) else { return };
        let (first, flow) = match self.lines[index].registration {
            Registration::Registering { flow, .. } => (true, flow),
            Registration::Restoring { flow: Some(flow), .. } => (false, flow),
            // A refresh.
            _ => {
                if std::mem::take(&mut self.lines[index].calls_to_refresh) {
                    self.refresh_calls(now, id);
                }
                return;
            }
        };
        self.lines[index].registration = Registration::Registered { id: registration, flow, since: now };
        self.timers.remove(&Timer::SignInGuard(id));
        self.timers.remove(&Timer::Reconnect(id));
        self.heal(|code| code == NoticeCode::CertificateRefused);
        if !first {
            self.refresh_calls(now, id);
        }
        if id == LineId::OWN {
            self.prepare_media(flow);
            self.move_agent(now, agent::Input::Registered);
            if self.agent.state == agent::State::SignedIn {
                self.move_agent(now, agent::Input::Ready);
            }
            if first {
                self.track(self.tracked("sip_call_set_idle"));
            }
        }
        self.edge(Edge::Registered(id));
        if first {
            self.recover_calls(now, id);
        }
    }

    pub(super) fn registration_failed(
        &mut self,
        now: Now,
        registration: RegistrationId,
        status: Option<u16>,
        retry: bool,
    ) {
        let Some(id) = self.line_of_registration(registration) else { return };
        let Some(line) = self.line(id) else { return };
        let failure = Failure { code: FailureCode::of_status(status), status };
        match line.registration.clone() {
            Registration::Registering { .. } => self.refused(now, id, failure),
            // The flow is gone, which is known and being mended.
            Registration::Restoring { flow: None, .. } => {}
            Registration::Registered { flow, .. } | Registration::Restoring { flow: Some(flow), .. } => {
                if !retry && status.is_some() {
                    self.refused(now, id, failure);
                } else if !flow.transport.is_reliable() || (status.is_some() && status != Some(FLOW_FAILED)) {
                    // The user agent tries again by itself along the same flow, in its time or in the one that the
                    // registrar asks for: over UDP always, over a stream whose other end answers. A new connection
                    // would only add to what a registrar in trouble has to bear.
                    self.restoring(now, id, failure, true);
                } else {
                    self.restore(now, id, failure);
                    self.close(Some(flow));
                }
            }
            _ => {}
        }
    }

    pub(super) fn unregistered(&mut self, registration: RegistrationId) {
        let Some(id) = self.line_of_registration(registration) else { return };
        if self.line(id).is_some_and(|line| matches!(line.registration, Registration::Unregistering { .. })) {
            self.signed_out(id);
        }
    }

    /// Other devices are registered under our address, or none any more.
    pub(super) fn other_bindings(&mut self, now: Now, registration: RegistrationId, contacts: &[NameAddr]) {
        let Some(id) = self.line_of_registration(registration) else { return };
        if contacts.is_empty() {
            self.heal(|code| code == NoticeCode::LoggedInElsewhere);
        } else {
            self.notify(now, NoticeCode::LoggedInElsewhere);
            let contacts = contacts.iter().map(|contact| Pii::new(contact.uri.to_string())).collect();
            self.edge(Edge::LoggedInElsewhere(id, contacts));
        }
    }

    pub(super) fn sign_in_took_too_long(&mut self, now: Now, id: LineId) {
        let waits = |line: &Line| {
            matches!(line.registration, Registration::Connecting { .. } | Registration::Registering { .. })
        };
        if self.line(id).is_some_and(waits) {
            self.refused(now, id, Failure { code: FailureCode::TimedOut, status: None });
        }
    }

    /// The sign-in failed, or a standing registration is refused for good: back to the form. A call goes on.
    fn refused(&mut self, now: Now, id: LineId, failure: Failure) {
        let Some(index) = self.line_index(id) else { return };
        match self.lines[index].registration {
            Registration::Registering { id, .. }
            | Registration::Registered { id, .. }
            | Registration::Restoring { id, .. } => {
                let _ = self.user_agent.unregister(now.instant, id);
            }
            _ => {}
        }
        let flow = self.lines[index].registration.flow();
        self.lines[index].registration = Registration::Offline { failure: Some(failure) };
        self.timers.remove(&Timer::SignInGuard(id));
        self.timers.remove(&Timer::Reconnect(id));
        if self.calls.is_empty() && id == LineId::OWN {
            self.release_media();
        }
        self.drain_user_agent(now);
        self.linger(flow);
        if id == LineId::OWN {
            self.move_agent(now, agent::Input::RegistrationRefused);
        }
        self.edge(Edge::RegistrationFailed(id, failure));
    }

    /// Restores the registration by a new flow, after a pause that grows.
    fn restore(&mut self, now: Now, id: LineId, failure: Failure) {
        self.restoring(now, id, failure, false);
        if let Some(Registration::Restoring { attempt, .. }) = self.line(id).map(|line| &line.registration) {
            let pause = RECONNECT_FIRST.saturating_mul(1 << (*attempt).min(6)).min(RECONNECT_LIMIT);
            // Between half of it and all: a thousand clients of a server that restarts do not come at once.
            let spread =
                self.user_agent.back_off(1).as_secs_f64() / crate::sip::registration::back_off(1).as_secs_f64();
            let pause = pause.mul_f64(spread.clamp(0.5, 1.0));
            self.timers.insert(Timer::Reconnect(id), now.instant + pause);
        }
    }

    /// Marks the registration as being restored, along the same flow or a new one.
    fn restoring(&mut self, now: Now, id: LineId, failure: Failure, keep_flow: bool) {
        let Some(index) = self.line_index(id) else { return };
        let (lost, registration, flow, attempt, since) = match self.lines[index].registration {
            Registration::Registered { id, flow, .. } => (true, id, Some(flow), 0, now),
            Registration::Restoring { id, flow, attempt, since, .. } => (false, id, flow, attempt + 1, since),
            _ => return,
        };
        self.lines[index].former_flow = flow.map(|flow| flow.id).or(self.lines[index].former_flow);
        let flow = flow.filter(|_| keep_flow);
        self.lines[index].registration =
            Registration::Restoring { id: registration, flow, attempt, connect: None, since, failure };
        if lost {
            if id == LineId::OWN {
                self.move_agent(now, agent::Input::RegistrationLost);
            }
            self.edge(Edge::RegistrationFailed(id, failure));
        }
        if matches!(failure.code, FailureCode::CertificateRefused { .. }) {
            self.notify(now, NoticeCode::CertificateRefused);
        }
        if failure.status.is_none() {
            self.lose_calls(now, id);
        }
        self.touch();
    }

    /// When the next attempt to reconnect a line is due.
    pub fn reconnect_at(&self, line: LineId) -> Option<std::time::Instant> {
        self.timers.get(&Timer::Reconnect(line)).copied()
    }

    /// A flow that its account needs no longer is closed once no session needs it either.
    fn linger(&mut self, flow: Option<Flow>) {
        self.lingering.extend(flow);
    }

    /// Closes the flows of accounts that are gone, once no session needs them any more: a BYE and its answer still do.
    pub(super) fn close_lingering(&mut self) {
        let (sessions, ..) = self.user_agent.load();
        if sessions == 0 {
            for flow in std::mem::take(&mut self.lingering) {
                self.close(Some(flow));
            }
        }
    }

    fn close(&mut self, flow: Option<Flow>) {
        // Two lines of one server may share a flow.
        if let Some(flow) = flow.filter(|flow| self.lines_on_flow(flow.id).is_empty()) {
            self.outputs.push_back(Output::CloseFlow(flow.id));
        }
    }

    /// Who we are in a call of that line: with the route that the registrar prescribes.
    pub(super) fn identity(&self, id: LineId) -> Option<Identity> {
        let line = self.line(id)?;
        let flow = line.registration.flow()?;
        let registered = line.registration.id().and_then(|id| self.user_agent.identity_of(id).ok());
        Some(registered.unwrap_or_else(|| identity(&line.account, flow)))
    }

    /// The calls of a line, oldest first.
    pub(super) fn calls_of(&self, line: LineId) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.line == line)
    }
}

/// Who we are along a flow to our registrar, which serves as the outbound proxy.
fn identity(account: &Account, flow: Flow) -> Identity {
    Identity {
        aor: account.address_of_record(),
        credentials: account.credentials(),
        destination: Destination::Flow(flow.id),
        flow,
        route: Vec::new(),
        outbound: None,
    }
}
