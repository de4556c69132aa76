//! Calls as the embedding program sees them.

use std::fmt;
use std::time::Duration;

use deskline_core::sip::Headers;

use crate::config::Caller;
use crate::media::Performance;
use crate::sound::{Melody, Sound, Speaker, Speech, Tone};

/// One call through the centre, with one leg (a simulated far end) or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// The called side has not answered yet.
    Ringing,
    Talking,
    /// The agent holds the simulated far end.
    Held,
    Ended(CallEnd),
}

impl CallState {
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// By the simulated side, or by [`Centre::hang_up`](crate::Centre::hang_up).
    HungUpHere,
    /// By BYE or CANCEL of a phone.
    HungUpByPhone,
    /// The caller's patience ran out before an answer.
    NotAnswered,
    /// Refused with this final status, by a phone or by the centre.
    Refused(u16),
    /// The phone did not react at all, or was lost.
    Lost,
    /// A phone has transferred it: it goes on elsewhere, or between two who are simulated.
    Transferred,
}

/// What the centre tells about a call. Its debug output shows no number.
#[derive(Clone, PartialEq, Eq)]
pub struct CallInfo {
    pub id: CallId,
    /// The extension of the agent who calls or is called.
    pub extension: String,
    pub kind: CallKind,
    pub state: CallState,
}

impl fmt::Debug for CallInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, kind, state, extension: _ } = self;
        write!(f, "call {id} ({kind:?}) {state:?}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A simulated customer calls the agent.
    Customer,
    /// The agent calls a demo number or a simulated agent.
    DemoNumber,
    /// Between two phones.
    Internal,
}

/// What a simulated customer does.
#[derive(Clone)]
pub struct CustomerScript {
    /// `None`: the next of [`CentreConfig::customers`](crate::CentreConfig).
    pub caller: Option<Caller>,
    pub opening: Opening,
    /// How long the opening lasts; then the customer echoes what is said.
    pub opening_for: Duration,
    /// How long the customer waits for an answer.
    pub patience: Duration,
    /// Hangs up by itself this long after the answer.
    pub hang_up_after: Option<Duration>,
    /// Presses keys (RFC 4733), each group this long after the answer, in order of time.
    pub digits: Vec<(Duration, String)>,
    /// Further headers of the INVITE, such as `X-…` with a platform's data.
    pub headers: Headers,
}

impl Default for CustomerScript {
    fn default() -> Self {
        Self {
            caller: None,
            opening: Opening::Speech,
            opening_for: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            hang_up_after: None,
            digits: Vec::new(),
            headers: Headers::default(),
        }
    }
}

/// What is heard first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Opening {
    /// In the caller's own voice.
    Speech,
    Melody,
    /// A sine of this frequency in Hz, at −16 dBFS.
    Tone(f32),
    /// Nothing: the echo begins at once.
    None,
}

impl Opening {
    pub(crate) fn performance(self, lasts: Duration, speaker: Speaker, seed: u64) -> Performance {
        let sound = match self {
            Self::Speech => Sound::Speech(Speech::new(speaker, seed)),
            Self::Melody => Sound::Melody(Melody::new()),
            Self::Tone(frequency) => Sound::Tone(Tone::new(frequency, 0.158_5)),
            Self::None => return Performance { echo: true, ..Performance::default() },
        };
        Performance { opening: Some((sound, lasts)), echo: true, digits: Vec::new() }
    }
}
