//! The agent's states by the workbench codes, and the transitions between them.

use crate::call::{Direction, Hold};
use crate::clock::Now;

/// A reason of a break, 1..=5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BreakReason(u8);

impl BreakReason {
    pub const fn new(id: u8) -> Option<Self> {
        if id >= 1 && id <= 5 { Some(Self(id)) } else { None }
    }

    pub const fn id(self) -> u8 {
        self.0
    }
}

/// What the agent returns to when a call and its after-call work are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resume {
    Ready,
    Break(Option<BreakReason>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// −1: never signed in, or the sign-in failed.
    Unregistered,
    /// 0: signing in; or signed in and the registration is being restored, then with what it returns to.
    Registering(Resume),
    /// 1: signed out.
    SignedOut,
    /// 2: signed in, on the way to ready.
    SignedIn,
    /// 3: the only state in which outside calls ring.
    Ready,
    /// 4.
    Break(Option<BreakReason>),
    /// 5, until that moment.
    AfterCallWork { until: Now, then: Resume },
    /// 6.
    Ringing(Resume),
    /// 8.
    Dialing(Resume),
    /// 9, 10, 11, or 12 when held by us.
    InCall { direction: Direction, hold: Hold, then: Resume },
}

impl State {
    /// The code of the workbench's table.
    pub const fn code(self) -> i8 {
        match self {
            Self::Unregistered => -1,
            Self::Registering(_) => 0,
            Self::SignedOut => 1,
            Self::SignedIn => 2,
            Self::Ready => 3,
            Self::Break(_) => 4,
            Self::AfterCallWork { .. } => 5,
            Self::Ringing(_) => 6,
            Self::Dialing(_) => 8,
            Self::InCall { hold: Hold::Held, .. } => 12,
            Self::InCall { direction: Direction::Inbound, .. } => 9,
            Self::InCall { direction: Direction::Outbound, .. } => 10,
            Self::InCall { direction: Direction::Internal, .. } => 11,
        }
    }

    /// What to return to after a call that begins now; `None` where no call can begin.
    const fn resume(self) -> Option<Resume> {
        match self {
            Self::Ready => Some(Resume::Ready),
            Self::Break(reason) => Some(Resume::Break(reason)),
            Self::AfterCallWork { then, .. } => Some(then),
            _ => None,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Unregistered => "not signed in",
            Self::Registering(_) => "being signed in",
            Self::SignedOut => "signed out",
            Self::SignedIn => "signed in",
            Self::Ready => "ready",
            Self::Break(_) => "on a break",
            Self::AfterCallWork { .. } => "in after-call work",
            Self::Ringing(_) => "being called",
            Self::Dialing(_) => "dialling",
            Self::InCall { hold: Hold::Held, .. } => "in a call on hold",
            Self::InCall { .. } => "in a call",
        };
        write!(f, "{name} (state {})", self.code())
    }
}

/// What moves the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    // asked for by the agent
    SignIn,
    SignOut,
    Ready,
    Break(Option<BreakReason>),
    /// The rest of after-call work, from now.
    AfterCallWork(std::time::Duration),
    // told by the registration
    Registered,
    /// The registration is lost and being restored.
    RegistrationLost,
    /// The sign-in failed, or the registration is refused for good.
    RegistrationRefused,
    // told by the calls
    Ringing,
    Dialing,
    Established {
        direction: Direction,
        hold: Hold,
    },
    /// Of several calls another is the foremost now.
    Foremost(Foremost),
    /// A call of before the program's unexpected end goes on.
    Recovered {
        direction: Direction,
        hold: Hold,
    },
    /// The last call is over; with after-call work if it had been answered and the setting is not zero.
    CallOver {
        after_call_work: Option<std::time::Duration>,
        registered: bool,
    },
    /// After-call work has run out.
    AfterCallWorkOver {
        registered: bool,
    },
}

/// How far the foremost of several calls has come, where none of them is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foremost {
    Ringing,
    Dialing,
}

/// The state does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not possible while the agent is {0}")]
pub struct Illegal(pub State);

/// The next state, or why there is none. The whole table; source: the workbench's state constraints (§ 状态约束), widened
/// to the superset of the five systems.
pub fn transition(state: State, input: Input, now: Now) -> Result<State, Illegal> {
    let settle = |then: Resume, registered: bool| match (then, registered) {
        (Resume::Break(reason), _) => State::Break(reason),
        (Resume::Ready, true) => State::Ready,
        (Resume::Ready, false) => State::Registering(Resume::Ready),
    };
    let next = match (state, input) {
        (State::Unregistered | State::SignedOut, Input::SignIn) => State::Registering(Resume::Ready),

        (
            State::Registering(_) | State::SignedIn | State::Ready | State::Break(_) | State::AfterCallWork { .. },
            Input::SignOut,
        ) => State::SignedOut,

        (State::Registering(Resume::Ready), Input::Registered) => State::SignedIn,
        (State::Registering(Resume::Break(reason)), Input::Registered) => State::Break(reason),
        // A refresh changes nothing.
        (state, Input::Registered) => state,

        (State::Ready | State::SignedIn, Input::RegistrationLost) => State::Registering(Resume::Ready),
        // Break, after-call work and calls go on; the registration's own state tells of the trouble.
        (state, Input::RegistrationLost) => state,

        (
            State::Registering(_) | State::SignedIn | State::Ready | State::Break(_) | State::AfterCallWork { .. },
            Input::RegistrationRefused,
        ) => State::Unregistered,
        (state, Input::RegistrationRefused) => state,

        (State::SignedIn | State::Break(_) | State::AfterCallWork { .. }, Input::Ready) => State::Ready,
        (State::Ready | State::AfterCallWork { .. } | State::Break(_), Input::Break(reason)) => State::Break(reason),
        (State::AfterCallWork { then, .. }, Input::AfterCallWork(rest)) => {
            State::AfterCallWork { until: now.plus(rest), then }
        }
        (State::Ready, Input::AfterCallWork(rest)) => {
            State::AfterCallWork { until: now.plus(rest), then: Resume::Ready }
        }

        (State::Ready, Input::Ringing) => State::Ringing(Resume::Ready),
        // A second call waits, unless the agent was on a break when this one began.
        (
            state @ (State::Ringing(Resume::Ready)
            | State::Dialing(Resume::Ready)
            | State::InCall { then: Resume::Ready, .. }),
            Input::Ringing,
        ) => state,
        (state @ (State::Ready | State::Break(_) | State::AfterCallWork { .. }), Input::Dialing) => {
            State::Dialing(state.resume().ok_or(Illegal(state))?)
        }
        (State::InCall { then, .. }, Input::Dialing) => State::Dialing(then),
        (State::Ringing(then) | State::Dialing(then) | State::InCall { then, .. }, Input::Foremost(foremost)) => {
            match foremost {
                Foremost::Ringing => State::Ringing(then),
                Foremost::Dialing => State::Dialing(then),
            }
        }
        (
            state @ (State::Ready | State::Break(_) | State::AfterCallWork { .. }),
            Input::Recovered { direction, hold },
        ) => State::InCall { direction, hold, then: state.resume().ok_or(Illegal(state))? },
        (State::Ringing(then) | State::Dialing(then), Input::Established { direction, hold }) => {
            State::InCall { direction, hold, then }
        }
        (State::InCall { then, .. }, Input::Established { direction, hold }) => State::InCall { direction, hold, then },

        (
            State::Ringing(then) | State::Dialing(then) | State::InCall { then, .. },
            Input::CallOver { after_call_work, registered },
        ) => match after_call_work {
            Some(rest) => State::AfterCallWork { until: now.plus(rest), then },
            None => settle(then, registered),
        },
        (State::AfterCallWork { then, .. }, Input::AfterCallWorkOver { registered }) => settle(then, registered),

        (state, _) => return Err(Illegal(state)),
    };
    Ok(next)
}

/// The agent: the state, and since when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    pub state: State,
    pub since: Now,
}

impl Agent {
    pub const fn new(now: Now) -> Self {
        Self { state: State::Unregistered, since: now }
    }

    /// Moves the agent; the time of the state starts anew only when the state's code changes.
    pub fn handle(&mut self, now: Now, input: Input) -> Result<(), Illegal> {
        let next = transition(self.state, input, now)?;
        if next.code() != self.state.code() {
            self.since = now;
        }
        self.state = next;
        Ok(())
    }

    pub fn allows(&self, input: Input) -> bool {
        transition(self.state, input, self.since).is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn now() -> Now {
        Now { instant: Instant::now(), unix_ms: 1_700_000_000_000 }
    }

    /// Every state with every command of the agent: the codes of the outcome, `None` for a refusal.
    #[test]
    fn commands_by_state() {
        let now = now();
        let inbound = |hold| State::InCall { direction: Direction::Inbound, hold, then: Resume::Ready };
        let states = [
            State::Unregistered,
            State::Registering(Resume::Ready),
            State::SignedOut,
            State::SignedIn,
            State::Ready,
            State::Break(None),
            State::AfterCallWork { until: now, then: Resume::Ready },
            State::Ringing(Resume::Ready),
            State::Dialing(Resume::Ready),
            inbound(Hold::Active),
            State::InCall { direction: Direction::Outbound, hold: Hold::Active, then: Resume::Ready },
            State::InCall { direction: Direction::Internal, hold: Hold::Active, then: Resume::Ready },
            inbound(Hold::Held),
        ];
        let table: [(Input, [Option<i8>; 13]); 7] = {
            const N: Option<i8> = None;
            const fn s(code: i8) -> Option<i8> {
                Some(code)
            }
            [
                //                 -1    0     1     2     3     4     5     6    8    9    10   11   12
                (Input::SignIn, [s(0), N, s(0), N, N, N, N, N, N, N, N, N, N]),
                (Input::SignOut, [N, s(1), N, s(1), s(1), s(1), s(1), N, N, N, N, N, N]),
                (Input::Ready, [N, N, N, s(3), N, s(3), s(3), N, N, N, N, N, N]),
                (Input::Break(None), [N, N, N, N, s(4), s(4), s(4), N, N, N, N, N, N]),
                (Input::AfterCallWork(Duration::from_secs(9)), [N, N, N, N, s(5), N, s(5), N, N, N, N, N, N]),
                (Input::Ringing, [N, N, N, N, s(6), N, N, s(6), s(8), s(9), s(10), s(11), s(12)]),
                (Input::Dialing, [N, N, N, N, s(8), s(8), s(8), N, N, s(8), s(8), s(8), s(8)]),
            ]
        };
        for (input, row) in table {
            for (state, expected) in states.iter().zip(row) {
                let outcome = transition(*state, input, now).ok().map(State::code);
                assert_eq!(outcome, expected, "{input:?} in {state:?}");
            }
        }
    }

    #[test]
    fn call_from_a_break_returns_to_the_break() {
        let now = now();
        let mut agent = Agent { state: State::Break(BreakReason::new(2)), since: now };
        agent.handle(now, Input::Dialing).unwrap();
        agent.handle(now, Input::Established { direction: Direction::Outbound, hold: Hold::Active }).unwrap();
        agent.handle(now, Input::CallOver { after_call_work: Some(Duration::from_secs(5)), registered: true }).unwrap();
        assert_eq!(agent.state.code(), 5);
        agent.handle(now, Input::AfterCallWorkOver { registered: true }).unwrap();
        assert_eq!(agent.state, State::Break(BreakReason::new(2)));
    }

    #[test]
    fn call_made_during_a_break_lets_no_other_ring() {
        let now = now();
        let mut agent = Agent { state: State::Break(None), since: now };
        agent.handle(now, Input::Dialing).unwrap();
        assert!(!agent.allows(Input::Ringing));
        agent.handle(now, Input::Established { direction: Direction::Outbound, hold: Hold::Active }).unwrap();
        assert!(!agent.allows(Input::Ringing));
        agent.handle(now, Input::Established { direction: Direction::Outbound, hold: Hold::Held }).unwrap();
        agent.handle(now, Input::Dialing).unwrap();
        assert_eq!(agent.state, State::Dialing(Resume::Break(None)), "a second call beside the held one");
        agent.handle(now, Input::CallOver { after_call_work: None, registered: true }).unwrap();
        assert_eq!(agent.state, State::Break(None));
    }

    #[test]
    fn lost_registration_never_touches_a_call() {
        let now = now();
        let mut agent = Agent { state: State::Ready, since: now };
        agent.handle(now, Input::Ringing).unwrap();
        agent.handle(now, Input::Established { direction: Direction::Inbound, hold: Hold::Active }).unwrap();
        agent.handle(now, Input::RegistrationLost).unwrap();
        assert_eq!(agent.state.code(), 9);
        agent.handle(now, Input::CallOver { after_call_work: None, registered: false }).unwrap();
        assert_eq!(agent.state.code(), 0, "restoring the registration");
        agent.handle(now, Input::Registered).unwrap();
        agent.handle(now, Input::Ready).unwrap();
        assert_eq!(agent.state, State::Ready);
    }
}
