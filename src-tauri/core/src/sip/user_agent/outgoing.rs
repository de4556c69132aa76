//! Sessions that we begin: INVITE as a client (RFC 3261 §13.2).

use std::time::Instant;

use super::authentication::Authentication;
use super::path::Path;
use super::redirecting::{Attempts, stripped};
use super::reliable::rseq;
use super::session::{Calling, Confirmed, Exchange, Fork, Leaving, Negotiation, Origin, Phase, Session};
use super::stack::{MAX_FORKS, Stack};
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Event, ForkId, Invite, SessionId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Headers, Method, Request, Response};
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
        request.headers.add(HeaderName::To, NameAddr::new(target.clone()).to_string());
        request.headers.add(HeaderName::CallId, call_id.as_str());
        request.headers.add(HeaderName::CSeq, CSeq { seq: 1, method: Method::Invite }.to_string());

        let origin = Origin {
            path,
            authentication: Authentication::new(identity.credentials),
            contact_user,
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            is_caller: true,
        };
        let mut session = Self::new(id, origin, Phase::Leaving(Leaving::Gone));
        session.describe(stack, &mut request.headers);
        session.ask_for_timer(stack, &mut request.headers);
        request.headers.extend(headers.iter());
        let offered = !offer.is_empty();
        if offered {
            let offer = session.freshen(offer);
            session.description = offer.as_slice().into();
            request.set_body("application/sdp", offer);
        }
        let invite = stack.send(now, &session.path, session.path.first_hop(), request, Purpose::Invite(id));
        let (forks, attempts) = (Vec::new(), Attempts::at(target));
        session.phase =
            Phase::Calling(Box::new(Calling { invite, offered, forks, heard: None, fork_count: 0, attempts }));
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
        match &self.phase {
            Phase::Calling(calling) if calling.invite == invite && response.code() > 100 => {
                self.handle_progress(now, stack, response);
            }
            Phase::Leaving(Leaving::CancelHeld { invite: current }) if *current == invite => {
                self.cancel(now, stack, invite);
            }
            _ => {}
        }
    }

    /// 18x: of a new early dialog or a known one, and perhaps one that wants a PRACK.
    fn handle_progress(&mut self, now: Instant, stack: &mut Stack, response: Response) {
        self.learn(&response.headers);
        let Phase::Calling(calling) = &mut self.phase else { return };
        let offered = calling.offered;
        let Some(fork) = calling.fork(stack, &response) else { return };
        let rseq = rseq(&response.headers);
        if let (Some(rseq), Some(last)) = (rseq, fork.rseq)
            && rseq != last.wrapping_add(1)
        {
            // Repeated, or one before it is lost and will be repeated (RFC 3262 §4).
            return stack.dropped("reliable provisional answer out of order");
        }
        fork.rseq = rseq.or(fork.rseq);
        fork.dialog.refresh_target(&response.headers);
        let (id, status) = (fork.id, response.code());
        let (headers, mut body) = (response.headers.clone(), sdp_of(response));
        let open = matches!(fork.negotiation, Negotiation::Open);
        // Further descriptions mean nothing (RFC 3261 §13.2.1), nor does an offer that may be lost (RFC 3262 §5).
        if !open || (!offered && rseq.is_none()) {
            body.clear();
        }
        let acknowledge = match rseq {
            Some(_) if body.is_empty() => rseq,
            Some(_) if offered => {
                fork.negotiation = Negotiation::Agreed(Exchange::Idle);
                rseq
            }
            Some(rseq) => {
                fork.negotiation = Negotiation::Asked { rseq };
                None
            }
            None => None,
        };
        if !body.is_empty() {
            fork.description.clone_from(&body);
            calling.heard = Some(id);
        }
        if status == 199 {
            calling.forks.retain(|known| known.id != id || acknowledge.is_some());
        }
        if let Some(rseq) = acknowledge {
            self.prack(now, stack, id, rseq, Vec::new());
        }
        stack.event(Event::Progress { session: self.id, fork: id, status, body, headers });
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
        match &self.phase {
            Phase::Calling(calling) if calling.invite == invite => {
                let Some(dialog) = dialog else {
                    let reason = EndReason::Rejected { status: 502, reason: "the peer's answer is malformed".into() };
                    return self.end(now, stack, reason, response.headers);
                };
                self.establish(now, stack, invite, dialog, response);
            }
            // Repeated, while the ACK waits for the application's answer to the offer in it.
            Phase::Confirmed(confirmed)
                if matches!(&confirmed.exchange, Exchange::Answering { invite: current, .. } if *current == invite)
                    && dialog.as_ref().is_some_and(|dialog| dialog.remote_tag() == confirmed.dialog.remote_tag()) => {}
            // The call was cancelled, but the answer came first (RFC 3261 §15, §9.1).
            Phase::Leaving(Leaving::CancelHeld { invite: current } | Leaving::Cancelled { invite: current, .. })
                if *current == invite =>
            {
                stack.acknowledge_success(invite, &response, Vec::new());
                match dialog {
                    Some(mut dialog) => {
                        dialog.local_cseq = stack.highest_cseq(invite);
                        self.send_bye(now, stack, dialog);
                    }
                    None => self.phase = Phase::Leaving(Leaving::Gone),
                }
            }
            _ => {
                if stack.acknowledge_success(invite, &response, Vec::new()) {
                    stack.bye_surplus(now, invite, &response);
                }
            }
        }
    }

    /// The first 2xx makes its dialog the session's; the early dialogs of other forks are over (RFC 3261 §13.2.2.4).
    fn establish(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        invite: TransactionId,
        mut dialog: Dialog,
        response: Response,
    ) {
        self.learn(&response.headers);
        let Phase::Calling(calling) = &mut self.phase else { return };
        let offered = calling.offered;
        let position = calling.forks.iter().position(|fork| fork.dialog.remote_tag() == dialog.remote_tag());
        let (headers, mut body) = (response.headers.clone(), response.body.clone());
        if !response.headers.is_content_type("application/sdp") {
            body.clear();
        }
        let (fork, mut exchange) = match position.map(|position| calling.forks.swap_remove(position)) {
            Some(fork) => {
                // The early dialog goes on; its route set is that of the 2xx.
                dialog.local_cseq = fork.dialog.local_cseq;
                dialog.remote_cseq = fork.dialog.remote_cseq;
                let exchange = match fork.negotiation {
                    Negotiation::Agreed(exchange) => {
                        // The first answer counts, and came reliably (§13.2.1).
                        body.clear();
                        exchange
                    }
                    // The offer in a reliable answer stands in the 2xx again, or has lapsed with it.
                    Negotiation::Open | Negotiation::Asked { .. } => Exchange::Idle,
                };
                if body.is_empty() && calling.heard != Some(fork.id) {
                    // Another fork has spoken since: the one that answers is to be heard again.
                    body = fork.description;
                }
                (fork.id, exchange)
            }
            None => (ForkId(calling.fork_count), Exchange::Idle),
        };
        if !offered && !body.is_empty() && matches!(exchange, Exchange::Idle) {
            exchange = Exchange::Answering { invite, response: Box::new(response) };
        } else {
            stack.acknowledge_success(invite, &response, Vec::new());
        }
        self.phase = Phase::Confirmed(Box::new(Confirmed::new(dialog, exchange)));
        self.take_timer(now, stack, &headers);
        stack.event(Event::Answered { session: self.id, fork, body, headers });
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
                if let Some(next) = self.call_again(now, stack, invite, &response) {
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
        let (authentication, path) = (&mut self.authentication, &self.path);
        let client = stack.transactions.client(refused)?;
        let (highest, remote_tag) = (client.highest_cseq, client.request.headers.to_tag().map(str::to_owned));
        let next = stack.retry_authorised(now, authentication, path, refused, response, |number| {
            next_number(phase, remote_tag.as_deref(), highest.max(number))
        });
        self.note_number(stack, next?);
        next
    }

    /// Sends the refused INVITE once more, changed, with the next number and the credentials known.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        change: impl FnOnce(&mut Request),
    ) -> Option<TransactionId> {
        let client = stack.transactions.client(refused)?;
        let (purpose, destination, number) = (client.purpose, client.intended, client.highest_cseq + 1);
        let mut request = client.request.clone();
        change(&mut request);
        let mut request = stripped(request);
        request.headers.set(HeaderName::CSeq, CSeq { seq: number, method: Method::Invite }.to_string());
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = match request.headers.value(HeaderName::Route) {
            Some(_) => destination,
            None => self.path.retarget(destination, &request.uri),
        };
        Some(stack.send(now, &self.path, destination, request, purpose))
    }

    /// The INVITE remembers the highest number of its early dialogs.
    fn note_number(&self, stack: &mut Stack, sent: TransactionId) {
        let Some(number) = stack.transactions.client(sent).map(|client| client.highest_cseq) else { return };
        if let Phase::Calling(calling) = &self.phase
            && let Some(invite) = stack.transactions.client(calling.invite)
        {
            invite.highest_cseq = invite.highest_cseq.max(number);
        }
    }
}

impl Calling {
    /// The early dialog that a provisional answer belongs to, or makes.
    fn fork(&mut self, stack: &mut Stack, response: &Response) -> Option<&mut Fork> {
        let tag = response.headers.to_tag().unwrap_or("");
        if let Some(known) = self.forks.iter().position(|fork| fork.dialog.remote_tag() == tag) {
            return self.forks.get_mut(known);
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
        self.forks.push(Fork { id, dialog, rseq: None, negotiation: Negotiation::Open, description: Vec::new() });
        self.forks.last_mut()
    }
}

/// The number of a request that is sent again, in the dialog with that peer or outside any.
fn next_number(phase: &mut Phase, remote_tag: Option<&str>, refused: u32) -> u32 {
    match remote_tag.and_then(|tag| phase.dialog(tag)) {
        Some(dialog) => {
            dialog.local_cseq += 1;
            dialog.local_cseq
        }
        None => refused + 1,
    }
}

/// The body if it is a session description.
pub(super) fn sdp_of(response: Response) -> Vec<u8> {
    if response.headers.is_content_type("application/sdp") { response.body } else { Vec::new() }
}
