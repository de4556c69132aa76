//! Writing.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::media::{Codec, Direction};

/// One audio stream of ours: payload types in order, each with what it stands for.
pub(super) struct AudioLine<'a> {
    pub address: SocketAddr,
    pub protocol: &'a str,
    pub payloads: &'a [(u8, Payload)],
    /// Milliseconds.
    pub ptime: u8,
    pub direction: Direction,
}

/// What a payload type carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    Audio(Codec),
    /// telephone-event at this clock rate in Hz.
    Dtmf(u32),
}

/// The session level: RFC 8866 §5.1 to §5.9, in the order it demands.
pub(super) fn session(session_id: u64, version: u64, address: IpAddr) -> String {
    // Ids stay below 2^63: some peers read them as signed numbers.
    let (session_id, version) = (session_id & (u64::MAX >> 1), version & (u64::MAX >> 1));
    let family = family(address);
    format!("v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n")
}

pub(super) fn audio(text: &mut String, line: &AudioLine<'_>) {
    // Writing to a string does not fail.
    let _ = write!(text, "m=audio {} {}", line.address.port(), line.protocol);
    for (number, _) in line.payloads {
        let _ = write!(text, " {number}");
    }
    text.push_str("\r\n");
    for (number, payload) in line.payloads {
        let _ = match payload {
            // RFC 7587 §7: the clock is 48 kHz and the channels are 2, whatever is sent.
            Payload::Audio(Codec::Opus) => {
                write!(text, "a=rtpmap:{number} opus/48000/2\r\na=fmtp:{number} minptime=10;useinbandfec=1\r\n")
            }
            Payload::Audio(codec) => write!(text, "a=rtpmap:{number} {}/{}\r\n", codec.name(), codec.clock_rate()),
            Payload::Dtmf(rate) => {
                write!(text, "a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-15\r\n")
            }
        };
    }
    let _ = write!(text, "a=ptime:{}\r\na={}\r\n", line.ptime, line.direction.attribute());
}

/// A stream that is not taken: port 0, one format kept since the grammar wants one (RFC 3264 §6).
pub(super) fn refused(text: &mut String, kind: &str, protocol: &str, format: Option<&str>) {
    let _ = write!(text, "m={kind} 0 {protocol} {}\r\n", format.unwrap_or("0"));
}

fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}
