//! Offer and answer (RFC 3264).
//!
//! Which codec is used: an answer keeps the offerer's order and takes its first codec that we have too (RFC 3264 §6.1
//! recommends it: the offerer put it first for a reason, and both ends then agree without a second round). Exactly one
//! codec is answered, so that the payload type of every packet is known beforehand. Of an answer to our offer the first
//! codec counts (§7).
//!
//! Payload types: an answer keeps the peer's numbers. Our own offers give opus 96, telephone-event 101 at 8 kHz and 110 at
//! 48 kHz; in a session that stands, [`reoffer`] keeps the numbers in use (§8.3.2).
//!
//! Directions: [`LocalMedia::direction`] is what *we* want: `SendOnly` holds the peer with music, `Inactive` holds it in
//! silence, `SendRecv` takes it back. [`Negotiated::direction`] is what has come of it, seen from us: we send only if
//! we want to and the peer receives, and the other way round. A peer that holds us by `sendonly` leaves us `RecvOnly`; one that
//! holds by the address 0.0.0.0 receives nothing, so we never send to that address. When both sides hold, either may
//! take back its own hold only: the wish in `LocalMedia` is therefore never overwritten by what was negotiated.

use std::net::SocketAddr;

use super::parse::{Connection, Description, Media, RtpMap, parse};
use super::write::{self, AudioLine, Payload};
use crate::media::{Codec, Direction};

/// What we can do in one call, and where we receive. The version in `o=` grows with every new description of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalMedia {
    /// The session id of `o=` (unique per call, from the caller's entropy).
    pub session_id: u64,
    /// The version of `o=`; the caller increments it whenever the description changes.
    pub version: u64,
    /// Where we receive RTP.
    pub address: SocketAddr,
    /// In order of preference, never empty.
    pub codecs: Vec<Codec>,
    /// Offer telephone-event (RFC 4733).
    pub dtmf: bool,
    /// What we want: `SendRecv`, or `SendOnly` to hold the peer.
    pub direction: Direction,
    /// Packet time in milliseconds that we send and ask for (20).
    pub ptime: u8,
}

/// What both sides agreed upon, seen from our side.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    pub codec: Codec,
    /// The payload type we put into packets that we send (the peer's number).
    pub send_payload_type: u8,
    /// The payload type the peer uses towards us (our number).
    pub receive_payload_type: u8,
    /// telephone-event: what we send, what we receive.
    pub dtmf_send: Option<u8>,
    pub dtmf_receive: Option<u8>,
    /// The clock rate of telephone-event in Hz: that of the codec, save with a peer that only has another one (as 8000
    /// beside Opus, which is common). Durations count in it; timestamps stay those of the stream.
    pub dtmf_clock_rate: u32,
    /// Where we send RTP. Unspecified (0.0.0.0) only while the direction does not send.
    pub remote: SocketAddr,
    /// Our direction after negotiation: `RecvOnly` or `Inactive` when the peer holds us.
    pub direction: Direction,
    /// Packet time in milliseconds: ours, or 10, 20, 40 or 60 at the peer's wish.
    pub ptime: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    #[error("the peer offers no audio stream that we can take")]
    NoCommonMedia,
    #[error("no codec in common")]
    NoCommonCodec,
}

/// Writes an offer.
pub fn offer(local: &LocalMedia) -> Vec<u8> {
    write_offer(local, &payloads(local, None))
}

/// Writes an offer inside a session that stands: the agreed codec comes first, under the numbers in use (RFC 3264
/// §8.3.2), so that hold and retrieve change nothing but the direction.
pub fn reoffer(local: &LocalMedia, agreed: &Negotiated) -> Vec<u8> {
    write_offer(local, &payloads(local, Some(agreed)))
}

/// Answers an offer: the answer to send and what is agreed. The direction of the answer is the intersection of what the
/// peer offers and what `local.direction` wants (RFC 3264 §6.1). `c=0.0.0.0` is a hold by an old peer.
///
/// The first audio stream that we can take is taken; every other stream is refused in its place. Attributes of ICE,
/// bundling, feedback and key exchange are passed over: a peer that offers plain RTP can do without them.
pub fn answer(local: &LocalMedia, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), Error> {
    let text = String::from_utf8_lossy(offer);
    let offer = parse(&text)?;
    let mut error = Error::NoCommonMedia;
    let mut taken = None;
    for (index, media) in offer.media.iter().enumerate() {
        match Stream::of(&offer, media, local) {
            Ok(Some(stream)) => match stream.agree_on_offer(local) {
                Some(agreed) => {
                    taken = Some((index, agreed));
                    break;
                }
                None => error = Error::NoCommonCodec,
            },
            Ok(None) => {}
            Err(malformed) => return Err(malformed),
        }
    }
    let Some((taken, agreed)) = taken else { return Err(error) };

    let mut text = write::session(local.session_id, local.version, local.address.ip());
    for (index, media) in offer.media.iter().enumerate() {
        if index == taken {
            let dtmf = agreed.dtmf_receive.map(|number| (number, Payload::Dtmf(agreed.dtmf_clock_rate)));
            let payloads: Vec<_> =
                std::iter::once((agreed.receive_payload_type, Payload::Audio(agreed.codec))).chain(dtmf).collect();
            let line = AudioLine {
                address: local.address,
                protocol: media.protocol,
                payloads: &payloads,
                ptime: agreed.ptime,
                direction: agreed.direction,
            };
            write::audio(&mut text, &line);
        } else {
            write::refused(&mut text, media.kind, media.protocol, media.formats.first().copied());
        }
    }
    Ok((text.into_bytes(), agreed))
}

/// Takes the peer's answer to our [`offer`].
pub fn accept(local: &LocalMedia, answer: &[u8]) -> Result<Negotiated, Error> {
    accept_with(local, &payloads(local, None), answer)
}

/// Takes the peer's answer to our [`reoffer`].
pub fn accept_reoffer(local: &LocalMedia, agreed: &Negotiated, answer: &[u8]) -> Result<Negotiated, Error> {
    accept_with(local, &payloads(local, Some(agreed)), answer)
}

fn accept_with(local: &LocalMedia, offered: &[(u8, Payload)], answer: &[u8]) -> Result<Negotiated, Error> {
    let text = String::from_utf8_lossy(answer);
    let answer = parse(&text)?;
    // We offer one stream, so the first of the answer is its counterpart (RFC 3264 §6).
    let media = answer.media.first().ok_or(Error::Malformed("it holds no media"))?;
    let stream = Stream::of(&answer, media, local)?.ok_or(Error::NoCommonMedia)?;
    let number_of = |wanted: Payload| offered.iter().find(|(_, payload)| *payload == wanted).map(|(number, _)| *number);
    let (codec, theirs, ours) = media
        .encodings()
        .find_map(|map| {
            let codec = codec_of(&map)?;
            Some((codec, map.payload_type, number_of(Payload::Audio(codec))?))
        })
        .ok_or(Error::NoCommonCodec)?;
    let dtmf = dtmf_of(media, codec, local)
        .and_then(|map| Some((map.payload_type, number_of(Payload::Dtmf(map.clock_rate))?, map.clock_rate)));
    Ok(Negotiated {
        codec,
        send_payload_type: theirs,
        receive_payload_type: ours,
        dtmf_send: dtmf.map(|(theirs, ..)| theirs),
        dtmf_receive: dtmf.map(|(_, ours, _)| ours),
        dtmf_clock_rate: dtmf.map_or(codec.clock_rate(), |(.., rate)| rate),
        remote: stream.remote,
        direction: stream.direction,
        ptime: stream.ptime,
    })
}

/// An audio stream of the peer's description that we could take, codecs aside.
struct Stream<'d> {
    media: &'d Media<'d>,
    remote: SocketAddr,
    /// Seen from us.
    direction: Direction,
    ptime: u8,
}

impl<'d> Stream<'d> {
    /// `None` when the stream is refused, no audio, not plain RTP, or of another address family than ours.
    fn of(description: &Description<'d>, media: &'d Media<'d>, local: &LocalMedia) -> Result<Option<Self>, Error> {
        // Feedback (RTP/AVPF) is optional to use, so such a stream is plain RTP to us.
        let plain = ["RTP/AVP", "RTP/AVPF"].iter().any(|known| known.eq_ignore_ascii_case(media.protocol));
        if !media.kind.eq_ignore_ascii_case("audio") || media.port == 0 || !plain {
            return Ok(None);
        }
        let connection = media.connection.or(description.connection);
        let address = match connection.ok_or(Error::Malformed("the audio stream has no connection address"))? {
            Connection::Address(address) => address,
            Connection::Name(_) => return Err(Error::Malformed("the connection address is a host name")),
        };
        if address.is_ipv4() != local.address.is_ipv4() && !address.is_unspecified() {
            return Ok(None);
        }
        let theirs = media.direction.or(description.direction).unwrap_or(Direction::SendRecv);
        let they_receive = theirs.receives() && !address.is_unspecified();
        Ok(Some(Self {
            media,
            remote: SocketAddr::new(address, media.port),
            direction: Direction::new(
                local.direction.sends() && they_receive,
                local.direction.receives() && theirs.sends(),
            ),
            ptime: packet_time(local.ptime, media.ptime.or(description.ptime), media.maxptime),
        }))
    }

    /// The first codec of the offer that we have.
    fn agree_on_offer(self, local: &LocalMedia) -> Option<Negotiated> {
        let (codec, number) = self.media.encodings().find_map(|map| {
            let codec = codec_of(&map).filter(|codec| local.codecs.contains(codec))?;
            Some((codec, map.payload_type))
        })?;
        let dtmf = dtmf_of(self.media, codec, local);
        Some(Negotiated {
            codec,
            send_payload_type: number,
            receive_payload_type: number,
            dtmf_send: dtmf.map(|map| map.payload_type),
            dtmf_receive: dtmf.map(|map| map.payload_type),
            dtmf_clock_rate: dtmf.map_or(codec.clock_rate(), |map| map.clock_rate),
            remote: self.remote,
            direction: self.direction,
            ptime: self.ptime,
        })
    }
}

fn codec_of(map: &RtpMap<'_>) -> Option<Codec> {
    [Codec::Opus, Codec::Pcma, Codec::Pcmu].into_iter().find(|codec| {
        // Opus is always 48000/2 (RFC 7587 §7); peers that leave the 2 out mean the same.
        let channels_fit = *codec == Codec::Opus && map.channels <= 2 || map.channels == 1;
        codec.name().eq_ignore_ascii_case(map.name) && codec.clock_rate() == map.clock_rate && channels_fit
    })
}

/// The telephone-event to use beside `codec`: of its clock rate, or else whichever there is.
fn dtmf_of<'a>(media: &Media<'a>, codec: Codec, local: &LocalMedia) -> Option<RtpMap<'a>> {
    if !local.dtmf {
        return None;
    }
    let events = || media.encodings().filter(|map| map.name.eq_ignore_ascii_case("telephone-event"));
    events().find(|map| map.clock_rate == codec.clock_rate()).or_else(|| events().next())
}

/// `ptime` is the peer's wish (RFC 8866 §6.4), followed where it is a length that every codec of ours can cut;
/// `maxptime` is its limit.
fn packet_time(ours: u8, wish: Option<u16>, limit: Option<u16>) -> u8 {
    let wanted = wish.and_then(|wish| [20, 40, 60].into_iter().find(|time| u16::from(*time) == wish)).unwrap_or(ours);
    match limit {
        Some(limit) if limit < u16::from(wanted) => {
            [60, 40, 20, 10].into_iter().find(|time| u16::from(*time) <= limit).unwrap_or(wanted)
        }
        _ => wanted,
    }
}

/// What we offer under which number.
fn payloads(local: &LocalMedia, agreed: Option<&Negotiated>) -> Vec<(u8, Payload)> {
    let mut payloads: Vec<(u8, Payload)> = Vec::new();
    if let Some(agreed) = agreed {
        payloads.push((agreed.receive_payload_type, Payload::Audio(agreed.codec)));
    }
    let mut events = Vec::new();
    if local.dtmf
        && let Some(agreed) = agreed
        && let Some(number) = agreed.dtmf_receive
    {
        events.push((number, Payload::Dtmf(agreed.dtmf_clock_rate)));
    }
    let known = |list: &[(u8, Payload)], wanted: Payload| list.iter().any(|(_, payload)| *payload == wanted);
    for codec in &local.codecs {
        let audio = Payload::Audio(*codec);
        if !known(&payloads, audio) {
            let usual = match codec {
                Codec::Pcmu => 0,
                Codec::Pcma => 8,
                Codec::Opus => 96,
            };
            payloads.push((free(usual, &payloads, &events), audio));
        }
        let event = Payload::Dtmf(codec.clock_rate());
        if local.dtmf && !known(&events, event) {
            let usual = if codec.clock_rate() == 8000 { 101 } else { 110 };
            events.push((free(usual, &payloads, &events), event));
        }
    }
    payloads.append(&mut events);
    payloads
}

/// The usual number, or the next dynamic one that is not taken.
fn free(usual: u8, payloads: &[(u8, Payload)], events: &[(u8, Payload)]) -> u8 {
    let taken = |number: u8| payloads.iter().chain(events).any(|(used, _)| *used == number);
    if !taken(usual) {
        return usual;
    }
    (96..=127).find(|number| !taken(*number)).unwrap_or(usual)
}

fn write_offer(local: &LocalMedia, payloads: &[(u8, Payload)]) -> Vec<u8> {
    let mut text = write::session(local.session_id, local.version, local.address.ip());
    let line = AudioLine {
        address: local.address,
        protocol: "RTP/AVP",
        payloads,
        ptime: local.ptime,
        direction: local.direction,
    };
    write::audio(&mut text, &line);
    text.into_bytes()
}
