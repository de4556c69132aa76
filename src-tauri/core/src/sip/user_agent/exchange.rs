//! Offers inside a session: re-INVITE and UPDATE both ways, glare, and the waiting that follows (RFC 3261 §14, RFC 3311).

use std::time::{Duration, Instant};

use super::outgoing::sdp_of;
use super::redirecting::LONGEST_MIN_SE;
use super::refreshing::{Asked, min_se};
use super::session::{Exchange, Negotiation, Phase, Postponed, Reach, Session, Unacknowledged};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Error, Event, Silence};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};

/// An offer is tried so often when the peer answers 491 or asks us to wait.
const MAX_ATTEMPTS: u8 = 6;

/// After a move, an offer whose answer is lost goes out again so much later, unless the application has made a newer one.
pub(super) const OFFER_AGAIN: Duration = Duration::from_millis(500);

impl Session {
    /// The application offers anew: by re-INVITE, before the 2xx by UPDATE.
    pub(super) fn reoffer(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>) -> Result<(), Error> {
        if let Phase::Calling(_) | Phase::Ringing(_) = self.phase {
            return self.offer_early(now, stack, offer);
        }
        let lost = self.reach == Reach::Lost;
        let confirmed = self.confirmed()?;
        match &mut confirmed.postponed {
            // What waits is outdated: the newest description goes out in its place and at its time.
            Some(postponed) => postponed.offer = offer,
            None => match confirmed.exchange {
                Exchange::Ours { .. } => return Err(Error::WrongState("offering already")),
                Exchange::Theirs { .. } | Exchange::Answering { .. } => {
                    return Err(Error::WrongState("asked by the peer's offer"));
                }
                Exchange::Idle if !lost => self.send_reinvite(now, stack, offer, 0),
                Exchange::Idle | Exchange::Unacknowledged(_) => {
                    confirmed.postponed = Some(Postponed { at: None, offer, attempts: 0 });
                }
            },
        }
        Ok(())
    }

    /// An offer before the 2xx needs a first answer that came reliably, and a peer that takes UPDATE (RFC 3311 §5.1).
    fn offer_early(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>) -> Result<(), Error> {
        const TOO_EARLY: Error = Error::WrongState("early, without an agreement that an UPDATE could change");
        let held = matches!(&self.phase, Phase::Ringing(ringing) if ringing.held.is_some());
        if offer.is_empty() || held || !self.peer_updates {
            return Err(TOO_EARLY);
        }
        self.find_exchange(|exchange| matches!(exchange, Exchange::Idle)).ok_or(TOO_EARLY)?;
        let offer = self.freshen(offer);
        let request = self.send_update(now, stack, offer.clone()).ok_or(TOO_EARLY)?;
        if let Some(exchange) = self.find_exchange(|exchange| matches!(exchange, Exchange::Idle)) {
            *exchange = Exchange::Ours { request, offer, attempts: 1, is_invite: false };
        }
        Ok(())
    }

    /// Sends an offer that had to wait, if nothing stands in its way any more.
    pub(super) fn offer_postponed(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        if !matches!(confirmed.exchange, Exchange::Idle) || self.reach == Reach::Lost {
            return;
        }
        let due = confirmed.postponed.take_if(|postponed| postponed.at.is_none_or(|at| at <= now));
        if let Some(Postponed { offer, attempts, .. }) = due {
            self.send_reinvite(now, stack, offer, attempts);
        }
    }

    pub(super) fn send_reinvite(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>, attempts: u8) {
        let offer = self.freshen(offer);
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        let mut request = confirmed.dialog.request(Method::Invite);
        let dialog = Box::new(confirmed.dialog.clone());
        self.describe(stack, &mut request.headers);
        self.ask_for_timer(stack, &mut request.headers);
        if !offer.is_empty() {
            request.set_body("application/sdp", offer.clone());
        }
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(dialog.next_hop());
        let invite = stack.send(now, &self.path, destination, request, Purpose::Reinvite(self.id));
        if let Some(client) = stack.transactions.client(invite) {
            client.dialog = Some(dialog);
        }
        if let Phase::Confirmed(confirmed) = &mut self.phase {
            let attempts = attempts + 1;
            confirmed.exchange = Exchange::Ours { request: invite, offer, attempts, is_invite: true };
        }
    }

    /// Whether this re-INVITE of ours still concerns the session.
    pub(super) fn awaits(&self, reinvite: TransactionId) -> bool {
        match &self.phase {
            Phase::Confirmed(confirmed) => {
                matches!(confirmed.exchange, Exchange::Ours { request, .. } if request == reinvite)
            }
            _ => false,
        }
    }

    /// A 2xx to our re-INVITE, for the first time. True if the ACK has to wait for our answer to the offer in it.
    pub(super) fn handle_reinvite_success(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: Response,
    ) -> bool {
        if !self.awaits(invite) {
            return false;
        }
        self.learn(&response.headers);
        self.take_timer(now, stack, &response.headers);
        let Phase::Confirmed(confirmed) = &mut self.phase else { return false };
        confirmed.dialog.refresh_target(&response.headers);
        let exchange = std::mem::replace(&mut confirmed.exchange, Exchange::Idle);
        let Exchange::Ours { offer, .. } = exchange else { return false };
        let (headers, body) = (response.headers.clone(), response.body.clone());
        let body = if response.headers.is_content_type("application/sdp") { body } else { Vec::new() };
        let must_answer = offer.is_empty() && !body.is_empty();
        if must_answer {
            confirmed.exchange = Exchange::Answering { invite, response: Box::new(response) };
        } else if !offer.is_empty() {
            self.description = offer.into();
        }
        stack.event(Event::ReofferAnswered { session: self.id, body, headers });
        self.offer_postponed(now, stack);
        must_answer
    }

    /// A final answer ≥ 300 to our re-INVITE.
    pub(super) fn handle_reinvite_failure(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: &Response,
        silent: bool,
    ) {
        if self.awaits(invite) {
            self.handle_offer_failure(now, stack, invite, response, silent);
        }
    }

    /// The final answer to an UPDATE of ours. `silent`: none came.
    pub(super) fn handle_update_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        update: TransactionId,
        response: &Response,
        silent: bool,
    ) {
        if self.handle_refresh_answer(now, stack, update, response) {
            return;
        }
        let ours = |exchange: &Exchange| matches!(exchange, Exchange::Ours { request, .. } if *request == update);
        if self.find_exchange(ours).is_none() {
            return;
        }
        if !response.is_success() {
            return self.handle_offer_failure(now, stack, update, response, silent);
        }
        if let Some(dialog) = self.dialog(response.headers.to_tag().unwrap_or("")) {
            dialog.refresh_target(&response.headers);
        }
        let Some(exchange) = self.find_exchange(ours) else { return };
        if let Exchange::Ours { offer, .. } = std::mem::replace(exchange, Exchange::Idle) {
            self.description = offer.into();
        }
        let (headers, body) = (response.headers.clone(), sdp_of(response.clone()));
        stack.event(Event::ReofferAnswered { session: self.id, body, headers });
        self.release_answer(now, stack);
    }

    /// Our offer in this re-INVITE or UPDATE was refused, or not answered at all.
    fn handle_offer_failure(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        id: TransactionId,
        response: &Response,
        silent: bool,
    ) {
        let ours = |exchange: &Exchange| matches!(exchange, Exchange::Ours { request, .. } if *request == id);
        let again = self.retry_authorised(now, stack, id, response);
        let Some(exchange) = self.find_exchange(ours) else { return };
        if let (Some(next), Exchange::Ours { request, .. }) = (again, &mut *exchange) {
            *request = next;
            return;
        }
        let Exchange::Ours { offer, attempts, .. } = std::mem::replace(exchange, Exchange::Idle) else { return };
        let status = response.code();
        let is_confirmed = matches!(self.phase, Phase::Confirmed(_));
        let delay = match status {
            491 => Some(self.glare_delay(stack)),
            // The peer still owes us an answer of its own (§14.2).
            500 => {
                response.headers.retry_after().filter(|&seconds| seconds <= 10).map(|s| Duration::from_secs(s.into()))
            }
            // RFC 4028 §7.3.
            422 if min_se(&response.headers) > self.min_se && min_se(&response.headers) <= LONGEST_MIN_SE => {
                self.min_se = min_se(&response.headers);
                Some(Duration::ZERO)
            }
            _ => None,
        };
        let headers = response.headers.clone();
        match (status, delay) {
            (408, _) if is_confirmed && (!silent || stack.config.calls.silence == Silence::Ends) => {
                self.leave(now, stack, EndReason::TimedOut, headers);
            }
            // There is no dialog that a BYE could end (RFC 5057 §5.1).
            (481, _) if is_confirmed => {
                self.end(now, stack, EndReason::Rejected { status, reason: response.reason.clone() }, headers);
            }
            (_, Some(delay)) if attempts < MAX_ATTEMPTS && is_confirmed => {
                if let Phase::Confirmed(confirmed) = &mut self.phase {
                    confirmed.postponed = Some(Postponed { at: Some(now + delay), offer, attempts });
                }
                if delay.is_zero() {
                    self.offer_postponed(now, stack);
                }
            }
            _ => {
                stack.event(Event::ReofferFailed { session: self.id, status, headers });
                self.release_answer(now, stack);
            }
        }
    }

    /// The flow of our re-INVITE or UPDATE broke: the session stands, the offer is lost.
    pub(super) fn handle_offer_lost(&mut self, now: Instant, stack: &mut Stack, id: TransactionId) {
        let ours = |exchange: &Exchange| matches!(exchange, Exchange::Ours { request, .. } if *request == id);
        if self.handle_refresh_answer(now, stack, id, &Response::new(503)) {
            return;
        }
        if let Some(exchange) = self.find_exchange(ours) {
            *exchange = Exchange::Idle;
            stack.event(Event::ReofferFailed { session: self.id, status: 503, headers: Headers::default() });
            self.release_answer(now, stack);
        }
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s, in units of 10 ms.
    fn glare_delay(&self, stack: &mut Stack) -> Duration {
        const STEP: Duration = Duration::from_millis(10);
        let (from, to) = if self.is_caller { (2100, 4000) } else { (0, 2000) };
        stack.random.delay(Duration::from_millis(from), Duration::from_millis(to), STEP)
    }

    /// A re-INVITE or UPDATE of the peer, or an UPDATE in an early dialog. Its body, if any, is a session description.
    pub(super) fn handle_reoffer(&mut self, now: Instant, stack: &mut Stack, id: TransactionId, request: Request) {
        let is_invite = request.method == Method::Invite;
        let Ok(cseq) = request.headers.cseq() else { return };
        let remote_tag = request.headers.from_tag().unwrap_or("").to_owned();
        let asked = Asked::of(&request.headers);
        if let Some(refusal) = asked.refusal(stack) {
            stack.respond(now, id, refusal);
            return;
        }
        if !is_invite && request.body.is_empty() {
            // A target refresh, or a session refresh.
            self.take_over(&remote_tag, &request.headers);
            self.grant_timer(now, stack, asked);
            let mut response = Response::new(200);
            self.describe(stack, &mut response.headers);
            Self::write_timer(stack, asked, &mut response.headers);
            stack.respond(now, id, response);
            stack.event(Event::Updated { session: self.id, headers: request.headers });
            return;
        }
        let calling = matches!(self.phase, Phase::Calling(_));
        let offerless = request.body.is_empty();
        match self.exchange(&remote_tag) {
            // The offer in our INVITE is open, or that of the peer (RFC 3311 §5.2).
            None if calling => return stack.respond_with(now, id, 491),
            None => return refuse_for_now(now, stack, id),
            Some(Exchange::Ours { .. }) => return stack.respond_with(now, id, 491),
            // The peer has our 2xx, but we do not have its ACK yet; that repeats itself with the 2xx.
            Some(Exchange::Unacknowledged(_)) => return stack.respond_with(now, id, 491),
            Some(Exchange::Theirs { .. } | Exchange::Answering { .. }) => return refuse_for_now(now, stack, id),
            Some(exchange @ Exchange::Idle) => {
                *exchange = Exchange::Theirs { request: id, is_invite, cseq: cseq.seq, offerless, asked };
            }
        }
        self.take_over(&remote_tag, &request.headers);
        if is_invite {
            stack.respond_with(now, id, 100);
        }
        let (headers, offer) = (request.headers, request.body);
        stack.event(Event::Reoffered { session: self.id, offer, headers });
    }

    /// A target refresh of the peer (RFC 3261 §12.2.2).
    fn take_over(&mut self, remote_tag: &str, headers: &Headers) {
        self.learn(headers);
        if let Some(dialog) = self.dialog(remote_tag) {
            dialog.refresh_target(headers);
        }
    }

    pub(super) fn accept_reoffer(&mut self, now: Instant, stack: &mut Stack, body: Vec<u8>) -> Result<(), Error> {
        const NOT_ASKED: Error = Error::WrongState("not asked by the peer");
        if let Phase::Calling(calling) = &mut self.phase {
            let asked = calling.forks.iter_mut().find_map(|fork| match fork.negotiation {
                Negotiation::Asked { rseq } => Some((fork, rseq)),
                _ => None,
            });
            if let Some((fork, rseq)) = asked {
                fork.negotiation = Negotiation::Agreed(Exchange::Idle);
                let id = fork.id;
                let body = self.freshen(body);
                self.description = body.as_slice().into();
                self.prack(now, stack, id, rseq, body);
                return Ok(());
            }
        }
        let theirs = |exchange: &Exchange| matches!(exchange, Exchange::Theirs { .. } | Exchange::Answering { .. });
        let exchange = self.find_exchange(theirs).ok_or(NOT_ASKED)?;
        let exchange = std::mem::replace(exchange, Exchange::Idle);
        let body = self.freshen(body);
        let (request, is_invite, cseq, offerless, asked) = match exchange {
            Exchange::Theirs { request, is_invite, cseq, offerless, asked } => {
                (request, is_invite, cseq, offerless, asked)
            }
            Exchange::Answering { invite, response } => {
                self.description = body.as_slice().into();
                stack.acknowledge_success(invite, &response, body);
                self.offer_postponed(now, stack);
                return Ok(());
            }
            _ => return Err(NOT_ASKED),
        };
        let mut response = Response::new(200);
        self.describe(stack, &mut response.headers);
        self.grant_timer(now, stack, asked);
        Self::write_timer(stack, asked, &mut response.headers);
        if !body.is_empty() {
            self.description = body.as_slice().into();
            response.set_body("application/sdp", body);
        }
        let destination = stack.transactions.server(request).map(|server| server.reply_to);
        let sent = stack.respond(now, request, response);
        if let (Some(destination), Some(bytes), true) = (destination, sent, is_invite)
            && let Phase::Confirmed(confirmed) = &mut self.phase
        {
            let unacknowledged = Unacknowledged::new(now, stack, destination, cseq, bytes, offerless);
            confirmed.exchange = Exchange::Unacknowledged(unacknowledged);
        }
        self.offer_postponed(now, stack);
        self.release_answer(now, stack);
        Ok(())
    }

    pub(super) fn refuse_reoffer(&mut self, now: Instant, stack: &mut Stack, status: u16) -> Result<(), Error> {
        let theirs = |exchange: &Exchange| matches!(exchange, Exchange::Theirs { .. });
        let exchange = self.find_exchange(theirs).ok_or(Error::WrongState("not asked by the peer"))?;
        if let Exchange::Theirs { request, .. } = std::mem::replace(exchange, Exchange::Idle) {
            stack.respond_with(now, request, status.clamp(300, 699));
        }
        self.offer_postponed(now, stack);
        self.release_answer(now, stack);
        Ok(())
    }

    /// A description as it may be sent after those that have gone before: one that is new, but carries a version that has
    /// been used for another, gets a higher one (RFC 3264 §8). So an offer that had to wait while we answered the peer's
    /// is not taken for an old one.
    pub(super) fn freshen(&mut self, mut description: Vec<u8>) -> Vec<u8> {
        let Some((range, version)) = version_of(&description) else { return description };
        if *description != *self.description && version <= self.version && self.version < u64::MAX {
            let newer = (self.version + 1).to_string();
            description.splice(range, newer.into_bytes());
            self.version += 1;
        } else {
            self.version = self.version.max(version);
        }
        description
    }
}

/// Where the version of the `o=` line stands, and what it is (RFC 4566 §5.2).
fn version_of(description: &[u8]) -> Option<(std::ops::Range<usize>, u64)> {
    let text = std::str::from_utf8(description).ok()?;
    let line = if text.starts_with("o=") { 0 } else { text.find("\no=")? + 1 };
    let end = text[line..].find(['\r', '\n']).map_or(text.len(), |end| line + end);
    let mut at = line;
    for _ in 0..2 {
        at += text[at..end].find(' ')? + 1;
    }
    let length = text[at..end].find(' ')?;
    Some((at..at + length, text[at..at + length].parse().ok()?))
}

/// 500 with a random Retry-After of 0 to 10 s (RFC 3261 §14.2).
pub(super) fn refuse_for_now(now: Instant, stack: &mut Stack, id: TransactionId) {
    let mut response = Response::new(500);
    let seconds = stack.random.below(11);
    response.headers.set(HeaderName::RetryAfter, seconds.to_string());
    stack.respond(now, id, response);
}
