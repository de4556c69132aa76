//! Provisional answers that must arrive (RFC 3262): sent until their PRACK comes, and acknowledged by PRACK.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::session::{Exchange, Negotiation, Phase, Ringing, Session};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Event, ForkId, Reliable};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};

/// Reliable answers that wait for the PRACK of an earlier one.
const MAX_QUEUED: usize = 8;

/// What the caller's INVITE says about reliable provisional answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Neither Supported nor Require names 100rel.
    Ignorant,
    Supports,
    Requires,
}

/// Our reliable provisional answers to one INVITE.
pub(super) struct Provisionals {
    caller: Caller,
    /// RSeq of the last one sent.
    rseq: u32,
    /// The last one, as long as its PRACK is awaited: one at a time (§3).
    unacknowledged: Option<Unpracked>,
    queue: VecDeque<Response>,
}

struct Unpracked {
    bytes: Vec<u8>,
    /// It carries a session description, so the 2xx must wait for its PRACK.
    describes: bool,
    /// When to send it again, and the interval that led there, doubling from T1 without a limit (§3).
    again: (Instant, Duration),
    /// 64·T1 without PRACK ends the call.
    give_up: Instant,
}

impl Provisionals {
    pub(super) fn new(stack: &mut Stack, invite: &Headers) -> Self {
        let caller = if invite.has_item(HeaderName::Require, "100rel") {
            Caller::Requires
        } else if invite.has_item(HeaderName::Supported, "100rel") {
            Caller::Supports
        } else {
            Caller::Ignorant
        };
        // §3: the first is drawn from 1 to 2^31 - 1; the space above it is for those that follow.
        let rseq = stack.random.below(1 << 30) as u32;
        Self { caller, rseq, unacknowledged: None, queue: VecDeque::new() }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.unacknowledged.as_ref().map(|answer| answer.again.0.min(answer.give_up))
    }

    /// The 2xx must wait for the PRACK of a description (§3).
    pub(super) fn holds_answer(&self) -> bool {
        self.unacknowledged.as_ref().is_some_and(|answer| answer.describes)
            || self.queue.iter().any(|answer| !answer.body.is_empty())
    }

    /// RSeq of an answer whose PRACK may still come.
    pub(super) fn outstanding(&self) -> Option<u32> {
        self.unacknowledged.as_ref().map(|_| self.rseq)
    }

    /// Whether an answer must or should be sent reliably.
    fn wants(&self, describes: bool, rule: Reliable) -> bool {
        match (self.caller, rule) {
            (Caller::Ignorant, _) | (Caller::Supports, Reliable::Required) => false,
            (Caller::Requires, _) | (Caller::Supports, Reliable::Supported) => true,
            (Caller::Supports, Reliable::Descriptions) => describes,
        }
    }
}

impl Ringing {
    /// Sends a provisional answer in the way that the caller and our rules want.
    pub(super) fn send_provisional(&mut self, now: Instant, stack: &mut Stack, mut response: Response) {
        let describes = !response.body.is_empty();
        let reliable = self.provisionals.wants(describes, stack.config.calls.reliable);
        if describes && (matches!(self.negotiation, Negotiation::Agreed(_)) || (!self.offered && !reliable)) {
            // All has been said; or it would be an offer, which only a reliable answer may bring (§5).
            response.body.clear();
            response.headers.remove(HeaderName::ContentType);
        }
        if !reliable {
            stack.respond(now, self.invite, response);
            return;
        }
        let open = matches!(self.negotiation, Negotiation::Open);
        if !self.offered && open && response.body.is_empty() && !self.provisionals.holds_answer() {
            // The first reliable answer must bring the offer (§5). Without one the caller has to do with the 100.
            return;
        }
        if self.provisionals.unacknowledged.is_none() {
            self.send_reliably(now, stack, response);
        } else if self.provisionals.queue.len() < MAX_QUEUED {
            self.provisionals.queue.push_back(response);
        }
    }

    fn send_reliably(&mut self, now: Instant, stack: &mut Stack, mut response: Response) {
        let provisionals = &mut self.provisionals;
        provisionals.rseq += 1;
        response.headers.set(HeaderName::Require, "100rel");
        response.headers.set(HeaderName::RSeq, provisionals.rseq.to_string());
        let describes = !response.body.is_empty();
        let Some(bytes) = stack.respond(now, self.invite, response) else { return };
        let t1 = stack.config.timers.t1;
        let (again, give_up) = ((now + t1, t1), now + 64 * t1);
        provisionals.unacknowledged = Some(Unpracked { bytes, describes, again, give_up });
    }
}

impl Session {
    /// Sends the unacknowledged provisional answer again, or gives the call up (§3).
    pub(super) fn repeat_provisional(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let Some(answer) = &mut ringing.provisionals.unacknowledged else { return };
        if answer.give_up <= now {
            stack.respond_with(now, ringing.invite, 504);
            self.end(now, stack, EndReason::TimedOut, Headers::default());
        } else if answer.again.0 <= now {
            let doubled = answer.again.1 * 2;
            answer.again = (now + doubled, doubled);
            let bytes = answer.bytes.clone();
            if let Some(server) = stack.transactions.server(ringing.invite) {
                let destination = server.reply_to;
                stack.transmit(destination, bytes);
            }
        }
    }

    /// PRACK of the caller.
    pub(super) fn handle_prack(&mut self, now: Instant, stack: &mut Stack, id: TransactionId, request: Request) {
        let Some((rseq, cseq)) = rack(&request.headers) else { return stack.respond_with(now, id, 400) };
        let ringing = match &mut self.phase {
            Phase::Ringing(ringing) => ringing,
            // Our 2xx has overtaken it.
            Phase::Confirmed(confirmed) => {
                let matches = confirmed.late_prack.take_if(|late| *late == rseq).is_some();
                return stack.respond_with(now, id, if matches { 200 } else { 481 });
            }
            _ => return stack.respond_with(now, id, 481),
        };
        let matches = ringing.provisionals.outstanding() == Some(rseq) && ringing.cseq == cseq;
        let Some(answer) = ringing.provisionals.unacknowledged.take_if(|_| matches) else {
            return stack.respond_with(now, id, 481);
        };
        let agreed = matches!(ringing.negotiation, Negotiation::Agreed(_));
        let described = answer.describes && !agreed;
        let (headers, body) = (request.headers, request.body);
        if described && (ringing.offered || !body.is_empty()) {
            ringing.negotiation = Negotiation::Agreed(Exchange::Idle);
        }
        let is_answer = described && !ringing.offered;
        if body.is_empty() || is_answer {
            stack.respond_with(now, id, 200);
            if !body.is_empty() {
                stack.event(Event::EarlyAnswer { session: self.id, body });
            }
        } else if let Negotiation::Agreed(exchange @ Exchange::Idle) = &mut ringing.negotiation {
            let asked = super::refreshing::Asked::of(&Headers::default());
            let (is_invite, offerless) = (false, false);
            *exchange = Exchange::Theirs { request: id, is_invite, cseq, offerless, asked };
            stack.event(Event::Reoffered { session: self.id, offer: body, headers });
        } else {
            // An offer while another one is open; the answer itself has arrived.
            stack.respond_with(now, id, 200);
        }
        if let Phase::Ringing(ringing) = &mut self.phase
            && let Some(next) = ringing.provisionals.queue.pop_front()
        {
            ringing.send_reliably(now, stack, next);
        }
        self.release_answer(now, stack);
    }

    /// Acknowledges a reliable answer to our INVITE; `answer` is ours to the peer's offer in it.
    pub(super) fn prack(&mut self, now: Instant, stack: &mut Stack, fork: ForkId, rseq: u32, answer: Vec<u8>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let invite = calling.invite;
        let Some(fork) = calling.forks.iter_mut().find(|known| known.id == fork) else { return };
        let Some(client) = stack.transactions.client(invite) else { return };
        let Ok(cseq) = client.request.headers.cseq() else { return };
        let mut request = fork.dialog.request(Method::Prack);
        client.highest_cseq = client.highest_cseq.max(fork.dialog.local_cseq);
        let next_hop = fork.dialog.next_hop().clone();
        request.headers.add(HeaderName::RAck, format!("{rseq} {} INVITE", cseq.seq));
        if !answer.is_empty() {
            request.set_body("application/sdp", answer);
        }
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(&next_hop);
        stack.send(now, &self.path, destination, request, Purpose::Prack(self.id));
    }

    /// The final answer to our PRACK. A refusal is the callee's to act upon: it ends the call for want of a PRACK.
    pub(super) fn handle_prack_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        prack: TransactionId,
        response: &Response,
    ) {
        if !self.has_ended() {
            self.retry_authorised(now, stack, prack, response);
        }
    }
}

/// RSeq of a provisional answer that wants a PRACK (§4).
pub(super) fn rseq(headers: &Headers) -> Option<u32> {
    let reliable = headers.has_item(HeaderName::Require, "100rel");
    headers.value(HeaderName::RSeq).filter(|_| reliable)?.trim().parse().ok().filter(|&rseq| rseq > 0)
}

/// RSeq and CSeq of RAck, whose method is INVITE (§7.2).
fn rack(headers: &Headers) -> Option<(u32, u32)> {
    let mut words = headers.value(HeaderName::RAck)?.split_ascii_whitespace();
    let (rseq, cseq) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (words.next()? == "INVITE" && words.next().is_none()).then_some((rseq, cseq))
}
