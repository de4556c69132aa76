//! What the user agent reports.

use std::time::Duration;

use super::{Edge, NoticeCode, Output, Timer, Workbench, calls};
use crate::agent;
use crate::call::{Call, CallId, Change, Direction, End, EndCause, Hold, State};
use crate::clock::Now;
use crate::flow::Flow;
use crate::media::{Command, Tone};
use crate::pii::Pii;
use crate::sdp::{LocalMedia, offer_answer};
use crate::sip::user_agent::{self, Event};
use crate::sip::{HeaderAccess, Headers, NameAddr, Request, SessionId};

/// How long an incoming call rings at most: a caller whose CANCEL is lost must not ring for ever.
const RING_LIMIT: Duration = Duration::from_secs(180);

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
            Event::OtherBindings { .. } => {}

            Event::Incoming { session, request, flow, offer, .. } => self.incoming(now, session, &request, flow, offer),
            Event::Progress { session, status, body, .. } => self.progress(now, session, status, &body),
            Event::Answered { session, body, .. } => self.answered(now, session, &body),
            Event::Confirmed { session, body } => self.confirmed(now, session, &body),
            Event::Reoffered { session, offer, .. } => self.reoffered(now, session, &offer),
            Event::ReofferAnswered { session, body, .. } => self.reoffer_answered(now, session, &body),
            Event::ReofferFailed { session, .. } => self.reoffer_failed(now, session),
            Event::Info { session, content_type, body, .. } => self.info(session, &content_type, &body),
            Event::InfoFailed { .. } | Event::DigitsRefused { .. } => self.notify(now, NoticeCode::DtmfRefused),
            Event::Ended { session, reason, .. } => {
                if let Some(index) = self.of_session(session) {
                    let call = &self.calls[index];
                    let (id, end) = (call.id, call.end_for(&reason));
                    self.finish(now, id, end);
                }
            }
            Event::Referred { referral, .. } => {
                let _ = self.user_agent.refuse_referral(now.instant, referral, 603);
            }
            Event::Referral { .. } => {}
            // Nothing is handed to the application here: `application_methods` is empty.
            Event::Request { .. }
            | Event::Dropped { .. }
            | Event::Redirected { .. }
            | Event::EarlyAnswer { .. }
            | Event::Updated { .. } => {}
        }
    }

    fn incoming(&mut self, now: Now, session: SessionId, request: &Request, flow: Flow, offer: Vec<u8>) {
        if !self.is_from_registrar(flow) {
            let _ = self.user_agent.reject(now.instant, session, 403, Headers::default());
            return;
        }
        let refuse = if !offer.is_empty() && !self.could_take(&offer) {
            Some((488, EndCause::NotAcceptable))
        } else if !self.calls.is_empty() {
            Some((486, EndCause::Busy))
        } else if !self.agent.allows(agent::Input::Ringing) {
            Some((480, EndCause::NotReady))
        } else {
            None
        };
        let call = self.inbound_call(now, session, request, offer);
        let id = call.id;
        if let Some((status, cause)) = refuse {
            let _ = self.user_agent.reject(now.instant, session, status, Headers::default());
            let mut call = call;
            call.ended = Some(now);
            call.enter(now, State::Ended(End { cause, status: Some(status) }));
            self.outputs.push_back(Output::Record(Box::new(call)));
            self.touch();
            return;
        }
        self.last_call = None;
        self.calls.push(call);
        let _ = self.user_agent.progress(now.instant, session, 180, Vec::new());
        self.tone(None);
        self.ask_media(Command::Devices { wanted: true });
        self.timers.insert(Timer::RingLimit(id), now.instant + RING_LIMIT);
        if let Some(after) = self.config.auto_answer {
            self.timers.insert(Timer::AutoAnswer(id), now.instant + after);
        }
        if self.config.auto_answer.is_none_or(|after| !after.is_zero()) {
            self.ring(true);
        }
        self.move_agent(now, agent::Input::Ringing);
        self.edge(Edge::Ringing(id));
    }

    /// Calls come by the server where we are registered. Whatever else knocks at an open port is a scanner: its calls
    /// neither ring nor stand in the call list.
    fn is_from_registrar(&self, flow: Flow) -> bool {
        let address = |flow: Flow| flow.remote.ip().to_canonical();
        self.registration.flow().is_some_and(|ours| address(ours) == address(flow))
    }

    fn inbound_call(&mut self, now: Now, session: SessionId, request: &Request, offer: Vec<u8>) -> Call {
        let from: Option<NameAddr> = request.headers.from_header().ok();
        let domain = self.account.as_ref().map(crate::account::Account::domain).unwrap_or_default();
        let number = from.as_ref().map(|from| calls::shown_caller(&from.uri, &domain)).unwrap_or_default();
        let name = from.and_then(|from| from.display).filter(|name| !name.trim().is_empty() && *name != number);
        Call {
            id: self.next_call_id(now),
            session: Some(session),
            direction: self.direction(&number, Direction::Inbound),
            number: Pii::new(number),
            name: name.map(Pii::new),
            state: State::Ringing { offer: Pii::new(offer) },
            since: now,
            started: now,
            answered: None,
            ended: None,
            dtmf: Pii::default(),
            media: None,
            dtmf_by_info: false,
            target: None,
        }
    }

    /// Whether an offer has anything for us, before the agent is disturbed.
    fn could_take(&self, offer: &[u8]) -> bool {
        let local = LocalMedia {
            session_id: 0,
            version: 0,
            address: std::net::SocketAddr::from(([127, 0, 0, 1], 9)),
            codecs: self.config.codecs.clone(),
            dtmf: true,
            direction: crate::media::Direction::SendRecv,
            ptime: 20,
        };
        offer_answer::answer(&local, offer).is_ok()
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
            self.finish(now, id, End { cause: EndCause::NotAcceptable, status: None });
        }
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
        self.touch();
    }

    fn reoffer_answered(&mut self, now: Now, session: SessionId, body: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        let State::Established { hold, change } = self.calls[index].state else { return };
        let hold = match change {
            Change::Holding => Hold::Held,
            Change::Retrieving => Hold::Active,
            Change::None => hold,
        };
        // The answer is read with what we offered, so the state comes first.
        self.calls[index].enter(now, State::Established { hold, change: Change::None });
        if self.take_answer(index, body).is_err() {
            self.notify(now, NoticeCode::HoldRefused);
        } else if change != Change::None {
            self.heal(|code| code == NoticeCode::HoldRefused);
        }
        self.run_media(index);
        let direction = self.calls[index].direction;
        self.move_agent(now, agent::Input::Established { direction, hold });
    }

    fn reoffer_failed(&mut self, now: Now, session: SessionId) {
        let Some(index) = self.of_session(session) else { return };
        let State::Established { hold, change } = self.calls[index].state else { return };
        self.calls[index].state = State::Established { hold, change: Change::None };
        self.run_media(index);
        self.touch();
        // Without a change it was no more than a refresh: see `refresh_calls`.
        if change != Change::None {
            self.notify(now, NoticeCode::HoldRefused);
        }
    }

    /// DTMF of a peer that sends it by INFO.
    fn info(&mut self, session: SessionId, content_type: &str, body: &[u8]) {
        let Some(index) = self.of_session(session) else { return };
        let id: CallId = self.calls[index].id;
        let text = String::from_utf8_lossy(body);
        let signal = match content_type.split(';').next().unwrap_or_default().trim() {
            kind if kind.eq_ignore_ascii_case("application/dtmf-relay") => text
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| key.trim().eq_ignore_ascii_case("signal"))
                .and_then(|(_, value)| value.trim().chars().next()),
            kind if kind.eq_ignore_ascii_case("application/dtmf") => text.trim().chars().next(),
            _ => None,
        };
        if let Some(digit) = signal.filter(|digit| "0123456789*#ABCDabcd".contains(*digit)) {
            self.edge(Edge::Dtmf(id, digit.to_ascii_uppercase()));
        }
    }

    fn take_answer(&mut self, index: usize, body: &[u8]) -> Result<(), offer_answer::Error> {
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

    fn of_session(&self, session: SessionId) -> Option<usize> {
        self.calls.iter().position(|call| call.session == Some(session))
    }
}
