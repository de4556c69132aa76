//! Hold and retrieve: one call is talked to at a time, whatever the far sides say to it.

use super::{NoticeCode, Refusal, Workbench};
use crate::call::{Call, CallId, Change, Hold, State};
use crate::clock::Now;

/// What stands for no answer at all (RFC 3261 §8.1.3.1).
const NO_ANSWER: u16 = 408;

impl Workbench {
    pub(super) fn hold(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.find(call, may_hold)?;
        self.track_call("sip_call_hold", index);
        self.change_hold(now, index, Hold::Held)
    }

    pub(super) fn retrieve(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.find(call, may_retrieve)?;
        let id = self.calls[index].id;
        self.track_call("sip_call_unhold", index);
        self.hold_others(now, id);
        self.change_hold(now, index, Hold::Active)
    }

    /// Exchanges the active call and the one that was held last.
    pub(super) fn swap(&mut self, now: Now) -> Result<(), Refusal> {
        let held = self.calls.iter().filter(|call| may_retrieve(call)).max_by_key(|call| call.since.instant);
        let held = held.map(|call| call.id).ok_or(Refusal::CallState)?;
        self.retrieve(now, Some(held))
    }

    /// Holds every call but that one: it has the agent's ear now. Their microphones close at once, whether their far
    /// sides answer or not.
    pub(super) fn hold_others(&mut self, now: Now, id: CallId) {
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let State::Established { hold, change } = call.state else { continue };
            if call.id == id || call.hold_next == Some(Hold::Held) {
                continue;
            }
            match (hold, change) {
                (Hold::Active, Change::None) => {
                    if self.change_hold(now, index, Hold::Held).is_err() {
                        self.hold_later(index);
                    }
                }
                // What is under way has to end first.
                (Hold::Held, Change::Retrieving) => self.hold_later(index),
                (Hold::Held, _) | (Hold::Active, Change::Holding | Change::Retrieving) => {}
            }
        }
    }

    fn hold_later(&mut self, index: usize) {
        self.calls[index].hold_next = Some(Hold::Held);
        self.run_media(index);
        self.touch();
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
        call.hold_next = None;
        self.run_media(index);
        self.follow_calls(now);
        self.touch();
        Ok(())
    }

    /// An exchange of offers is over: the hold that waited for it is sent now.
    pub(super) fn settle_hold(&mut self, now: Now, index: usize) {
        let call = &mut self.calls[index];
        let State::Established { hold, change: Change::None } = call.state else { return };
        match (call.hold_next, hold) {
            (Some(Hold::Held), Hold::Active) => {
                // Still not possible: the next exchange brings it here again.
                let _ = self.change_hold(now, index, Hold::Held);
            }
            (Some(_), _) => {
                call.hold_next = None;
                self.run_media(index);
            }
            (None, _) => {}
        }
    }

    pub(super) fn reoffer_answered(&mut self, now: Now, index: usize, body: &[u8]) {
        let State::Established { hold, change } = self.calls[index].state else { return };
        let hold = match change {
            Change::Holding => Hold::Held,
            Change::Retrieving => Hold::Active,
            Change::None => hold,
        };
        self.found_call(index);
        // The answer is read with what we offered, so the state comes first.
        self.calls[index].enter(now, State::Established { hold, change: Change::None });
        if !body.is_empty() && self.take_answer(index, body).is_err() {
            self.notify(now, NoticeCode::HoldRefused);
        } else if change != Change::None {
            self.heal(|code| code == NoticeCode::HoldRefused);
        }
        self.settle_hold(now, index);
        self.run_media(index);
        self.follow_calls(now);
    }

    pub(super) fn reoffer_failed(&mut self, now: Now, index: usize, status: u16) {
        let State::Established { hold, change } = self.calls[index].state else { return };
        let id = self.calls[index].id;
        // A far side that cannot be held while the agent speaks to another hears music all the same.
        let elsewhere = self.calls.iter().any(|other| other.id != id && other.rank() >= 3);
        let hold = if change == Change::Holding && elsewhere { Hold::Held } else { hold };
        self.calls[index].state = State::Established { hold, change: Change::None };
        self.settle_hold(now, index);
        self.run_media(index);
        self.follow_calls(now);
        self.touch();
        if status == NO_ANSWER {
            return self.unheard(now, index);
        }
        self.found_call(index);
        // Without a change it was no more than a refresh: see `refresh_calls`.
        if change != Change::None {
            self.notify(now, NoticeCode::HoldRefused);
        }
    }
}

fn may_hold(call: &Call) -> bool {
    matches!(call.state, State::Established { hold: Hold::Active, change: Change::None }) && call.hold_next.is_none()
}

fn may_retrieve(call: &Call) -> bool {
    matches!(call.state, State::Established { hold: Hold::Held, change: Change::None }) && call.hold_next.is_none()
}
