//! As much of RTCP as a telephone needs (RFC 3550 §6): reports, the source's name, and farewell.

use super::quality::Report;

/// How often a report is sent.
pub const INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

/// The largest packet written here.
pub const MAX_BYTES: usize = 160;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const FAREWELL: u8 = 203;

/// The sender's part of a report (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// 64-bit NTP time.
    pub ntp: u64,
    /// The same moment on the stream's clock.
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// A block about a stream that the writer receives, and what is needed for the round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub report: Report,
    /// The middle of the NTP time of the last sender report that came, or 0.
    pub last_sender_report: u32,
    /// Since it came, in 1/65,536 s.
    pub delay_since: u32,
}

/// What is of interest in a packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    SenderReport { ssrc: u32, info: SenderInfo },
    Block { from: u32, block: Block },
    Farewell { ssrc: u32 },
}

/// Writes a compound packet: a sender report where something was sent, else a receiver report, then the canonical name.
pub fn report<'a>(
    ssrc: u32,
    sent: Option<SenderInfo>,
    block: Option<Block>,
    name: &str,
    out: &'a mut [u8; MAX_BYTES],
) -> &'a [u8] {
    let mut writer = Writer { out, at: 0 };
    let start = writer.header(if sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT }, block.is_some().into());
    writer.word(ssrc);
    if let Some(sent) = sent {
        writer.word((sent.ntp >> 32) as u32);
        writer.word(sent.ntp as u32);
        writer.word(sent.timestamp);
        writer.word(sent.packets);
        writer.word(sent.octets);
    }
    if let Some(block) = block {
        writer.word(block.report.ssrc);
        writer.word(u32::from(block.report.fraction_lost) << 24 | (block.report.lost & 0xff_ffff));
        writer.word(block.report.highest);
        writer.word(block.report.jitter);
        writer.word(block.last_sender_report);
        writer.word(block.delay_since);
    }
    writer.close(start);
    writer.name(ssrc, name);
    writer.finish()
}

/// Writes a compound packet that ends the source.
pub fn farewell<'a>(ssrc: u32, name: &str, out: &'a mut [u8; MAX_BYTES]) -> &'a [u8] {
    let mut writer = Writer { out, at: 0 };
    let start = writer.header(RECEIVER_REPORT, 0);
    writer.word(ssrc);
    writer.close(start);
    writer.name(ssrc, name);
    let start = writer.header(FAREWELL, 1);
    writer.word(ssrc);
    writer.close(start);
    writer.finish()
}

/// Hands out what a compound packet says. What is malformed ends the reading; what is unknown is passed over.
pub fn read(mut packet: &[u8], mut each: impl FnMut(Item)) {
    while let Some((head, rest)) = packet.split_first_chunk::<4>() {
        let length = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (true, Some(body)) = (head[0] >> 6 == 2, rest.get(..length)) else { return };
        packet = &rest[length..];
        let count = usize::from(head[0] & 0x1f);
        let mut words = body.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        let mut word = || words.next();
        let mut read_one = || -> Option<()> {
            let ssrc = word()?;
            match head[1] {
                SENDER_REPORT | RECEIVER_REPORT => {
                    if head[1] == SENDER_REPORT {
                        let ntp = u64::from(word()?) << 32 | u64::from(word()?);
                        let info = SenderInfo { ntp, timestamp: word()?, packets: word()?, octets: word()? };
                        each(Item::SenderReport { ssrc, info });
                    }
                    for _ in 0..count {
                        let about = word()?;
                        let lost = word()?;
                        let report = Report {
                            ssrc: about,
                            fraction_lost: (lost >> 24) as u8,
                            lost: lost & 0xff_ffff,
                            highest: word()?,
                            jitter: word()?,
                        };
                        let block = Block { report, last_sender_report: word()?, delay_since: word()? };
                        each(Item::Block { from: ssrc, block });
                    }
                }
                FAREWELL if count > 0 => each(Item::Farewell { ssrc }),
                _ => {}
            }
            Some(())
        };
        if read_one().is_none() && head[1] <= RECEIVER_REPORT {
            return;
        }
    }
}

/// The writers above write less than [`MAX_BYTES`].
struct Writer<'a> {
    out: &'a mut [u8; MAX_BYTES],
    at: usize,
}

impl<'a> Writer<'a> {
    fn header(&mut self, kind: u8, count: u8) -> usize {
        let start = self.at;
        self.bytes(&[0x80 | count, kind, 0, 0]);
        start
    }

    fn close(&mut self, start: usize) {
        let words = (self.at - start) / 4 - 1;
        self.out[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// A source description with the canonical name (§6.5.1), of which at most 32 bytes are taken.
    fn name(&mut self, ssrc: u32, name: &str) {
        let name = &name.as_bytes()[..name.len().min(32)];
        let start = self.header(SOURCE_DESCRIPTION, 1);
        self.word(ssrc);
        self.bytes(&[1, name.len() as u8]);
        self.bytes(name);
        // The list of items ends with one to four zero bytes.
        let zeros = 4 - (self.at - start) % 4;
        self.bytes(&[0; 4][..zeros]);
        self.close(start);
    }

    fn finish(self) -> &'a [u8] {
        &self.out[..self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: SenderInfo = SenderInfo { ntp: 0x0102_0304_0506_0708, timestamp: 160, packets: 7, octets: 1_120 };
    const BLOCK: Block = Block {
        report: Report { ssrc: 5, fraction_lost: 12, lost: 300, highest: 70_000, jitter: 42 },
        last_sender_report: 9,
        delay_since: 65_536,
    };

    fn items(packet: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        read(packet, |item| items.push(item));
        items
    }

    #[test]
    fn a_report_is_read_back() {
        let mut out = [0; MAX_BYTES];
        for name in ["", "a", "ab", "abc", "abcd", "a name that is longer than thirty-two bytes"] {
            let packet = report(1, Some(INFO), Some(BLOCK), name, &mut out);
            assert_eq!(packet.len() % 4, 0);
            let expected = [Item::SenderReport { ssrc: 1, info: INFO }, Item::Block { from: 1, block: BLOCK }];
            assert_eq!(items(packet), expected);
        }
        assert_eq!(items(report(1, None, Some(BLOCK), "x", &mut out)), [Item::Block { from: 1, block: BLOCK }]);
        assert_eq!(items(farewell(1, "x", &mut out)), [Item::Farewell { ssrc: 1 }]);
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_read_without_panic() {
        let mut out = [0; MAX_BYTES];
        let packet = report(1, Some(INFO), Some(BLOCK), "name", &mut out).to_vec();
        for length in 0..packet.len() {
            items(&packet[..length]);
        }
        for at in 0..packet.len() {
            for value in 0..=255 {
                let mut changed = packet.clone();
                changed[at] = value;
                items(&changed);
            }
        }
    }
}
