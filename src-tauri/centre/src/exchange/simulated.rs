//! A call whose far end is simulated: a customer who calls an agent's phones, or a demo number that an agent calls.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use deskline_core::media::Direction;
use deskline_core::sdp::offer_answer::{self, LocalMedia, Negotiated};
use deskline_core::sip::user_agent::{EndReason, Event as SipEvent};
use deskline_core::sip::{Headers, NameAddr, SessionId};

use super::Step;
use super::desk::{Desk, Dialling, Invitation};
use crate::call::{CallEnd, CallId, CallKind, CallState, CustomerScript};
use crate::config::Caller;
use crate::media::{self, Performance};
use crate::registrar::Binding;
use crate::sound::Speaker;

/// What a demo number does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pickup {
    AtOnce,
    AfterRinging(Duration),
    Never { refuse_after: Duration },
}

pub(super) struct Simulated {
    id: CallId,
    local: LocalMedia,
    /// Who is simulated, as others are shown.
    from: NameAddr,
    /// The platform's headers that came with the customer.
    headers: Headers,
    phase: Phase,
}

enum Phase {
    /// The socket is not there yet.
    Opening(Plan),
    /// Phones ring.
    Calling { legs: Vec<SessionId>, give_up_at: Instant, hang_up_after: Option<Duration>, refusal: Option<u16> },
    /// A demo number rings.
    Ringing { session: SessionId, offer: Vec<u8>, until: Instant, pickup: Pickup },
    /// `hang_up_at` by the script. `negotiated` is missing until the answer to our offer has come with the ACK.
    Talking { session: SessionId, negotiated: Option<Negotiated>, hang_up_at: Option<Instant>, is_customer: bool },
}

/// What to do once the socket stands.
enum Plan {
    Call {
        dialling: Box<Dialling>,
        give_up_at: Instant,
        hang_up_after: Option<Duration>,
    },
    BeCalled {
        session: SessionId,
        offer: Vec<u8>,
        pickup: Pickup,
    },
    /// A phone that is in a call already is connected to us.
    TakeOver {
        session: SessionId,
    },
}

impl Simulated {
    /// A customer who calls these phones (of which there is at least one).
    pub(super) fn customer(
        now: Instant,
        id: CallId,
        desk: &mut Desk,
        extension: &str,
        phones: Vec<Binding>,
        caller: Option<Caller>,
        script: CustomerScript,
    ) -> Self {
        let caller = caller.unwrap_or_else(|| Caller::new("anonymous", "", Speaker::WOMAN));
        let mut performance = script.opening.performance(script.opening_for, caller.speaker, desk.random.number());
        performance.digits = script.digits;
        let dialling = Dialling {
            extension: extension.to_owned(),
            phones,
            from: desk.address(caller.number.expose(), caller.name.expose()),
            headers: script.headers,
        };
        let address = dialling.local_ip();
        desk.media.open_endpoint(now, id, address, performance);
        let (from, headers) = (dialling.from.clone(), dialling.headers.clone());
        let plan = Plan::Call {
            dialling: Box::new(dialling),
            give_up_at: now + script.patience,
            hang_up_after: script.hang_up_after,
        };
        Self { id, local: local_media(desk, address), from, headers, phase: Phase::Opening(plan) }
    }

    /// A demo number that an agent calls.
    pub(super) fn called(
        now: Instant,
        id: CallId,
        desk: &mut Desk,
        number: &str,
        invitation: Invitation,
        pickup: Pickup,
        performance: Performance,
    ) -> Self {
        let Invitation { session, flow, offer } = invitation;
        desk.media.open_endpoint(now, id, flow.local.ip(), performance);
        let local = local_media(desk, flow.local.ip());
        let from = desk.address(number, "");
        let phase = Phase::Opening(Plan::BeCalled { session, offer, pickup });
        Self { id, local, from, headers: Headers::default(), phase }
    }

    /// Somebody simulated to whom a phone is transferred in the midst of its call.
    pub(super) fn taking_over(
        now: Instant,
        id: CallId,
        desk: &mut Desk,
        session: SessionId,
        address: IpAddr,
        performance: Performance,
    ) -> Self {
        desk.media.open_endpoint(now, id, address, performance);
        let (local, from) = (local_media(desk, address), desk.address("anonymous", ""));
        Self { id, local, from, headers: Headers::default(), phase: Phase::Opening(Plan::TakeOver { session }) }
    }

    pub(super) const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How the one who is simulated is shown to somebody else, and what they offer there.
    pub(super) fn far_end(&mut self) -> (NameAddr, Vec<u8>) {
        self.local.version += 1;
        (self.from.clone(), offer_answer::offer(&self.local))
    }

    /// Another phone has answered our offer, and takes the place of the one in the call.
    pub(super) fn take_over(&mut self, now: Instant, desk: &mut Desk, session: SessionId, body: &[u8]) -> bool {
        let Ok(agreed) = offer_answer::accept(&self.local, body) else { return false };
        desk.media.run(now, self.id, agreed.clone());
        self.talk_with(session, Some(agreed));
        true
    }

    /// Another phone, in a call of its own so far, takes the place of the one in the call: it is made an offer.
    pub(super) fn connect(&mut self, now: Instant, desk: &mut Desk, session: SessionId) -> bool {
        let (_, offer) = self.far_end();
        if desk.agent.reoffer(now, session, offer).is_err() {
            return false;
        }
        self.talk_with(session, None);
        true
    }

    fn talk_with(&mut self, session: SessionId, negotiated: Option<Negotiated>) {
        let (hang_up_at, is_customer) = match &self.phase {
            Phase::Talking { hang_up_at, is_customer, .. } => (*hang_up_at, *is_customer),
            _ => (None, false),
        };
        self.phase = Phase::Talking { session, negotiated, hang_up_at, is_customer };
    }

    pub(super) fn call_kind(&self) -> CallKind {
        match self.phase {
            Phase::Opening(Plan::Call { .. }) | Phase::Calling { .. } | Phase::Talking { is_customer: true, .. } => {
                CallKind::Customer
            }
            _ => CallKind::DemoNumber,
        }
    }

    pub(super) fn handle_media(&mut self, now: Instant, desk: &mut Desk, event: &media::Event) -> Step {
        let media::Event::Opened { addresses, .. } = event else { return self.fail(now, desk) };
        self.local.address = addresses[0];
        let placeholder = Phase::Calling { legs: Vec::new(), give_up_at: now, hang_up_after: None, refusal: None };
        match std::mem::replace(&mut self.phase, placeholder) {
            Phase::Opening(Plan::Call { dialling, give_up_at, hang_up_after }) => {
                let offer = offer_answer::offer(&self.local);
                let legs = desk.invite(now, self.id, &dialling, &offer);
                if legs.is_empty() {
                    return Step::Over(CallEnd::Lost);
                }
                self.phase = Phase::Calling { legs, give_up_at, hang_up_after, refusal: None };
            }
            Phase::Opening(Plan::BeCalled { session, offer, pickup }) => {
                // What cannot be understood is refused before it rings.
                if !offer.is_empty() && offer_answer::answer(&self.local, &offer).is_err() {
                    desk.reject(now, session, 488);
                    return Step::Over(CallEnd::Refused(488));
                }
                let rings = match pickup {
                    Pickup::AtOnce => Duration::ZERO,
                    Pickup::AfterRinging(rings) | Pickup::Never { refuse_after: rings } => rings,
                };
                self.phase = Phase::Ringing { session, offer, until: now + rings, pickup };
                if pickup == Pickup::AtOnce {
                    return self.handle_timeout(now, desk);
                }
                let _ = desk.agent.progress(now, session, 180, Vec::new());
            }
            Phase::Opening(Plan::TakeOver { session }) => {
                if !self.connect(now, desk, session) {
                    return Step::Over(CallEnd::Lost);
                }
            }
            other => self.phase = other,
        }
        Step::Goes(self.state())
    }

    pub(super) fn handle_sip(&mut self, now: Instant, desk: &mut Desk, session: SessionId, event: SipEvent) -> Step {
        match event {
            SipEvent::Answered { body, .. } => return self.handle_answered(now, desk, session, &body),
            SipEvent::Confirmed { body, .. } => return self.handle_late_answer(now, desk, &body),
            SipEvent::ReofferAnswered { body, .. } if self.is_with(session) => {
                return self.handle_late_answer(now, desk, &body);
            }
            // A phone that was connected to us takes nothing that we offer.
            SipEvent::ReofferFailed { status, .. } if self.is_with(session) && self.is_undecided() => {
                return Step::Over(CallEnd::Refused(status));
            }
            SipEvent::Reoffered { offer, .. } => self.handle_reoffer(now, desk, session, &offer),
            SipEvent::Info { content_type, body, .. } => {
                if let Some(digit) = digit_of_info(&content_type, &body) {
                    desk.media.note_digit(self.id, digit);
                }
            }
            SipEvent::Ended { reason, .. } => return self.handle_ended(session, reason),
            _ => {}
        }
        Step::Goes(self.state())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk) -> Step {
        match &self.phase {
            Phase::Calling { give_up_at, .. } if *give_up_at <= now => Step::Over(CallEnd::NotAnswered),
            Phase::Ringing { session, until, pickup: Pickup::Never { .. }, .. } if *until <= now => {
                desk.reject(now, *session, 480);
                Step::Over(CallEnd::Refused(480))
            }
            Phase::Ringing { session, offer, until, .. } if *until <= now => {
                let (session, offer) = (*session, offer.clone());
                self.pick_up(now, desk, session, &offer)
            }
            Phase::Talking { hang_up_at: Some(at), .. } if *at <= now => Step::Over(CallEnd::HungUpHere),
            _ => Step::Goes(self.state()),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(_) => None,
            Phase::Calling { give_up_at, .. } => Some(*give_up_at),
            Phase::Ringing { until, .. } => Some(*until),
            Phase::Talking { hang_up_at, .. } => *hang_up_at,
        }
    }

    fn is_with(&self, wanted: SessionId) -> bool {
        matches!(self.phase, Phase::Talking { session, .. } if session == wanted)
    }

    const fn is_undecided(&self) -> bool {
        matches!(self.phase, Phase::Talking { negotiated: None, .. })
    }

    fn state(&self) -> CallState {
        match &self.phase {
            Phase::Opening(_) | Phase::Calling { .. } | Phase::Ringing { .. } => CallState::Ringing,
            Phase::Talking { negotiated: Some(negotiated), .. } if !negotiated.direction.sends() => CallState::Held,
            Phase::Talking { .. } => CallState::Talking,
        }
    }

    /// There is no socket to be had.
    fn fail(&mut self, now: Instant, desk: &mut Desk) -> Step {
        if let Phase::Opening(Plan::BeCalled { session, .. }) = &self.phase {
            desk.reject(now, *session, 500);
            return Step::Over(CallEnd::Refused(500));
        }
        Step::Over(CallEnd::Lost)
    }

    fn pick_up(&mut self, now: Instant, desk: &mut Desk, session: SessionId, offer: &[u8]) -> Step {
        let (body, negotiated) = if offer.is_empty() {
            (offer_answer::offer(&self.local), None)
        } else {
            match offer_answer::answer(&self.local, offer) {
                Ok((body, negotiated)) => (body, Some(negotiated)),
                Err(_) => {
                    desk.reject(now, session, 488);
                    return Step::Over(CallEnd::Refused(488));
                }
            }
        };
        if desk.agent.answer(now, session, body, Headers::default()).is_err() {
            return Step::Over(CallEnd::Lost);
        }
        if let Some(negotiated) = &negotiated {
            desk.media.run(now, self.id, negotiated.clone());
        }
        self.phase = Phase::Talking { session, negotiated, hang_up_at: None, is_customer: false };
        Step::Goes(self.state())
    }

    /// A phone answered: it is the one, the others stop ringing.
    fn handle_answered(&mut self, now: Instant, desk: &mut Desk, session: SessionId, body: &[u8]) -> Step {
        let Phase::Calling { legs, hang_up_after, .. } = &self.phase else {
            // A second phone answered in the same moment.
            desk.hang_up(now, session);
            return Step::Goes(self.state());
        };
        let hang_up_at = hang_up_after.map(|after| now + after);
        for &leg in legs.iter().filter(|leg| **leg != session) {
            desk.hang_up(now, leg);
        }
        let Ok(negotiated) = offer_answer::accept(&self.local, body) else {
            return Step::Over(CallEnd::Refused(488));
        };
        desk.media.run(now, self.id, negotiated.clone());
        self.phase = Phase::Talking { session, negotiated: Some(negotiated), hang_up_at, is_customer: true };
        Step::Goes(self.state())
    }

    /// The answer to an offer of ours that stood in a 2xx.
    fn handle_late_answer(&mut self, now: Instant, desk: &mut Desk, body: &[u8]) -> Step {
        let Phase::Talking { negotiated, .. } = &mut self.phase else { return Step::Goes(self.state()) };
        let accepted = match negotiated {
            // The ACK to an answer of ours.
            Some(_) if body.is_empty() => return Step::Goes(self.state()),
            Some(agreed) => offer_answer::accept_reoffer(&self.local, agreed, body),
            None => offer_answer::accept(&self.local, body),
        };
        match accepted {
            Ok(agreed) => {
                desk.media.run(now, self.id, agreed.clone());
                *negotiated = Some(agreed);
                Step::Goes(self.state())
            }
            // With nothing agreed there is no call; a running one goes on as it was.
            Err(_) if negotiated.is_none() => Step::Over(CallEnd::Refused(488)),
            Err(_) => Step::Goes(self.state()),
        }
    }

    /// Hold, retrieve, another codec, another address.
    fn handle_reoffer(&mut self, now: Instant, desk: &mut Desk, session: SessionId, offer: &[u8]) {
        let Phase::Talking { negotiated, .. } = &mut self.phase else {
            let _ = desk.agent.refuse_reoffer(now, session, 491);
            return;
        };
        self.local.version += 1;
        if offer.is_empty() {
            let offer = match negotiated {
                Some(agreed) => offer_answer::reoffer(&self.local, agreed),
                None => offer_answer::offer(&self.local),
            };
            let _ = desk.agent.accept_reoffer(now, session, offer);
            return;
        }
        match offer_answer::answer(&self.local, offer) {
            Ok((body, agreed)) => {
                if desk.agent.accept_reoffer(now, session, body).is_ok() {
                    desk.media.run(now, self.id, agreed.clone());
                    *negotiated = Some(agreed);
                }
            }
            Err(_) => {
                let _ = desk.agent.refuse_reoffer(now, session, 488);
            }
        }
    }

    fn handle_ended(&mut self, session: SessionId, reason: EndReason) -> Step {
        match &mut self.phase {
            // One of several phones is out; the call is over with the last of them.
            Phase::Calling { legs, refusal, .. } => {
                legs.retain(|leg| *leg != session);
                if let EndReason::Rejected { status, .. } = reason {
                    *refusal = Some(super::bridge::better_refusal(*refusal, status));
                }
                match (legs.is_empty(), *refusal) {
                    (false, _) => Step::Goes(self.state()),
                    (true, Some(status)) => Step::Over(CallEnd::Refused(status)),
                    (true, None) => Step::Over(CallEnd::Lost),
                }
            }
            // A phone that lost the race.
            Phase::Talking { session: talking, .. } if *talking != session => Step::Goes(self.state()),
            _ => Step::Over(end_of(&reason)),
        }
    }
}

pub(super) fn end_of(reason: &EndReason) -> CallEnd {
    match reason {
        EndReason::Local => CallEnd::HungUpHere,
        EndReason::Remote { .. } | EndReason::Replaced { .. } => CallEnd::HungUpByPhone,
        EndReason::Rejected { status, .. } => CallEnd::Refused(*status),
        EndReason::TimedOut | EndReason::Unreachable => CallEnd::Lost,
    }
}

/// What a simulated person's telephone can do. The address is filled in when the socket stands.
fn local_media(desk: &mut Desk, address: IpAddr) -> LocalMedia {
    LocalMedia {
        session_id: desk.random.number() >> 2,
        version: 1,
        address: SocketAddr::new(address, 9),
        codecs: desk.config.codecs.clone(),
        dtmf: true,
        direction: Direction::SendRecv,
        ptime: 20,
    }
}

/// The digit of an INFO: `application/dtmf-relay` with `Signal=5`, or `application/dtmf` with the digit alone.
fn digit_of_info(content_type: &str, body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let kind = content_type.split(';').next()?.trim();
    let digit = if kind.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        })?
    } else if kind.eq_ignore_ascii_case("application/dtmf") {
        text.trim()
    } else {
        return None;
    };
    let mut chars = digit.chars();
    let digit = chars.next().filter(|_| chars.next().is_none())?;
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D').then_some(digit)
}

#[cfg(test)]
mod tests {
    use super::digit_of_info;

    #[test]
    fn both_kinds_of_info_carry_a_digit() {
        let check = |kind, body: &str, expected| assert_eq!(digit_of_info(kind, body.as_bytes()), expected, "{body:?}");
        check("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5'));
        check("Application/DTMF-Relay; charset=utf-8", "Signal= #\nDuration=100", Some('#'));
        check("application/dtmf", "7\r\n", Some('7'));
        check("application/dtmf", "77", None);
        check("application/dtmf", "", None);
        check("application/dtmf-relay", "Duration=160", None);
        check("text/plain", "5", None);
    }
}
