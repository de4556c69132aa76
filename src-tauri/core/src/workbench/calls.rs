//! The commands upon calls.

use std::time::Duration;

use super::media::Socket;
use super::{Edge, Output, Refusal, Registration, Timer, Workbench, target};
use crate::account::Account;
use crate::agent;
use crate::call::{Call, CallId, Caller, Change, Direction, End, EndCause, Field, Hold, LineId, Media, State};
use crate::clock::Now;
use crate::media::{Command, Tone};
use crate::pii::Pii;
use crate::sdp::{LocalMedia, offer_answer};
use crate::sip::Headers;
use crate::sip::user_agent::Invite;
use crate::telemetry;

/// How long the agent hears the busy tone of a call that failed.
const BUSY_TONE: Duration = Duration::from_millis(2_800);
/// How many headers the application may add to one message.
const MOST_HEADERS: usize = 32;

/// A call that begins: what differs between those that we make and those that come.
pub(super) struct Beginning {
    pub line: LineId,
    pub direction: Direction,
    pub number: String,
    pub name: Option<String>,
    pub state: State,
}

impl Workbench {
    /// Calls from a line; `consults` is the call for whose transfer this one is made.
    pub(super) fn dial(
        &mut self,
        now: Now,
        line: LineId,
        text: &str,
        headers: &[Field],
        consults: Option<CallId>,
    ) -> Result<CallId, Refusal> {
        let missing = if line == LineId::OWN { Refusal::NotSignedIn } else { Refusal::NoLine };
        let account = self.line(line).map(|line| &line.account).ok_or(missing)?;
        let domain = account.domain();
        let uri = target::parse(text, &domain)?;
        let headers = line_headers(headers)?;
        self.room_for_call(line)?;
        self.agent.handle(now, agent::Input::Dialing).map_err(|_| Refusal::Agent(self.agent))?;
        let shown = shown(&uri, &domain);
        let direction = self.direction(line, &shown, Direction::Outbound);
        let phone = telemetry::Value::Phone(Pii::new(shown.clone()));
        self.track(self.tracked("sip_call_call").with("phone", phone).text("businessId", "").text("outNumber", ""));
        self.last_call = None;
        let beginning = Beginning { line, direction, number: shown, name: None, state: State::Preparing };
        let mut call = self.new_call(now, beginning);
        call.target = Some(Pii::new(uri));
        call.invite_headers = headers;
        call.consults = consults;
        let id = call.id;
        self.calls.push(call);
        self.hold_others(now, id);
        self.agent_moved();
        self.tone(None);
        self.alert();
        self.ask_media(Command::Devices { wanted: true });
        self.proceed(now, id);
        Ok(id)
    }

    /// Whether a call can be made from that line now, as far as lines and calls go.
    pub fn room_for_call(&self, id: LineId) -> Result<(), Refusal> {
        let line = self.line(id).filter(|line| line.registration.open_flow().is_some()).ok_or(Refusal::NotSignedIn)?;
        let limit = line.account.options.call_limit;
        if self.calls_of(id).count() >= usize::from(limit) {
            return Err(if limit == 1 { Refusal::CallInProgress } else { Refusal::CallLimit });
        }
        if self.calls.iter().any(|call| call.rank() == 3) {
            // One at a time: the agent listens to how it goes on.
            return Err(Refusal::CallInProgress);
        }
        Ok(())
    }

    pub(super) fn new_call(&mut self, now: Now, beginning: Beginning) -> Call {
        Call {
            id: self.next_call_id(now),
            line: beginning.line,
            session: None,
            direction: beginning.direction,
            number: Pii::new(beginning.number),
            name: beginning.name.map(Pii::new),
            state: beginning.state,
            since: now,
            started: now,
            answered: None,
            ended: None,
            dtmf: Pii::default(),
            media: None,
            dtmf_way: None,
            target: None,
            invite_headers: Headers::default(),
            muted: false,
            waiting: false,
            hold_next: None,
            reconnecting: None,
            next_media: None,
            description: (0, 0),
            kept: None,
            recovered: false,
            caller: Caller::default(),
            headers: Vec::new(),
            referred_by: None,
            transfer: None,
            consults: None,
            follows: None,
            takes_refer: None,
        }
    }

    pub(super) fn answer(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.find(call, |call| matches!(call.state, State::Ringing { .. }))?;
        let call = &mut self.calls[index];
        let State::Ringing { offer } = &call.state else { return Err(Refusal::CallState) };
        let (id, offer) = (call.id, offer.clone());
        call.enter(now, State::Answering { offer });
        self.timers.remove(&Timer::AutoAnswer(id));
        self.track_call("sip_call_answer", index);
        self.hold_others(now, id);
        self.alert();
        self.follow_calls(now);
        self.proceed(now, id);
        self.touch();
        Ok(())
    }

    /// Takes a call one step further as soon as its media's socket is there: sends the INVITE, or the 200.
    pub(super) fn proceed(&mut self, now: Now, id: CallId) {
        let Some(index) = self.index(id) else { return };
        if self.calls[index].media.is_none() {
            let flow = self.line(self.calls[index].line).and_then(|line| line.registration.flow());
            let Some(local) = flow.map(|flow| flow.local.ip()).or_else(|| self.spare_address()) else {
                return self.give_up(now, id, EndCause::Unreachable);
            };
            let Socket::Open(media, address) = self.take_socket(local) else { return };
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
        let Some(identity) = self.identity(self.calls[index].line) else {
            return self.give_up(now, id, EndCause::Unreachable);
        };
        let (Some(local), Some(target)) = (self.local_media(index, Hold::Active), self.calls[index].target.clone())
        else {
            return self.give_up(now, id, EndCause::MediaFailed);
        };
        let invite = Invite {
            identity,
            target: target.into_inner(),
            offer: offer_answer::offer(&local),
            headers: self.calls[index].invite_headers.clone(),
        };
        let sent = match self.calls[index].follows {
            Some(follows) => self.user_agent.call_referred(now.instant, follows.referral, invite),
            None => self.user_agent.invite(now.instant, invite),
        };
        match sent {
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
        let id = call.id;
        self.worked = true;
        self.timers.remove(&Timer::RingLimit(id));
        // The agent may have gone back to another call while this one rang.
        self.hold_others(now, id);
        self.tone(None);
        self.run_media(index);
        self.alert();
        self.follow_calls(now);
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

    pub(super) fn hang_up(&mut self, now: Now, call: Option<CallId>, headers: &[Field]) -> Result<(), Refusal> {
        let headers = line_headers(headers)?;
        let index = self.find(call, |_| true)?;
        let (id, session) = (self.calls[index].id, self.calls[index].session);
        self.track_call("sip_call_hangup", index);
        let reason = crate::sip::user_agent::EndReason::Local;
        let end = self.calls[index].end_for(&reason);
        if let Some(session) = session {
            // An error means that the far side was first: the end is the same.
            let _ = self.user_agent.hang_up_with(now.instant, session, headers);
        }
        self.finish(now, id, end);
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
        let foremost = self.calls.iter().all(|other| other.rank() <= call.rank());
        call.ended = Some(now);
        call.enter(now, State::Ended(end));
        for timer in [Timer::AutoAnswer(id), Timer::RingLimit(id), Timer::Survival(id), Timer::TellAgain(id)] {
            self.timers.remove(&timer);
        }
        for media in call.media.iter().map(|media| media.id).chain(call.next_media.take()) {
            self.ask_media(Command::Close { id: media });
        }
        if call.kept.take().is_some() {
            self.outputs.push_back(Output::Forget(id));
        }
        self.transfer_over(now, &call, end);
        // A call that ends beside the one that is talked to is not heard.
        if foremost {
            self.sound_the_end(now, stood, outgoing, end);
        }
        self.alert();
        if self.calls.is_empty() {
            self.calm_down(now);
        } else {
            self.follow_calls(now);
        }
        self.outputs.push_back(Output::Record(Box::new(call.clone())));
        self.last_call = Some(call);
        self.edge(Edge::Ended(id, end));
    }

    fn sound_the_end(&mut self, now: Now, stood: bool, outgoing: bool, end: End) {
        let by_peer = !matches!(
            end.cause,
            EndCause::HungUp | EndCause::Cancelled | EndCause::Declined | EndCause::Transferred | EndCause::Replaced
        );
        let tone = match (stood, outgoing) {
            (true, _) if by_peer => Some(Tone::HungUp),
            (false, true) if by_peer => Some(Tone::Busy),
            _ => None,
        };
        self.tone(tone);
        if tone.is_some() {
            self.timers.insert(Timer::ToneOff, now.instant + BUSY_TONE);
        }
    }

    /// No call is left: microphone and agent return to what they are between calls.
    fn calm_down(&mut self, now: Now) {
        self.ask_media(Command::Devices { wanted: false });
        // What was wrong with the calls went with them.
        self.heal(super::NoticeCode::is_of_calls);
        let worked = std::mem::take(&mut self.worked);
        let after_call_work = (worked && !self.after_call_work.is_zero()).then_some(self.after_call_work);
        let registered = self.registration().is_registered();
        self.move_agent(now, agent::Input::CallOver { after_call_work, registered });
        if matches!(self.registration(), Registration::Offline { .. }) {
            // The registration was refused for good while the call stood.
            self.release_media();
            self.move_agent(now, agent::Input::RegistrationRefused);
        }
    }

    /// The agent's state is that of the foremost call.
    pub(super) fn follow_calls(&mut self, now: Now) {
        let Some(foremost) = self.calls.iter().max_by_key(|call| call.rank()) else { return };
        let input = match foremost.state {
            State::Established { hold, .. } => agent::Input::Established { direction: foremost.direction, hold },
            State::Ringing { .. } => agent::Input::Foremost(agent::Foremost::Ringing),
            // A call that comes rings until it stands.
            State::Answering { .. } => agent::Input::Foremost(agent::Foremost::Ringing),
            State::Preparing | State::Dialing | State::Alerting | State::Ended(_) => {
                agent::Input::Foremost(agent::Foremost::Dialing)
            }
        };
        self.move_agent(now, input);
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

    /// The call that a command means: the named one, or of those that fit the foremost.
    pub(super) fn find(&self, id: Option<CallId>, fits: impl Fn(&Call) -> bool) -> Result<usize, Refusal> {
        match id {
            Some(id) => {
                let index = self.index(id).ok_or(Refusal::NoCall)?;
                if fits(&self.calls[index]) { Ok(index) } else { Err(Refusal::CallState) }
            }
            None if self.calls.is_empty() => Err(Refusal::NoCall),
            None => {
                let fitting = self.calls.iter().enumerate().filter(|(_, call)| fits(call));
                // Of equals the oldest: who has waited longest comes first.
                let foremost = fitting.rev().max_by_key(|(_, call)| call.rank());
                foremost.map(|(index, _)| index).ok_or(Refusal::CallState)
            }
        }
    }

    /// The direction of a call with that number: internal with a colleague, else as given.
    pub(super) fn direction(&self, line: LineId, number: &str, otherwise: Direction) -> Direction {
        let colleague = |account: &Account| account.colleagues.iter().any(|extension| extension.expose() == number);
        if self.line(line).is_some_and(|line| colleague(&line.account)) { Direction::Internal } else { otherwise }
    }

    pub(super) fn next_call_id(&mut self, now: Now) -> CallId {
        // Below 2^53, so that scripts can hold it in a number.
        let by_time = u64::try_from(now.unix_ms).unwrap_or_default() * 1_000;
        self.ids.last_call = by_time.max(self.ids.last_call + 1);
        CallId(self.ids.last_call)
    }
}

/// The application's headers, as far as their form can be judged here; which names are free the user agent knows.
pub(super) fn line_headers(fields: &[Field]) -> Result<Headers, Refusal> {
    let mut headers = Headers::default();
    for Field { name, value } in fields {
        let value = value.expose().trim();
        let sound = crate::sip::message::grammar::is_token(name) && name.len() <= 64 && value.len() <= 4_096;
        if !sound || value.chars().any(char::is_control) || fields.len() > MOST_HEADERS {
            return Err(Refusal::Header(name.chars().filter(|c| !c.is_control()).take(64).collect()));
        }
        headers.add_named(name, value);
    }
    match crate::sip::user_agent::check_headers(&headers, &[]) {
        Ok(()) => Ok(headers),
        Err(error) => Err(Refusal::of_session(&error)),
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
