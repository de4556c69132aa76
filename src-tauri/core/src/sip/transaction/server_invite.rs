//! The INVITE server transaction (RFC 3261 §17.2.1 with RFC 6026 §7.1).

use std::time::{Duration, Instant};

use super::{Due, Timers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 100 has been sent, at once, by the user agent.
    Proceeding,
    /// A 2xx has been sent; repeating it is the user's affair (§13.3.1.4), repeated INVITEs are swallowed.
    Accepted {
        /// Timer L (RFC 6026 §7.1): 64·T1 for repetitions of the INVITE.
        timer_l: Instant,
    },
    /// A final answer ≥ 300 has been sent and waits for its ACK.
    Completed {
        /// Timer G (§17.2.1), unreliable transports only: when to send the answer again, doubling up to T2.
        timer_g: Option<(Instant, Duration)>,
        /// Timer H (§17.2.1): 64·T1 without ACK.
        timer_h: Instant,
    },
    /// The ACK came.
    Confirmed {
        /// Timer I (§17.2.1): T4 over UDP, nothing over streams, for repetitions of the ACK.
        timer_i: Instant,
    },
    Terminated,
}

#[derive(Debug)]
pub struct ServerInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

impl ServerInvite {
    pub const fn new(timers: Timers, reliable: bool) -> Self {
        Self { state: State::Proceeding, timers, reliable }
    }

    pub const fn state(&self) -> State {
        self.state
    }

    /// The user answers. False if a final answer has gone before: then nothing may be sent.
    pub fn respond(&mut self, now: Instant, status: u16) -> bool {
        if self.state != State::Proceeding {
            return false;
        }
        let Timers { t1, .. } = self.timers;
        match status {
            ..=199 => {}
            200..=299 => self.state = State::Accepted { timer_l: now + 64 * t1 },
            300.. => {
                let timer_g = (!self.reliable).then(|| (now + t1, t1));
                self.state = State::Completed { timer_g, timer_h: now + 64 * t1 };
            }
        }
        true
    }

    /// The INVITE came again. True if the last answer is to be sent again.
    pub const fn handle_repetition(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed { .. })
    }

    /// True if this ACK was awaited (not repeated, not for a 2xx).
    pub fn handle_ack(&mut self, now: Instant) -> bool {
        let State::Completed { .. } = self.state else { return false };
        let linger = if self.reliable { Duration::ZERO } else { self.timers.t4 };
        self.state = State::Confirmed { timer_i: now + linger };
        true
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Accepted { timer_l } => Some(timer_l),
            State::Completed { timer_g, timer_h } => Some(timer_g.map_or(timer_h, |(at, _)| at.min(timer_h))),
            State::Confirmed { timer_i } => Some(timer_i),
            State::Proceeding | State::Terminated => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match self.state {
            State::Completed { timer_h, .. } if timer_h <= now => {
                self.state = State::Terminated;
                Due::TimedOut
            }
            State::Completed { timer_g: Some((at, interval)), timer_h } if at <= now => {
                let doubled = (interval * 2).min(self.timers.t2);
                self.state = State::Completed { timer_g: Some((now + doubled, doubled)), timer_h };
                Due::Retransmit
            }
            State::Accepted { timer_l: end } | State::Confirmed { timer_i: end } if end <= now => {
                self.state = State::Terminated;
                Due::Terminated
            }
            _ => Due::Nothing,
        }
    }
}
