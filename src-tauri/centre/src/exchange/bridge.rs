//! A call between two phones: a back-to-back user agent with a media relay between them (RFC 7092 §3.2.2).
//!
//! Signalling ends here on both legs; descriptions pass through with our relay put into them, so that codecs, hold and
//! keys are agreed between the phones themselves.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use deskline_core::sip::user_agent::{EndReason, Event as SipEvent};
use deskline_core::sip::{Headers, NameAddr, SessionId};

use super::Step;
use super::desk::{Desk, Dialling, Invitation};
use super::simulated::end_of;
use crate::call::{CallEnd, CallId, CallState};
use crate::media::{self, Leg, rewrite};

pub(super) struct Bridge {
    id: CallId,
    caller: SessionId,
    phase: Phase,
    /// Our sockets, on the caller's and on the callee's side.
    relay: [SocketAddr; 2],
    /// What each side was told last about the other (caller, callee), for when it asks again.
    told: [Vec<u8>; 2],
    /// The platform's headers of the INVITE.
    headers: Headers,
}

enum Phase {
    /// The relay's sockets are not there yet.
    Opening(Box<Opening>),
    Ringing {
        legs: Vec<SessionId>,
        give_up_at: Instant,
        refusal: Option<u16>,
    },
    Talking {
        callee: SessionId,
        change: Change,
    },
}

/// What the phones are called with once the relay stands.
struct Opening {
    offer: Vec<u8>,
    dialling: Dialling,
    give_up_at: Instant,
}

/// An offer on its way from one side to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// This side offered, and waits for the other's answer.
    Offered(Leg),
    /// This side was given an offer because it asked for one; its answer comes with the ACK.
    Asked(Leg),
    /// That answer is on its way to the other side as an offer, whose answer ends here.
    Completing,
    /// This side is new in the call and was told what the other offers; its answer goes to the other as an offer.
    Joining(Leg),
}

impl Bridge {
    pub(super) fn new(now: Instant, id: CallId, desk: &mut Desk, invitation: Invitation, dialling: Dialling) -> Self {
        let Invitation { session, flow, offer } = invitation;
        let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
        desk.media.open_relay(now, id, flow.local.ip(), dialling.local_ip());
        let give_up_at = now + desk.config.ring_for;
        let headers = dialling.headers.clone();
        let phase = Phase::Opening(Box::new(Opening { offer, dialling, give_up_at }));
        Self { id, caller: session, phase, relay: [nowhere; 2], told: Default::default(), headers }
    }

    pub(super) fn handle_media(&mut self, now: Instant, desk: &mut Desk, event: &media::Event) -> Step {
        let addresses = match event {
            media::Event::Opened { addresses, .. } => addresses,
            media::Event::OpenFailed { .. } => return self.refuse(now, desk, 500),
        };
        let Phase::Opening(opening) = &self.phase else { return Step::Goes(self.state()) };
        let Opening { offer, dialling, give_up_at } = &**opening;
        self.relay = [addresses[0], addresses[1]];
        let Some(rewritten) = rewrite(offer, self.relay[1]) else { return self.refuse(now, desk, 488) };
        desk.media.relay_to(self.id, Leg::Caller, rewritten.remote);
        let legs = desk.invite(now, self.id, dialling, &rewritten.body);
        if legs.is_empty() {
            return self.refuse(now, desk, 503);
        }
        self.told[1] = rewritten.body;
        self.phase = Phase::Ringing { legs, give_up_at: *give_up_at, refusal: None };
        Step::Goes(self.state())
    }

    pub(super) fn handle_sip(&mut self, now: Instant, desk: &mut Desk, session: SessionId, event: SipEvent) -> Step {
        match event {
            SipEvent::Progress { status, body, .. } => self.handle_progress(now, desk, session, status, &body),
            SipEvent::Answered { body, .. } => return self.handle_answered(now, desk, session, &body),
            SipEvent::Reoffered { offer, .. } => self.handle_reoffer(now, desk, session, &offer),
            SipEvent::ReofferAnswered { body, .. } => self.handle_reoffer_answered(now, desk, session, &body),
            SipEvent::ReofferFailed { status, .. } => self.handle_reoffer_failed(now, desk, status),
            SipEvent::Confirmed { body, .. } => self.handle_late_answer(now, desk, session, &body),
            SipEvent::Info { content_type, body, .. } => {
                if let Some((_, other)) = self.sides(session) {
                    let _ = desk.agent.info(now, other, &content_type, body);
                }
            }
            SipEvent::Ended { reason, .. } => return self.handle_ended(now, desk, session, &reason),
            _ => {}
        }
        Step::Goes(self.state())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, desk: &mut Desk) -> Step {
        match self.poll_timeout() {
            Some(at) if at <= now => {
                desk.reject(now, self.caller, 480);
                Step::Over(CallEnd::NotAnswered)
            }
            _ => Step::Goes(self.state()),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Opening(_) | Phase::Talking { .. } => None,
            Phase::Ringing { give_up_at, .. } => Some(*give_up_at),
        }
    }

    fn state(&self) -> CallState {
        match self.phase {
            Phase::Opening(_) | Phase::Ringing { .. } => CallState::Ringing,
            Phase::Talking { .. } => CallState::Talking,
        }
    }

    fn refuse(&self, now: Instant, desk: &mut Desk, status: u16) -> Step {
        desk.reject(now, self.caller, status);
        Step::Over(CallEnd::Refused(status))
    }

    /// Which leg a session is, and the session on the other side.
    fn sides(&self, session: SessionId) -> Option<(Leg, SessionId)> {
        let Phase::Talking { callee, .. } = self.phase else { return None };
        if session == self.caller {
            Some((Leg::Caller, callee))
        } else if session == callee {
            Some((Leg::Callee, self.caller))
        } else {
            None
        }
    }

    /// The session on the other side.
    pub(super) fn other(&self, session: SessionId) -> Option<SessionId> {
        self.sides(session).map(|(_, other)| other)
    }

    pub(super) const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Our address on the side of a session.
    pub(super) fn address_of(&self, session: SessionId) -> Option<IpAddr> {
        self.sides(session).map(|(leg, _)| self.relay[side(leg)].ip())
    }

    /// How the phone on the other side of a session is shown to somebody else, and what it offers there.
    pub(super) fn far_end(&self, session: SessionId, desk: &Desk) -> Option<(NameAddr, Vec<u8>)> {
        let (leg, other) = self.sides(session)?;
        let extension = desk.extension_of(other);
        let name = desk.config.user(&extension).map(|user| user.name.clone()).unwrap_or_default();
        Some((desk.address(&extension, &name), awake(&self.told[side(leg)])))
    }

    /// Another phone has answered what the other side of `by` offers, and takes the place of `by`.
    pub(super) fn take_over(
        &mut self,
        now: Instant,
        desk: &mut Desk,
        by: SessionId,
        session: SessionId,
        body: &[u8],
    ) -> bool {
        let Some((leg, other)) = self.sides(by) else { return false };
        let Some(offer) = self.pass_on(desk, leg, body) else { return false };
        if desk.agent.reoffer(now, other, offer).is_err() {
            return false;
        }
        self.replace(leg, session);
        self.set_change(Change::Completing);
        true
    }

    /// Another phone, in a call of its own so far, takes the place of `by`: it is told what the other side offers.
    pub(super) fn connect(&mut self, now: Instant, desk: &mut Desk, by: SessionId, session: SessionId) -> bool {
        let Some((leg, _)) = self.sides(by) else { return false };
        let offer = awake(&self.told[side(leg)]);
        if desk.agent.reoffer(now, session, offer).is_err() {
            return false;
        }
        // Until it has answered, nobody is there.
        desk.media.relay_to(self.id, leg, None);
        self.replace(leg, session);
        self.set_change(Change::Joining(leg));
        true
    }

    fn replace(&mut self, leg: Leg, session: SessionId) {
        match (leg, &mut self.phase) {
            (Leg::Caller, _) => self.caller = session,
            (Leg::Callee, Phase::Talking { callee, .. }) => *callee = session,
            (Leg::Callee, _) => {}
        }
    }

    /// Passes a description of `from`'s side on to the other; `None` when it is none.
    fn pass_on(&mut self, desk: &mut Desk, from: Leg, body: &[u8]) -> Option<Vec<u8>> {
        let to = side(from.other());
        let rewritten = rewrite(body, self.relay[to])?;
        desk.media.relay_to(self.id, from, rewritten.remote);
        self.told[to].clone_from(&rewritten.body);
        Some(rewritten.body)
    }

    fn handle_progress(&mut self, now: Instant, desk: &mut Desk, session: SessionId, status: u16, body: &[u8]) {
        let Phase::Ringing { legs, .. } = &self.phase else { return };
        // With several phones early sound would come from all of them.
        let early = if legs.as_slice() == [session] && !body.is_empty() {
            self.pass_on(desk, Leg::Callee, body).unwrap_or_default()
        } else {
            Vec::new()
        };
        let status = if matches!(status, 180..=183) && !(status == 183 && early.is_empty()) { status } else { 180 };
        let _ = desk.agent.progress(now, self.caller, status, early);
    }

    fn handle_answered(&mut self, now: Instant, desk: &mut Desk, session: SessionId, body: &[u8]) -> Step {
        let Phase::Ringing { legs, .. } = &self.phase else {
            desk.hang_up(now, session);
            return Step::Goes(self.state());
        };
        for &leg in legs.iter().filter(|leg| **leg != session) {
            desk.hang_up(now, leg);
        }
        let Some(answer) = self.pass_on(desk, Leg::Callee, body) else { return self.refuse(now, desk, 488) };
        if desk.agent.answer(now, self.caller, answer, Headers::default()).is_err() {
            return Step::Over(CallEnd::Lost);
        }
        self.phase = Phase::Talking { callee: session, change: Change::None };
        Step::Goes(self.state())
    }

    fn handle_reoffer(&mut self, now: Instant, desk: &mut Desk, session: SessionId, offer: &[u8]) {
        let (Some((leg, other)), Phase::Talking { change: Change::None, .. }) = (self.sides(session), &self.phase)
        else {
            // The other side is changing something itself (RFC 3261 §14.2).
            let _ = desk.agent.refuse_reoffer(now, session, 491);
            return;
        };
        if offer.is_empty() {
            let told = self.told[side(leg)].clone();
            let _ = desk.agent.accept_reoffer(now, session, told);
            self.set_change(Change::Asked(leg));
            return;
        }
        let Some(offer) = self.pass_on(desk, leg, offer) else {
            let _ = desk.agent.refuse_reoffer(now, session, 488);
            return;
        };
        match desk.agent.reoffer(now, other, offer) {
            Ok(()) => self.set_change(Change::Offered(leg)),
            Err(_) => {
                let _ = desk.agent.refuse_reoffer(now, session, 491);
            }
        }
    }

    fn handle_reoffer_answered(&mut self, now: Instant, desk: &mut Desk, session: SessionId, body: &[u8]) {
        let Some((leg, other)) = self.sides(session) else { return };
        let answer = self.pass_on(desk, leg, body);
        let Phase::Talking { change, .. } = &self.phase else { return };
        if *change == Change::Joining(leg) {
            let passed = answer.is_some_and(|offer| desk.agent.reoffer(now, other, offer).is_ok());
            self.set_change(if passed { Change::Completing } else { Change::None });
            return;
        }
        if *change == Change::Offered(leg.other()) {
            let _ = match answer {
                Some(answer) => desk.agent.accept_reoffer(now, other, answer),
                None => desk.agent.refuse_reoffer(now, other, 488),
            };
        }
        self.set_change(Change::None);
    }

    fn handle_reoffer_failed(&mut self, now: Instant, desk: &mut Desk, status: u16) {
        let Phase::Talking { change, callee } = &self.phase else { return };
        if let Change::Offered(leg) = change {
            let offerer = if *leg == Leg::Caller { self.caller } else { *callee };
            let status = if (400..700).contains(&status) { status } else { 488 };
            let _ = desk.agent.refuse_reoffer(now, offerer, status);
        }
        self.set_change(Change::None);
    }

    /// The side that asked for an offer has answered it: the other side learns of it by an offer of its own. (Every other
    /// ACK says nothing to us.)
    fn handle_late_answer(&mut self, now: Instant, desk: &mut Desk, session: SessionId, body: &[u8]) {
        let Some((leg, other)) = self.sides(session) else { return };
        let Phase::Talking { change: Change::Asked(asked), .. } = &self.phase else { return };
        if *asked != leg {
            return;
        }
        let passed = self.pass_on(desk, leg, body).is_some_and(|offer| desk.agent.reoffer(now, other, offer).is_ok());
        self.set_change(if passed { Change::Completing } else { Change::None });
    }

    fn handle_ended(&mut self, now: Instant, desk: &mut Desk, session: SessionId, reason: &EndReason) -> Step {
        if session == self.caller {
            return Step::Over(end_of(reason));
        }
        match &mut self.phase {
            Phase::Opening(_) => Step::Goes(self.state()),
            Phase::Ringing { legs, refusal, .. } => {
                legs.retain(|leg| *leg != session);
                let status = match reason {
                    EndReason::Rejected { status, .. } => *status,
                    _ => 408,
                };
                let best = better_refusal(*refusal, status);
                *refusal = Some(best);
                if legs.is_empty() { self.refuse(now, desk, best) } else { Step::Goes(self.state()) }
            }
            Phase::Talking { callee, .. } if *callee != session => Step::Goes(self.state()),
            Phase::Talking { .. } => Step::Over(end_of(reason)),
        }
    }

    fn set_change(&mut self, new: Change) {
        if let Phase::Talking { change, .. } = &mut self.phase {
            *change = new;
        }
    }
}

const fn side(leg: Leg) -> usize {
    match leg {
        Leg::Caller => 0,
        Leg::Callee => 1,
    }
}

/// A description that neither holds nor is held: whoever comes new into a call begins it awake.
fn awake(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match line.trim_ascii_end() {
            b"a=sendonly" | b"a=recvonly" | b"a=inactive" => out.extend_from_slice(b"a=sendrecv\r\n"),
            _ => out.extend_from_slice(line),
        }
    }
    out
}

/// Which of several phones' refusals the caller is told (RFC 3261 §16.7, step 6): 6xx first, then the lowest class. A
/// challenge to us or a redirection means nothing to the caller.
pub(super) fn better_refusal(known: Option<u16>, new: u16) -> u16 {
    let new = match new {
        401 | 407 => 480,
        300..=399 => 480,
        400..=699 => new,
        _ => 500,
    };
    let rank = |status: u16| if status >= 600 { (0, status) } else { (1, status) };
    known.map_or(new, |known| if rank(new) < rank(known) { new } else { known })
}
