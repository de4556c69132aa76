//! The arithmetic of sound, and the words in which the core tells the engine what to do with it.

pub mod conceal;
pub mod dtmf;
pub mod jitter;
pub mod levels;
pub mod melody;
pub mod mixer;
pub mod quality;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod timescale;
pub mod tones;

use std::net::SocketAddr;

use crate::sdp::Negotiated;

/// The sample rate of all sound inside the program, in Hz. Sound is mono, and full scale is ±1.0.
pub const SAMPLE_RATE: u32 = 48_000;

/// The beat of the pipeline: 10 ms.
pub const FRAME: usize = 480;

/// The media of one call leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587, 48 kHz, in-band FEC.
    Opus,
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Codec {
    /// The name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The RTP clock rate in Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcma | Self::Pcmu => 8_000,
        }
    }
}

/// Which way sound flows, seen from our side (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub const fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen by the other side.
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    pub const fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// What the microphone's place in the outgoing stream is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendSource {
    Microphone,
    /// Music on hold, made by the program.
    HoldMusic,
    Silence,
}

/// A sound for the agent alone, in the speaker (the ring is separate, on the ringer device).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// The far phone rings and sends no sound of its own.
    RingBack,
    Busy,
    /// A second call waits.
    CallWaiting,
    /// The call has ended.
    HungUp,
}

/// What the core asks of the media plane. Every command is idempotent and none can fail loudly: trouble comes as an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Bind an RTP/RTCP socket on the interface of `local` (the flow's local IP); answered by [`Event::Opened`] or [`Event::OpenFailed`].
    Open {
        id: MediaId,
        local: std::net::IpAddr,
    },
    /// Start, or change, the streams of a leg.
    Run {
        id: MediaId,
        negotiated: Negotiated,
        send: SendSource,
    },
    Close {
        id: MediaId,
    },
    /// The microphone of every leg.
    Mute(bool),
    /// RFC 4733, digits `0-9*#A-D`, each 100 ms with a pause of 60 ms, queued.
    Dtmf {
        id: MediaId,
        digits: crate::pii::Pii<String>,
    },
    /// Ring on the ringer device until told otherwise.
    Ring(bool),
    /// A tone in the agent's ear until another is set.
    Tone(Option<Tone>),
    /// The sound devices may be opened (a call is near) or should be let go.
    Devices {
        wanted: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Opened {
        id: MediaId,
        address: SocketAddr,
    },
    OpenFailed {
        id: MediaId,
        reason: String,
    },
    /// The first RTP packet of the peer has come.
    FirstPacket {
        id: MediaId,
    },
    DtmfReceived {
        id: MediaId,
        digit: char,
    },
    /// A device cannot be used; the call goes on.
    DeviceTrouble {
        role: DeviceRole,
        trouble: DeviceTrouble,
    },
    DeviceHealed {
        role: DeviceRole,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceRole {
    Microphone,
    Speaker,
    Ringer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceTrouble {
    /// No device of that kind at all.
    Missing,
    /// Another program holds it.
    Busy,
    /// The system does not let us.
    Denied,
    /// The sound system is gone or failed.
    Failed,
}
