//! The call that comes by itself, so that a newcomer need not look for a button: once, to the first agent who has
//! registered, as soon as that agent is free.

use std::time::{Duration, Instant};

use crate::call::{CallEnd, CallId};

/// After an agent was busy or not ready, the customer tries again.
const AGAIN: Duration = Duration::from_secs(5);

/// Then the customer gives up for good.
const MAX_TRIES: u32 = 60;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct FirstCall {
    after: Duration,
    tries: u32,
    phase: Phase,
}

#[derive(Clone, PartialEq, Eq)]
enum Phase {
    /// Nobody has registered.
    Waiting,
    Due {
        at: Instant,
        extension: String,
    },
    /// The agent's phones ring.
    Placed {
        call: CallId,
        extension: String,
    },
    Over,
}

impl FirstCall {
    /// `after` the first registration; `None`: never.
    pub(super) fn new(after: Option<Duration>) -> Self {
        let phase = if after.is_some() { Phase::Waiting } else { Phase::Over };
        Self { after: after.unwrap_or_default(), tries: 0, phase }
    }

    pub(super) fn handle_registered(&mut self, now: Instant, extension: &str) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Due { at: now + self.after, extension: extension.to_owned() };
        }
    }

    /// Whom to call now.
    pub(super) fn due(&self, now: Instant) -> Option<String> {
        match &self.phase {
            Phase::Due { at, extension } if *at <= now => Some(extension.clone()),
            _ => None,
        }
    }

    /// What came of it: a call, or nothing, as the agent was busy or gone.
    pub(super) fn handle_tried(&mut self, now: Instant, extension: String, placed: Option<CallId>) {
        match placed {
            Some(call) => self.phase = Phase::Placed { call, extension },
            None => self.postpone(now, extension),
        }
    }

    /// A call has ended: if it was this one, and the agent would not have it now, it comes again.
    pub(super) fn handle_ended(&mut self, now: Instant, ended: CallId, end: CallEnd) {
        let Phase::Placed { call, extension } = &self.phase else { return };
        if *call != ended {
            return;
        }
        match end {
            CallEnd::Refused(480 | 486) => self.postpone(now, extension.clone()),
            _ => self.phase = Phase::Over,
        }
    }

    /// A customer was asked for: there is no more need of one by itself.
    pub(super) fn cancel(&mut self) {
        self.phase = Phase::Over;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Due { at, .. } => Some(*at),
            Phase::Waiting | Phase::Placed { .. } | Phase::Over => None,
        }
    }

    fn postpone(&mut self, now: Instant, extension: String) {
        self.tries += 1;
        self.phase = if self.tries < MAX_TRIES { Phase::Due { at: now + AGAIN, extension } } else { Phase::Over };
    }
}
