//! Telephone events (RFC 4733): digits as RTP packets.

use std::collections::VecDeque;
use std::time::Duration;

/// The length of one digit.
pub const TONE: Duration = Duration::from_millis(100);

/// The silence between two digits.
pub const PAUSE: Duration = Duration::from_millis(60);

/// Between two packets of one digit, and between the three end packets.
pub const INTERVAL: Duration = Duration::from_millis(20);

/// Digits that wait to be sent, at most; what comes beyond is refused.
pub const MAX_QUEUED: usize = 64;

/// −10 dBm0, as telephones send (RFC 4733 §2.3.3 counts downwards from 0 to 63).
const VOLUME: u8 = 10;

/// How often the last packet of a digit is sent, so that one of them arrives (§2.5.1.4).
const END_PACKETS: u8 = 3;

/// The payload of one packet (§2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// 0–9 the digits, 10 `*`, 11 `#`, 12–15 A–D; higher numbers are no digits.
    pub event: u8,
    pub end: bool,
    /// Of the tone, in −dBm0: 0..=63.
    pub volume: u8,
    /// Since the event's timestamp, in units of the RTP clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload, or `None` where it is cut short. What follows the first four bytes is ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1] = *payload.first_chunk::<4>()?;
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration: u16::from_be_bytes([d0, d1]) })
    }

    pub fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | (self.volume & 0x3f), d0, d1]
    }
}

/// The digit's event number: `0-9*#A-D`, in either case.
pub fn event_of(digit: char) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        letter @ 'A'..='D' => Some(12 + (letter as u8 - b'A')),
        _ => None,
    }
}

/// The digit of an event number.
pub fn digit_of(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|&digit| char::from(digit))
}

/// What [`Sender::poll`] wants in the stream at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// No digit is under way: sound as always.
    Sound,
    /// A digit or its pause is under way, and nothing is to be sent at this moment. Sound is withheld.
    Nothing,
    /// A packet of a digit, in the place of sound.
    Event {
        payload: TelephoneEvent,
        /// The timestamp of the event's beginning, the same in all its packets.
        timestamp: u32,
        /// Of the event's first packet only.
        marker: bool,
    },
}

/// Sends queued digits one after another. It is asked every [`INTERVAL`], with the timestamp of the sound that would be
/// sent then; there is no other clock.
#[derive(Debug)]
pub struct Sender {
    /// Units of the RTP clock in one interval.
    step: u16,
    queue: VecDeque<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Tone { event: u8, timestamp: u32, intervals: u16 },
    End { event: u8, timestamp: u32, left: u8 },
    Pause { left: u16 },
}

const TONE_INTERVALS: u16 = (TONE.as_millis() / INTERVAL.as_millis()) as u16;
const PAUSE_INTERVALS: u16 = (PAUSE.as_millis() / INTERVAL.as_millis()) as u16;

impl Sender {
    /// `clock_rate` is the one negotiated for telephone-event, in Hz.
    pub fn new(clock_rate: u32) -> Self {
        let step = u64::from(clock_rate) * INTERVAL.as_millis() as u64 / 1000;
        Self {
            step: u16::try_from(step).unwrap_or(u16::MAX),
            queue: VecDeque::with_capacity(MAX_QUEUED),
            state: State::Idle,
        }
    }

    /// Queues digits. What is no digit is skipped, and so is what comes after [`MAX_QUEUED`]; returns how many were taken.
    pub fn queue(&mut self, digits: &str) -> usize {
        let room = MAX_QUEUED - self.queue.len();
        let before = self.queue.len();
        self.queue.extend(digits.chars().filter_map(event_of).take(room));
        self.queue.len() - before
    }

    /// A digit or its pause is under way, or waits.
    pub fn is_active(&self) -> bool {
        self.state != State::Idle || !self.queue.is_empty()
    }

    /// The digit that sounds at this moment (for the agent's own ear).
    pub fn sounding(&self) -> Option<char> {
        match self.state {
            State::Tone { event, .. } => digit_of(event),
            _ => None,
        }
    }

    /// What is to be sent in this interval, whose sound would carry `now`.
    pub fn poll(&mut self, now: u32) -> Send {
        match self.state {
            State::Pause { left } if left > 0 => {
                self.state = State::Pause { left: left - 1 };
                Send::Nothing
            }
            State::Idle | State::Pause { .. } => match self.queue.pop_front() {
                None => {
                    self.state = State::Idle;
                    Send::Sound
                }
                Some(event) => {
                    self.state = State::Tone { event, timestamp: now, intervals: 1 };
                    self.packet(event, now, 1, false, true)
                }
            },
            State::Tone { event, timestamp, intervals } if intervals + 1 < TONE_INTERVALS => {
                self.state = State::Tone { event, timestamp, intervals: intervals + 1 };
                self.packet(event, timestamp, intervals + 1, false, false)
            }
            State::Tone { event, timestamp, .. } => {
                self.state = State::End { event, timestamp, left: END_PACKETS - 1 };
                self.packet(event, timestamp, TONE_INTERVALS, true, false)
            }
            State::End { event, timestamp, left } => {
                // The repetitions fall into the pause, which begins with the first end packet.
                self.state = match left {
                    1 => State::Pause { left: PAUSE_INTERVALS.saturating_sub(u16::from(END_PACKETS) - 1) },
                    _ => State::End { event, timestamp, left: left - 1 },
                };
                self.packet(event, timestamp, TONE_INTERVALS, true, false)
            }
        }
    }

    fn packet(&self, event: u8, timestamp: u32, intervals: u16, end: bool, marker: bool) -> Send {
        let duration = self.step.saturating_mul(intervals);
        Send::Event { payload: TelephoneEvent { event, end, volume: VOLUME, duration }, timestamp, marker }
    }
}

/// Recognises digits in what comes in. Every packet of an event carries the event's beginning as its timestamp, so the
/// digit is known with the first packet that arrives, whichever that is, and each further one is a repetition.
#[derive(Debug, Default)]
pub struct Receiver {
    seen: Option<(u32, u32)>,
}

impl Receiver {
    /// Takes the packet of one event and returns its digit, once. A packet that is older than the newest event, or no
    /// digit, yields nothing.
    pub fn handle(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let digit = digit_of(TelephoneEvent::parse(payload)?.event)?;
        if let Some((seen_ssrc, seen)) = self.seen
            && seen_ssrc == ssrc
            && super::rtp::timestamp_distance(timestamp, seen) <= 0
        {
            return None;
        }
        self.seen = Some((ssrc, timestamp));
        Some(digit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All packets of `digits`, each with the interval it is sent in.
    fn sent(digits: &str) -> Vec<(usize, Send)> {
        let mut sender = Sender::new(8000);
        sender.queue(digits);
        let mut packets = Vec::new();
        let mut interval = 0;
        while sender.is_active() {
            let send = sender.poll(1000 + 160 * interval as u32);
            if matches!(send, Send::Event { .. }) {
                packets.push((interval, send));
            }
            interval += 1;
            assert!(interval < 1000, "the sender never ends");
        }
        packets
    }

    #[test]
    fn a_digit_lasts_100_ms_and_its_end_is_sent_three_times() {
        let packets: Vec<_> = sent("5")
            .into_iter()
            .map(|(interval, send)| match send {
                Send::Event { payload, timestamp, marker } => {
                    assert_eq!((payload.event, payload.volume, timestamp), (5, 10, 1000));
                    (interval, payload.duration, payload.end, marker)
                }
                _ => unreachable!(),
            })
            .collect();
        assert_eq!(
            packets,
            [
                (0, 160, false, true),
                (1, 320, false, false),
                (2, 480, false, false),
                (3, 640, false, false),
                (4, 800, true, false),
                (5, 800, true, false),
                (6, 800, true, false),
            ]
        );
    }

    #[test]
    fn two_digits_are_60_ms_apart() {
        let marks: Vec<_> =
            sent("12").into_iter().filter(|(_, send)| matches!(send, Send::Event { marker: true, .. })).collect();
        // 100 ms of tone and 60 ms of pause are eight intervals.
        assert_eq!(marks.iter().map(|(interval, _)| *interval).collect::<Vec<_>>(), [0, 8]);
        let timestamps: Vec<_> = marks
            .iter()
            .map(|(_, send)| match send {
                Send::Event { timestamp, .. } => *timestamp,
                _ => unreachable!(),
            })
            .collect();
        assert_eq!(timestamps, [1000, 1000 + 8 * 160]);
    }

    #[test]
    fn sound_goes_on_after_the_last_pause() {
        let mut sender = Sender::new(48_000);
        assert_eq!(sender.poll(0), Send::Sound);
        sender.queue("1");
        let silent = (0..20).take_while(|&interval| sender.poll(960 * interval) != Send::Sound).count();
        assert_eq!(silent, 8);
        assert!(!sender.is_active());
    }

    /// Sends `digits` through a line that loses the packets of `lost`, and returns what is understood.
    fn understood(digits: &str, lost: impl Fn(usize) -> bool) -> String {
        let mut receiver = Receiver::default();
        sent(digits)
            .into_iter()
            .enumerate()
            .filter(|(number, _)| !lost(*number))
            .filter_map(|(_, (_, send))| match send {
                Send::Event { payload, timestamp, .. } => receiver.handle(7, timestamp, &payload.to_bytes()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_digit_is_understood_once() {
        assert_eq!(understood("0123456789*#ABCDabcd", |_| false), "0123456789*#ABCDABCD");
        assert_eq!(understood("11", |_| false), "11");
    }

    #[test]
    fn one_packet_of_seven_is_enough() {
        for kept in 0..7 {
            assert_eq!(
                understood("4711", |number| number % 7 != kept),
                "4711",
                "only packet {kept} of each digit arrives"
            );
        }
        assert_eq!(understood("42", |number| number < 7), "2");
    }

    #[test]
    fn late_and_foreign_packets_are_no_digit() {
        let mut receiver = Receiver::default();
        let payload = TelephoneEvent { event: 3, end: false, volume: 10, duration: 160 }.to_bytes();
        assert_eq!(receiver.handle(7, 5000, &payload), Some('3'));
        assert_eq!(receiver.handle(7, 4000, &payload), None, "a packet of an earlier event that comes late");
        assert_eq!(receiver.handle(8, 4000, &payload), Some('3'), "a new source begins anew");
        assert_eq!(receiver.handle(8, 9000, &[16, 0x8a, 1, 0]), None, "event 16 is a flash, not a digit");
        assert_eq!(receiver.handle(8, 9000, &[1, 2, 3]), None);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut sender = Sender::new(8000);
        assert_eq!(sender.queue("1x2 "), 2);
        assert_eq!(sender.queue(&"7".repeat(1000)), MAX_QUEUED - 2);
    }
}
