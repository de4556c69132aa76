//! The commands upon calls.

use std::time::Duration;

use super::media::Socket;
use super::{Edge, NoticeCode, Output, Refusal, Timer, Workbench, sign_in, target};
use crate::account::Account;
use crate::agent;
use crate::call::{Call, CallId, Change, Direction, End, EndCause, Hold, Media, State};
use crate::clock::Now;
use crate::media::{Command, Tone};
use crate::pii::Pii;
use crate::sdp::{LocalMedia, offer_answer};
use crate::sip::Headers;
use crate::sip::user_agent::Invite;
use crate::telemetry;

/// How long the agent hears the busy tone of a call that failed.
const BUSY_TONE: Duration = Duration::from_millis(2_800);

impl Workbench {
    pub(super) fn dial(&mut self, now: Now, text: &str) -> Result<CallId, Refusal> {
        let Some(account) = &self.account else { return Err(Refusal::NotSignedIn) };
        let uri = target::parse(text, &account.domain())?;
        if self.registration.flow().is_none() {
            return Err(Refusal::NotSignedIn);
        }
        if !self.calls.is_empty() {
            return Err(Refusal::CallInProgress);
        }
        self.agent.handle(now, agent::Input::Dialing).map_err(|_| Refusal::Agent(self.agent))?;
        let shown = shown(&uri, &account.domain());
        let id = self.next_call_id(now);
        let direction = self.direction(&shown, Direction::Outbound);
        let phone = telemetry::Value::Phone(Pii::new(shown.clone()));
        self.track(self.tracked("sip_call_call").with("phone", phone).text("businessId", "").text("outNumber", ""));
        self.last_call = None;
        self.calls.push(Call {
            id,
            session: None,
            direction,
            number: Pii::new(shown),
            name: None,
            state: State::Preparing,
            since: now,
            started: now,
            answered: None,
            ended: None,
            dtmf: Pii::default(),
            media: None,
            dtmf_by_info: false,
            target: Some(Pii::new(uri)),
        });
        self.agent_moved();
        self.tone(None);
        self.ask_media(Command::Devices { wanted: true });
        self.proceed(now, id);
        Ok(id)
    }

    pub(super) fn answer(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.find(call, |call| matches!(call.state, State::Ringing { .. }))?;
        let call = &mut self.calls[index];
        let State::Ringing { offer } = &call.state else { return Err(Refusal::CallState) };
        let (id, offer) = (call.id, offer.clone());
        call.enter(now, State::Answering { offer });
        self.timers.remove(&Timer::AutoAnswer(id));
        self.track_call("sip_call_answer", index);
        self.ring(false);
        self.proceed(now, id);
        self.touch();
        Ok(())
    }

    /// Takes a call one step further as soon as its media's socket is there: sends the INVITE, or the 200.
    pub(super) fn proceed(&mut self, now: Now, id: CallId) {
        let Some(index) = self.index(id) else { return };
        if self.calls[index].media.is_none() {
            let Socket::Open(media, address) = self.take_socket() else { return };
            self.ids.description += 1;
            let session_id = u64::try_from(now.unix_ms).unwrap_or_default() + self.ids.description;
            self.calls[index].media = Some(Media { id: media, address, session_id, version: 1, negotiated: None });
        }
        match self.calls[index].state.clone() {
            State::Preparing => self.send_invite(now, index),
            State::Answering { offer } => self.send_answer(now, index, offer.expose()),
            _ => {}
        }
    }

    fn send_invite(&mut self, now: Now, index: usize) {
        let id = self.calls[index].id;
        let (Some(account), Some(flow)) = (&self.account, self.registration.flow()) else {
            return self.give_up(now, id, EndCause::Unreachable);
        };
        let (Some(local), Some(target)) = (self.local_media(index, Hold::Active), self.calls[index].target.clone())
        else {
            return self.give_up(now, id, EndCause::MediaFailed);
        };
        let invite = Invite {
            identity: sign_in::identity(account, flow),
            target: target.into_inner(),
            offer: offer_answer::offer(&local),
            headers: Headers::default(),
        };
        match self.user_agent.invite(now.instant, invite) {
            Ok(session) => {
                self.calls[index].session = Some(session);
                self.calls[index].enter(now, State::Dialing);
                self.touch();
            }
            Err(_) => self.give_up(now, id, EndCause::Failed),
        }
    }

    fn send_answer(&mut self, now: Now, index: usize, offer: &[u8]) {
        let id = self.calls[index].id;
        let (Some(local), Some(session)) = (self.local_media(index, Hold::Active), self.calls[index].session) else {
            return self.give_up(now, id, EndCause::MediaFailed);
        };
        let body = if offer.is_empty() {
            // The peer wants our offer; its answer comes with the ACK (RFC 3261 §13.2.2.4).
            offer_answer::offer(&local)
        } else {
            match offer_answer::answer(&local, offer) {
                Ok((body, negotiated)) => {
                    self.agree(index, negotiated);
                    body
                }
                Err(_) => {
                    let _ = self.user_agent.reject(now.instant, session, 488, Headers::default());
                    return self.finish(now, id, End { cause: EndCause::NotAcceptable, status: Some(488) });
                }
            }
        };
        if self.user_agent.answer(now.instant, session, body, Headers::default()).is_err() {
            return self.give_up(now, id, EndCause::Missed);
        }
        self.established(now, index);
    }

    /// The call stands, either way.
    pub(super) fn established(&mut self, now: Now, index: usize) {
        let call = &mut self.calls[index];
        call.answered = Some(now);
        call.enter(now, State::Established { hold: Hold::Active, change: Change::None });
        let (id, direction) = (call.id, call.direction);
        self.timers.remove(&Timer::RingLimit(id));
        self.tone(None);
        self.run_media(index);
        self.move_agent(now, agent::Input::Established { direction, hold: Hold::Active });
        self.edge(Edge::Established(id));
    }

    /// Nobody has answered for so long that the caller must be gone, or ought to hear of it. An agent who has answered
    /// waits for a socket that does not come.
    pub(super) fn rung_out(&mut self, now: Now, id: CallId) {
        let Some(index) = self.index(id) else { return };
        let call = &self.calls[index];
        let cause = if matches!(call.state, State::Ringing { .. }) { EndCause::Missed } else { EndCause::MediaFailed };
        if let Some(session) = call.session {
            let _ = self.user_agent.reject(now.instant, session, 480, Headers::default());
        }
        self.finish(now, id, End { cause, status: Some(480) });
    }

    pub(super) fn hang_up(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.find(call, |_| true)?;
        let (id, session) = (self.calls[index].id, self.calls[index].session);
        self.track_call("sip_call_hangup", index);
        let reason = crate::sip::user_agent::EndReason::Local;
        let end = self.calls[index].end_for(&reason);
        if let Some(session) = session {
            // An error means that the far side was first: the end is the same.
            let _ = self.user_agent.hang_up(now.instant, session);
        }
        self.finish(now, id, end);
        Ok(())
    }

    pub(super) fn hold(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self
            .find(call, |call| matches!(call.state, State::Established { hold: Hold::Active, change: Change::None }))?;
        self.track_call("sip_call_hold", index);
        self.change_hold(now, index, Hold::Held)
    }

    pub(super) fn retrieve(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self
            .find(call, |call| matches!(call.state, State::Established { hold: Hold::Held, change: Change::None }))?;
        self.track_call("sip_call_unhold", index);
        self.change_hold(now, index, Hold::Active)
    }

    /// Sends the re-INVITE. The microphone is closed to the peer at once, the rest follows with its answer.
    fn change_hold(&mut self, now: Now, index: usize, wanted: Hold) -> Result<(), Refusal> {
        let session = self.calls[index].session.ok_or(Refusal::CallState)?;
        if let Some(media) = &mut self.calls[index].media {
            media.version += 1;
        }
        let local = self.local_media(index, wanted).ok_or(Refusal::CallState)?;
        let offer = self.offer(index, &local);
        self.user_agent.reoffer(now.instant, session, offer).map_err(|_| Refusal::CallState)?;
        let call = &mut self.calls[index];
        let (hold, change) = match wanted {
            Hold::Held => (Hold::Active, Change::Holding),
            Hold::Active => (Hold::Held, Change::Retrieving),
        };
        call.state = State::Established { hold, change };
        self.run_media(index);
        self.touch();
        Ok(())
    }

    /// Tells the far side of every call where we are to be found from now on: a re-INVITE with an unchanged description
    /// (RFC 3261 §12.2.1.1, target refresh). One that is under way tells it as well.
    pub(super) fn refresh_calls(&mut self, now: Now) {
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let (State::Established { hold, change: Change::None }, Some(session)) = (&call.state, call.session) else {
                continue;
            };
            let Some(local) = self.local_media(index, *hold) else { continue };
            let offer = self.offer(index, &local);
            let _ = self.user_agent.reoffer(now.instant, session, offer);
        }
    }

    /// Only a call that stands can be muted: none begins with a microphone that the agent has forgotten.
    pub(super) fn mute(&mut self, muted: bool) -> Result<(), Refusal> {
        let index = self.find(None, Call::is_established)?;
        if self.muted != muted {
            self.muted = muted;
            self.ask_media(Command::Mute(muted));
            self.track_call(if muted { "sip_call_mute" } else { "sip_call_unmute" }, index);
        }
        Ok(())
    }

    pub(super) fn dtmf(&mut self, now: Now, call: Option<CallId>, digits: &str) -> Result<(), Refusal> {
        let digits = digits.to_ascii_uppercase();
        if digits.is_empty() || digits.len() > 64 || !digits.chars().all(|c| "0123456789*#ABCD".contains(c)) {
            return Err(Refusal::Digits);
        }
        let index = self.find(call, Call::is_established)?;
        for digit in digits.chars() {
            let event = self.tracked_call("sip_call_send_dtmf", index).text("tone", digit.to_string());
            self.track(event);
        }
        let call = &mut self.calls[index];
        call.dtmf = Pii::new(format!("{}{digits}", call.dtmf.expose()));
        let negotiated = call.media.as_ref().and_then(|media| Some((media.id, media.negotiated.as_ref()?)));
        match negotiated {
            Some((id, negotiated)) if negotiated.dtmf_send.is_some() => {
                self.ask_media(Command::Dtmf { id, digits: Pii::new(digits) })
            }
            _ => {
                call.dtmf_by_info = true;
                let session = call.session.ok_or(Refusal::CallState)?;
                for digit in digits.chars() {
                    let body = format!("Signal={digit}\r\nDuration=100\r\n").into_bytes();
                    self.user_agent
                        .info(now.instant, session, "application/dtmf-relay", body)
                        .map_err(|_| Refusal::CallState)?;
                }
            }
        }
        Ok(())
    }

    /// Ends a call from our side before it stands.
    pub(super) fn give_up(&mut self, now: Now, id: CallId, cause: EndCause) {
        let Some(index) = self.index(id) else { return };
        if let Some(session) = self.calls[index].session {
            if matches!(self.calls[index].state, State::Ringing { .. } | State::Answering { .. }) {
                let _ = self.user_agent.reject(now.instant, session, 500, Headers::default());
            } else {
                let _ = self.user_agent.hang_up(now.instant, session);
            }
        }
        self.finish(now, id, End { cause, status: None });
    }

    /// The end of a call, whoever ended it: media, agent, record, notice to the front ends.
    pub(super) fn finish(&mut self, now: Now, id: CallId, end: End) {
        let Some(index) = self.index(id) else { return };
        let mut call = self.calls.remove(index);
        let stood = call.is_established();
        let outgoing = call.is_outgoing();
        call.ended = Some(now);
        call.enter(now, State::Ended(end));
        self.timers.remove(&Timer::AutoAnswer(id));
        self.timers.remove(&Timer::RingLimit(id));
        self.ring(false);
        if let Some(media) = &call.media {
            self.ask_media(Command::Close { id: media.id });
        }
        if self.calls.is_empty() {
            self.calm_down(now, stood, outgoing, end);
        }
        self.outputs.push_back(Output::Record(Box::new(call.clone())));
        self.last_call = Some(call);
        self.edge(Edge::Ended(id, end));
    }

    /// No call is left: tones, microphone and agent return to what they are between calls.
    fn calm_down(&mut self, now: Now, stood: bool, outgoing: bool, end: End) {
        let by_peer = !matches!(end.cause, EndCause::HungUp | EndCause::Cancelled | EndCause::Declined);
        let tone = match (stood, outgoing) {
            (true, _) if by_peer => Some(Tone::HungUp),
            (false, true) if by_peer => Some(Tone::Busy),
            _ => None,
        };
        self.tone(tone);
        if tone.is_some() {
            self.timers.insert(Timer::ToneOff, now.instant + BUSY_TONE);
        }
        self.ask_media(Command::Devices { wanted: false });
        // What was wrong with the call went with it.
        self.heal(|code| matches!(code, NoticeCode::HoldRefused | NoticeCode::DtmfRefused));
        if self.muted {
            self.muted = false;
            self.ask_media(Command::Mute(false));
        }
        let after_call_work = (stood && !self.after_call_work.is_zero()).then_some(self.after_call_work);
        let registered = self.registration.is_registered();
        self.move_agent(now, agent::Input::CallOver { after_call_work, registered });
        if matches!(self.registration, sign_in::Registration::Offline { .. }) {
            // The registration was refused for good while the call stood.
            self.release_media();
            self.move_agent(now, agent::Input::RegistrationRefused);
        }
    }

    /// Rings, or stops ringing.
    pub(super) fn ring(&mut self, on: bool) {
        if self.ringing != on {
            self.ringing = on;
            self.ask_media(Command::Ring(on));
            self.track(self.tracked(if on { "sip_call_play_audio" } else { "sip_call_stop_audio" }));
        }
    }

    /// A tone in the agent's ear until another is set.
    pub(super) fn tone(&mut self, tone: Option<Tone>) {
        self.timers.remove(&Timer::ToneOff);
        self.ask_media(Command::Tone(tone));
    }

    /// Starts or changes the streams of a call by its state and what is agreed.
    pub(super) fn run_media(&mut self, index: usize) {
        let call = &self.calls[index];
        let Some(media) = &call.media else { return };
        let Some(negotiated) = media.negotiated.clone() else { return };
        let (id, send) = (media.id, call.send_source());
        self.ask_media(Command::Run { id, negotiated, send });
    }

    pub(super) fn agree(&mut self, index: usize, negotiated: crate::sdp::Negotiated) {
        if let Some(media) = &mut self.calls[index].media {
            media.negotiated = Some(negotiated);
        }
        self.run_media(index);
    }

    /// What we can do in this call, with the direction that the hold asks for.
    pub(super) fn local_media(&self, index: usize, hold: Hold) -> Option<LocalMedia> {
        let media = self.calls[index].media.as_ref()?;
        Some(LocalMedia {
            session_id: media.session_id,
            version: media.version,
            address: media.address,
            codecs: self.config.codecs.clone(),
            dtmf: true,
            direction: match hold {
                Hold::Active => crate::media::Direction::SendRecv,
                Hold::Held => crate::media::Direction::SendOnly,
            },
            ptime: 20,
        })
    }

    /// An offer for this call; once something is agreed, under the payload numbers in use.
    pub(super) fn offer(&self, index: usize, local: &LocalMedia) -> Vec<u8> {
        match self.calls[index].media.as_ref().and_then(|media| media.negotiated.as_ref()) {
            Some(agreed) => offer_answer::reoffer(local, agreed),
            None => offer_answer::offer(local),
        }
    }

    pub(super) fn index(&self, id: CallId) -> Option<usize> {
        self.calls.iter().position(|call| call.id == id)
    }

    /// The call that a command means: the named one, or the only one that fits.
    fn find(&self, id: Option<CallId>, fits: impl Fn(&Call) -> bool) -> Result<usize, Refusal> {
        match id {
            Some(id) => {
                let index = self.index(id).ok_or(Refusal::NoCall)?;
                if fits(&self.calls[index]) { Ok(index) } else { Err(Refusal::CallState) }
            }
            None if self.calls.is_empty() => Err(Refusal::NoCall),
            None => self.calls.iter().position(fits).ok_or(Refusal::CallState),
        }
    }

    /// The direction of a call with that number: internal with a colleague, else as given.
    pub(super) fn direction(&self, number: &str, otherwise: Direction) -> Direction {
        let colleague = |account: &Account| account.colleagues.iter().any(|extension| extension.expose() == number);
        if self.account.as_ref().is_some_and(colleague) { Direction::Internal } else { otherwise }
    }

    pub(super) fn next_call_id(&mut self, now: Now) -> CallId {
        // Below 2^53, so that scripts can hold it in a number.
        let by_time = u64::try_from(now.unix_ms).unwrap_or_default() * 1_000;
        self.ids.last_call = by_time.max(self.ids.last_call + 1);
        CallId(self.ids.last_call)
    }

    pub(super) fn track_call(&mut self, name: &'static str, index: usize) {
        let event = self.tracked_call(name, index);
        self.track(event);
    }

    /// A tracking event with the parameters that all rows about a call share.
    fn tracked_call(&self, name: &'static str, index: usize) -> telemetry::Event {
        let call = &self.calls[index];
        let direction = match call.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        };
        self.tracked(name)
            .with("otherLegNumber", telemetry::Value::Phone(call.number.clone()))
            .text("direction", direction)
            .text("callId", call.id.to_string())
    }
}

/// How a caller is shown and called back. A number stands alone: whichever host the server put behind it, it is dialled
/// through our own.
pub(super) fn shown_caller(uri: &crate::sip::Uri, domain: &str) -> String {
    let number = |user: &String| user.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c));
    uri.user_plain().filter(number).unwrap_or_else(|| shown(uri, domain))
}

/// How a far side that we dial is shown and called back: its number alone within our domain, else its whole address.
pub(super) fn shown(uri: &crate::sip::Uri, domain: &str) -> String {
    let bare_host = domain.rsplit_once(':').filter(|(host, _)| !host.contains(':')).map_or(domain, |(host, _)| host);
    match uri.user_plain() {
        Some(user) if uri.host.eq_ignore_ascii_case(bare_host) || uri.host.is_empty() => user,
        Some(user) => format!("{user}@{}", uri.host),
        None => uri.host.to_string(),
    }
}
