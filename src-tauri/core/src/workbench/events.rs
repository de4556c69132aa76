//! What the user agent reports.

use super::calls::shown;
use super::transfer::takes_refer;
use super::{Edge, Output, Workbench};
use crate::call::{Diversion, End, EndCause, State};
use crate::clock::Now;
use crate::media::Tone;
use crate::pii::Pii;
use crate::sdp::offer_answer;
use crate::sip::user_agent::{self, Event};
use crate::sip::{SessionId, Uri};

impl Workbench {
    pub(super) fn drain_user_agent(&mut self, now: Now) {
        while let Some(output) = self.user_agent.poll_output() {
            match output {
                user_agent::Output::Transmit { destination, bytes } => {
                    self.outputs.push_back(Output::Transmit { destination, bytes });
                }
                user_agent::Output::Event(event) => self.user_agent_event(now, event),
            }
        }
    }

    fn user_agent_event(&mut self, now: Now, event: Event) {
        match event {
            Event::Registered { id, .. } => self.registered(now, id),
            Event::RegistrationFailed { id, status, retry_in, .. } => {
                self.registration_failed(now, id, status, retry_in.is_some());
            }
            Event::Unregistered { id } => self.unregistered(id),
            Event::OtherBindings { id, contacts } => self.other_bindings(now, id, &contacts),

            Event::Incoming { session, request, flow, offer, replaces } => {
                let taken =
                    replaces.is_some_and(|replaced| self.takes_place(now, session, replaced, &request, flow, &offer));
                if !taken {
                    self.incoming(now, session, &request, flow, offer);
                }
                if let Some(index) = self.of_session(session) {
                    self.calls[index].takes_refer = takes_refer(&request.headers);
                }
            }
            Event::Redirected { session, status, target } => self.redirected(session, status, &target),
            Event::Progress { session, status, body, .. } => self.progress(now, session, status, &body),
            Event::Answered { session, body, headers, .. } => {
                if let Some(index) = self.of_session(session) {
                    self.calls[index].takes_refer = takes_refer(&headers);
                }
                self.answered(now, session, &body);
            }
            Event::Confirmed { session, body } => self.confirmed(now, session, &body),
            Event::Reoffered { session, offer, .. } => self.reoffered(now, session, &offer),
            Event::ReofferAnswered { session, body, .. } => {
                if let Some(index) = self.of_session(session) {
                    self.reoffer_answered(now, index, &body);
                }
            }
            Event::ReofferFailed { session, status, .. } => {
                if let Some(index) = self.of_session(session) {
                    self.reoffer_failed(now, index, status);
                }
            }
            Event::Info { session, content_type, body, .. } => {
                if let Some(index) = self.of_session(session) {
                    self.info(index, &content_type, &body);
                }
            }
            Event::DigitsRefused { session, unsent, .. } => {
                if let Some(index) = self.of_session(session) {
                    self.digits_refused(now, index, unsent.expose());
                }
            }
            Event::Ended { session, reason, .. } => {
                if let Some(index) = self.of_session(session) {
                    let (id, end) = (self.calls[index].id, self.end_of(index, &reason));
                    self.finish(now, id, end);
                }
            }
            Event::Referred { referral, session, refer_to, referred_by, .. } => {
                self.referred(now, referral, session, &refer_to, referred_by);
            }
            Event::Referral { session, state, .. } => self.referral(now, session, state),
            Event::Message { session, request, flow } => self.message(session, &request, flow),
            Event::MessageAnswered { message, status } => self.message_answered(message, status),
            Event::Subscription { subscription, phase } => self.subscription(subscription, phase),
            Event::Notified { subscription, content_type, body, .. } => self.news(subscription, &content_type, &body),
            // The user agent sees to it that presence is kept.
            Event::Published { .. } | Event::PublicationFailed { .. } | Event::Unpublished { .. } => {}
            // Nothing is handed to the application here: `application_methods` is empty.
            Event::Request { .. }
            | Event::Dropped { .. }
            | Event::InfoFailed { .. }
            | Event::EarlyAnswer { .. }
            | Event::Updated { .. } => {}
        }
    }

    /// A call of ours goes elsewhere than the agent has dialled: shown and recorded is whom it really reaches, with the one
    /// who was dialled as a diversion.
    fn redirected(&mut self, session: SessionId, status: u16, target: &Uri) {
        let Some(index) = self.of_session(session) else { return };
        let domain = self.line(self.calls[index].line).map(|line| line.account.domain()).unwrap_or_default();
        let call = &mut self.calls[index];
        let number = std::mem::replace(&mut call.number, Pii::new(shown(target, &domain)));
        // The last one first; the user agent follows a handful of them.
        call.caller.diversions.insert(0, Diversion { number, reason: Some(status.to_string()) });
        call.name = None;
        self.touch();
    }

    fn progress(&mut self, now: Now, session: SessionId, status: u16, body: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        let early = !body.is_empty() && self.take_answer(index, body).is_ok();
        let first = self.calls[index].state == State::Dialing;
        if first && (early || matches!(status, 180 | 182 | 183)) {
            self.calls[index].enter(now, State::Alerting);
            let id = self.calls[index].id;
            self.edge(Edge::Alerting(id));
        }
        let early_media = self.calls[index].media.as_ref().is_some_and(|media| media.negotiated.is_some());
        if early_media {
            self.tone(None);
            self.run_media(index);
        } else if status == 180 {
            self.tone(Some(Tone::RingBack));
        }
    }

    fn answered(&mut self, now: Now, session: SessionId, body: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        let agreed = if body.is_empty() {
            // The answer may have come reliably before; without any there is no sound to be had.
            self.calls[index].media.as_ref().is_some_and(|media| media.negotiated.is_some())
        } else {
            self.take_answer(index, body).is_ok()
        };
        let id = self.calls[index].id;
        if agreed {
            self.leave_referrer(now, index);
            let Some(index) = self.index(id) else { return };
            self.established(now, index);
        } else {
            let _ = self.user_agent.hang_up(now.instant, session);
            self.finish(now, id, End { cause: EndCause::NotAcceptable, status: None });
        }
    }

    fn confirmed(&mut self, now: Now, session: SessionId, body: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        let id = self.calls[index].id;
        if !body.is_empty() && self.take_answer(index, body).is_ok() {
            self.run_media(index);
            self.touch();
        } else if self.calls[index].media.as_ref().is_none_or(|media| media.negotiated.is_none()) {
            let _ = self.user_agent.hang_up(now.instant, session);
            return self.finish(now, id, End { cause: EndCause::NotAcceptable, status: None });
        }
        self.settle_hold(now, index);
    }

    fn reoffered(&mut self, now: Now, session: SessionId, offer: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        if let Some(media) = &mut self.calls[index].media {
            media.version += 1;
        }
        let hold = self.calls[index].hold();
        let Some(local) = self.local_media(index, hold) else {
            let _ = self.user_agent.refuse_reoffer(now.instant, session, 500);
            return;
        };
        if offer.is_empty() {
            let _ = self.user_agent.accept_reoffer(now.instant, session, self.offer(index, &local));
            return;
        }
        match offer_answer::answer(&local, offer) {
            Ok((body, negotiated)) => {
                self.agree(index, negotiated);
                let _ = self.user_agent.accept_reoffer(now.instant, session, body);
            }
            Err(_) => {
                let _ = self.user_agent.refuse_reoffer(now.instant, session, 488);
            }
        }
        self.settle_hold(now, index);
        self.touch();
    }

    pub(super) fn take_answer(&mut self, index: usize, body: &[u8]) -> Result<(), offer_answer::Error> {
        let hold = self.calls[index].hold();
        let Some(local) = self.local_media(index, hold) else { return Err(offer_answer::Error::NoCommonMedia) };
        let agreed = self.calls[index].media.as_ref().and_then(|media| media.negotiated.as_ref());
        let negotiated = match agreed.filter(|_| self.calls[index].is_established()) {
            Some(agreed) => offer_answer::accept_reoffer(&local, agreed, body)?,
            // The first answer, or the final one after early media.
            None => offer_answer::accept(&local, body)?,
        };
        if let Some(media) = &mut self.calls[index].media {
            media.negotiated = Some(negotiated);
        }
        Ok(())
    }

    pub(super) fn of_session(&self, session: SessionId) -> Option<usize> {
        self.calls.iter().position(|call| call.session == Some(session))
    }
}
