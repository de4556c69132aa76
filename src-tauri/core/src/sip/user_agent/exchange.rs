//! Offers inside a session: re-INVITE and UPDATE both ways, glare, and the waiting that follows (RFC 3261 §14, RFC 3311).

use std::time::{Duration, Instant};

use super::outgoing::sdp_of;
use super::session::{Exchange, Phase, Postponed, Session, Unacknowledged};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Error, Event};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};

/// A re-INVITE is tried so often when the peer answers 491 or asks us to wait.
const MAX_ATTEMPTS: u8 = 6;

impl Session {
    /// The application offers anew.
    pub(super) fn reoffer(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>) -> Result<(), Error> {
        let confirmed = self.confirmed()?;
        if confirmed.postponed.is_some() {
            return Err(Error::WrongState("offering already"));
        }
        match confirmed.exchange {
            Exchange::Ours { .. } => return Err(Error::WrongState("offering already")),
            Exchange::Theirs { .. } => return Err(Error::WrongState("asked by the peer's offer")),
            Exchange::Unacknowledged(_) => {
                confirmed.postponed = Some(Postponed { at: None, offer, attempts: 0 });
            }
            Exchange::Idle => self.send_reinvite(now, stack, offer, 0),
        }
        Ok(())
    }

    /// Sends an offer that had to wait, if nothing stands in its way any more.
    pub(super) fn offer_postponed(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        if !matches!(confirmed.exchange, Exchange::Idle) {
            return;
        }
        let due = confirmed.postponed.take_if(|postponed| postponed.at.is_none_or(|at| at <= now));
        if let Some(Postponed { offer, attempts, .. }) = due {
            self.send_reinvite(now, stack, offer, attempts);
        }
    }

    fn send_reinvite(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>, attempts: u8) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        let mut request = confirmed.dialog.request(Method::Invite);
        let dialog = Box::new(confirmed.dialog.clone());
        self.describe(stack, &mut request.headers);
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
            confirmed.exchange = Exchange::Ours { invite, offer, attempts: attempts + 1 };
        }
    }

    /// Whether this re-INVITE of ours still concerns the session.
    pub(super) fn awaits(&self, reinvite: TransactionId) -> bool {
        match &self.phase {
            Phase::Confirmed(confirmed) => {
                matches!(confirmed.exchange, Exchange::Ours { invite, .. } if invite == reinvite)
            }
            _ => false,
        }
    }

    /// A 2xx to our re-INVITE, possibly repeated.
    pub(super) fn handle_reinvite_success(&mut self, now: Instant, stack: &mut Stack, response: Response) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        confirmed.dialog.refresh_target(&response.headers);
        confirmed.exchange = Exchange::Idle;
        let (headers, body) = (response.headers.clone(), sdp_of(response));
        stack.event(Event::ReofferAnswered { session: self.id, body, headers });
        self.offer_postponed(now, stack);
    }

    /// A final answer ≥ 300 to our re-INVITE.
    pub(super) fn handle_reinvite_failure(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: &Response,
    ) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        if !matches!(confirmed.exchange, Exchange::Ours { invite: current, .. } if current == invite) {
            return;
        }
        let Exchange::Ours { offer, attempts, .. } = std::mem::replace(&mut confirmed.exchange, Exchange::Idle) else {
            return;
        };
        let status = response.code();
        if let Some(invite) = self.retry_authorised(now, stack, invite, response) {
            if let Phase::Confirmed(confirmed) = &mut self.phase {
                confirmed.exchange = Exchange::Ours { invite, offer, attempts };
            }
            return;
        }
        let delay = match status {
            491 => Some(self.glare_delay(stack)),
            // The peer still owes us an answer of its own (§14.2).
            500 => {
                response.headers.retry_after().filter(|&seconds| seconds <= 10).map(|s| Duration::from_secs(s.into()))
            }
            _ => None,
        };
        match (status, delay) {
            (408, _) => self.leave(now, stack, EndReason::TimedOut, response.headers.clone()),
            // There is no dialog that a BYE could end (RFC 5057 §5.1).
            (481, _) => {
                let reason = EndReason::Rejected { status, reason: response.reason.clone() };
                self.end(now, stack, reason, response.headers.clone());
            }
            (_, Some(delay)) if attempts < MAX_ATTEMPTS => {
                if let Phase::Confirmed(confirmed) = &mut self.phase {
                    confirmed.postponed = Some(Postponed { at: Some(now + delay), offer, attempts });
                }
            }
            _ => {
                let headers = response.headers.clone();
                stack.event(Event::ReofferFailed { session: self.id, status, headers });
            }
        }
    }

    /// The flow of our re-INVITE broke: the session stands, the offer is lost.
    pub(super) fn handle_reinvite_lost(&mut self, stack: &mut Stack, invite: TransactionId) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        if matches!(confirmed.exchange, Exchange::Ours { invite: current, .. } if current == invite) {
            confirmed.exchange = Exchange::Idle;
            stack.event(Event::ReofferFailed { session: self.id, status: 503, headers: Headers::default() });
        }
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s, in units of 10 ms.
    fn glare_delay(&self, stack: &mut Stack) -> Duration {
        const STEP: Duration = Duration::from_millis(10);
        let (from, to) = if self.is_caller { (2100, 4000) } else { (0, 2000) };
        stack.random.delay(Duration::from_millis(from), Duration::from_millis(to), STEP)
    }

    /// A re-INVITE or UPDATE of the peer in a confirmed dialog. Its body, if any, is a session description.
    pub(super) fn handle_reoffer(&mut self, now: Instant, stack: &mut Stack, id: TransactionId, request: Request) {
        let is_invite = request.method == Method::Invite;
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        if !is_invite && request.body.is_empty() {
            // A target refresh, or a keep-alive.
            confirmed.dialog.refresh_target(&request.headers);
            let mut response = Response::new(200);
            self.describe(stack, &mut response.headers);
            stack.respond(now, id, response);
            stack.event(Event::Updated { session: self.id, headers: request.headers });
            return;
        }
        match confirmed.exchange {
            Exchange::Ours { .. } => return stack.respond_with(now, id, 491),
            // The peer has our 2xx, but we do not have its ACK yet; that repeats itself with the 2xx.
            Exchange::Unacknowledged(_) => return stack.respond_with(now, id, 491),
            Exchange::Theirs { .. } => return refuse_for_now(now, stack, id),
            Exchange::Idle => {}
        }
        let Ok(cseq) = request.headers.cseq() else { return };
        confirmed.dialog.refresh_target(&request.headers);
        let offerless = request.body.is_empty();
        confirmed.exchange = Exchange::Theirs { request: id, is_invite, cseq: cseq.seq, offerless };
        if is_invite {
            stack.respond_with(now, id, 100);
        }
        let (headers, offer) = (request.headers, request.body);
        stack.event(Event::Reoffered { session: self.id, offer, headers });
    }

    pub(super) fn accept_reoffer(&mut self, now: Instant, stack: &mut Stack, body: Vec<u8>) -> Result<(), Error> {
        let Exchange::Theirs { request, is_invite, cseq, offerless } = self.confirmed()?.exchange else {
            return Err(Error::WrongState("not asked by the peer"));
        };
        let mut response = Response::new(200);
        self.describe(stack, &mut response.headers);
        if !body.is_empty() {
            response.set_body("application/sdp", body);
        }
        let destination = stack.transactions.server(request).map(|server| server.reply_to);
        let sent = stack.respond(now, request, response);
        let exchange = match (destination, sent) {
            (Some(destination), Some(bytes)) if is_invite => {
                Exchange::Unacknowledged(Unacknowledged::new(now, stack, destination, cseq, bytes, offerless))
            }
            _ => Exchange::Idle,
        };
        self.confirmed()?.exchange = exchange;
        self.offer_postponed(now, stack);
        Ok(())
    }

    pub(super) fn refuse_reoffer(&mut self, now: Instant, stack: &mut Stack, status: u16) -> Result<(), Error> {
        let confirmed = self.confirmed()?;
        let Exchange::Theirs { request, .. } = confirmed.exchange else {
            return Err(Error::WrongState("not asked by the peer"));
        };
        confirmed.exchange = Exchange::Idle;
        stack.respond_with(now, request, status.clamp(300, 699));
        self.offer_postponed(now, stack);
        Ok(())
    }
}

/// 500 with a random Retry-After of 0 to 10 s (RFC 3261 §14.2).
pub(super) fn refuse_for_now(now: Instant, stack: &mut Stack, id: TransactionId) {
    let mut response = Response::new(500);
    let seconds = stack.random.below(11);
    response.headers.set(HeaderName::RetryAfter, seconds.to_string());
    stack.respond(now, id, response);
}
