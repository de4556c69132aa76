//! RTP packets (RFC 3550 §5) and the arithmetic of their wrapping numbers.

/// The smallest packet: a header with neither contributing sources nor extension.
pub const HEADER_BYTES: usize = 12;

/// The largest packet that is read or written: what fits an Ethernet frame with room for tunnels.
pub const MAX_PACKET_BYTES: usize = 1472;

/// One packet, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub header: Header,
    /// Without padding.
    pub payload: &'a [u8],
}

/// What we read of the header. Contributing sources and the extension are skipped: nothing of ours uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt, or of a telephone event.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    pub sequence: u16,
    /// In units of the codec's RTP clock.
    pub timestamp: u32,
    pub ssrc: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the packet is cut short")]
    Truncated,
    #[error("the version is not 2")]
    Version,
    #[error("an RTCP packet, not RTP")]
    Rtcp,
    #[error("the padding is longer than the packet")]
    Padding,
    #[error("the packet is longer than {MAX_PACKET_BYTES} bytes")]
    TooLong,
}

impl<'a> Packet<'a> {
    /// Reads a datagram. RTCP that shares the port (RFC 5761 §4) is told apart by its type.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Error> {
        if datagram.len() > MAX_PACKET_BYTES {
            return Err(Error::TooLong);
        }
        let Some((fixed, rest)) = datagram.split_first_chunk::<HEADER_BYTES>() else { return Err(Error::Truncated) };
        if fixed[0] >> 6 != 2 {
            return Err(Error::Version);
        }
        if (192..=223).contains(&fixed[1]) {
            return Err(Error::Rtcp);
        }
        let contributing = 4 * usize::from(fixed[0] & 0x0f);
        let mut payload = rest.get(contributing..).ok_or(Error::Truncated)?;
        if fixed[0] & 0x10 != 0 {
            let (head, after) = payload.split_first_chunk::<4>().ok_or(Error::Truncated)?;
            let length = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            payload = after.get(length..).ok_or(Error::Truncated)?;
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(Error::Padding)?);
            if padding == 0 || padding > payload.len() {
                return Err(Error::Padding);
            }
            payload = &payload[..payload.len() - padding];
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok(Self { header, payload })
    }
}

impl Header {
    /// The twelve bytes of a header without contributing sources, extension or padding.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }

    /// Writes a whole packet into `out` and returns it, or `None` where it does not fit.
    pub fn write<'b>(self, payload: &[u8], out: &'b mut [u8]) -> Option<&'b [u8]> {
        let length = HEADER_BYTES + payload.len();
        let packet = out.get_mut(..length)?;
        packet[..HEADER_BYTES].copy_from_slice(&self.to_bytes());
        packet[HEADER_BYTES..].copy_from_slice(payload);
        Some(packet)
    }
}

/// How far sequence number `a` is ahead of `b`, on the shorter way around the circle: −32,768..=32,767.
pub const fn sequence_distance(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

/// How far timestamp `a` is ahead of `b`, on the shorter way around the circle.
pub const fn timestamp_distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// Gives the 16-bit sequence numbers of one stream their place on a line that never wraps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SequenceLine {
    highest: Option<u64>,
}

impl SequenceLine {
    /// The position of `sequence`, the one nearest to the highest position seen.
    pub fn place(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            // One whole turn of room below, so that what was sent before the first packet has a place too.
            let first = 0x1_0000 + u64::from(sequence);
            self.highest = Some(first);
            return first;
        };
        let position = highest.saturating_add_signed(sequence_distance(sequence, highest as u16).into());
        self.highest = Some(highest.max(position));
        position
    }

    /// The distance of `sequence` from the highest position seen, or `None` before the first packet.
    pub fn distance(&self, sequence: u16) -> Option<i16> {
        self.highest.map(|highest| sequence_distance(sequence, highest as u16))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEADER: Header =
        Header { marker: true, payload_type: 111, sequence: 65_535, timestamp: 160, ssrc: 0xdead_beef };

    fn written(payload: &[u8]) -> Vec<u8> {
        HEADER.write(payload, &mut [0; 200]).unwrap().to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = written(b"sound");
        assert_eq!(Packet::parse(&bytes), Ok(Packet { header: HEADER, payload: b"sound" }));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_stripped() {
        let mut bytes = written(b"");
        bytes[0] |= 0x20 | 0x10 | 2; // padding, extension, two sources
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        bytes.extend(b"sound\0\0\x03");
        assert_eq!(Packet::parse(&bytes).unwrap().payload, b"sound");
    }

    #[test]
    fn a_malformed_packet_is_an_error() {
        let check = |change: &dyn Fn(&mut Vec<u8>), expected| {
            let mut bytes = written(b"12345678");
            change(&mut bytes);
            assert_eq!(Packet::parse(&bytes), Err(expected));
        };
        check(&|b| b.truncate(11), Error::Truncated);
        check(&|b| b[0] = 0x40, Error::Version);
        check(&|b| b[0] |= 0x0f, Error::Truncated);
        check(&|b| b[0] |= 0x10, Error::Truncated); // an extension of 0x3334 words
        check(&|b| b[1] = 200, Error::Rtcp);
        check(
            &|b| {
                b[0] |= 0x20;
                *b.last_mut().unwrap() = 9;
            },
            Error::Padding,
        );
        check(
            &|b| {
                b[0] |= 0x20;
                *b.last_mut().unwrap() = 0;
            },
            Error::Padding,
        );
        check(&|b| b.resize(MAX_PACKET_BYTES + 1, 0), Error::TooLong);
    }

    #[test]
    fn every_cut_of_a_packet_is_read_without_panic() {
        let mut bytes = written(b"0123456789012345678901234567890123456789");
        for first in 0..=255 {
            bytes[0] = first;
            for length in 0..bytes.len() {
                let _ = Packet::parse(&bytes[..length]);
            }
        }
    }

    #[test]
    fn numbers_wrap() {
        assert_eq!(sequence_distance(2, 65_534), 4);
        assert_eq!(sequence_distance(65_534, 2), -4);
        assert_eq!(timestamp_distance(100, u32::MAX - 59), 160);
        let mut line = SequenceLine::default();
        let first = line.place(65_534);
        assert_eq!(line.place(1), first + 3);
        assert_eq!(line.place(65_533), first - 1);
        assert_eq!(line.distance(2), Some(1));
    }

    #[test]
    fn a_packet_that_does_not_fit_is_not_written() {
        assert_eq!(HEADER.write(&[0; 20], &mut [0; 31]), None);
    }
}
