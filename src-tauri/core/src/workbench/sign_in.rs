//! Signing in and out: the connection to the server, the registration, and their restoration.

use std::time::Duration;

use super::{ConnectId, Edge, Output, Refusal, Timer, Workbench};
use crate::account::{Account, CertificateFault, Fingerprint};
use crate::agent;
use crate::clock::Now;
use crate::flow::{Destination, Flow, FlowId};
use crate::sip::user_agent::{Identity, RegistrationId};
use crate::telemetry;

/// What we ask the registrar for.
const EXPIRES: Duration = Duration::from_secs(600);
/// How long a sign-in may take before the agent gets the form back.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(12);
/// The pause before the first attempt to reconnect, doubled up to the limit (RFC 5626 §4.5 in small).
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
const RECONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The registration's state, with what each state needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Registration {
    Offline {
        failure: Option<Failure>,
    },
    /// The flow is being opened for the first time.
    Connecting {
        connect: ConnectId,
    },
    /// The first REGISTER is under way.
    Registering {
        id: RegistrationId,
        flow: Flow,
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
        if !matches!(self.registration, Registration::Offline { .. } | Registration::Unregistering { .. }) {
            return Err(Refusal::AlreadySignedIn);
        }
        self.agent.handle(now, agent::Input::SignIn).map_err(|_| Refusal::AlreadySignedIn)?;
        if matches!(self.registration, Registration::Unregistering { .. }) {
            // A server that does not answer keeps nobody from signing in anew.
            self.signed_out();
        }
        self.account = Some(account);
        self.track(self.tracked("sip_call_init").text("extPwd", telemetry::PASSWORD_MASK).text("content", ""));
        self.track(self.tracked("sip_call_register"));
        self.timers.insert(Timer::SignInGuard, now.instant + SIGN_IN_LIMIT);
        self.connect();
        self.agent_moved();
        Ok(())
    }

    pub(super) fn sign_out(&mut self, now: Now) -> Result<(), Refusal> {
        if self.account.is_none() {
            return Err(Refusal::NotSignedIn);
        }
        if !self.calls.is_empty() {
            return Err(Refusal::CallInProgress);
        }
        self.agent.handle(now, agent::Input::SignOut).map_err(|_| Refusal::Agent(self.agent))?;
        self.track(self.tracked("sip_call_unregister"));
        self.timers.remove(&Timer::SignInGuard);
        self.timers.remove(&Timer::Reconnect);
        self.release_media();
        match self.registration.clone() {
            Registration::Registering { id, flow }
            | Registration::Registered { id, flow, .. }
            | Registration::Restoring { id, flow: Some(flow), .. } => {
                self.registration = Registration::Unregistering { id, flow: Some(flow) };
                if self.user_agent.unregister(now.instant, id).is_err() {
                    self.signed_out();
                }
            }
            Registration::Restoring { id, flow: None, .. } => {
                // There is no way to tell the server: the binding runs out by itself.
                let _ = self.user_agent.unregister(now.instant, id);
                self.signed_out();
            }
            _ => self.signed_out(),
        }
        self.agent_moved();
        Ok(())
    }

    fn signed_out(&mut self) {
        let flow = self.registration.flow();
        self.registration = Registration::Offline { failure: None };
        self.lingering.extend(flow);
        self.edge(Edge::Unregistered);
    }

    /// Opens a flow to the account's server: the first one, or a new one.
    pub(super) fn connect(&mut self) {
        let Some(server) = self.account.as_ref().map(|account| account.server.clone()) else { return };
        self.ids.connect += 1;
        let id = ConnectId(self.ids.connect);
        match &mut self.registration {
            Registration::Restoring { connect, .. } => *connect = Some(id),
            registration => *registration = Registration::Connecting { connect: id },
        }
        self.outputs.push_back(Output::Connect { id, server });
        self.touch();
    }

    pub(super) fn flow_up(&mut self, now: Now, connect: ConnectId, flow: Flow) {
        match self.registration.clone() {
            Registration::Connecting { connect: ours } if ours == connect => {
                let Some(account) = &self.account else { return self.close(Some(flow)) };
                let registrar = account.registrar();
                let identity = identity(account, flow);
                let id = self.user_agent.register(now.instant, identity, registrar, EXPIRES);
                self.registration = Registration::Registering { id, flow };
            }
            Registration::Restoring { id, connect: Some(ours), attempt, since, failure, .. } if ours == connect => {
                self.registration =
                    Registration::Restoring { id, flow: Some(flow), attempt, connect: None, since, failure };
                if self.user_agent.move_registration(now.instant, id, flow).is_err() {
                    self.refused(now, failure);
                }
                for session in self.calls.iter().filter_map(|call| call.session) {
                    // A session that ended in the same moment is no longer there to be moved.
                    let _ = self.user_agent.move_session(now.instant, session, flow);
                }
            }
            // An attempt that nobody waits for any more.
            _ => self.close(Some(flow)),
        }
        self.touch();
    }

    pub(super) fn connect_failed(&mut self, now: Now, connect: ConnectId, code: FailureCode) {
        let failure = Failure { code, status: None };
        match &self.registration {
            Registration::Connecting { connect: ours } if *ours == connect => self.refused(now, failure),
            Registration::Restoring { connect: Some(ours), .. } if *ours == connect => self.restore(now, failure),
            _ => {}
        }
    }

    pub(super) fn flow_down(&mut self, now: Now, flow: FlowId) {
        self.user_agent.handle_flow_closed(now.instant, flow);
        if self.registration.flow().is_none_or(|ours| ours.id != flow) {
            return;
        }
        let failure = Failure { code: FailureCode::ConnectionLost, status: None };
        match self.registration {
            Registration::Registering { .. } => self.refused(now, failure),
            Registration::Registered { .. } | Registration::Restoring { .. } => self.restore(now, failure),
            Registration::Unregistering { .. } => self.signed_out(),
            Registration::Offline { .. } | Registration::Connecting { .. } => {}
        }
    }

    pub(super) fn registered(&mut self, now: Now, id: RegistrationId) {
        let (first, flow) = match self.registration {
            Registration::Registering { id: ours, flow } if ours == id => (true, flow),
            Registration::Restoring { id: ours, flow: Some(flow), .. } if ours == id => (false, flow),
            // A refresh.
            _ => return,
        };
        self.registration = Registration::Registered { id, flow, since: now };
        self.timers.remove(&Timer::SignInGuard);
        self.timers.remove(&Timer::Reconnect);
        if !first {
            self.refresh_calls(now);
        }
        self.prepare_media(flow);
        self.move_agent(now, agent::Input::Registered);
        if self.agent.state == agent::State::SignedIn {
            self.move_agent(now, agent::Input::Ready);
        }
        if first {
            self.track(self.tracked("sip_call_set_idle"));
        }
        self.edge(Edge::Registered);
    }

    pub(super) fn registration_failed(&mut self, now: Now, id: RegistrationId, status: Option<u16>, retry: bool) {
        let failure = Failure { code: FailureCode::of_status(status), status };
        match &self.registration {
            Registration::Registering { id: ours, .. } if *ours == id => self.refused(now, failure),
            // The flow is gone, which is known and being mended.
            Registration::Restoring { flow: None, .. } => {}
            Registration::Registered { id: ours, .. } | Registration::Restoring { id: ours, .. } if *ours == id => {
                if !retry && status.is_some() {
                    self.refused(now, failure);
                } else if self.registration.flow().is_some_and(|flow| !flow.transport.is_reliable()) {
                    // Over UDP the user agent tries again by itself along the same flow.
                    self.restoring(now, failure, true);
                } else {
                    let flow = self.registration.flow();
                    self.restore(now, failure);
                    self.close(flow);
                }
            }
            _ => {}
        }
    }

    pub(super) fn unregistered(&mut self, id: RegistrationId) {
        if matches!(self.registration, Registration::Unregistering { id: ours, .. } if ours == id) {
            self.signed_out();
        }
    }

    pub(super) fn sign_in_took_too_long(&mut self, now: Now) {
        if matches!(self.registration, Registration::Connecting { .. } | Registration::Registering { .. }) {
            self.refused(now, Failure { code: FailureCode::TimedOut, status: None });
        }
    }

    /// The sign-in failed, or a standing registration is refused for good: back to the form. A call goes on.
    fn refused(&mut self, now: Now, failure: Failure) {
        match self.registration {
            Registration::Registering { id, .. }
            | Registration::Registered { id, .. }
            | Registration::Restoring { id, .. } => {
                let _ = self.user_agent.unregister(now.instant, id);
            }
            _ => {}
        }
        let flow = self.registration.flow();
        self.registration = Registration::Offline { failure: Some(failure) };
        self.timers.remove(&Timer::SignInGuard);
        self.timers.remove(&Timer::Reconnect);
        if self.calls.is_empty() {
            self.release_media();
        }
        self.drain_user_agent(now);
        self.lingering.extend(flow);
        self.move_agent(now, agent::Input::RegistrationRefused);
        self.edge(Edge::RegistrationFailed(failure));
    }

    /// Restores the registration by a new flow, after a pause that grows.
    fn restore(&mut self, now: Now, failure: Failure) {
        self.restoring(now, failure, false);
        if let Registration::Restoring { attempt, .. } = self.registration {
            let pause = RECONNECT_FIRST.saturating_mul(1 << attempt.min(6)).min(RECONNECT_LIMIT);
            self.timers.insert(Timer::Reconnect, now.instant + pause);
        }
    }

    /// Marks the registration as being restored, along the same flow or a new one.
    fn restoring(&mut self, now: Now, failure: Failure, keep_flow: bool) {
        let (lost, id, flow, attempt, since) = match self.registration {
            Registration::Registered { id, flow, .. } => (true, id, Some(flow), 0, now),
            Registration::Restoring { id, flow, attempt, since, .. } => (false, id, flow, attempt + 1, since),
            _ => return,
        };
        let flow = flow.filter(|_| keep_flow);
        self.registration = Registration::Restoring { id, flow, attempt, connect: None, since, failure };
        if lost {
            self.move_agent(now, agent::Input::RegistrationLost);
            self.edge(Edge::RegistrationFailed(failure));
        }
        self.touch();
    }

    /// When the next attempt to reconnect is due.
    pub fn reconnect_at(&self) -> Option<std::time::Instant> {
        self.timers.get(&Timer::Reconnect).copied()
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
        if let Some(flow) = flow {
            self.outputs.push_back(Output::CloseFlow(flow.id));
        }
    }
}

/// Who we are along a flow to our registrar, which serves as the outbound proxy.
pub(super) fn identity(account: &Account, flow: Flow) -> Identity {
    Identity {
        aor: account.address_of_record(),
        credentials: account.credentials(),
        destination: Destination::Flow(flow.id),
        flow,
        route: Vec::new(),
        outbound: None,
    }
}
