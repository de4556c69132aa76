//! The non-INVITE client transaction (RFC 3261 §17.1.2).

use std::time::{Duration, Instant};

use super::{Due, Timers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Trying {
        /// Timer E (§17.1.2.2), unreliable transports only: when to send again, and the interval that led there, which
        /// doubles up to T2.
        timer_e: Option<(Instant, Duration)>,
        /// Timer F (§17.1.2.2): 64·T1 without a final answer is a time-out.
        timer_f: Instant,
    },
    /// A provisional answer came: Timer E goes on at T2, Timer F runs unchanged.
    Proceeding {
        timer_e: Option<Instant>,
        timer_f: Instant,
    },
    Completed {
        /// Timer K (§17.1.2.2): T4 over UDP, nothing over streams, for repetitions of the final answer.
        timer_k: Instant,
    },
    Terminated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Provisional,
    /// The first final answer.
    Final,
    Nothing,
}

#[derive(Debug)]
pub struct ClientNonInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

impl ClientNonInvite {
    /// The request has just been sent.
    pub fn new(now: Instant, timers: Timers, reliable: bool) -> Self {
        let state =
            State::Trying { timer_e: (!reliable).then(|| (now + timers.t1, timers.t1)), timer_f: now + 64 * timers.t1 };
        Self { state, timers, reliable }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    pub fn handle_response(&mut self, now: Instant, status: u16) -> Heard {
        match (self.state, status) {
            (State::Trying { timer_e, timer_f }, 100..=199) => {
                // The running interval ends as it was set; only the following ones are T2.
                self.state = State::Proceeding { timer_e: timer_e.map(|(at, _)| at), timer_f };
                Heard::Provisional
            }
            (State::Proceeding { .. }, 100..=199) => Heard::Provisional,
            (State::Trying { .. } | State::Proceeding { .. }, 200..) => {
                let linger = if self.reliable { Duration::ZERO } else { self.timers.t4 };
                self.state = State::Completed { timer_k: now + linger };
                Heard::Final
            }
            _ => Heard::Nothing,
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying { timer_e, timer_f } => Some(timer_e.map_or(timer_f, |(at, _)| at.min(timer_f))),
            State::Proceeding { timer_e, timer_f } => Some(timer_e.map_or(timer_f, |at| at.min(timer_f))),
            State::Completed { timer_k } => Some(timer_k),
            State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. } if timer_f <= now => {
                self.state = State::Terminated;
                Due::TimedOut
            }
            State::Trying { timer_e: Some((at, interval)), timer_f } if at <= now => {
                let doubled = (interval * 2).min(self.timers.t2);
                self.state = State::Trying { timer_e: Some((now + doubled, doubled)), timer_f };
                Due::Retransmit
            }
            State::Proceeding { timer_e: Some(at), timer_f } if at <= now => {
                self.state = State::Proceeding { timer_e: Some(now + self.timers.t2), timer_f };
                Due::Retransmit
            }
            State::Completed { timer_k } if timer_k <= now => {
                self.state = State::Terminated;
                Due::Terminated
            }
            _ => Due::Nothing,
        }
    }
}
