//! The INVITE client transaction (RFC 3261 §17.1.1 with RFC 6026 §7.2).

use std::time::{Duration, Instant};

use super::{Due, Timers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Calling {
        /// Timer A (§17.1.1.2), unreliable transports only: when to send the INVITE again, and the interval that led
        /// there, which doubles without a limit.
        timer_a: Option<(Instant, Duration)>,
        /// Timer B (§17.1.1.2): 64·T1 without any answer is a time-out.
        timer_b: Instant,
    },
    Proceeding {
        /// No timer of the RFC while somebody waits for the answer, however long it rings. After a CANCEL, or when the
        /// dialog of a re-INVITE has ended, 64·T1 (§9.1): a final answer may be lost for good.
        give_up: Option<Instant>,
    },
    /// A 2xx came. Further ones (repetitions, other forks) are handed up.
    Accepted {
        /// Timer M (RFC 6026 §7.2): 64·T1 for 2xx of further forks and repetitions.
        timer_m: Instant,
    },
    /// A final answer ≥ 300 came and has been acknowledged.
    Completed {
        /// Timer D (§17.1.1.2): 32 s over UDP, nothing over streams, for repetitions of the final answer.
        timer_d: Instant,
    },
    Terminated,
}

/// What an answer means to the owner of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Provisional,
    /// A 2xx, possibly not the first.
    Success,
    /// The first final answer ≥ 300: acknowledge it and tell the user.
    Failure,
    /// The same again: acknowledge it again.
    FailureAgain,
    /// Means nothing in this state.
    Nothing,
}

#[derive(Debug)]
pub struct ClientInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

impl ClientInvite {
    /// The INVITE has just been sent.
    pub fn new(now: Instant, timers: Timers, reliable: bool) -> Self {
        let state = State::Calling {
            timer_a: (!reliable).then(|| (now + timers.t1, timers.t1)),
            timer_b: now + 64 * timers.t1,
        };
        Self { state, timers, reliable }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    pub fn handle_response(&mut self, now: Instant, status: u16) -> Heard {
        match (self.state, status) {
            (State::Calling { .. }, 100..=199) => {
                self.state = State::Proceeding { give_up: None };
                Heard::Provisional
            }
            (State::Proceeding { .. }, 100..=199) => Heard::Provisional,
            (State::Calling { .. } | State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted { timer_m: now + 64 * self.timers.t1 };
                Heard::Success
            }
            (State::Accepted { .. }, 200..=299) => Heard::Success,
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                let linger = if self.reliable { Duration::ZERO } else { self.timers.d() };
                self.state = State::Completed { timer_d: now + linger };
                Heard::Failure
            }
            (State::Completed { .. }, 300..) => Heard::FailureAgain,
            _ => Heard::Nothing,
        }
    }

    /// Nobody waits for the answer any more. In Calling Timer B limits that already.
    pub fn abandon(&mut self, now: Instant) {
        if self.state == (State::Proceeding { give_up: None }) {
            self.state = State::Proceeding { give_up: Some(now + 64 * self.timers.t1) };
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling { timer_a, timer_b } => Some(timer_a.map_or(timer_b, |(at, _)| at.min(timer_b))),
            State::Accepted { timer_m } => Some(timer_m),
            State::Completed { timer_d } => Some(timer_d),
            State::Proceeding { give_up } => give_up,
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match self.state {
            State::Calling { timer_b: end, .. } | State::Proceeding { give_up: Some(end) } if end <= now => {
                self.state = State::Terminated;
                Due::TimedOut
            }
            State::Calling { timer_a: Some((at, interval)), timer_b } if at <= now => {
                let doubled = interval * 2;
                self.state = State::Calling { timer_a: Some((now + doubled, doubled)), timer_b };
                Due::Retransmit
            }
            State::Accepted { timer_m: end } | State::Completed { timer_d: end } if end <= now => {
                self.state = State::Terminated;
                Due::Terminated
            }
            _ => Due::Nothing,
        }
    }
}
