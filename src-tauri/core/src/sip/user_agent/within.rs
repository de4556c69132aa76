//! The other requests inside a session: who may send them when, INFO both ways, and answers to ours (RFC 3261 §12.2).

use std::time::Instant;

use super::exchange::refuse_for_now;
use super::session::{Phase, Session};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Error, Event};
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
            Method::Info => {
                stack.respond_with(now, id, 200);
                let content_type = request.headers.content_type().unwrap_or("").to_owned();
                let (headers, body) = (request.headers, request.body);
                stack.event(Event::Info { session: self.id, content_type, body, headers });
            }
            Method::Options => {
                let response = stack.capabilities();
                stack.respond(now, id, response);
            }
            Method::Invite | Method::Update => match &self.phase {
                Phase::Confirmed(_) => self.handle_reoffer(now, stack, id, request),
                Phase::Calling(_) if request.method == Method::Invite => stack.respond_with(now, id, 491),
                _ if request.method == Method::Update && request.body.is_empty() => {
                    let mut response = Response::new(200);
                    self.describe(stack, &mut response.headers);
                    stack.respond(now, id, response);
                }
                // The first offer still waits for its answer (RFC 3261 §14.2, RFC 3311 §5.2).
                _ => refuse_for_now(now, stack, id),
            },
            _ => stack.respond_with(now, id, 405),
        }
    }

    pub(super) fn is_in_order(&mut self, request: &Request) -> bool {
        let Ok(cseq) = request.headers.cseq() else { return false };
        let dialog = match &mut self.phase {
            Phase::Ringing(ringing) => &mut ringing.dialog,
            Phase::Confirmed(confirmed) => &mut confirmed.dialog,
            Phase::Calling(_) | Phase::Leaving(_) => return true,
        };
        dialog.observe(cseq.seq) == Sequence::InOrder
    }

    pub(super) fn info(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        let confirmed = self.confirmed()?;
        let mut request = confirmed.dialog.request(Method::Info);
        let next_hop = confirmed.dialog.next_hop().clone();
        if !body.is_empty() {
            request.set_body(content_type, body);
        }
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(&next_hop);
        stack.send(now, &self.path, destination, request, Purpose::Info(self.id));
        Ok(())
    }

    /// The final answer to our INFO.
    pub(super) fn handle_info_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        info: TransactionId,
        response: &Response,
    ) {
        if self.has_ended() || response.is_success() || self.retry_authorised(now, stack, info, response).is_some() {
            return;
        }
        match response.code() {
            481 => {
                let reason = response.reason.clone();
                self.end(now, stack, EndReason::Rejected { status: 481, reason }, response.headers.clone());
            }
            status => {
                let headers = response.headers.clone();
                stack.event(Event::InfoFailed { session: self.id, status, headers });
            }
        }
    }
}

impl Stack {
    /// The answer to OPTIONS (RFC 3261 §11.2).
    pub(super) fn capabilities(&self) -> Response {
        let mut response = Response::new(200);
        response.headers.set(HeaderName::Allow, self.allow());
        response.headers.set(HeaderName::Accept, "application/sdp");
        response.headers.set(HeaderName::Supported, super::SUPPORTED);
        response
    }
}
