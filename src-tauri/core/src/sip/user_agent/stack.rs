//! What every part of the user agent sends through: transactions, randomness and the queue of outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::detour::Detours;
use super::path::Path;
use super::random::Random;
use super::reach::Reach;
use super::transactions::{Acknowledgement, Purpose, ServerMachine, TransactionId, Transactions};
use super::{Config, Event, Limits, Output, SessionId};
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Method, Request, Response, Via};
use crate::sip::wire;

/// The methods that we understand (RFC 3261 §20.5); the application's own come behind them.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// The extensions that we understand (RFC 3261 §20.37), beside `timer`, which can be switched off.
const EXTENSIONS: &[&str] = &["100rel", "replaces", "norefersub"];

/// Forks of one INVITE that we follow, and whose 2xx we acknowledge and end; beyond, they end by their own lack of an ACK.
pub(super) const MAX_FORKS: usize = 16;

pub(super) struct Stack {
    pub config: Config,
    pub limits: Limits,
    pub random: Random,
    pub transactions: Transactions,
    /// The host name of Via and Contact where we cannot be reached by a new connection (RFC 7118 §5).
    pub unreachable_host: Box<str>,
    pub reach: Reach,
    pub detours: Detours,
    /// Calls whose progress somebody wants to be told of, and what has become known of them: a status each.
    pub watched: BTreeSet<SessionId>,
    pub news: VecDeque<(SessionId, u16)>,
    /// What was dropped or refused as invalid, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    outputs: VecDeque<Output>,
}

impl Stack {
    pub(super) fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let unreachable_host = format!("{}.invalid", random.token(12)).into();
        Self {
            config,
            limits: Limits::default(),
            random,
            transactions: Transactions::default(),
            unreachable_host,
            reach: Reach::default(),
            detours: Detours::default(),
            watched: BTreeSet::new(),
            news: VecDeque::new(),
            drops: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        if !self.watched.is_empty() {
            self.note_news(&event);
        }
        self.outputs.push_back(Output::Event(event));
    }

    /// What an event says of a call that is watched, as a status of its INVITE.
    fn note_news(&mut self, event: &Event) {
        let (session, status) = match event {
            Event::Progress { session, status, .. } => (session, *status),
            Event::Answered { session, .. } => (session, 200),
            Event::Ended { session, reason, .. } => (session, reason.status()),
            _ => return,
        };
        if self.watched.contains(session) {
            self.news.push_back((*session, status));
        }
    }

    pub(super) fn transmit(&mut self, destination: Destination, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Transmit { destination, bytes });
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn is_full(&self) -> bool {
        self.transactions.len() >= self.limits.transactions
    }

    /// Half of the room is taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.transactions.len() >= self.limits.transactions / 2
    }

    /// The value of Allow.
    pub(super) fn allow(&self) -> String {
        let mut allow = ALLOW.to_owned();
        for method in &self.config.application_methods {
            if !is_ours(method) {
                allow.push_str(", ");
                allow.push_str(method.as_str());
            }
        }
        allow
    }

    /// Whether we understand an extension (RFC 3261 §20.32).
    pub(super) fn supports(&self, option: &str) -> bool {
        let timer = self.config.calls.session_expires.is_some();
        EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(option))
            || (timer && option.eq_ignore_ascii_case("timer"))
    }

    /// The value of Supported.
    pub(super) fn supported(&self) -> String {
        let timer = self.config.calls.session_expires.map(|_| "timer");
        EXTENSIONS.iter().copied().chain(timer).collect::<Vec<_>>().join(", ")
    }

    /// Our Contact in dialogs.
    pub(super) fn contact(&self, path: &Path, user: &str) -> String {
        let plain = path.contact(user, &self.unreachable_host);
        self.reach.contact(path.flow.id, user, plain).to_string()
    }

    /// Sends a request in a new client transaction: Via, Max-Forwards and User-Agent are added here.
    pub(super) fn send(
        &mut self,
        now: Instant,
        path: &Path,
        destination: Destination,
        mut request: Request,
        purpose: Purpose,
    ) -> TransactionId {
        let branch = format!("{}{}", Via::MAGIC_COOKIE, self.random.token(18));
        self.complete(&mut request, path, path.transport_of(destination), &branch);
        let bytes = wire::write_request(&request);
        let (taken, bytes) = self.by_size(now, path, destination, &mut request, bytes);
        self.transmit(taken, bytes);
        let timers = self.config.timers;
        let id = self.transactions.add_client(now, timers, &branch, request, taken, *path, purpose);
        if let Some(client) = self.transactions.client(id) {
            client.intended = destination;
        }
        id
    }

    fn complete(&self, request: &mut Request, path: &Path, transport: Transport, branch: &str) {
        request.headers.add_first(HeaderName::MaxForwards, "70");
        let via = path.via(transport, branch, &self.unreachable_host);
        request.headers.add_first(HeaderName::Via, via.to_string());
        request.headers.set(HeaderName::UserAgent, self.config.product.as_str());
    }

    /// A request that stands in a client transaction, sent again as it was.
    pub(super) fn retransmit_client(&mut self, id: TransactionId) {
        let Some(client) = self.transactions.client(id) else { return };
        let (destination, bytes) = (client.destination, wire::write_request(&client.request));
        self.transmit(destination, bytes);
    }

    /// The last answer of a server transaction, sent again.
    pub(super) fn retransmit_server(&mut self, id: TransactionId) {
        let Some(server) = self.transactions.server(id) else { return };
        let destination = server.reply_to;
        if let Some(bytes) = server.last.clone() {
            self.transmit(destination, bytes);
        }
    }

    /// The request of a server transaction came again, perhaps along another connection (RFC 3261 §18.2.2).
    pub(super) fn repeat_answer(&mut self, id: TransactionId, flow: FlowId) {
        let Some(server) = self.transactions.server(id) else { return };
        let answers = match &server.machine {
            ServerMachine::Invite(machine) => machine.handle_repetition(),
            ServerMachine::NonInvite(machine) => machine.handle_repetition(),
        };
        if answers && let Some(bytes) = server.last.clone() {
            let destination = if flow == server.flow.id { server.reply_to } else { Destination::Flow(flow) };
            self.transmit(destination, bytes);
        }
    }

    /// The ACK to a final answer ≥ 300, part of the INVITE's transaction (RFC 3261 §17.1.1.3).
    pub(super) fn acknowledge_failure(&mut self, id: TransactionId, response: &Response) {
        let Some(client) = self.transactions.client(id) else { return };
        let mut ack = same_hop(&client.request, Method::Ack);
        if let Some(to) = response.headers.value(HeaderName::To) {
            ack.headers.set(HeaderName::To, to);
        }
        let destination = client.destination;
        self.transmit(destination, wire::write_request(&ack));
    }

    /// The ACK to a 2xx, outside any transaction (RFC 3261 §13.2.2.4). It is made from INVITE and answer alone, so that
    /// it can be sent even when the session is gone. True if this fork answered for the first time.
    pub(super) fn acknowledge_success(&mut self, id: TransactionId, response: &Response, body: Vec<u8>) -> bool {
        let Some(client) = self.transactions.client(id) else { return false };
        let remote_tag = response.headers.to_tag().unwrap_or("");
        if let Some(known) = client.acknowledgements.iter().find(|ack| &*ack.remote_tag == remote_tag) {
            let (destination, bytes) = (known.destination, known.bytes.clone());
            self.transmit(destination, bytes);
            return false;
        }
        if client.acknowledgements.len() >= MAX_FORKS {
            self.dropped("2xx of too many forks");
            return false;
        }
        let path = client.path;
        let Some(dialog) = client.dialog_of_answer(response) else {
            self.dropped("2xx that makes no dialog");
            return false;
        };
        let mut ack = dialog.numbered_request(Method::Ack, dialog.local_cseq);
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            // RFC 3261 §22.1: an ACK cannot be challenged, so it carries what the INVITE carried.
            for value in client.request.headers.values(name) {
                ack.headers.add(name, value);
            }
        }
        if !body.is_empty() {
            ack.set_body("application/sdp", body);
        }
        let remote_tag = remote_tag.into();
        let destination = path.next_hop(dialog.next_hop());
        let branch = format!("{}{}", Via::MAGIC_COOKIE, self.random.token(18));
        self.complete(&mut ack, &path, path.transport_of(destination), &branch);
        let bytes = wire::write_request(&ack);
        if let Some(client) = self.transactions.client(id) {
            client.acknowledgements.push(Acknowledgement { remote_tag, destination, bytes: bytes.clone() });
        }
        self.transmit(destination, bytes);
        true
    }

    /// CANCEL for an INVITE that has been answered provisionally (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self, now: Instant, invite: TransactionId, reason: Option<&str>) {
        let Some(client) = self.transactions.client(invite) else { return };
        let mut cancel = same_hop(&client.request, Method::Cancel);
        if let Some(reason) = reason {
            cancel.headers.add(HeaderName::Reason, reason);
        }
        let (destination, intended, path) = (client.destination, client.intended, client.path);
        let Some(branch) = cancel.headers.via().ok().and_then(|via| via.branch().map(str::to_owned)) else { return };
        self.transmit(destination, wire::write_request(&cancel));
        let timers = self.config.timers;
        let id = self.transactions.add_client(now, timers, &branch, cancel, destination, path, Purpose::Nothing);
        if let Some(client) = self.transactions.client(id) {
            client.intended = intended;
        }
    }

    /// Answers in a server transaction; what every answer repeats is filled in here. The bytes sent, unless a final
    /// answer has gone before or the transaction is over.
    pub(super) fn respond(&mut self, now: Instant, id: TransactionId, mut response: Response) -> Option<Vec<u8>> {
        let product = self.config.product.clone();
        let status = response.code();
        let server = self.transactions.server(id)?;
        let is_invite = matches!(server.machine, ServerMachine::Invite(_));
        let sent = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.respond(now, status),
            ServerMachine::NonInvite(machine) => machine.respond(now, status),
        };
        if !sent {
            return None;
        }
        response.copy_from(&server.echo, server.creates_dialog(), None);
        response.headers.set(HeaderName::Server, product);
        let bytes = wire::write_response(&response);
        // A 2xx to an INVITE is repeated by its session until the ACK comes, not by the transaction.
        let keep = !(is_invite && response.is_success());
        server.last = keep.then(|| bytes.clone());
        if response.is_final() {
            // Nothing more will be said; only a late CANCEL asks for our tag (§9.2).
            let to = server.echo.value(HeaderName::To).map(|to| HeaderName::To.with(to));
            server.echo = to.into_iter().collect();
        }
        let destination = server.reply_to;
        self.transmit(destination, bytes.clone());
        self.transactions.rearm(now, id);
        Some(bytes)
    }

    pub(super) fn respond_with(&mut self, now: Instant, id: TransactionId, status: u16) {
        self.respond(now, id, Response::new(status));
    }

    /// An answer outside any transaction: to a request that is broken or comes when we are full.
    pub(super) fn respond_statelessly(&mut self, flow: &Flow, request: &Request, status: u16) {
        let mut response = Response::to_request(request, status, None);
        if status == 503 {
            response.headers.set(HeaderName::RetryAfter, "10");
        }
        self.answer_statelessly(flow, response);
    }

    /// The highest number used in any early dialog of an INVITE.
    pub(super) fn highest_cseq(&mut self, invite: TransactionId) -> u32 {
        self.transactions.client(invite).map_or(0, |client| client.highest_cseq)
    }

    /// Ends the dialog of a fork that nobody waits for.
    pub(super) fn bye_surplus(&mut self, now: Instant, invite: TransactionId, response: &Response) {
        let Some(client) = self.transactions.client(invite) else { return };
        let path = client.path;
        let highest_cseq = client.highest_cseq;
        let Some(mut dialog) = client.dialog_of_answer(response) else { return };
        dialog.local_cseq = dialog.local_cseq.max(highest_cseq);
        let bye = dialog.request(Method::Bye);
        let destination = path.next_hop(dialog.next_hop());
        self.send(now, &path, destination, bye, Purpose::Nothing);
    }
}

/// Answered by the user agent itself, not by the application.
pub(super) const fn is_ours(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Bye
            | Method::Options
            | Method::Info
            | Method::Prack
            | Method::Update
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
    )
}

/// A request that takes the same hop as `original` and shares its branch: CANCEL, and the ACK to a failure.
fn same_hop(original: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), original.uri.clone());
    if let Ok(via) = original.headers.via() {
        request.headers.add(HeaderName::Via, via.to_string());
    }
    for name in [HeaderName::MaxForwards, HeaderName::Route, HeaderName::From, HeaderName::To, HeaderName::CallId] {
        for value in original.headers.values(name) {
            request.headers.add(name, value);
        }
    }
    if let Ok(cseq) = original.headers.cseq() {
        request.headers.add(HeaderName::CSeq, CSeq { seq: cseq.seq, method }.to_string());
    }
    request
}
