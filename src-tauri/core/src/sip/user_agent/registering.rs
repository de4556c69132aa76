//! Registrations in time: REGISTER with digest, refresh, failure and the way back (RFC 3261 §10.2, RFC 5626 §4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::reach::{Way, at_address};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{Event, Identity, RegistrationId};
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Method, Request, Response};
use crate::sip::registration::{Binding, Ours, is_transient, public_address, refresh_after, retry_after};
use crate::sip::transaction::agenda::Appointment;
use crate::sip::uri::{NameAddr, Uri};

/// 423 in a row that are followed: a registrar says it once.
pub(super) const MAX_RAISED: u8 = 3;

/// Contacts of ours that are remembered, so that they are not taken for other devices.
const MAX_FORMER: usize = 8;

pub(super) struct Registration {
    pub id: RegistrationId,
    pub path: Path,
    pub authentication: Authentication,
    /// As given by the application, moved along with the flow. What the registrar turns out not to support is gone from
    /// its `outbound`.
    identity: Identity,
    registrar: Uri,
    /// What we ask for; grows when the registrar answers 423.
    expires: Duration,
    call_id: Box<str>,
    local_tag: Box<str>,
    cseq: u32,
    /// When the last REGISTER was sent: the registrar counts from there on.
    sent_at: Instant,
    /// The Contact of the last REGISTER that asked for a binding.
    asked: Option<NameAddr>,
    /// The Contact that the registrar holds for us, as far as we know. One that a new flow has outdated is removed with
    /// the next REGISTER, lest calls go to a connection that is gone.
    bound: Option<NameAddr>,
    /// Every contact we have bound so far, the newest last.
    former: Vec<Uri>,
    /// What the registrar said in its last 200 along this flow.
    binding: Option<Binding>,
    /// Where a server beyond a NAT sees us.
    public: Option<SocketAddr>,
    /// The REGISTER on its way is there only since we were seen at another address than the one just bound.
    chasing: bool,
    /// How often in a row the registrar has found our interval too brief.
    raised: u8,
    /// What the application knows of other devices.
    others: Vec<NameAddr>,
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
        wish: Wish,
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
        wish: Wish,
    },
    Gone,
}

/// What a REGISTER asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Bind,
    /// Our own binding is to go.
    Remove,
    /// Every binding of the user is to go.
    RemoveAll,
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
            sent_at: now,
            asked: None,
            bound: None,
            former: Vec::new(),
            binding: None,
            public: None,
            chasing: false,
            raised: 0,
            others: Vec::new(),
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

    /// Who we are along the present flow, with the route that the registrar prescribes behind our own.
    pub(super) fn identity(&self) -> Identity {
        let mut identity = self.identity.clone();
        if let Some(binding) = &self.binding {
            let service = binding.service_route.iter();
            identity.route.extend(service.filter(|route| !self.identity.route.contains(route)).cloned());
        }
        identity
    }

    pub(super) const fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    pub(super) fn is_for(&self, user: &str) -> bool {
        self.user() == user
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

    pub(super) fn refresh(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Registered { .. } | State::Waiting { .. } | State::Stopped => self.register(now, stack),
            State::Registering { .. } | State::UnregisteringNext { .. } | State::Unregistering { .. } | State::Gone => {
            }
        }
    }

    pub(super) fn move_to(&mut self, now: Instant, stack: &mut Stack, flow: Flow) {
        self.path = self.path.moved(flow);
        self.identity.flow = flow;
        if matches!(self.identity.destination, Destination::Flow(_)) {
            self.identity.destination = Destination::Flow(flow.id);
        }
        self.failures = 0;
        self.public = None;
        stack.reach.forget(self.id);
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

    pub(super) fn unregister(&mut self, now: Instant, stack: &mut Stack, everything: bool) {
        let wish = if everything { Wish::RemoveAll } else { Wish::Remove };
        match self.state {
            State::Registering { request } => {
                self.state = State::UnregisteringNext { request, wish };
            }
            // A refresh that failed leaves the binding of before.
            State::Registered { .. } | State::Waiting { .. } if self.bound.is_some() || everything => {
                let request = self.send(now, stack, wish);
                self.state = State::Unregistering { request, wish };
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
        let seen = if self.path.flow.transport == Transport::Udp {
            public_address(response, self.path.flow.local)
        } else {
            None
        };
        self.public = seen.or(self.public);
        if matches!(response.code(), 401 | 407)
            && let Some(next) = self.retry_authorised(now, stack, transaction, response)
        {
            self.state = match self.state {
                State::Unregistering { wish, .. } => State::Unregistering { request: next, wish },
                State::UnregisteringNext { wish, .. } => State::UnregisteringNext { request: next, wish },
                _ => State::Registering { request: next },
            };
            return;
        }
        match self.state {
            State::Unregistering { .. } => return self.finish(stack),
            State::UnregisteringNext { wish, .. } if response.is_success() => {
                let request = self.send(now, stack, wish);
                self.state = State::Unregistering { request, wish };
                return;
            }
            State::UnregisteringNext { .. } => return self.finish(stack),
            _ => {}
        }
        match response.code() {
            200..=299 => self.handle_success(now, stack, response),
            423 => match response.headers.min_expires().map(|seconds| Duration::from_secs(seconds.into())) {
                Some(minimum) if minimum > self.expires && self.raised < MAX_RAISED => {
                    self.raised += 1;
                    self.expires = minimum;
                    self.register(now, stack);
                }
                _ => self.fail(now, stack, Some(423), response.reason.clone(), None),
            },
            // 439: the first hop does not know of flows (RFC 5626 §11.6). 400 and 420: neither does an old registrar,
            // and it stumbles over our saying so.
            400 | 420 | 439 if self.identity.outbound.is_some() => {
                self.identity.outbound = None;
                self.register(now, stack);
            }
            status => {
                let wish = retry_after(&response.headers);
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
            // The machine slept meanwhile: that says nothing of the registrar.
            State::Registering { .. } if self.has_overslept(now, stack) => self.register(now, stack),
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
        stack.reach.forget(self.id);
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
        // Not what we would ask for now: this very answer may have told where we are.
        let contact = self.asked.clone().unwrap_or_else(|| self.contact(stack));
        let instance = self.identity.outbound.as_ref().map(|outbound| &*outbound.instance);
        let ours = Ours { contact: &contact.uri, former: &self.former, instance };
        let Some(binding) = Binding::read(response, &ours, self.expires) else {
            let reason = "the registrar did not keep our contact".to_owned();
            return self.fail(now, stack, Some(response.code()), reason, None);
        };
        let expires = binding.expires;
        self.failures = 0;
        self.raised = 0;
        self.learn_way(stack, &binding);
        self.remember(contact);
        // A registrar that grants nothing useful must not make us send without a pause. Counted from when we asked,
        // and a little earlier for each: thousands that registered together after a restart drift apart again.
        let refresh = stack.random.a_little_earlier(refresh_after(expires));
        let refresh_at = (self.sent_at + refresh).max(now + Duration::from_secs(1));
        self.state = State::Registered { refresh_at };
        stack.event(Event::Registered { id: self.id, expires });
        if binding.others != self.others {
            let changed = !same_devices(&binding.others, &self.others);
            self.others = binding.others.clone();
            if changed {
                stack.event(Event::OtherBindings { id: self.id, contacts: binding.others.clone() });
            }
        }
        self.binding = Some(binding);
        // The contact that we have just bound leads nowhere if the server sees us elsewhere. Once: a translator that
        // changes its mind with every request is not chased.
        let has_moved = self.bound.as_ref() != Some(&self.contact(stack));
        self.chasing = has_moved && !self.chasing;
        if self.chasing {
            self.register(now, stack);
        }
    }

    /// What the Contact of dialogs along this flow is to be.
    fn learn_way(&self, stack: &mut Stack, binding: &Binding) {
        let outbound = self.identity.outbound.as_ref();
        let way = match (&binding.public_gruu, self.public) {
            (Some(gruu), _) if outbound.is_some_and(|outbound| outbound.gruu) => Way::Gruu(gruu.clone()),
            _ if outbound.is_some() && binding.keeps_flow => Way::Flow,
            (_, Some(public)) => Way::Public(public),
            _ => return stack.reach.forget(self.id),
        };
        stack.reach.learn(self.path.flow.id, self.id, self.user(), way);
    }

    fn remember(&mut self, contact: NameAddr) {
        if !self.former.contains(&contact.uri) {
            if self.former.len() >= MAX_FORMER {
                self.former.remove(0);
            }
            self.former.push(contact.uri.clone());
        }
        self.bound = Some(contact);
    }

    fn fail(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        status: Option<u16>,
        reason: String,
        retry_after: Option<Duration>,
    ) {
        self.failures = self.failures.saturating_add(1);
        let may_pass = status.is_none_or(|status| is_transient(status) || status < 300) || retry_after.is_some();
        let retry_in = may_pass.then(|| match retry_after {
            // Never earlier than asked, and not all at once.
            Some(wait) => stack.random.a_little_later(wait),
            None => stack.random.back_off(self.failures),
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
        let request = self.send(now, stack, Wish::Bind);
        self.state = State::Registering { request };
    }

    /// Whether Timer F of the last REGISTER fired long after its time.
    fn has_overslept(&self, now: Instant, stack: &Stack) -> bool {
        now.saturating_duration_since(self.sent_at) > 64 * stack.config.timers.t1 + Duration::from_secs(5)
    }

    const fn awaited(&self) -> Option<TransactionId> {
        match self.state {
            State::Registering { request }
            | State::UnregisteringNext { request, .. }
            | State::Unregistering { request, .. } => Some(request),
            _ => None,
        }
    }

    fn user(&self) -> &str {
        self.identity.aor.uri.user.as_deref().unwrap_or("")
    }

    fn contact(&self, stack: &Stack) -> NameAddr {
        let mut contact = self.path.contact(self.user(), &stack.unreachable_host);
        if let Some(public) = self.public {
            contact = at_address(contact, public);
        }
        let Some(outbound) = &self.identity.outbound else { return contact };
        contact.uri = contact.uri.with_param("ob", None);
        contact
            .with_param("+sip.instance", Some(&format!("\"<{}>\"", outbound.instance)))
            .with_param("reg-id", Some(&outbound.reg_id.to_string()))
    }

    fn send(&mut self, now: Instant, stack: &mut Stack, wish: Wish) -> TransactionId {
        self.cseq += 1;
        self.sent_at = now;
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
        self.add_contacts(stack, &mut request, wish);
        let expires = if wish == Wish::Bind { self.expires.as_secs() } else { 0 };
        request.headers.add(HeaderName::Expires, expires.to_string());
        request.headers.add(HeaderName::Allow, stack.allow());
        request.headers.add(
            HeaderName::Supported,
            match &self.identity.outbound {
                Some(outbound) if outbound.gruu => "path, outbound, gruu",
                Some(_) => "path, outbound",
                None => "path",
            },
        );
        self.authentication.authorise(&mut request, &mut stack.random);
        stack.send(now, &self.path, self.path.first_hop(), request, Purpose::Register(self.id))
    }

    fn add_contacts(&mut self, stack: &Stack, request: &mut Request, wish: Wish) {
        if wish == Wish::RemoveAll {
            return request.headers.add(HeaderName::Contact, "*");
        }
        let contact = self.contact(stack);
        let mut ended: Vec<NameAddr> = Vec::new();
        if !self.binding.as_ref().is_some_and(|binding| binding.keeps_flow) {
            ended.extend(self.bound.clone().filter(|old| old.uri != contact.uri));
        }
        // A process of ours that crashed left them.
        let left = self.binding.iter().flat_map(|binding| &binding.former).take(MAX_FORMER);
        ended.extend(left.cloned().map(NameAddr::new));
        request.headers.add(HeaderName::Contact, contact.to_string());
        if wish == Wish::Bind {
            self.asked = Some(contact);
        }
        for old in ended {
            request
                .headers
                .add(HeaderName::Contact, NameAddr::new(old.uri).with_param("expires", Some("0")).to_string());
        }
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
        let wish = match self.state {
            State::Unregistering { wish, .. } => wish,
            _ => Wish::Bind,
        };
        let next = self.send(now, stack, wish);
        if let Some(client) = stack.transactions.client(next) {
            client.refusals = refusals;
        }
        Some(next)
    }
}

/// Whether both lists name the same contacts, whatever the time they have left.
fn same_devices(one: &[NameAddr], other: &[NameAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|device| other.iter().any(|known| known.uri == device.uri))
}
