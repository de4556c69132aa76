use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{JitterBuffer, Limits, Pull, Put, Stretch};
use crate::media::rtp::Header;

const PTIME: u64 = 20;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn header(number: u64) -> Header {
    Header {
        marker: number == 0,
        payload_type: 0,
        sequence: 65_500u16.wrapping_add(number as u16),
        timestamp: (u32::MAX - 1_000).wrapping_add(number as u32 * 160),
        ssrc: 1,
    }
}

/// What a run of playout ticks of 10 ms brought.
#[derive(Debug, Default)]
struct Heard {
    /// The numbers of the packets, in the order they were played, with the delay from their sending in milliseconds.
    packets: Vec<(u64, i64)>,
    lost: u64,
    recoverable: u64,
    /// Milliseconds that had to be bridged without knowing why.
    waited: i64,
    stretched: u64,
}

impl Heard {
    fn numbers(&self) -> Vec<u64> {
        self.packets.iter().map(|(number, _)| *number).collect()
    }

    /// The mean delay of the last packets.
    fn settled_delay(&self) -> i64 {
        let last = &self.packets[self.packets.len() - 50..];
        last.iter().map(|(_, delay)| delay).sum::<i64>() / last.len() as i64
    }
}

/// Plays a stream whose packet `number` is sent at `number · 20 ms` and arrives when `arrivals` says (in microseconds
/// after its sending, or never), for as long as packets come.
fn heard(buffer: &mut JitterBuffer, count: u64, arrivals: impl Fn(u64) -> Option<u64>) -> Heard {
    let start = Instant::now();
    let mut network: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for number in 0..count {
        if let Some(after) = arrivals(number) {
            network.insert((number * PTIME * 1000 + after, number), number);
        }
    }
    let mut heard = Heard::default();
    // The playout device ticks with a phase of its own.
    let mut now = 3_700u64;
    let mut stored = 0i64;
    while now < (count + 50) * PTIME * 1000 {
        while let Some((&(at, number), _)) = network.first_key_value()
            && at <= now
        {
            network.remove(&(at, number));
            buffer.put(&header(number), &number.to_be_bytes(), start + Duration::from_micros(at));
        }
        while stored < 10_000 {
            let begins = now as i64 + stored;
            let remainder = Duration::from_micros(stored as u64);
            match buffer.pull(start + Duration::from_micros(now), remainder) {
                Pull::Silence => stored = 10_000,
                Pull::Wait => {
                    heard.waited += if now < count * PTIME * 1000 { (10_000 - stored) / 1000 } else { 0 };
                    stored = 10_000;
                }
                Pull::Lost { next } => {
                    heard.lost += 1;
                    heard.recoverable += u64::from(next.is_some());
                    stored += 20_000;
                }
                Pull::Packet { payload, stretch, .. } => {
                    let number = u64::from_be_bytes(payload.try_into().expect("eight bytes were put"));
                    heard.packets.push((number, begins / 1000 - (number * PTIME) as i64));
                    buffer.played(ms(PTIME));
                    heard.stretched += u64::from(stretch != Stretch::None);
                    // What a voice allows: one period, of 5 ms here.
                    stored += match stretch {
                        Stretch::Shorten(_) => 15_000,
                        Stretch::Lengthen(_) => 25_000,
                        Stretch::None => 20_000,
                    };
                    buffer.stretched(
                        match stretch {
                            Stretch::Shorten(_) => Stretch::Shorten(ms(5)),
                            Stretch::Lengthen(_) => Stretch::Lengthen(ms(5)),
                            Stretch::None => Stretch::None,
                        },
                        remainder,
                    );
                }
            }
        }
        stored -= 10_000;
        now += 10_000;
    }
    heard
}

/// Reproducible numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn buffer() -> JitterBuffer {
    JitterBuffer::new(8_000, Limits::default())
}

#[test]
fn a_clean_network_costs_20_ms_or_less_and_loses_nothing() {
    let mut buffer = buffer();
    let heard = heard(&mut buffer, 1_000, |_| Some(5_000));
    assert_eq!(heard.numbers(), (0..1_000).collect::<Vec<_>>());
    assert_eq!((heard.lost, buffer.late()), (0, 0));
    assert!((5 + 8..=5 + 20).contains(&heard.settled_delay()), "{}", heard.settled_delay());
    assert!(heard.stretched < 10, "{}", heard.stretched);
}

#[test]
fn a_little_scheduling_jitter_costs_little() {
    let mut dice = Dice(7);
    let jitter: Vec<u64> = (0..1_000).map(|_| 1_000 + dice.below(4_000)).collect();
    let mut buffer = buffer();
    let heard = heard(&mut buffer, 1_000, |number| Some(jitter[number as usize]));
    assert_eq!(heard.packets.len(), 1_000, "{} {} {}", heard.lost, heard.waited, heard.stretched);
    assert!(heard.waited <= 60, "{}", heard.waited);
    assert!(heard.settled_delay() <= 25, "{}", heard.settled_delay());
}

#[test]
fn the_delay_follows_the_jitter_up_and_down() {
    let mut dice = Dice(3);
    let jitter: Vec<u64> =
        (0..3_000).map(|number| 20_000 + if number < 1_500 { dice.below(40_000) } else { dice.below(1_000) }).collect();
    let mut buffer = buffer();
    let heard = heard(&mut buffer, 3_000, |number| Some(jitter[number as usize]));
    let late = 3_000 - heard.packets.len();
    assert!(late < 60, "{late} packets came too late");
    let before = heard.packets.iter().filter(|(number, _)| (1_000..1_500).contains(number)).map(|(_, delay)| *delay);
    let before = before.sum::<i64>() / 500;
    assert!((45..=75).contains(&before), "p97 is 59 ms after sending, the delay was {before}");
    assert!(heard.settled_delay() <= 45, "{}", heard.settled_delay());
}

#[test]
fn reordered_packets_are_played_in_order() {
    let mut buffer = buffer();
    // Each third packet takes 25 ms longer, and so is overtaken.
    let heard = heard(&mut buffer, 600, |number| Some(if number % 3 == 0 { 26_000 } else { 1_000 }));
    assert!(heard.numbers().is_sorted());
    assert!(heard.packets.len() >= 590, "{}", heard.packets.len());
    assert!(heard.lost <= 10, "{}", heard.lost);
}

#[test]
fn a_lost_packet_is_told_with_its_successor() {
    let mut buffer =
        JitterBuffer::new(8_000, Limits { start: ms(40), least: ms(40), most: ms(100), ..Limits::default() });
    let heard = heard(&mut buffer, 500, |number| (number % 50 != 7).then_some(1_000));
    assert_eq!((heard.lost, heard.recoverable), (10, 10));
    assert_eq!(heard.packets.len(), 490);
    // A loss takes as long as the packet would have taken: the delay stays.
    let delays: Vec<i64> = heard.packets.iter().map(|(_, delay)| *delay).collect();
    assert!(delays.iter().all(|delay| (41..=62).contains(delay)), "{delays:?}");
}

#[test]
fn two_in_a_row_leave_only_the_second_recoverable() {
    let mut buffer =
        JitterBuffer::new(8_000, Limits { start: ms(60), least: ms(60), most: ms(100), ..Limits::default() });
    let heard = heard(&mut buffer, 100, |number| (!(50..52).contains(&number)).then_some(1_000));
    assert_eq!((heard.lost, heard.recoverable), (2, 1));
}

#[test]
fn duplicates_and_late_packets_are_dropped() {
    let mut buffer = buffer();
    let start = Instant::now();
    assert_eq!(buffer.pull(start, Duration::ZERO), Pull::Silence);
    assert_eq!(buffer.put(&header(5), b"five", start), Put::Held);
    assert_eq!(buffer.put(&header(5), b"five", start), Put::Duplicate);
    assert_eq!(buffer.put(&header(4), b"four", start), Put::Held, "nothing was played so far");
    let mut now = start;
    let mut played = Vec::new();
    while now < start + ms(200) {
        now += ms(10);
        if let Pull::Packet { payload, .. } = buffer.pull(now, Duration::ZERO) {
            played.push(payload.to_vec());
        }
    }
    assert_eq!(played, [b"four", b"five"]);
    assert_eq!(buffer.put(&header(5), b"five", now), Put::Late);
    assert_eq!(buffer.late(), 1);
}

#[test]
fn a_stalled_network_is_caught_up_with() {
    let mut buffer = buffer();
    // For 600 ms nothing comes, then everything at once.
    let heard = heard(&mut buffer, 1_000, |number| {
        let sent = number * PTIME;
        Some(1_000 + if (4_000..4_600).contains(&sent) { (4_600 - sent) * 1_000 } else { 0 })
    });
    let after: Vec<_> = heard.packets.iter().filter(|(number, _)| *number > 260).collect();
    assert!(after.iter().all(|(_, delay)| *delay < 300), "never more than 300 ms behind");
    assert!(heard.settled_delay() <= 40, "{}", heard.settled_delay());
}

#[test]
fn pauses_of_the_sender_keep_their_length() {
    let mut buffer = buffer();
    let start = Instant::now();
    // Packets 0..10, a pause of 500 ms (the timestamps tell), packets 10..20.
    let mut played = Vec::new();
    let mut next = 0u64;
    for tick in 0..100u64 {
        let now = start + ms(10 * tick);
        let sent = |number: u64| number * PTIME + if number >= 10 { 500 } else { 0 };
        while next < 20 && sent(next) <= 10 * tick {
            let mut header = header(next);
            header.timestamp = header.timestamp.wrapping_add(if next >= 10 { 4_000 } else { 0 });
            buffer.put(&header, &[next as u8], now);
            next += 1;
        }
        if tick % 2 == 0
            && let Pull::Packet { payload, .. } = buffer.pull(now, Duration::ZERO)
        {
            played.push((payload[0], 10 * tick));
        }
    }
    assert_eq!(played.iter().map(|(number, _)| u64::from(*number)).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    let pause = played[10].1 - played[9].1;
    assert!((500..=540).contains(&pause), "{pause}");
}

#[test]
fn a_pause_that_the_timestamps_know_nothing_of_costs_no_delay_afterwards() {
    let mut buffer = buffer();
    // From packet 200 on everything is a second later, as after a hold by a sender that counts only what it sends.
    let heard = heard(&mut buffer, 600, |number| Some(if number < 200 { 1_000 } else { 1_001_000 }));
    assert!(heard.packets.len() >= 595, "{} were played", heard.packets.len());
    let after: Vec<_> = heard.packets.iter().filter(|(number, _)| *number > 210).collect();
    assert!(after.iter().all(|(_, delay)| *delay < 1_040), "{after:?}");
}

#[test]
fn numbers_used_by_events_are_no_loss() {
    let mut buffer = buffer();
    let start = Instant::now();
    let mut lost = 0;
    let mut played = 0;
    for number in 0..50u64 {
        let now = start + ms(20 * number);
        match (10..17).contains(&number) {
            true => buffer.skip(&header(number), now),
            false => buffer.put(&header(number), b"sound", now),
        };
        match buffer.pull(now, Duration::ZERO) {
            Pull::Lost { .. } => lost += 1,
            Pull::Packet { .. } => played += 1,
            _ => {}
        }
    }
    assert_eq!(lost, 0);
    assert!(played >= 41, "{played}");
}

#[test]
fn a_new_source_or_a_new_numbering_begins_anew() {
    let start = Instant::now();
    let mut buffer = buffer();
    for number in 0..20 {
        buffer.put(&header(number), b"old", start + ms(20 * number));
        buffer.pull(start + ms(20 * number), Duration::ZERO);
    }
    let foreign = |number: u64| Header {
        ssrc: 2,
        sequence: number as u16,
        timestamp: number as u32 * 160,
        marker: false,
        payload_type: 0,
    };
    assert_eq!(buffer.put(&foreign(0), b"new", start + ms(400)), Put::Restarted);
    assert_eq!(buffer.put(&header(20), b"old", start + ms(401)), Put::Stray, "the old source is left");
    let mut heard = Vec::new();
    for tick in 1..10 {
        buffer.put(&foreign(tick), b"new", start + ms(400 + 20 * tick));
        if let Pull::Packet { payload, .. } = buffer.pull(start + ms(400 + 20 * tick), Duration::ZERO) {
            heard.push(payload.to_vec());
        }
    }
    assert!(heard.len() >= 8 && heard.iter().all(|payload| payload == b"new"), "{heard:?}");
    // The same source leaps by 20,000 numbers: the second packet of the new numbering is believed.
    let leap = |number: u64| Header { sequence: 20_000 + number as u16, ..foreign(number + 10) };
    assert_eq!(buffer.put(&leap(0), b"leap", start + ms(600)), Put::Stray);
    assert_eq!(buffer.put(&foreign(10), b"new", start + ms(601)), Put::Held, "one stray packet changes nothing");
    assert_eq!(buffer.put(&leap(1), b"leap", start + ms(620)), Put::Stray);
    assert_eq!(buffer.put(&leap(2), b"leap", start + ms(640)), Put::Restarted);
}

#[test]
fn a_flood_is_bounded_and_the_newest_survives() {
    let mut buffer = buffer();
    let start = Instant::now();
    for number in 0..1_000 {
        buffer.put(&header(number), &number.to_be_bytes(), start);
    }
    let mut last = 0;
    for tick in 1..200 {
        if let Pull::Packet { payload, .. } = buffer.pull(start + ms(20 * tick), Duration::ZERO) {
            let number = u64::from_be_bytes(payload.try_into().expect("eight bytes were put"));
            assert!(number >= 1_000 - 128);
            last = number;
        }
    }
    assert_eq!(last, 999);
}

#[test]
fn a_sender_with_a_fast_or_slow_clock_is_followed() {
    for drift in [-300i64, 300] {
        let mut buffer = buffer();
        // The sender's 20 ms are 300 ppm off: 6 µs a packet, 60 ms in all.
        let heard = heard(&mut buffer, 10_000, |number| Some((100_000 + number as i64 * drift / 50) as u64));
        assert!(heard.packets.len() > 9_980, "{drift}: {}", heard.packets.len());
        let expected = 100 + 10_000 * drift / 50 / 1_000;
        assert!((heard.settled_delay() - expected).abs() < 30, "{drift}: {}", heard.settled_delay());
    }
}

#[test]
fn random_streams_never_panic_nor_play_out_of_order() {
    for seed in 1..60 {
        let mut dice = Dice(seed * 7_919);
        let mut buffer = buffer();
        let start = Instant::now();
        let mut now = start;
        for _ in 0..2_000 {
            now += Duration::from_micros(dice.below(20_000));
            let header = Header {
                marker: false,
                payload_type: 0,
                sequence: dice.below(if seed % 2 == 0 { 300 } else { 65_536 }) as u16,
                timestamp: dice.below(if seed % 3 == 0 { 50_000 } else { 1 << 32 }) as u32,
                ssrc: if dice.below(50) == 0 { 2 } else { 1 },
            };
            match dice.below(8) {
                0 => buffer.skip(&header, now),
                _ => buffer.put(&header, &[0; 20], now),
            };
            for _ in 0..dice.below(3) {
                let _ = buffer.pull(now, Duration::ZERO);
                buffer.played(ms(dice.below(120)));
            }
            assert!(buffer.held <= super::CAPACITY);
            assert!(buffer.target() <= Limits::default().most);
        }
    }
}
