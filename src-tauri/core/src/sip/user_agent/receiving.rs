//! From bytes to the transaction, session or registration that they concern (RFC 3261 §8.2, §12.2.2, §17, §18.2).

use std::time::Instant;

use super::authentication::Authentication;
use super::incoming::Caller;
use super::path::Path;
use super::refreshing::Asked;
use super::session::Session;
use super::stack::{Stack, is_ours};
use super::transactions::{ClientKey, ClientMachine, MergeKey, Purpose, ServerKey, ServerMachine, TransactionId};
use super::{EndReason, Event, RequestId, SessionId, UserAgent};
use crate::flow::{Flow, FlowId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderAccess, HeaderName, Message, Method, Request, Response, Via};
use crate::sip::transaction::{Due, client_invite, client_non_invite};
use crate::sip::validate;
use crate::sip::wire::{self, ParseError};

impl UserAgent {
    pub(super) fn receive(&mut self, now: Instant, flow: &Flow, bytes: &[u8]) {
        match wire::parse(bytes) {
            Ok(Message::Request(request)) => self.receive_request(now, flow, request),
            Ok(Message::Response(response)) => self.receive_response(now, response),
            Err(ParseError::KeepAlive) => {}
            Err(ParseError::Unanswerable(why)) => self.stack.dropped(why),
            Err(ParseError::Answerable { response, why }) => {
                self.stack.refuse_malformed(flow, *response, why);
            }
        }
    }

    fn receive_response(&mut self, now: Instant, response: Response) {
        if let Err(why) = validate::response(&response) {
            return self.stack.dropped(why);
        }
        let (Ok(via), Ok(cseq)) = (response.headers.via(), response.headers.cseq()) else {
            return self.stack.dropped("response without Via or CSeq");
        };
        let key = ClientKey { branch: via.branch().unwrap_or("").into(), method: cseq.method };
        let Some(id) = self.stack.transactions.find_client(&key) else {
            return self.stack.dropped("stray response");
        };
        let Some(client) = self.stack.transactions.client(id) else { return };
        // A branch is unguessable, but a response that belongs to another call is broken all the same.
        if client.request.headers.call_id() != response.headers.call_id() {
            return self.stack.dropped("response of another call");
        }
        let (purpose, status) = (client.purpose, response.code());
        if response.is_success() {
            self.learn_nonces(id, purpose, &response);
        }
        let Some(client) = self.stack.transactions.client(id) else { return };
        match &mut client.machine {
            ClientMachine::Invite(machine) => match machine.handle_response(now, status) {
                client_invite::Heard::Provisional => {
                    self.stack.transactions.rearm(now, id);
                    self.hear_provisional(now, id, purpose, response);
                }
                client_invite::Heard::Success => {
                    self.stack.transactions.rearm(now, id);
                    self.hear_success(now, id, purpose, response);
                }
                client_invite::Heard::Failure => {
                    self.stack.acknowledge_failure(id, &response);
                    self.hear_failure(now, id, purpose, response, false);
                    self.stack.transactions.rearm(now, id);
                }
                client_invite::Heard::FailureAgain => self.stack.acknowledge_failure(id, &response),
                client_invite::Heard::Nothing => self.stack.dropped("late response"),
            },
            ClientMachine::NonInvite(machine) => match machine.handle_response(now, status) {
                client_non_invite::Heard::Provisional => self.stack.transactions.rearm(now, id),
                client_non_invite::Heard::Final => {
                    self.hear_final(now, id, purpose, &response, false);
                    self.stack.transactions.rearm(now, id);
                }
                client_non_invite::Heard::Nothing => self.stack.dropped("repeated response"),
            },
        }
    }

    fn hear_provisional(&mut self, now: Instant, id: TransactionId, purpose: Purpose, response: Response) {
        match purpose {
            Purpose::Invite(session) => {
                self.with(session, |session, stack| session.handle_invite_provisional(now, stack, id, response));
            }
            Purpose::Reinvite(session) if !self.sessions.get(&session).is_some_and(|session| session.awaits(id)) => {
                self.stack.transactions.abandon(now, id);
            }
            _ => {}
        }
    }

    fn hear_success(&mut self, now: Instant, id: TransactionId, purpose: Purpose, response: Response) {
        match purpose {
            Purpose::Invite(session) if self.sessions.contains_key(&session) => {
                self.with(session, |session, stack| session.handle_invite_success(now, stack, id, response));
            }
            Purpose::Invite(_) => {
                let is_new = self.stack.acknowledge_success(id, &response, Vec::new());
                if is_new {
                    self.stack.bye_surplus(now, id, &response);
                }
            }
            Purpose::Reinvite(session) => {
                // The answer is acknowledged even where the session has ended meanwhile; not before we have answered the
                // offer in it.
                let answering = self.sessions.get(&session).is_some_and(|session| session.is_answering(id));
                let held = answering || {
                    let response = response.clone();
                    self.with(session, |session, stack| session.handle_reinvite_success(now, stack, id, response))
                        .unwrap_or(false)
                };
                if !held {
                    self.stack.acknowledge_success(id, &response, Vec::new());
                }
            }
            _ => {}
        }
    }

    fn hear_failure(&mut self, now: Instant, id: TransactionId, purpose: Purpose, response: Response, silent: bool) {
        match purpose {
            Purpose::Invite(session) => {
                self.with(session, |session, stack| session.handle_invite_failure(now, stack, id, response));
            }
            Purpose::Reinvite(session) => {
                self.with(session, |session, stack| {
                    session.handle_reinvite_failure(now, stack, id, &response, silent);
                });
            }
            _ => {}
        }
    }

    fn hear_final(&mut self, now: Instant, id: TransactionId, purpose: Purpose, response: &Response, silent: bool) {
        match purpose {
            Purpose::Register(registration) => {
                if let Some(entry) = self.registrations.get_mut(&registration) {
                    entry.handle_answer(now, &mut self.stack, id, response);
                }
                self.settle_registration(registration);
            }
            Purpose::Bye(session) => {
                self.with(session, |session, stack| session.handle_bye_answer(now, stack, id, response));
            }
            Purpose::Info(session) => {
                self.with(session, |session, stack| session.handle_info_answer(now, stack, id, response, silent));
            }
            Purpose::Prack(session) => {
                self.with(session, |session, stack| session.handle_prack_answer(now, stack, id, response));
            }
            Purpose::Update(session) => {
                self.with(session, |session, stack| session.handle_update_answer(now, stack, id, response, silent));
            }
            Purpose::Usage(usage) => self.hear_usage(now, id, usage, response),
            Purpose::Invite(_) | Purpose::Reinvite(_) | Purpose::Nothing => {}
        }
    }

    /// Nobody answered, or the flow broke: what RFC 3261 §8.1.3.1 calls a 408 or 503.
    fn hear_nothing(&mut self, now: Instant, id: TransactionId, purpose: Purpose, broken: bool) {
        let status = if broken { 503 } else { 408 };
        match purpose {
            Purpose::Invite(session) => {
                let reason = if broken { EndReason::Unreachable } else { EndReason::TimedOut };
                self.with(session, |session, stack| session.handle_invite_lost(now, stack, id, reason));
            }
            Purpose::Reinvite(session) | Purpose::Update(session) if broken => {
                self.with(session, |session, stack| session.handle_offer_lost(now, stack, id));
            }
            Purpose::Reinvite(_) => self.hear_failure(now, id, purpose, Response::new(status), true),
            Purpose::Register(registration) => {
                if let Some(entry) = self.registrations.get_mut(&registration) {
                    entry.handle_no_answer(now, &mut self.stack, id);
                }
                self.settle_registration(registration);
            }
            Purpose::Bye(_) | Purpose::Info(_) | Purpose::Prack(_) | Purpose::Update(_) | Purpose::Usage(_) => {
                self.hear_final(now, id, purpose, &Response::new(status), true);
            }
            Purpose::Nothing => {}
        }
    }

    pub(super) fn handle_transaction_timeout(&mut self, now: Instant, id: TransactionId) {
        let (purpose, invite_session) = match self.stack.transactions.client(id) {
            Some(client) => (Some(client.purpose), None),
            None => (None, self.stack.transactions.server(id).and_then(|server| server.session)),
        };
        match self.stack.transactions.handle_timeout(now, id) {
            Due::Retransmit if purpose.is_some() => self.stack.retransmit_client(id),
            Due::Retransmit => self.stack.retransmit_server(id),
            Due::TimedOut => {
                self.stack.transactions.remove(id);
                match purpose {
                    Some(purpose) => self.hear_nothing(now, id, purpose, false),
                    None if invite_session.is_some() => self.stack.dropped("no ACK to a refusal"),
                    None => {}
                }
            }
            Due::Terminated => drop(self.stack.transactions.remove(id)),
            Due::Nothing => {}
        }
    }

    pub(super) fn lose_flow(&mut self, now: Instant, flow: FlowId) {
        let (clients, servers) = self.stack.transactions.on_flow(flow);
        for id in self.registrations.keys().copied().collect::<Vec<_>>() {
            if let Some(registration) = self.registrations.get_mut(&id) {
                registration.handle_flow_closed(&mut self.stack, flow);
            }
            self.settle_registration(id);
        }
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.handle_flow_lost(flow);
            }
            // Without a flow it waits for other things than before.
            self.settle_session(id);
        }
        for id in clients {
            self.lose_request(now, id);
        }
        for id in servers {
            let Some(server) = self.stack.transactions.server(id) else { continue };
            let (session, reliable) = (server.session, server.flow.transport.is_reliable());
            let rings = session.is_some_and(|id| self.sessions.get(&id).is_some_and(Session::is_ringing));
            if rings && !reliable {
                // No connection that the answer would have to take: it goes along the session's next flow.
                continue;
            }
            self.stack.transactions.remove(id);
            if let Some(session) = session {
                self.with(session, |session, stack| session.handle_request_lost(now, stack, id));
            }
        }
    }

    /// The way that a request took is gone.
    pub(super) fn lose_request(&mut self, now: Instant, id: TransactionId) {
        let Some(client) = self.stack.transactions.remove(id) else { return };
        match client.purpose {
            _ if !client.awaits_answer() => {}
            Purpose::Bye(session) => {
                self.with(session, |session, _| session.keep_bye(now, client.request));
            }
            purpose => self.hear_nothing(now, id, purpose, true),
        }
    }

    fn receive_request(&mut self, now: Instant, flow: &Flow, mut request: Request) {
        let (Ok(mut via), Ok(cseq)) = (request.headers.via(), request.headers.cseq()) else {
            return self.stack.dropped("request without Via or CSeq");
        };
        let key = server_key(&request, &via, cseq.seq);
        via.set_source(flow.remote);
        request.headers.replace_top_via(&via);

        if request.method == Method::Ack {
            return self.receive_ack(now, key, &request, cseq.seq);
        }
        if let Some(id) = self.stack.transactions.find_server(&key) {
            return self.stack.repeat_answer(id, flow.id);
        }
        if let Err(refusal) = validate::request(&request) {
            return self.stack.refuse(flow, &request, refusal);
        }
        if self.stack.is_full() || (self.stack.is_crowded() && self.is_of_stranger(flow, &request)) {
            self.stack.respond_statelessly(flow, &request, 503);
            return self.stack.dropped("too many transactions");
        }
        let merge = merge_key(&request, cseq.seq);
        if let Some(merge) = &merge
            && self.stack.transactions.is_merged(merge)
        {
            // RFC 3261 §8.2.2.2: the same request came by another way before.
            self.stack.respond_statelessly(flow, &request, 482);
            return self.stack.dropped("merged request");
        }

        let tag = self.stack.random.token(12);
        let echo = echo_of(&request, &tag);
        let timers = self.stack.config.timers;
        let invite_key = ServerKey { method: Method::Invite, ..key.clone() };
        let id = self.stack.transactions.add_server(now, timers, key, merge, *flow, echo);
        if request.method == Method::Cancel {
            return self.receive_cancel(now, id, &invite_key, &request);
        }
        match request.headers.to_tag().map(str::to_owned) {
            Some(local_tag) => self.receive_in_dialog(now, id, flow, &local_tag, request),
            None => self.receive_outside_dialog(now, id, flow, &tag, request),
        }
    }

    /// Neither from where we are registered nor inside a call. Scanners knock at open ports all day; what they ask is
    /// answered while there is room, but takes the room of nobody's calls.
    fn is_of_stranger(&self, flow: &Flow, request: &Request) -> bool {
        let address = |flow: &Flow| flow.remote.ip().to_canonical();
        let mut ours = self.registrations.values().map(|registration| &registration.path).peekable();
        let in_call = || request.headers.to_tag().is_some_and(|tag| self.by_tag.contains_key(tag));
        ours.peek().is_some()
            && request.method != Method::Cancel
            && !in_call()
            && !ours.any(|path| path.uses(flow.id) || address(&path.flow) == address(flow))
    }

    /// An ACK ends the INVITE transaction that answered ≥ 300, or confirms the 2xx of a dialog. It is never answered.
    fn receive_ack(&mut self, now: Instant, key: ServerKey, request: &Request, cseq: u32) {
        if let Some(id) = self.stack.transactions.find_server(&ServerKey { method: Method::Invite, ..key })
            && let Some(server) = self.stack.transactions.server(id)
            && let ServerMachine::Invite(machine) = &mut server.machine
        {
            if machine.handle_ack(now) {
                server.last = None;
                return self.stack.transactions.rearm(now, id);
            }
            if matches!(machine.state(), crate::sip::transaction::server_invite::State::Confirmed { .. }) {
                return self.stack.dropped("repeated ACK");
            }
        }
        let Some(session) = request.headers.to_tag().and_then(|tag| self.find_session(tag, request)) else {
            return self.stack.dropped("stray ACK");
        };
        let body = if request.headers.is_content_type("application/sdp") { request.body.clone() } else { Vec::new() };
        self.with(session, |session, stack| session.handle_ack(now, stack, cseq, body));
    }

    /// RFC 3261 §9.2: CANCEL has the branch of what it cancels.
    fn receive_cancel(&mut self, now: Instant, id: TransactionId, invite_key: &ServerKey, request: &Request) {
        let cancelled = self.stack.transactions.find_server(invite_key);
        let found = cancelled.and_then(|invite| Some((invite, self.stack.transactions.server(invite)?)));
        let Some((cancelled, invite)) = found else { return self.stack.respond_with(now, id, 481) };
        // The 200 has the same To tag as the answers to the INVITE.
        let (session, to) = (invite.session, invite.echo.value(HeaderName::To).map(str::to_owned));
        if let (Some(to), Some(cancel)) = (to, self.stack.transactions.server(id)) {
            cancel.echo.set(HeaderName::To, to);
        }
        self.stack.respond_with(now, id, 200);
        if let Some(session) = session {
            let headers = request.headers.clone();
            self.with(session, |session, stack| session.handle_cancel(now, stack, cancelled, headers));
        }
    }

    fn receive_in_dialog(&mut self, now: Instant, id: TransactionId, flow: &Flow, local_tag: &str, request: Request) {
        let ours = is_ours(&request.method) && !self.is_of_application(&request.method);
        if ours && self.receive_for_usage(now, id, local_tag, &request) {
            return;
        }
        let Some(session) = self.find_session(local_tag, &request) else {
            if self.is_of_application(&request.method) {
                return self.hand_over(id, flow, request);
            }
            return self.stack.respond_with(now, id, 481);
        };
        if !ours {
            return self.receive_foreign(now, id, flow, request);
        }
        if let Some(refusal) = self.refusal_of_content(&request) {
            self.stack.respond(now, id, refusal);
            return;
        }
        if request.method == Method::Invite
            && let Some(server) = self.stack.transactions.server(id)
        {
            server.session = Some(session);
        }
        if request.method == Method::Message {
            return self.receive_message(now, id, flow, Some(session), request);
        }
        self.with(session, |session, stack| session.handle_request(now, stack, id, request));
    }

    fn receive_outside_dialog(&mut self, now: Instant, id: TransactionId, flow: &Flow, tag: &str, request: Request) {
        if !is_ours(&request.method) || self.is_of_application(&request.method) {
            return self.receive_foreign(now, id, flow, request);
        }
        if let Some(refusal) = self.refusal_of_content(&request) {
            self.stack.respond(now, id, refusal);
            return;
        }
        match request.method {
            Method::Invite => self.receive_invite(now, id, flow, tag, request),
            Method::Options => {
                let response = self.stack.capabilities();
                self.stack.respond(now, id, response);
            }
            // Nobody may move us but the peer of a call.
            Method::Refer => self.stack.respond_with(now, id, 403),
            Method::Subscribe => self.refuse_subscription(now, id),
            Method::Message => self.receive_message(now, id, flow, None, request),
            Method::Notify => self.receive_unasked_notify(now, id, flow, request),
            // BYE, INFO, PRACK and UPDATE belong to a dialog.
            _ => self.stack.respond_with(now, id, 481),
        }
    }

    fn receive_invite(&mut self, now: Instant, id: TransactionId, flow: &Flow, tag: &str, request: Request) {
        if self.sessions.len() >= self.stack.limits.sessions {
            let mut response = Response::new(503);
            response.headers.set(HeaderName::RetryAfter, "10");
            self.stack.respond(now, id, response);
            return self.stack.dropped("too many sessions");
        }
        let Ok(dialog) = Dialog::from_request(&request, tag) else {
            return self.stack.respond_with(now, id, 400);
        };
        if let Some(refusal) = Asked::of(&request.headers).refusal(&self.stack) {
            self.stack.respond(now, id, refusal);
            return;
        }
        let replaces = match self.replaced_by(&request, flow) {
            Ok(replaces) => replaces,
            Err(status) => return self.stack.respond_with(now, id, status),
        };
        let session = SessionId(self.next_id());
        if let Some(server) = self.stack.transactions.server(id) {
            server.session = Some(session);
        }
        self.stack.respond_with(now, id, 100);
        // A call that comes along the flow of a registration belongs to that account: its requests go back the same
        // way, and its challenges are answered with the same credentials.
        let account = self.account_of(flow.id, request.uri.user.as_deref().unwrap_or(""));
        let caller = match account {
            Some(registration) => {
                let authentication = registration.authentication.afresh();
                Caller { flow: *flow, path: Path::pinned(*flow), authentication, replaces }
            }
            None => {
                let authentication = Authentication::new(None);
                Caller { flow: *flow, path: Path::answering(*flow), authentication, replaces }
            }
        };
        if let Some(old) = replaces {
            self.replacing.insert(session, old);
        }
        let session = Session::ring(&mut self.stack, session, id, dialog, request, caller);
        self.insert_session(session);
    }

    /// A method that the user agent does not answer itself.
    fn receive_foreign(&mut self, now: Instant, id: TransactionId, flow: &Flow, request: Request) {
        if self.is_of_application(&request.method) {
            return self.hand_over(id, flow, request);
        }
        let mut response = Response::new(405);
        response.headers.set(HeaderName::Allow, self.stack.allow());
        self.stack.respond(now, id, response);
    }

    fn hand_over(&mut self, id: TransactionId, flow: &Flow, request: Request) {
        self.stack.event(Event::Request { id: RequestId(id.0), request: Box::new(request), flow: *flow });
    }

    fn is_of_application(&self, method: &Method) -> bool {
        // INVITE and what belongs to its sessions is ours whatever the application wishes.
        let may_be =
            !is_ours(method) || matches!(method, Method::Options | Method::Subscribe | Method::Refer | Method::Message);
        may_be && self.stack.config.application_methods.contains(method)
    }

    /// RFC 3261 §8.2.2.3 and §8.2.3: extensions we must understand, bodies we must read.
    pub(super) fn refusal_of_content(&self, request: &Request) -> Option<Response> {
        let required = request.headers.items(HeaderName::Require);
        let required: Vec<&str> = required.filter(|option| !self.stack.supports(option)).collect();
        if !required.is_empty() {
            let mut response = Response::new(420);
            response.headers.set(HeaderName::Unsupported, required.join(", "));
            return Some(response);
        }
        let offers =
            matches!(request.method, Method::Invite | Method::Update | Method::Prack) && !request.body.is_empty();
        let encoded = request.headers.value(HeaderName::ContentEncoding).is_some_and(|coding| coding != "identity");
        if offers && (encoded || !request.headers.is_content_type("application/sdp")) {
            let mut response = Response::new(415);
            response.headers.set(HeaderName::Accept, "application/sdp");
            response.headers.set(HeaderName::AcceptEncoding, "identity");
            return Some(response);
        }
        None
    }

    /// The session of a request inside a dialog: by our tag, then Call-ID and the peer's tag (RFC 3261 §12.2.2).
    pub(super) fn find_session(&self, local_tag: &str, request: &Request) -> Option<SessionId> {
        let id = *self.by_tag.get(local_tag)?;
        let session = self.sessions.get(&id)?;
        let same_call = request.headers.call_id() == Some(&*session.call_id);
        let remote_tag = request.headers.from_tag().unwrap_or("");
        (same_call && session.remote_tag().is_none_or(|tag| tag == remote_tag)).then_some(id)
    }

    /// Runs a change of a session, if it is still there, and settles it.
    pub(super) fn with<T>(&mut self, id: SessionId, change: impl FnOnce(&mut Session, &mut Stack) -> T) -> Option<T> {
        let session = self.sessions.get_mut(&id)?;
        let result = change(session, &mut self.stack);
        self.settle_session(id);
        Some(result)
    }
}

/// RFC 3261 §17.2.3. Where the branch is not unique by itself, as with peers of RFC 2543, Call-ID, From tag and CSeq make
/// it so.
fn server_key(request: &Request, via: &Via, cseq: u32) -> ServerKey {
    let branch = via.branch().unwrap_or("");
    let branch = if via.has_magic_cookie() {
        branch.to_owned()
    } else {
        let (call_id, from_tag) = (request.headers.call_id(), request.headers.from_tag());
        format!("{branch}\n{}\n{}\n{cseq}", call_id.unwrap_or(""), from_tag.unwrap_or(""))
    };
    ServerKey { branch: branch.into(), sent_by: via.sent_by().into(), method: request.method.clone() }
}

fn merge_key(request: &Request, cseq: u32) -> Option<MergeKey> {
    if request.headers.to_tag().is_some() || request.method == Method::Cancel {
        return None;
    }
    Some(MergeKey {
        call_id: request.headers.call_id()?.into(),
        from_tag: request.headers.from_tag().unwrap_or("").into(),
        cseq,
        method: request.method.clone(),
    })
}

/// What every answer repeats of its request, with our tag in To.
fn echo_of(request: &Request, tag: &str) -> crate::sip::message::Headers {
    // 183 stands for "an answer that makes a dialog": with it Record-Route is taken along.
    let mut echo = Response::to_request(request, 183, Some(tag)).headers;
    if let Some(timestamp) = request.headers.value(HeaderName::Timestamp) {
        echo.set(HeaderName::Timestamp, timestamp);
    }
    echo
}
