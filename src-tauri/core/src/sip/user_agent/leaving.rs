//! How sessions end: CANCEL, BYE, refusals, and the peer's (RFC 3261 §9, §15).

use std::time::{Duration, Instant};

use super::redirecting::stripped;
use super::session::{Exchange, Leaving, Phase, Reach, Session};
use super::stack::Stack;
use super::transactions::{ClientMachine, Purpose, TransactionId};
use super::{EndReason, Error, Event};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::transaction::client_invite;

/// How long a BYE waits for a flow. A call may go on for so long without one, and no longer.
const BYE_KEPT: Duration = Duration::from_secs(300);

impl Session {
    /// Ends for the application, with nothing left to do on the wire.
    pub(super) fn end(&mut self, now: Instant, stack: &mut Stack, reason: EndReason, headers: Headers) {
        self.give_up_exchanges(now, stack);
        self.phase = Phase::Leaving(Leaving::Gone);
        stack.event(Event::Ended { session: self.id, reason, headers });
    }

    /// Ends in whatever way the phase asks for. `reason` and `headers` are what the application is told.
    pub(super) fn leave(&mut self, now: Instant, stack: &mut Stack, reason: EndReason, headers: Headers) {
        self.give_up_exchanges(now, stack);
        match std::mem::replace(&mut self.phase, Phase::Leaving(Leaving::Gone)) {
            Phase::Calling(calling) => {
                let invite = calling.invite;
                let heard = stack.transactions.client(invite).is_some_and(|client| match &client.machine {
                    ClientMachine::Invite(machine) => !matches!(machine.state(), client_invite::State::Calling { .. }),
                    ClientMachine::NonInvite(_) => false,
                });
                if heard {
                    self.cancel(now, stack, invite);
                } else {
                    self.phase = Phase::Leaving(Leaving::CancelHeld { invite });
                }
            }
            Phase::Ringing(ringing) => {
                let mut response = Response::new(603);
                response.headers = self.farewell.clone();
                stack.respond(now, ringing.invite, response);
            }
            Phase::Confirmed(confirmed) => match confirmed.exchange {
                Exchange::Unacknowledged(unacknowledged) => {
                    let dialog = Box::new(confirmed.dialog);
                    self.phase = Phase::Leaving(Leaving::ByeHeld { dialog, unacknowledged });
                }
                _ => self.send_bye(now, stack, confirmed.dialog),
            },
            Phase::Leaving(leaving) => {
                self.phase = Phase::Leaving(leaving);
                return;
            }
        }
        stack.event(Event::Ended { session: self.id, reason, headers });
    }

    /// A final refusal of the peer's INVITE.
    pub(super) fn reject(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        status: u16,
        headers: Headers,
    ) -> Result<(), Error> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(Error::WrongState("not ringing")) };
        let mut response = Response::new(status.clamp(300, 699));
        response.headers = headers;
        stack.respond(now, ringing.invite, response);
        self.end(now, stack, EndReason::Local, Headers::default());
        Ok(())
    }

    /// CANCEL came before our final answer (RFC 3261 §9.2). That of a re-INVITE leaves the session as it was.
    pub(super) fn handle_cancel(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        cancelled: TransactionId,
        headers: Headers,
    ) {
        match &mut self.phase {
            Phase::Ringing(ringing) if ringing.invite == cancelled => {
                stack.respond_with(now, cancelled, 487);
                let cause = headers.reason_cause("SIP");
                self.end(now, stack, EndReason::Remote { cause }, headers);
            }
            Phase::Confirmed(confirmed) => {
                if matches!(confirmed.exchange, Exchange::Theirs { request, .. } if request == cancelled) {
                    confirmed.exchange = Exchange::Idle;
                    stack.respond_with(now, cancelled, 487);
                    self.offer_postponed(now, stack);
                }
            }
            _ => {}
        }
    }

    /// BYE in any phase; it has been answered 200.
    pub(super) fn handle_bye(&mut self, now: Instant, stack: &mut Stack, headers: Headers) {
        let from = headers.from_tag().unwrap_or("").to_owned();
        let cause = headers.reason_cause("SIP");
        match &mut self.phase {
            // One early dialog of several is over (RFC 3261 §15 has the callee not do so, but it has hung up).
            Phase::Calling(calling) if calling.forks.iter().any(|fork| fork.dialog.remote_tag() != from) => {
                calling.forks.retain(|fork| fork.dialog.remote_tag() != from);
            }
            // The callee's 2xx was lost or overtaken by its BYE.
            Phase::Calling(_) => self.leave(now, stack, EndReason::Remote { cause }, headers),
            Phase::Ringing(ringing) => {
                let invite = ringing.invite;
                self.handle_cancel(now, stack, invite, headers);
            }
            Phase::Confirmed(_) => self.end(now, stack, EndReason::Remote { cause }, headers),
            Phase::Leaving(Leaving::ByeHeld { .. } | Leaving::ByeKept { .. }) => {
                self.phase = Phase::Leaving(Leaving::Gone);
            }
            Phase::Leaving(_) => {}
        }
    }

    /// The flow by which an INVITE of the peer came is gone, before it was answered.
    pub(super) fn handle_request_lost(&mut self, now: Instant, stack: &mut Stack, lost: TransactionId) {
        match &mut self.phase {
            Phase::Ringing(ringing) if ringing.invite == lost => {
                self.end(now, stack, EndReason::Unreachable, Headers::default());
            }
            Phase::Confirmed(confirmed) => {
                if matches!(confirmed.exchange, Exchange::Theirs { request, .. } if request == lost) {
                    confirmed.exchange = Exchange::Idle;
                }
            }
            _ => {}
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, stack: &mut Stack, invite: TransactionId) {
        stack.cancel(now, invite, self.farewell.value(HeaderName::Reason));
        stack.transactions.abandon(now, invite);
        self.phase = Phase::Leaving(Leaving::Cancelled { invite });
    }

    pub(super) fn send_bye(&mut self, now: Instant, stack: &mut Stack, mut dialog: Dialog) {
        let mut bye = dialog.request(Method::Bye);
        for header in self.farewell.iter() {
            bye.headers.push(header);
        }
        if self.reach == Reach::Lost {
            return self.keep_bye(now, bye);
        }
        self.authentication.authorise(&mut bye, &mut stack.random);
        let destination = self.path.next_hop(dialog.next_hop());
        stack.send(now, &self.path, destination, bye, Purpose::Bye(self.id));
        self.phase = Phase::Leaving(Leaving::Bye);
    }

    /// Keeps a BYE that cannot go out now, lest the far side hear nothing for ever.
    pub(super) fn keep_bye(&mut self, now: Instant, request: Request) {
        let request = Box::new(stripped(request));
        self.phase = Phase::Leaving(Leaving::ByeKept { request, until: now + BYE_KEPT });
    }

    /// A flow is there again: the BYE that was kept goes out, with a number of its own.
    pub(super) fn send_kept_bye(&mut self, now: Instant, stack: &mut Stack) {
        let phase = std::mem::replace(&mut self.phase, Phase::Leaving(Leaving::Gone));
        let Phase::Leaving(Leaving::ByeKept { mut request, .. }) = phase else {
            self.phase = phase;
            return;
        };
        let Ok(mut cseq) = request.headers.cseq() else { return };
        cseq.seq += 1;
        request.headers.set(HeaderName::CSeq, cseq.to_string());
        self.authentication.authorise(&mut request, &mut stack.random);
        let routes = request.headers.routes().unwrap_or_default();
        let destination = self.path.next_hop(routes.first().map_or(&request.uri, |route| &route.uri));
        stack.send(now, &self.path, destination, *request, Purpose::Bye(self.id));
        self.phase = Phase::Leaving(Leaving::Bye);
    }

    /// The ACK that held the BYE up is there, or will never come.
    pub(super) fn release_bye(&mut self, now: Instant, stack: &mut Stack) {
        match std::mem::replace(&mut self.phase, Phase::Leaving(Leaving::Gone)) {
            Phase::Leaving(Leaving::ByeHeld { dialog, .. }) => self.send_bye(now, stack, *dialog),
            phase => self.phase = phase,
        }
    }

    /// No ACK came for our 2xx (RFC 3261 §13.3.1.4, §14.2).
    pub(super) fn end_unacknowledged(&mut self, now: Instant, stack: &mut Stack) {
        if let Phase::Confirmed(confirmed) = &mut self.phase {
            confirmed.exchange = Exchange::Idle;
        }
        self.leave(now, stack, EndReason::TimedOut, Headers::default());
    }

    /// The final answer to our BYE.
    pub(super) fn handle_bye_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        bye: TransactionId,
        response: &Response,
    ) {
        let is_current = matches!(self.phase, Phase::Leaving(Leaving::Bye));
        if is_current && self.retry_authorised(now, stack, bye, response).is_none() {
            self.phase = Phase::Leaving(Leaving::Gone);
        }
    }
}

impl Session {
    /// The dialog ends in the middle of an exchange: the peer's offer is refused, the answer to ours no longer awaited.
    fn give_up_exchanges(&mut self, now: Instant, stack: &mut Stack) {
        loop {
            let open = |exchange: &Exchange| !matches!(exchange, Exchange::Idle | Exchange::Unacknowledged(_));
            let Some(exchange) = self.find_exchange(open) else { return };
            match std::mem::replace(exchange, Exchange::Idle) {
                Exchange::Theirs { request, .. } => stack.respond_with(now, request, 487),
                Exchange::Ours { request, is_invite: true, .. } => stack.transactions.abandon(now, request),
                // The 2xx must be acknowledged all the same (RFC 3261 §13.2.2.4).
                Exchange::Answering { invite, response } => {
                    stack.acknowledge_success(invite, &response, Vec::new());
                }
                Exchange::Ours { .. } | Exchange::Idle | Exchange::Unacknowledged(_) => {}
            }
        }
    }
}
