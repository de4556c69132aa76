//! Sessions that the peer begins: INVITE as a server (RFC 3261 §13.3).

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::refreshing::Asked;
use super::reliable::Provisionals;
use super::session::{Confirmed, Exchange, Held, Negotiation, Origin, Phase, Ringing, Session, Unacknowledged};
use super::stack::Stack;
use super::transactions::TransactionId;
use super::{Error, Event, SessionId};
use crate::flow::Flow;
use crate::sip::dialog::Dialog;
use crate::sip::message::{Headers, Request, Response};

/// How often a ringing call says so (RFC 3261 §13.3.1.1: "every minute").
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_secs(60);

/// How a call reached us, and how its requests go back.
pub(super) struct Caller {
    pub flow: Flow,
    pub path: Path,
    pub authentication: Authentication,
    /// The session whose place the call is to take (RFC 3891).
    pub replaces: Option<SessionId>,
}

impl Session {
    /// A new call. The request has been checked and 100 has been sent.
    pub(super) fn ring(
        stack: &mut Stack,
        id: SessionId,
        invite: TransactionId,
        dialog: Dialog,
        request: Request,
        caller: Caller,
    ) -> Self {
        let Caller { flow, path, authentication, replaces } = caller;
        let contact_user = request.uri.user.clone().unwrap_or_default();
        let offer = request.body.clone();
        let cseq = dialog.remote_cseq.unwrap_or(0);
        let origin = Origin {
            path,
            authentication,
            contact_user,
            call_id: dialog.call_id.clone(),
            local_tag: dialog.local.tag().unwrap_or("").into(),
            is_caller: false,
        };
        let ringing = Ringing {
            invite,
            cseq,
            dialog,
            offered: !offer.is_empty(),
            asked: Asked::of(&request.headers),
            progress: None,
            provisionals: Provisionals::new(stack, &request.headers),
            negotiation: Negotiation::Open,
            held: None,
        };
        let mut session = Self::new(id, origin, Phase::Ringing(Box::new(ringing)));
        session.learn(&request.headers);
        stack.event(Event::Incoming { session: id, request: Box::new(request), flow, offer, replaces });
        session
    }

    pub(super) fn progress(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        status: u16,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        match &self.phase {
            Phase::Ringing(ringing) if ringing.held.is_none() => {}
            _ => return Err(Error::WrongState("not ringing")),
        }
        let mut response = Response::new(status.clamp(101, 199));
        self.describe(stack, &mut response.headers);
        if !body.is_empty() {
            let body = self.freshen(body);
            self.description = body.as_slice().into();
            response.set_body("application/sdp", body);
        }
        if let Phase::Ringing(ringing) = &mut self.phase {
            ringing.send_provisional(now, stack, response.clone());
            ringing.progress = Some((now + PROGRESS_INTERVAL, response));
        }
        Ok(())
    }

    /// Says once more that it rings.
    pub(super) fn repeat_progress(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        if let Some((at, response)) = &mut ringing.progress
            && *at <= now
        {
            *at = now + PROGRESS_INTERVAL;
            let response = response.clone();
            ringing.send_provisional(now, stack, response);
        }
    }

    pub(super) fn answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        body: Vec<u8>,
        headers: Headers,
    ) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Ringing(ringing) if ringing.held.is_none() => ringing.held = Some(Held { body, headers }),
            _ => return Err(Error::WrongState("not ringing")),
        }
        self.release_answer(now, stack);
        Ok(())
    }

    /// Sends the 2xx that the application has asked for, unless a PRACK or the answer to an UPDATE must come first.
    pub(super) fn release_answer(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Ringing(ringing) = &mut self.phase else { return };
        let busy = matches!(&ringing.negotiation, Negotiation::Agreed(exchange) if !matches!(exchange, Exchange::Idle));
        if busy || ringing.provisionals.holds_answer() {
            return;
        }
        let Some(Held { mut body, headers }) = ringing.held.take() else { return };
        let (invite, cseq, dialog, asked) = (ringing.invite, ringing.cseq, ringing.dialog.clone(), ringing.asked);
        let late_prack = ringing.provisionals.outstanding();
        if matches!(ringing.negotiation, Negotiation::Agreed(_)) {
            // Offer and answer have gone before, reliably (RFC 3262 §5).
            body.clear();
        }
        let Some(destination) = stack.transactions.server(invite).map(|server| server.reply_to) else { return };
        let mut response = Response::new(200);
        self.describe(stack, &mut response.headers);
        Self::write_timer(stack, asked, &mut response.headers);
        response.headers.extend(headers.iter());
        if !body.is_empty() {
            let body = self.freshen(body);
            self.description = body.as_slice().into();
            response.set_body("application/sdp", body);
        }
        let Some(bytes) = stack.respond(now, invite, response) else { return };
        let unacknowledged = Unacknowledged::new(now, stack, destination, cseq, bytes, true);
        let exchange = Exchange::Unacknowledged(unacknowledged);
        self.phase = Phase::Confirmed(Box::new(Confirmed { late_prack, ..Confirmed::new(dialog, exchange) }));
        self.grant_timer(now, stack, asked);
    }
}
