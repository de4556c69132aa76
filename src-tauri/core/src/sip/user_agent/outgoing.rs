//! Sessions that we begin: INVITE as a client (RFC 3261 §13.2).

use std::time::Instant;

use super::authentication::Authentication;
use super::path::Path;
use super::session::{Calling, Confirmed, Exchange, Fork, Leaving, Phase, Session};
use super::stack::{MAX_FORKS, Stack};
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Event, ForkId, Invite, SessionId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::transaction::agenda::Appointment;
use crate::sip::uri::NameAddr;

impl Session {
    /// Sends the INVITE.
    pub(super) fn call(now: Instant, stack: &mut Stack, id: SessionId, invite: Invite) -> Self {
        let Invite { identity, target, offer, headers } = invite;
        let local_tag = stack.random.token(12);
        let call_id = stack.random.token(24);
        let path = Path::of_identity(&identity);
        let contact_user = identity.aor.uri.user.clone().unwrap_or_default();

        let target = target.without_headers();
        let mut request = Request::new(Method::Invite, target.clone());
        for route in &identity.route {
            request.headers.add(HeaderName::Route, route.to_string());
        }
        let mut from = identity.aor.clone();
        from.remove_param("tag");
        request.headers.add(HeaderName::From, from.with_tag(&local_tag).to_string());
        request.headers.add(HeaderName::To, NameAddr::new(target).to_string());
        request.headers.add(HeaderName::CallId, call_id.as_str());
        request.headers.add(HeaderName::CSeq, CSeq { seq: 1, method: Method::Invite }.to_string());

        let mut session = Self {
            id,
            path,
            authentication: Authentication::new(identity.credentials),
            contact_user,
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            is_caller: true,
            farewell: None,
            phase: Phase::Leaving(Leaving::Gone),
            appointment: Appointment::default(),
        };
        session.describe(stack, &mut request.headers);
        request.headers.extend(headers.iter());
        if !offer.is_empty() {
            request.set_body("application/sdp", offer);
        }
        let invite = stack.send(now, &session.path, session.path.first_hop(), request, Purpose::Invite(id));
        session.phase = Phase::Calling(Box::new(Calling { invite, forks: Vec::new(), fork_count: 0 }));
        session
    }

    /// A provisional answer to the first INVITE.
    pub(super) fn handle_invite_provisional(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: Response,
    ) {
        match &mut self.phase {
            Phase::Calling(calling) if calling.invite == invite => {
                let status = response.code();
                if status > 100 {
                    let Some(fork) = calling.fork(stack, &response) else { return };
                    let (headers, body) = (response.headers.clone(), sdp_of(response));
                    stack.event(Event::Progress { session: self.id, fork, status, body, headers });
                    if status == 199 {
                        calling.forks.retain(|known| known.id != fork);
                    }
                }
            }
            Phase::Leaving(Leaving::CancelHeld { invite: current }) if *current == invite => {
                self.cancel(now, stack, invite);
            }
            _ => {}
        }
    }

    /// A 2xx to the first INVITE: of the first fork, of another one, or repeated.
    pub(super) fn handle_invite_success(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: Response,
    ) {
        let dialog = stack.transactions.client(invite).and_then(|client| client.dialog_of_answer(&response));
        let is_new = stack.acknowledge_success(invite, &response, Vec::new());
        match &mut self.phase {
            Phase::Calling(calling) if calling.invite == invite => {
                let Some(mut dialog) = dialog else {
                    let reason = EndReason::Rejected { status: 502, reason: "the peer's answer is malformed".into() };
                    return self.end(now, stack, reason, response.headers);
                };
                let fork = match calling.forks.iter().find(|fork| fork.dialog.remote_tag() == dialog.remote_tag()) {
                    Some(fork) => {
                        // The early dialog goes on; its route set is that of the 2xx (RFC 3261 §13.2.2.4).
                        dialog.local_cseq = fork.dialog.local_cseq;
                        dialog.remote_cseq = fork.dialog.remote_cseq;
                        fork.id
                    }
                    None => ForkId(calling.fork_count),
                };
                let confirmed = Confirmed { dialog, exchange: Exchange::Idle, postponed: None };
                self.phase = Phase::Confirmed(Box::new(confirmed));
                let headers = response.headers.clone();
                stack.event(Event::Answered { session: self.id, fork, body: sdp_of(response), headers });
            }
            // The call was cancelled, but the answer came first (RFC 3261 §15, §9.1).
            Phase::Leaving(Leaving::CancelHeld { invite: current } | Leaving::Cancelled { invite: current, .. })
                if *current == invite =>
            {
                match dialog {
                    Some(dialog) => self.send_bye(now, stack, dialog),
                    None => self.phase = Phase::Leaving(Leaving::Gone),
                }
            }
            _ if is_new => stack.bye_surplus(now, invite, &response),
            _ => {}
        }
    }

    /// A final answer ≥ 300 to the first INVITE; its ACK has been sent.
    pub(super) fn handle_invite_failure(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        response: Response,
    ) {
        match &self.phase {
            Phase::Calling(calling) if calling.invite == invite => {
                if let Some(next) = self.retry_authorised(now, stack, invite, &response) {
                    if let Phase::Calling(calling) = &mut self.phase {
                        calling.invite = next;
                        calling.forks.clear();
                    }
                    return;
                }
                let reason = EndReason::Rejected { status: response.code(), reason: response.reason };
                self.end(now, stack, reason, response.headers);
            }
            Phase::Leaving(Leaving::CancelHeld { invite: current } | Leaving::Cancelled { invite: current, .. })
                if *current == invite =>
            {
                self.phase = Phase::Leaving(Leaving::Gone);
            }
            _ => {}
        }
    }

    /// Timer B, or a broken flow.
    pub(super) fn handle_invite_lost(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        reason: EndReason,
    ) {
        match &self.phase {
            Phase::Calling(calling) if calling.invite == invite => self.end(now, stack, reason, Headers::default()),
            Phase::Leaving(Leaving::CancelHeld { invite: current } | Leaving::Cancelled { invite: current, .. })
                if *current == invite =>
            {
                self.phase = Phase::Leaving(Leaving::Gone);
            }
            _ => {}
        }
    }

    /// Sends a request again with credentials after 401 or 407 (RFC 3261 §22.2): same Call-ID and tags, the next CSeq.
    /// `None` if the answer is final.
    pub(super) fn retry_authorised(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        let phase = &mut self.phase;
        stack.retry_authorised(now, &mut self.authentication, &self.path, refused, response, |refused| match phase {
            Phase::Confirmed(confirmed) => {
                confirmed.dialog.local_cseq += 1;
                confirmed.dialog.local_cseq
            }
            _ => refused + 1,
        })
    }
}

impl Calling {
    /// The early dialog that a provisional answer belongs to, or makes.
    fn fork(&mut self, stack: &mut Stack, response: &Response) -> Option<ForkId> {
        let tag = response.headers.to_tag().unwrap_or("");
        if let Some(fork) = self.forks.iter_mut().find(|fork| fork.dialog.remote_tag() == tag) {
            return Some(fork.id);
        }
        if self.forks.len() >= MAX_FORKS {
            stack.dropped("provisional answer of too many forks");
            return None;
        }
        let client = stack.transactions.client(self.invite)?;
        let Ok(dialog) = Dialog::from_response(&client.request, response) else {
            stack.dropped("provisional answer that makes no dialog");
            return None;
        };
        let id = ForkId(self.fork_count);
        self.fork_count += 1;
        self.forks.push(Fork { id, dialog });
        Some(id)
    }
}

/// The body if it is a session description.
pub(super) fn sdp_of(response: Response) -> Vec<u8> {
    if response.headers.is_content_type("application/sdp") { response.body } else { Vec::new() }
}
