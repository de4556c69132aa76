//! Reading.
//!
//! Tolerant where real peers are careless: lines may end in CRLF or LF, stand in another order than RFC 8866 §5 wants,
//! and unknown ones are passed over. What is read borrows from the text; time and memory are linear in its length.

use std::net::IpAddr;

use super::offer_answer::Error;
use crate::media::Direction;

/// The longest description that is read, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;
/// The greatest number of lines.
pub const MAX_LINES: usize = 1024;
/// The greatest number of media descriptions.
pub const MAX_MEDIA: usize = 32;
/// The greatest number of formats, mappings and format parameters kept of one medium: there are 128 payload types.
pub const MAX_FORMATS: usize = 128;

/// One session description; what concerns neither audio nor the answer's shape is not kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description<'a> {
    /// Session id and version of `o=`.
    pub origin: Option<(u64, u64)>,
    pub connection: Option<Connection<'a>>,
    pub direction: Option<Direction>,
    /// Milliseconds.
    pub ptime: Option<u16>,
    pub media: Vec<Media<'a>>,
}

/// `c=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection<'a> {
    Address(IpAddr),
    /// A host name, which this crate cannot resolve.
    Name(&'a str),
}

impl Connection<'_> {
    /// `0.0.0.0` or `::`: the peer wants nothing sent to it (RFC 3264 §8.4, the hold of RFC 2543).
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Address(address) if address.is_unspecified())
    }
}

/// One `m=` with its attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media<'a> {
    /// `audio`, `video` …
    pub kind: &'a str,
    /// 0 refuses or ends the stream.
    pub port: u16,
    /// `RTP/AVP` …
    pub protocol: &'a str,
    /// Payload types as text, since other protocols have other formats.
    pub formats: Vec<&'a str>,
    pub connection: Option<Connection<'a>>,
    pub direction: Option<Direction>,
    pub rtpmaps: Vec<RtpMap<'a>>,
    /// Payload type and its parameters.
    pub fmtps: Vec<(u8, &'a str)>,
    /// Milliseconds.
    pub ptime: Option<u16>,
    /// Milliseconds.
    pub maxptime: Option<u16>,
    /// `a=rtcp:` (RFC 3605): the port, where it is not the next one.
    pub rtcp_port: Option<u16>,
}

/// `a=rtpmap:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpMap<'a> {
    pub payload_type: u8,
    pub name: &'a str,
    /// Hz.
    pub clock_rate: u32,
    /// 1 where not named.
    pub channels: u8,
}

impl<'a> Media<'a> {
    /// The encoding of a payload type: that of `a=rtpmap`, or the static one (RFC 3551 §6) of the numbers we know.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let named = self.rtpmaps.iter().find(|map| map.payload_type == payload_type).copied();
        let fixed = |name| Some(RtpMap { payload_type, name, clock_rate: 8000, channels: 1 });
        named.or_else(|| match payload_type {
            0 => fixed("PCMU"),
            8 => fixed("PCMA"),
            _ => None,
        })
    }

    /// The encodings in the order of the `m=` line, which is the peer's order of preference.
    pub fn encodings(&self) -> impl Iterator<Item = RtpMap<'a>> {
        self.formats.iter().filter_map(|format| self.rtpmap(format.parse().ok().filter(|number| *number < 128)?))
    }
}

/// Reads a description.
pub fn parse(text: &str) -> Result<Description<'_>, Error> {
    if text.len() > MAX_LENGTH {
        return Err(Error::Malformed("longer than 64 KiB"));
    }
    // Split by bytes: much faster than by characters, and neither is part of another.
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let mut rest = text;
    let mut pieces = 0;
    let mut lines = std::iter::from_fn(|| {
        while !rest.is_empty() && pieces <= 2 * MAX_LINES {
            let end = rest.as_bytes().iter().position(is_end).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            pieces += 1;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
        None
    });
    match lines.next().and_then(|line| line.strip_prefix("v=")) {
        Some(version) if version.trim() == "0" => {}
        _ => return Err(Error::Malformed("it does not begin with v=0")),
    }
    let mut description = Description::default();
    for line in lines.by_ref() {
        let Some((kind, value)) = line.split_once('=') else { return Err(Error::Malformed("a line has no =")) };
        let value = value.trim();
        match (kind.trim(), description.media.last_mut()) {
            ("m", _) => {
                if description.media.len() == MAX_MEDIA {
                    return Err(Error::Malformed("more than 32 media"));
                }
                description.media.push(media(value)?);
            }
            ("o", None) => description.origin = Some(origin(value)?),
            ("c", None) => description.connection = Some(connection(value)?),
            ("c", Some(media)) => media.connection = media.connection.or(Some(connection(value)?)),
            ("a", None) => description.take_attribute(value),
            ("a", Some(media)) => media.take_attribute(value),
            _ => {}
        }
    }
    if pieces > 2 * MAX_LINES {
        return Err(Error::Malformed("more than 1024 lines"));
    }
    Ok(description)
}

impl Description<'_> {
    fn take_attribute(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match name.trim() {
            "ptime" => self.ptime = milliseconds(value),
            name => self.direction = direction(name).or(self.direction),
        }
    }
}

impl<'a> Media<'a> {
    fn take_attribute(&mut self, text: &'a str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.trim();
        match name.trim() {
            "rtpmap" if self.rtpmaps.len() < MAX_FORMATS => self.rtpmaps.extend(rtpmap(value)),
            "fmtp" if self.fmtps.len() < MAX_FORMATS => self
                .fmtps
                .extend(value.split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest.trim())))),
            "ptime" => self.ptime = milliseconds(value),
            "maxptime" => self.maxptime = milliseconds(value),
            "rtcp" => self.rtcp_port = value.split_ascii_whitespace().next().and_then(|port| port.parse().ok()),
            name => self.direction = direction(name).or(self.direction),
        }
    }
}

/// `audio 49170/2 RTP/AVP 0 8`.
fn media(value: &str) -> Result<Media<'_>, Error> {
    let mut words = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
        return Err(Error::Malformed("a media line is too short"));
    };
    let port = port.split('/').next().and_then(|port| port.parse().ok());
    Ok(Media {
        kind,
        port: port.ok_or(Error::Malformed("a port is not a number"))?,
        protocol,
        formats: words.take(MAX_FORMATS).collect(),
        ..Media::default()
    })
}

/// `alice 2890844526 2890842807 IN IP4 host`. Ids beyond 64 bits are met in the field, and only compared.
fn origin(value: &str) -> Result<(u64, u64), Error> {
    let mut words = value.split_ascii_whitespace().skip(1).map(|word| word.parse().unwrap_or(u64::MAX));
    match (words.next(), words.next()) {
        (Some(id), Some(version)) => Ok((id, version)),
        _ => Err(Error::Malformed("the origin is too short")),
    }
}

/// `IN IP4 224.2.36.42/127`.
fn connection(value: &str) -> Result<Connection<'_>, Error> {
    let mut words = value.split_ascii_whitespace();
    let (Some(network), Some(family), Some(address)) = (words.next(), words.next(), words.next()) else {
        return Err(Error::Malformed("a connection line is too short"));
    };
    if !network.eq_ignore_ascii_case("IN") {
        return Err(Error::Malformed("a connection is not of the Internet"));
    }
    let address = address.split('/').next().unwrap_or(address);
    match (address.parse::<IpAddr>(), family.to_ascii_uppercase().as_str()) {
        (Ok(address @ IpAddr::V4(_)), "IP4") | (Ok(address @ IpAddr::V6(_)), "IP6") => Ok(Connection::Address(address)),
        (Err(_), "IP4" | "IP6") if !address.is_empty() && !address.contains(':') => Ok(Connection::Name(address)),
        _ => Err(Error::Malformed("a connection address is malformed")),
    }
}

/// `111 opus/48000/2`.
fn rtpmap(value: &str) -> Option<RtpMap<'_>> {
    let (payload_type, encoding) = value.split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    Some(RtpMap {
        payload_type: payload_type.parse().ok().filter(|number| *number < 128)?,
        name: parts.next()?,
        clock_rate: parts.next()?.parse().ok()?,
        channels: parts.next().map_or(Some(1), |channels| channels.parse().ok())?,
    })
}

/// Some peers write fractions (`a=ptime:20.0`).
fn milliseconds(value: &str) -> Option<u16> {
    value.trim().split('.').next()?.parse().ok().filter(|time| *time > 0)
}

fn direction(name: &str) -> Option<Direction> {
    [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
        .into_iter()
        .find(|direction| direction.attribute() == name)
}
