//! Transfers in every role: ours, blind or after a consultation; those that a far side makes of us; and calls that take
//! the place of another one.

use super::calls::{Beginning, line_headers, shown};
use super::{Edge, NoticeCode, Refusal, Workbench, target};
use crate::call::{Call, CallId, Change, Direction, End, EndCause, Field, Follows, State, Transfer, TransferState};
use crate::clock::Now;
use crate::flow::Flow;
use crate::media::Command;
use crate::pii::Pii;
use crate::sip::refer::ReferTo;
use crate::sip::user_agent::{EndReason, Refer, ReferralId, ReferralState};
use crate::sip::{HeaderAccess, HeaderName, Headers, NameAddr, Request, SessionId};

impl Workbench {
    /// Blind transfer: asks the far side of a call to call somebody else. The call stays until that has succeeded.
    pub(super) fn transfer(
        &mut self,
        now: Now,
        call: Option<CallId>,
        to: &str,
        headers: &[Field],
    ) -> Result<(), Refusal> {
        let index = self.find(call, may_be_transferred)?;
        let domain = self.line(self.calls[index].line).map(|line| line.account.domain()).unwrap_or_default();
        let uri = target::parse(to, &domain)?;
        let headers = line_headers(headers)?;
        let shown = shown(&uri, &domain);
        self.track_call("sip_call_transfer", index);
        self.refer(now, index, ReferTo::new(uri), headers, shown)
    }

    /// Holds a call and calls somebody about it.
    pub(super) fn consult(&mut self, now: Now, call: Option<CallId>, to: &str) -> Result<CallId, Refusal> {
        let index = self.find(call, may_be_transferred)?;
        let (id, line) = (self.calls[index].id, self.calls[index].line);
        self.dial(now, line, to, &[], Some(id))
    }

    /// Asks the far side of the call that was held for a consultation to take our place in that.
    pub(super) fn complete_transfer(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let consulting = &self.calls[self.consultation(call)?];
        let shown = consulting.number.expose().clone();
        let (Some(session), Some(about)) =
            (consulting.session.filter(|_| consulting.is_established()), consulting.consults)
        else {
            return Err(Refusal::CallState);
        };
        let index = self.find(Some(about), may_be_transferred)?;
        let refer_to = self.user_agent.refer_to_session(session).map_err(|error| Refusal::of_session(&error))?;
        self.track_call("sip_call_consultation_transfer", index);
        self.refer(now, index, refer_to, Headers::default(), shown)
    }

    /// Ends the consultation and retrieves the call that it was about.
    pub(super) fn cancel_consult(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.consultation(call)?;
        let (consultation, about) = (self.calls[index].id, self.calls[index].consults);
        self.hang_up(now, Some(consultation), &[])?;
        // It may be gone, or on its way already.
        let _ = self.retrieve(now, about);
        Ok(())
    }

    /// The consulting call of a pair; either of the two may be named.
    fn consultation(&self, call: Option<CallId>) -> Result<usize, Refusal> {
        let index = self.calls.iter().position(|consulting| {
            let about = consulting.consults;
            about.is_some() && call.is_none_or(|call| consulting.id == call || about == Some(call))
        });
        index.ok_or(Refusal::CallState)
    }

    fn refer(
        &mut self,
        now: Now,
        index: usize,
        refer_to: ReferTo,
        headers: Headers,
        shown: String,
    ) -> Result<(), Refusal> {
        let call = &self.calls[index];
        let session = call.session.ok_or(Refusal::CallState)?;
        let referred_by = self.line(call.line).map(|line| {
            let mut aor = line.account.address_of_record();
            aor.remove_param("tag");
            aor
        });
        let transfer = Transfer { state: TransferState::Requested, to: Pii::new(shown), status: None };
        if call.takes_refer == Some(false) {
            // It has said so itself (RFC 3261 §20.5): asking would only take time.
            self.calls[index].transfer = Some(transfer);
            self.transfer_failed(now, index, Some(405));
            return Ok(());
        }
        let refer = Refer { refer_to, referred_by, headers, reports: true };
        self.user_agent.refer(now.instant, session, refer).map_err(|error| Refusal::of_session(&error))?;
        self.heal(|code| code == NoticeCode::TransferRefused);
        self.calls[index].transfer = Some(transfer.clone());
        let id = self.calls[index].id;
        self.edge(Edge::Transfer(id, transfer));
        Ok(())
    }

    /// How a transfer of ours goes on.
    pub(super) fn referral(&mut self, now: Now, session: Option<SessionId>, state: ReferralState) {
        let Some(index) = session.and_then(|session| self.of_session(session)) else { return };
        match state {
            ReferralState::Accepted { reports: true } => self.transfer_moved(index, TransferState::Accepted, None),
            ReferralState::Progress { status } if status > 100 => {
                self.transfer_moved(index, TransferState::Ringing, Some(status));
            }
            ReferralState::Progress { .. } => {}
            ReferralState::Accepted { reports: false } => self.transfer_succeeded(now, index, None),
            ReferralState::Done { status } if (200..300).contains(&status) => {
                self.transfer_succeeded(now, index, Some(status));
            }
            ReferralState::Done { status } | ReferralState::Refused { status } => {
                self.transfer_failed(now, index, Some(status));
            }
            ReferralState::Lost => self.transfer_failed(now, index, None),
        }
    }

    fn transfer_moved(&mut self, index: usize, state: TransferState, status: Option<u16>) {
        let call = &mut self.calls[index];
        let Some(transfer) = &mut call.transfer else { return };
        transfer.state = state;
        transfer.status = status;
        let (id, transfer) = (call.id, transfer.clone());
        self.edge(Edge::Transfer(id, transfer));
    }

    /// The others talk to each other: our calls with them end.
    fn transfer_succeeded(&mut self, now: Now, index: usize, status: Option<u16>) {
        self.transfer_moved(index, TransferState::Succeeded, status);
        let about = self.calls[index].id;
        let consulting = self.calls.iter().find(|call| call.consults == Some(about)).map(|call| call.id);
        // The customer last: that is the call which the after-call work is about.
        for id in [consulting, Some(about)].into_iter().flatten() {
            if let Some(session) = self.index(id).and_then(|index| self.calls[index].session) {
                // The far side may have been first.
                let _ = self.user_agent.hang_up(now.instant, session);
            }
            self.finish(now, id, End { cause: EndCause::Transferred, status: None });
        }
    }

    fn transfer_failed(&mut self, now: Now, index: usize, status: Option<u16>) {
        self.transfer_moved(index, TransferState::Failed, status);
        self.notify(now, NoticeCode::TransferRefused);
    }

    /// The end of a call by its far side, as it is to be understood: one that has taken on a transfer may leave before
    /// it tells the outcome.
    pub(super) fn end_of(&self, index: usize, reason: &EndReason) -> End {
        let call = &self.calls[index];
        let taken_on = |transfer: &Transfer| {
            matches!(transfer.state, TransferState::Accepted | TransferState::Ringing | TransferState::Succeeded)
        };
        let about = call.consults.and_then(|about| self.index(about)).map(|index| &self.calls[index]);
        let transferred =
            [Some(call), about].into_iter().flatten().any(|call| call.transfer.as_ref().is_some_and(taken_on));
        match reason {
            EndReason::Remote { .. } if call.is_established() && transferred => {
                End { cause: EndCause::Transferred, status: None }
            }
            reason => call.end_for(reason),
        }
    }

    /// A call is over: what hangs on it follows.
    pub(super) fn transfer_over(&mut self, now: Now, call: &Call, end: End) {
        if let Some(follows) = call.follows.filter(|_| call.session.is_none()) {
            // It was never made: the one who asked for it is told.
            let _ = self.user_agent.abandon_referral(now.instant, follows.referral, 503);
        }
        for other in &mut self.calls {
            if other.consults == Some(call.id) {
                other.consults = None;
                // The target of the transfer is about to leave us, too.
                if end.cause == EndCause::Transferred {
                    other.transfer.clone_from(&call.transfer);
                }
            }
        }
    }

    /// The far side of a call asks us to call somebody else instead.
    pub(super) fn referred(
        &mut self,
        now: Now,
        referral: ReferralId,
        session: SessionId,
        refer_to: &ReferTo,
        referred_by: Option<NameAddr>,
    ) {
        let index = self.of_session(session).filter(|index| {
            let call = &self.calls[*index];
            let allowed = self.line(call.line).is_some_and(|line| line.account.options.transfer_accept);
            // Only the one whom the agent talks with: one who is held must not take the microphone to somebody else. While
            // another call is being made the agent listens to that.
            allowed && call.is_active() && self.calls.iter().all(|other| other.rank() != 3)
        });
        let accepted = index.filter(|_| self.user_agent.accept_referral(now.instant, referral).is_ok());
        let (Some(index), line) = (accepted, index.map(|index| self.calls[index].line)) else {
            let _ = self.user_agent.refuse_referral(now.instant, referral, 603);
            return;
        };
        let Some(line) = line else { return };
        let domain = self.line(line).map(|line| line.account.domain()).unwrap_or_default();
        let number = shown(&refer_to.target, &domain);
        let direction = self.direction(line, &number, Direction::Outbound);
        let (old, peer, muted) = (self.calls[index].id, self.calls[index].number.clone(), self.calls[index].muted);
        let name = refer_to.display.clone().filter(|name| !name.trim().is_empty() && *name != number);
        let mut call = self.new_call(now, Beginning { line, direction, number, name, state: State::Preparing });
        call.target = Some(Pii::new(refer_to.target.clone()));
        call.referred_by = Some(referred_by.map_or(peer, |by| Pii::new(shown(&by.uri.without_headers(), &domain))));
        call.follows = Some(Follows { referral, call: old });
        // Whoever is moved while muted is still muted where it leads.
        call.muted = muted;
        let id = call.id;
        self.calls.push(call);
        self.ask_media(Command::Devices { wanted: true });
        self.alert();
        self.follow_calls(now);
        self.proceed(now, id);
        self.touch();
    }

    /// A call that we were sent to stands: the one by which we were sent ends.
    pub(super) fn leave_referrer(&mut self, now: Now, index: usize) {
        let Some(old) = self.calls[index].follows.map(|follows| follows.call) else { return };
        let Some(session) = self.index(old).and_then(|index| self.calls[index].session) else { return };
        let _ = self.user_agent.hang_up(now.instant, session);
        self.finish(now, old, End { cause: EndCause::Replaced, status: None });
    }

    /// An INVITE that is to take the place of a call of ours (RFC 3891). If that is the one the agent talks in, or listens
    /// to, the new one is taken without a ring. False if it has to ring like any other.
    pub(super) fn takes_place(
        &mut self,
        now: Now,
        session: SessionId,
        replaced: SessionId,
        request: &Request,
        flow: Flow,
        offer: &[u8],
    ) -> bool {
        let Some(index) = self.of_session(replaced) else { return false };
        let old = &self.calls[index];
        let (line, id, rank, muted) = (old.line, old.id, old.rank(), old.muted);
        let foremost = self.calls.iter().all(|other| other.id == id || other.rank() < rank.max(2));
        // The agent has closed the microphone of a call that is held, or is about to: nobody else opens it.
        let settled = match old.state {
            State::Established { change, .. } => change == Change::None && old.is_active(),
            _ => true,
        };
        if !foremost || !settled || !self.is_from_server(line, flow) || !self.could_take_offer(flow, offer) {
            return false;
        }
        let mut call = self.inbound_call(now, line, session, request, flow, offer.to_vec());
        call.enter(now, State::Answering { offer: Pii::new(offer.to_vec()) });
        call.waiting = false;
        call.muted = muted;
        let new = call.id;
        self.calls.push(call);
        self.ask_media(Command::Devices { wanted: true });
        self.alert();
        self.follow_calls(now);
        self.proceed(now, new);
        self.touch();
        true
    }
}

fn may_be_transferred(call: &Call) -> bool {
    call.is_established() && call.transfer.as_ref().is_none_or(|transfer| transfer.state == TransferState::Failed)
}

/// Whether a far side takes REFER, as far as it has told.
pub(super) fn takes_refer(headers: &Headers) -> Option<bool> {
    headers.value(HeaderName::Allow)?;
    Some(headers.has_item(HeaderName::Allow, "REFER"))
}
