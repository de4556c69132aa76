//! Registrations in time: REGISTER with digest, refresh, failure and the way back (RFC 3261 §10.2, RFC 5626 §4.5).

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{Event, Identity, RegistrationId};
use crate::flow::{Flow, FlowId};
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Method, Request, Response};
use crate::sip::registration::{RETRY_AFTER_LIMIT, back_off, granted, is_transient, refresh_after};
use crate::sip::transaction::agenda::Appointment;
use crate::sip::uri::{NameAddr, Uri};

pub(super) struct Registration {
    pub id: RegistrationId,
    pub path: Path,
    pub authentication: Authentication,
    pub identity: Identity,
    registrar: Uri,
    /// What we ask for; grows when the registrar answers 423.
    expires: Duration,
    call_id: Box<str>,
    local_tag: Box<str>,
    cseq: u32,
    /// The Contact that the registrar holds for us, as far as we know. One that a new flow has outdated is removed with
    /// the next REGISTER, lest calls go to a connection that is gone.
    bound: Option<NameAddr>,
    /// Failures in a row.
    failures: u32,
    state: State,
    pub appointment: Appointment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A REGISTER is on its way.
    Registering {
        request: TransactionId,
    },
    /// Unregister as soon as the one on its way is answered.
    UnregisteringNext {
        request: TransactionId,
    },
    Registered {
        refresh_at: Instant,
    },
    /// After a failure that may pass.
    Waiting {
        retry_at: Instant,
    },
    /// The flow is gone or the refusal final: only a new flow helps.
    Stopped,
    Unregistering {
        request: TransactionId,
    },
    Gone,
}

impl Registration {
    pub(super) fn start(
        now: Instant,
        stack: &mut Stack,
        id: RegistrationId,
        identity: Identity,
        registrar: Uri,
        expires: Duration,
    ) -> Self {
        let mut registration = Self {
            id,
            path: Path::of_identity(&identity),
            authentication: Authentication::new(identity.credentials.clone()),
            identity,
            registrar: registrar.without_headers(),
            expires,
            call_id: stack.random.token(24).into(),
            local_tag: stack.random.token(12).into(),
            cseq: 0,
            bound: None,
            failures: 0,
            state: State::Stopped,
            appointment: Appointment::default(),
        };
        registration.register(now, stack);
        registration
    }

    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    pub(super) const fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Registered { refresh_at: at } | State::Waiting { retry_at: at } => Some(at),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        if self.next_timeout().is_some_and(|at| at <= now) {
            self.register(now, stack);
        }
    }

    pub(super) fn move_to(&mut self, now: Instant, stack: &mut Stack, flow: Flow) {
        self.path = self.path.moved(flow);
        self.failures = 0;
        match self.state {
            // The one on its way would be answered on a flow that is no longer ours: let it go.
            State::Registering { request } => {
                stack.transactions.remove(request);
                self.register(now, stack);
            }
            State::Registered { .. } | State::Waiting { .. } | State::Stopped => self.register(now, stack),
            State::UnregisteringNext { .. } | State::Unregistering { .. } | State::Gone => {}
        }
    }

    pub(super) fn unregister(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Registering { request } => {
                self.state = State::UnregisteringNext { request };
            }
            // A refresh that failed leaves the binding of before.
            State::Registered { .. } | State::Waiting { .. } if self.bound.is_some() => {
                let request = self.send(now, stack, Duration::ZERO);
                self.state = State::Unregistering { request };
            }
            State::Registered { .. } | State::Waiting { .. } | State::Stopped => self.finish(stack),
            State::UnregisteringNext { .. } | State::Unregistering { .. } | State::Gone => {}
        }
    }

    /// The final answer to a REGISTER.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: TransactionId,
        response: &Response,
    ) {
        if self.awaited() != Some(transaction) {
            return;
        }
        if matches!(response.code(), 401 | 407)
            && let Some(next) = self.retry_authorised(now, stack, transaction, response)
        {
            self.state = match self.state {
                State::Unregistering { .. } => State::Unregistering { request: next },
                State::UnregisteringNext { .. } => State::UnregisteringNext { request: next },
                _ => State::Registering { request: next },
            };
            return;
        }
        match self.state {
            State::Unregistering { .. } => return self.finish(stack),
            State::UnregisteringNext { .. } if response.is_success() => {
                let request = self.send(now, stack, Duration::ZERO);
                self.state = State::Unregistering { request };
                return;
            }
            State::UnregisteringNext { .. } => return self.finish(stack),
            _ => {}
        }
        match response.code() {
            200..=299 => self.handle_success(now, stack, response),
            423 => match response.headers.min_expires().map(|seconds| Duration::from_secs(seconds.into())) {
                Some(minimum) if minimum > self.expires => {
                    self.expires = minimum;
                    self.register(now, stack);
                }
                _ => self.fail(now, stack, Some(423), response.reason.clone(), None),
            },
            status => {
                let wish = response.headers.retry_after().map(|s| Duration::from_secs(s.into()).min(RETRY_AFTER_LIMIT));
                self.fail(now, stack, Some(status), response.reason.clone(), wish);
            }
        }
    }

    /// Timer F.
    pub(super) fn handle_no_answer(&mut self, now: Instant, stack: &mut Stack, transaction: TransactionId) {
        if self.awaited() != Some(transaction) {
            return;
        }
        match self.state {
            State::Registering { .. } => {
                self.fail(now, stack, None, "the registrar does not answer".to_owned(), None);
            }
            _ => self.finish(stack),
        }
    }

    pub(super) fn handle_flow_closed(&mut self, stack: &mut Stack, flow: FlowId) {
        if !self.path.uses(flow) {
            return;
        }
        if let Some(request) = self.awaited() {
            stack.transactions.remove(request);
        }
        match self.state {
            State::UnregisteringNext { .. } | State::Unregistering { .. } => self.finish(stack),
            State::Gone | State::Stopped => {}
            _ => {
                self.state = State::Stopped;
                let reason = "the connection is gone".to_owned();
                stack.event(Event::RegistrationFailed { id: self.id, status: None, reason, retry_in: None });
            }
        }
    }

    fn handle_success(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        let contact = self.contact(stack);
        match granted(response, &contact.uri, self.expires) {
            expires if !expires.is_zero() => {
                self.failures = 0;
                self.bound = Some(contact);
                // A registrar that grants nothing useful must not make us send without a pause.
                let refresh = refresh_after(expires).max(Duration::from_secs(1));
                self.state = State::Registered { refresh_at: now + refresh };
                stack.event(Event::Registered { id: self.id, expires });
            }
            _ => {
                self.fail(now, stack, Some(response.code()), "the registrar did not keep our contact".to_owned(), None)
            }
        }
    }

    fn fail(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        status: Option<u16>,
        reason: String,
        retry_after: Option<Duration>,
    ) {
        self.failures += 1;
        let may_pass = status.is_none_or(|status| is_transient(status) || status < 300) || retry_after.is_some();
        let retry_in = may_pass.then(|| {
            retry_after.unwrap_or_else(|| {
                let bound = back_off(self.failures);
                stack.random.delay(bound / 2, bound, Duration::from_millis(10))
            })
        });
        self.state = match retry_in {
            Some(wait) => State::Waiting { retry_at: now + wait },
            None => State::Stopped,
        };
        stack.event(Event::RegistrationFailed { id: self.id, status, reason, retry_in });
    }

    fn finish(&mut self, stack: &mut Stack) {
        self.state = State::Gone;
        stack.event(Event::Unregistered { id: self.id });
    }

    fn register(&mut self, now: Instant, stack: &mut Stack) {
        let request = self.send(now, stack, self.expires);
        self.state = State::Registering { request };
    }

    const fn awaited(&self) -> Option<TransactionId> {
        match self.state {
            State::Registering { request }
            | State::UnregisteringNext { request }
            | State::Unregistering { request } => Some(request),
            _ => None,
        }
    }

    fn contact(&self, stack: &Stack) -> NameAddr {
        let user = self.identity.aor.uri.user.as_deref().unwrap_or("");
        self.path.contact(user, &stack.unreachable_host)
    }

    fn send(&mut self, now: Instant, stack: &mut Stack, expires: Duration) -> TransactionId {
        self.cseq += 1;
        let mut request = Request::new(Method::Register, self.registrar.clone());
        for route in &self.identity.route {
            request.headers.add(HeaderName::Route, route.to_string());
        }
        // To and From are the address of record (RFC 3261 §10.2).
        let mut aor = self.identity.aor.clone();
        aor.remove_param("tag");
        request.headers.add(HeaderName::From, aor.clone().with_tag(&self.local_tag).to_string());
        request.headers.add(HeaderName::To, aor.to_string());
        request.headers.add(HeaderName::CallId, &*self.call_id);
        request.headers.add(HeaderName::CSeq, CSeq { seq: self.cseq, method: Method::Register }.to_string());
        let contact = self.contact(stack);
        request.headers.add(HeaderName::Contact, contact.to_string());
        if let Some(old) = self.bound.clone().filter(|old| *old != contact) {
            request.headers.add(HeaderName::Contact, old.with_param("expires", Some("0")).to_string());
        }
        request.headers.add(HeaderName::Expires, expires.as_secs().to_string());
        request.headers.add(HeaderName::Allow, stack.allow());
        self.authentication.authorise(&mut request, &mut stack.random);
        stack.send(now, &self.path, self.path.first_hop(), request, Purpose::Register(self.id))
    }

    fn retry_authorised(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        let client = stack.transactions.client(refused)?;
        let refusals = self.authentication.handle_challenge(&client.request, response, client.refusals)?;
        let expires = client.request.headers.expires().unwrap_or(0);
        let next = self.send(now, stack, Duration::from_secs(expires.into()));
        if let Some(client) = stack.transactions.client(next) {
            client.refusals = refusals;
        }
        Some(next)
    }
}
