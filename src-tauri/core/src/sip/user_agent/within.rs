//! Requests of the peer inside a session: who may send them when (RFC 3261 §12.2.2).

use std::time::Instant;

use super::exchange::refuse_for_now;
use super::session::{Phase, Session};
use super::stack::Stack;
use super::transactions::TransactionId;
use crate::sip::dialog::Sequence;
use crate::sip::message::{HeaderAccess, HeaderName, Method, Request, Response};

impl Session {
    /// A request of the peer inside the dialog, of a method that is ours, with checked headers.
    pub(super) fn handle_request(&mut self, now: Instant, stack: &mut Stack, id: TransactionId, request: Request) {
        if !self.is_in_order(&request) {
            return stack.respond_with(now, id, 500);
        }
        if self.has_ended() && request.method != Method::Bye {
            return stack.respond_with(now, id, 481);
        }
        match request.method {
            Method::Bye => {
                stack.respond_with(now, id, 200);
                self.handle_bye(now, stack, request.headers);
            }
            Method::Info => self.handle_info(now, stack, id, request),
            Method::Prack => self.handle_prack(now, stack, id, request),
            Method::Options => {
                let response = stack.capabilities();
                stack.respond(now, id, response);
            }
            Method::Invite => match &self.phase {
                Phase::Confirmed(_) => self.handle_reoffer(now, stack, id, request),
                Phase::Calling(_) => stack.respond_with(now, id, 491),
                // The first INVITE still waits for its answer (RFC 3261 §14.2).
                _ => refuse_for_now(now, stack, id),
            },
            Method::Update => self.handle_reoffer(now, stack, id, request),
            _ => stack.respond_with(now, id, 405),
        }
    }

    pub(super) fn is_in_order(&mut self, request: &Request) -> bool {
        let Ok(cseq) = request.headers.cseq() else { return false };
        let Some(dialog) = self.dialog(request.headers.from_tag().unwrap_or("")) else { return true };
        dialog.observe(cseq.seq) == Sequence::InOrder
    }
}

/// The bodies that we read where they are offers and answers (RFC 3261 §20.1).
pub(super) const ACCEPT: &str = "application/sdp";

impl Stack {
    /// The answer to OPTIONS (RFC 3261 §11.2).
    pub(super) fn capabilities(&self) -> Response {
        let mut response = Response::new(200);
        response.headers.set(HeaderName::Allow, self.allow());
        response.headers.set(HeaderName::Accept, ACCEPT);
        response.headers.set(HeaderName::Supported, self.supported());
        response
    }
}
