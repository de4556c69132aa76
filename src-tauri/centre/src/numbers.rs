//! The numbers that can be dialled, and what each does.
//!
//! | number | what happens |
//! |---|---|
//! | 1002–1005 | the agent's phone, if one is registered; else a simulated agent answers after 2 s, speaks, and then echoes |
//! | 9196 | answers at once and echoes sound and digits |
//! | 9198 | answers at once with a tone of 1004 Hz |
//! | 9486 | 486 Busy Here |
//! | 9408 | rings for 20 s, then 480 |
//! | 9603 | 603 Decline |
//! | 9503 | 503 Service Unavailable |
//! | 9404, and every unknown number | 404 Not Found |

/// A number of the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoNumber {
    pub number: String,
    pub kind: NumberKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// Another agent: a real phone if one is registered, simulated otherwise.
    Agent,
    /// Answers at once, and what is said comes back.
    Echo,
    /// Answers at once with 1004 Hz.
    Tone,
    /// 486.
    Busy,
    /// Rings, then 480.
    NoAnswer,
    /// 603.
    Declined,
    /// 503.
    OutOfService,
    /// 404.
    NotFound,
}

impl NumberKind {
    /// The name in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Echo => "echo",
            Self::Tone => "tone",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Declined => "declined",
            Self::OutOfService => "out_of_service",
            Self::NotFound => "not_found",
        }
    }
}
