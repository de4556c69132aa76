//! Sessions that the peer begins: INVITE as a server (RFC 3261 §13.3).

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::session::{Confirmed, Exchange, Phase, Ringing, Session, Unacknowledged};
use super::stack::Stack;
use super::transactions::TransactionId;
use super::{Error, Event, SessionId};
use crate::flow::Flow;
use crate::sip::dialog::Dialog;
use crate::sip::message::{Headers, Request, Response};
use crate::sip::transaction::agenda::Appointment;

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
        let session = Self {
            id,
            path,
            authentication,
            contact_user,
            call_id: dialog.call_id.clone(),
            local_tag: dialog.local.tag().unwrap_or("").into(),
            is_caller: false,
            farewell: None,
            phase: Phase::Ringing(Box::new(Ringing { invite, cseq, dialog, progress: None })),
            appointment: Appointment::default(),
        };
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
        if !matches!(self.phase, Phase::Ringing(_)) {
            return Err(Error::WrongState("not ringing"));
        }
        let mut response = Response::new(status.clamp(101, 199));
        self.describe(stack, &mut response.headers);
        if !body.is_empty() {
            response.set_body("application/sdp", body);
        }
        if let Phase::Ringing(ringing) = &mut self.phase {
            stack.respond(now, ringing.invite, response.clone());
            ringing.progress = Some((now + PROGRESS_INTERVAL, response));
        }
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        body: Vec<u8>,
        headers: Headers,
    ) -> Result<(), Error> {
        let Phase::Ringing(ringing) = &self.phase else { return Err(Error::WrongState("not ringing")) };
        let (invite, cseq, dialog) = (ringing.invite, ringing.cseq, ringing.dialog.clone());
        let destination = stack.transactions.server(invite).map(|server| server.reply_to).ok_or(Error::Unknown)?;
        let mut response = Response::new(200);
        self.describe(stack, &mut response.headers);
        response.headers.extend(headers.iter());
        if !body.is_empty() {
            response.set_body("application/sdp", body);
        }
        let bytes = stack.respond(now, invite, response).ok_or(Error::Unknown)?;
        let unacknowledged = Unacknowledged::new(now, stack, destination, cseq, bytes, true);
        self.phase = Phase::Confirmed(Box::new(Confirmed {
            dialog,
            exchange: Exchange::Unacknowledged(unacknowledged),
            postponed: None,
        }));
        Ok(())
    }
}
