//! The way back after a changed address, a sleep, a lost flow, or an unexpected end of the program.
//!
//! A call needs its server only to begin, to change and to end: media go on without. So a call whose server is out of
//! reach stands for a while, is shown as reconnecting, and tells its far side by a re-INVITE where it is to be found as
//! soon as the server is back. What the far side has done meanwhile comes out by its answer.

use std::time::Duration;

use super::calls::Beginning;
use super::{Output, Registration, Timer, Workbench};
use crate::agent;
use crate::call::{Call, CallId, Change, Direction, End, EndCause, Hold, LineId, Media, State};
use crate::clock::Now;
use crate::flow::FlowId;
use crate::media::{Command, MediaId};
use crate::pii::Pii;
use crate::sip::SessionId;
use crate::sip::user_agent::DialogState;

/// How long a call stands without signalling.
pub const SURVIVAL: Duration = Duration::from_secs(300);
/// The next re-INVITE after one that had no answer, or was not possible.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// The calendar has run ahead of the monotonic clock by that much: the machine has slept.
const SLEEP: Duration = Duration::from_secs(10);
/// How often a call that stands is noted as alive, for the time after a crash.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Numbers of calls and versions of descriptions stay below: front ends know whole numbers up to 2^53 only.
const MOST_NUMBER: u64 = 1 << 53;

/// What is kept of a call that stands, so that the program finds it again after an unexpected end.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub id: CallId,
    /// The account's address of record.
    pub account: Pii<String>,
    pub direction: Direction,
    pub number: Pii<String>,
    pub name: Option<Pii<String>>,
    pub hold: Hold,
    /// Calendar times in milliseconds since the Unix epoch: of its begin, its answer, and when it was seen alive last.
    pub started_ms: i64,
    pub answered_ms: i64,
    pub seen_ms: i64,
    /// `o=` of our description: its id and the version sent last.
    pub description: (u64, u64),
    /// See [`DialogState::to_text`].
    pub dialog: Pii<String>,
}

impl Workbench {
    /// What an earlier run of the program has left: its calls are taken up or ended when their account signs in.
    pub fn remember(&mut self, kept: Vec<Kept>) {
        // A damaged row must not use up the numbers that are to come.
        let (sound, damaged): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|kept| kept.id.0 < MOST_NUMBER && kept.description.1 < MOST_NUMBER);
        self.outputs.extend(damaged.into_iter().map(|kept| Output::Forget(kept.id)));
        let kept = sound;
        self.ids.last_call = kept.iter().map(|kept| kept.id.0).chain([self.ids.last_call]).max().unwrap_or_default();
        self.kept = kept;
    }

    /// Notices a sleep of the machine: only the calendar runs on then.
    pub(super) fn watch_clocks(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.last_seen, now);
        let calendar = now.unix_ms.saturating_sub(before.unix_ms);
        let monotonic = i64::try_from(now.instant.saturating_duration_since(before.instant).as_millis());
        let ahead = calendar.saturating_sub(monotonic.unwrap_or(i64::MAX));
        if ahead >= i64::try_from(SLEEP.as_millis()).unwrap_or(i64::MAX) {
            self.woken(now);
        }
    }

    /// Nobody knows what became of connections and bindings meanwhile: everything is made anew.
    fn woken(&mut self, now: Now) {
        for id in self.lines.iter().map(|line| line.id).collect::<Vec<_>>() {
            match self.line(id).and_then(|line| line.registration.flow()) {
                Some(flow) if flow.transport.is_reliable() => self.leave_flow(now, flow.id),
                _ => {
                    self.register_anew(now, id);
                    self.hurry(now, id);
                }
            }
        }
    }

    /// The machine's addresses have changed: flows that lead nowhere are replaced at once, what waits tries at once.
    pub(super) fn address_changed(&mut self, now: Now, moved: &[FlowId]) {
        for flow in moved {
            self.leave_flow(now, *flow);
        }
        for id in self.lines.iter().map(|line| line.id).collect::<Vec<_>>() {
            self.hurry(now, id);
        }
    }

    /// The server sees us elsewhere than before: the binding and what the far sides know may lead nowhere.
    pub(super) fn mapped_address_changed(&mut self, now: Now, flow: FlowId) {
        for id in self.lines_on_flow(flow) {
            self.register_anew(now, id);
        }
    }

    /// Gives a flow up that still stands in name, and opens another.
    fn leave_flow(&mut self, now: Now, flow: FlowId) {
        let lines = self.lines_on_flow(flow);
        self.flow_down(now, flow);
        self.outputs.push_back(Output::CloseFlow(flow));
        for id in lines {
            self.hurry(now, id);
        }
    }

    /// A line that waits for its next attempt tries now.
    fn hurry(&mut self, now: Now, id: LineId) {
        if let Some(at) = self.timers.get_mut(&Timer::Reconnect(id)) {
            *at = now.instant;
        } else if let Some(Registration::Restoring { id: registration, flow: Some(_), .. }) =
            self.line(id).map(|line| line.registration.clone())
        {
            // Along the same flow the user agent tries by itself, after pauses that grow.
            let _ = self.user_agent.refresh_registration(now.instant, registration);
        }
    }

    /// Registers along the same flow; with the answer the calls tell their far sides where they are.
    fn register_anew(&mut self, now: Now, id: LineId) {
        let Some(index) = self.line_index(id) else { return };
        if let Registration::Registered { id: registration, .. } = self.lines[index].registration
            && self.user_agent.refresh_registration(now.instant, registration).is_ok()
        {
            self.lines[index].calls_to_refresh = true;
        }
    }

    /// The server of a line is out of reach: its calls go on without.
    pub(super) fn lose_calls(&mut self, now: Now, line: LineId) {
        for index in 0..self.calls.len() {
            if self.calls[index].line == line && self.calls[index].is_established() {
                self.lose_call(now, index);
            }
        }
    }

    fn lose_call(&mut self, now: Now, index: usize) {
        let call = &mut self.calls[index];
        if call.reconnecting.is_none() {
            call.reconnecting = Some(now);
            self.timers.insert(Timer::Survival(call.id), now.instant + SURVIVAL);
            self.touch();
        }
    }

    /// The far side has answered: the call has its server again.
    pub(super) fn found_call(&mut self, index: usize) {
        let call = &mut self.calls[index];
        if call.reconnecting.take().is_some() {
            self.timers.remove(&Timer::Survival(call.id));
            self.timers.remove(&Timer::TellAgain(call.id));
            self.touch();
        }
    }

    /// Five minutes without signalling are over.
    pub(super) fn lost_for_good(&mut self, now: Now, id: CallId) {
        let Some(index) = self.index(id) else { return };
        if let Some(session) = self.calls[index].session {
            let _ = self.user_agent.hang_up(now.instant, session);
        }
        self.finish(now, id, End { cause: EndCause::ConnectionLost, status: None });
    }

    /// Nothing has come back to a re-INVITE: the call stands, and it is tried again.
    pub(super) fn unheard(&mut self, now: Now, index: usize) {
        self.lose_call(now, index);
        self.tell_again(now, index);
    }

    fn tell_again(&mut self, now: Now, index: usize) {
        self.timers.insert(Timer::TellAgain(self.calls[index].id), now.instant + TELL_AGAIN);
    }

    /// Tells the far side of every call of a line where we are to be found from now on: a re-INVITE (RFC 3261 §12.2.1.1,
    /// target refresh), with the address of new sockets where the machine has moved.
    pub(super) fn refresh_calls(&mut self, now: Now, line: LineId) {
        for id in self.calls_of(line).map(|call| call.id).collect::<Vec<_>>() {
            self.refresh_call(now, id);
        }
    }

    pub(super) fn refresh_call(&mut self, now: Now, id: CallId) {
        let Some(index) = self.index(id) else { return };
        let call = &self.calls[index];
        if !call.is_established() {
            return;
        }
        let Some(flow) = self.line(call.line).and_then(|line| line.registration.flow()) else { return };
        let local = flow.local.ip();
        match &call.media {
            Some(media) if media.address.ip() == local => self.tell(now, index),
            // The answer of the media plane goes on from here.
            Some(_) | None => self.move_media(index, local),
        }
    }

    fn move_media(&mut self, index: usize, local: std::net::IpAddr) {
        let id = self.next_media_id();
        if let Some(former) = self.calls[index].next_media.replace(id) {
            self.ask_media(Command::Close { id: former });
        }
        self.ask_media(Command::Open { id, local });
    }

    /// The new socket of a call that has moved, or none: then the old one has to do.
    pub(super) fn media_moved(&mut self, now: Now, id: MediaId, address: Option<std::net::SocketAddr>) -> bool {
        let Some(index) = self.calls.iter().position(|call| call.next_media == Some(id)) else { return false };
        let call = &mut self.calls[index];
        call.next_media = None;
        match (address, &mut call.media) {
            (Some(address), Some(media)) => {
                let former = std::mem::replace(&mut media.id, id);
                media.address = address;
                self.run_media(index);
                self.ask_media(Command::Close { id: former });
            }
            (None, Some(_)) => {}
            (Some(address), None) => {
                let (session_id, version) = call.description;
                call.media = Some(Media { id, address, session_id, version, negotiated: None });
            }
            // A call that was found again, and has no sound.
            (None, None) => {
                let call = call.id;
                self.give_up(now, call, EndCause::MediaFailed);
                return true;
            }
        }
        self.tell(now, index);
        true
    }

    fn tell(&mut self, now: Now, index: usize) {
        let call = &mut self.calls[index];
        let (State::Established { hold, change }, Some(session)) = (&call.state, call.session) else { return };
        let wanted = match change {
            Change::Holding => Hold::Held,
            Change::Retrieving => Hold::Active,
            Change::None => *hold,
        };
        if let Some(media) = &mut call.media {
            media.version += 1;
        }
        let Some(local) = self.local_media(index, wanted) else { return };
        let offer = self.offer(index, &local);
        if self.user_agent.reoffer(now.instant, session, offer).is_err() {
            // Another exchange is under way.
            self.tell_again(now, index);
        }
    }

    /// Notes what has changed of calls that stand, for the time after a crash.
    pub(super) fn keep_calls(&mut self, now: Now) {
        for index in 0..self.calls.len() {
            let Some(kept) = self.kept_form(now, index) else { continue };
            let call = &mut self.calls[index];
            let due = call.kept.as_ref().is_none_or(|before| {
                let aged = kept.seen_ms.saturating_sub(before.seen_ms);
                Kept { seen_ms: before.seen_ms, ..kept.clone() } != **before
                    || aged >= i64::try_from(HEARTBEAT.as_millis()).unwrap_or(i64::MAX)
            });
            if due {
                call.kept = Some(Box::new(kept.clone()));
                self.timers.insert(Timer::Heartbeat, now.instant + HEARTBEAT);
                self.outputs.push_back(Output::Keep(Box::new(kept)));
            }
        }
        if self.calls.is_empty() {
            self.timers.remove(&Timer::Heartbeat);
        }
    }

    fn kept_form(&self, now: Now, index: usize) -> Option<Kept> {
        let call = &self.calls[index];
        let State::Established { hold, .. } = call.state else { return None };
        let dialog = self.user_agent.dialog_state(call.session?)?;
        let line = self.line(call.line)?;
        Some(Kept {
            id: call.id,
            account: Pii::new(line.account.address_of_record().uri.to_string()),
            direction: call.direction,
            number: call.number.clone(),
            name: call.name.clone(),
            hold,
            started_ms: call.started.unix_ms,
            answered_ms: call.answered.map_or(call.started.unix_ms, |at| at.unix_ms),
            seen_ms: now.unix_ms,
            description: call.media.as_ref().map_or(call.description, |media| (media.session_id, media.version)),
            dialog: Pii::new(dialog.to_text()),
        })
    }

    /// The account of a line has registered for the first time: the calls that an earlier run has left there are taken up
    /// where the agent can take them up, and ended where not.
    pub(super) fn recover_calls(&mut self, now: Now, line: LineId) {
        let Some(account) = self.line(line).map(|line| line.account.clone()) else { return };
        let own = account.address_of_record().uri.to_string();
        let domain = account.domain();
        for kept in std::mem::take(&mut self.kept) {
            let fresh = now.unix_ms.saturating_sub(kept.seen_ms) <= i64::try_from(SURVIVAL.as_millis()).unwrap_or(0);
            let ours = *kept.account.expose() == own;
            let of_our_server = kept.account.expose().rsplit(['@', ':']).any(|part| part == domain);
            if !ours && fresh && line == LineId::OWN {
                // A further account of before may come yet; without it the call ends with its time.
                self.kept.push(kept);
            } else if ours && fresh && self.take_up(now, line, &kept) {
                continue;
            } else if ours || line == LineId::OWN {
                self.end_kept(now, line, &kept, ours || of_our_server);
            } else {
                self.kept.push(kept);
            }
        }
    }

    /// Takes a call up where it stood, held where another one is talked to.
    fn take_up(&mut self, now: Now, line: LineId, kept: &Kept) -> bool {
        let first = self.calls.is_empty();
        let hold = if self.calls.iter().any(Call::is_active) { Hold::Held } else { kept.hold };
        let may = self.agent.allows(agent::Input::Recovered { direction: kept.direction, hold }) || !first;
        let Some(session) = may.then(|| self.restored(now, line, kept)).flatten() else { return false };
        let mut call = self.call_of_before(now, line, kept);
        call.session = Some(session);
        call.state = State::Established { hold, change: Change::None };
        call.reconnecting = Some(now);
        call.recovered = true;
        let id = call.id;
        self.last_call = None;
        self.calls.push(call);
        self.worked = true;
        self.timers.insert(Timer::Survival(id), now.instant + SURVIVAL);
        self.ask_media(Command::Devices { wanted: true });
        if first {
            self.move_agent(now, agent::Input::Recovered { direction: kept.direction, hold });
        }
        self.follow_calls(now);
        self.refresh_call(now, id);
        self.edge(super::Edge::Established(id));
        true
    }

    /// Ends a call that nobody takes up: its far side gets a BYE if it can be reached, and the call list its row.
    fn end_kept(&mut self, now: Now, line: LineId, kept: &Kept, reachable: bool) {
        let restored = if reachable { self.restored(now, line, kept) } else { None };
        if let Some(session) = restored {
            let _ = self.user_agent.hang_up(now.instant, session);
        }
        let mut call = self.call_of_before(now, line, kept);
        call.ended = Some(at(now, kept.seen_ms));
        call.state = State::Ended(End { cause: EndCause::ConnectionLost, status: None });
        self.outputs.push_back(Output::Record(Box::new(call)));
        self.outputs.push_back(Output::Forget(kept.id));
        self.touch();
    }

    /// Its dialog as a session of ours.
    fn restored(&mut self, now: Now, line: LineId, kept: &Kept) -> Option<SessionId> {
        let dialog = DialogState::from_text(kept.dialog.expose()).ok()?;
        let identity = self.identity(line)?;
        self.user_agent.restore(now.instant, dialog, identity).ok()
    }

    fn call_of_before(&mut self, now: Now, line: LineId, kept: &Kept) -> Call {
        let beginning = Beginning {
            line,
            direction: kept.direction,
            number: kept.number.expose().clone(),
            name: kept.name.as_ref().map(|name| name.expose().clone()),
            state: State::Established { hold: kept.hold, change: Change::None },
        };
        let mut call = self.new_call(now, beginning);
        call.id = kept.id;
        call.started = at(now, kept.started_ms);
        call.answered = Some(at(now, kept.answered_ms));
        call.description = kept.description;
        call
    }
}

/// A moment of the past, by the calendar. The monotonic clock did not run through a restart: it says now.
fn at(now: Now, unix_ms: i64) -> Now {
    Now { instant: now.instant, unix_ms }
}
