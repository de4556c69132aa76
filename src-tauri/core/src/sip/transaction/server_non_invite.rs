//! The non-INVITE server transaction (RFC 3261 §17.2.2, RFC 4320).

use std::time::{Duration, Instant};

use super::{Due, Timers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Trying {
        /// Not of the RFC: after 64·T1 the client's Timer F has ended its side and an answer would reach nobody
        /// (RFC 4320 §4.2 forbids the 408), so the transaction is forgotten.
        unanswered: Instant,
    },
    Proceeding {
        unanswered: Instant,
    },
    Completed {
        /// Timer J (§17.2.2): 64·T1 over UDP, nothing over streams, for repetitions of the request.
        timer_j: Instant,
    },
    Terminated,
}

#[derive(Debug)]
pub struct ServerNonInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

impl ServerNonInvite {
    pub fn new(now: Instant, timers: Timers, reliable: bool) -> Self {
        Self { state: State::Trying { unanswered: now + 64 * timers.t1 }, timers, reliable }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    /// The user answers. False if a final answer has gone before: then nothing may be sent.
    pub fn respond(&mut self, now: Instant, status: u16) -> bool {
        match (self.state, status) {
            (State::Trying { unanswered } | State::Proceeding { unanswered }, ..=199) => {
                self.state = State::Proceeding { unanswered };
                true
            }
            (State::Trying { .. } | State::Proceeding { .. }, _) => {
                let linger = if self.reliable { Duration::ZERO } else { 64 * self.timers.t1 };
                self.state = State::Completed { timer_j: now + linger };
                true
            }
            _ => false,
        }
    }

    /// The request came again. True if the last answer is to be sent again.
    pub const fn handle_repetition(&self) -> bool {
        matches!(self.state, State::Proceeding { .. } | State::Completed { .. })
    }

    pub const fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying { unanswered } | State::Proceeding { unanswered } => Some(unanswered),
            State::Completed { timer_j } => Some(timer_j),
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match self.state {
            State::Trying { unanswered } | State::Proceeding { unanswered } if unanswered <= now => {
                self.state = State::Terminated;
                Due::TimedOut
            }
            State::Completed { timer_j } if timer_j <= now => {
                self.state = State::Terminated;
                Due::Terminated
            }
            _ => Due::Nothing,
        }
    }
}
