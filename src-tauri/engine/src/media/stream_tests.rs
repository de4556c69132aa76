#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use deskline_core::media::levels::{peak, rms, tone_share};

use super::*;

const CODECS: [Codec; 3] = [Codec::Opus, Codec::Pcma, Codec::Pcmu];

fn format(codec: Codec) -> Format {
    let payload_type = if codec == Codec::Opus { 111 } else { 8 };
    Format { codec, payload_type, dtmf: Some(101), dtmf_clock_rate: codec.clock_rate(), ptime: 20 }
}

struct Line {
    sender: Sender,
    receiver: Receiver,
    start: Instant,
    tick: u64,
    /// By arrival in microseconds.
    network: BTreeMap<(u64, u64), Vec<u8>>,
    packets: u64,
    digits: String,
}

impl Line {
    fn new(format: Format) -> Self {
        Self {
            sender: Sender::new(format, 0x1234_5678_ffff_fff0).unwrap(),
            receiver: Receiver::new(format, Limits::default()).unwrap(),
            start: Instant::now(),
            tick: 0,
            network: BTreeMap::new(),
            packets: 0,
            digits: String::new(),
        }
    }

    /// Sends `sound(n)` for so many frames over a network whose `delay` (microseconds, or loss) depends on the packet.
    fn run(&mut self, frames: u64, sound: impl Fn(u64) -> f32, delay: impl Fn(u64) -> Option<u64>) -> Vec<f32> {
        let mut heard = Vec::new();
        for _ in 0..frames {
            let mut frame = [0.0; FRAME];
            for (n, sample) in frame.iter_mut().enumerate() {
                *sample = sound(self.tick * FRAME as u64 + n as u64);
            }
            let now = self.tick * 10_000;
            let (network, packets) = (&mut self.network, &mut self.packets);
            self.sender.push(&frame, |packet| {
                if let Some(delay) = delay(*packets) {
                    network.insert((now + delay, *packets), packet.to_vec());
                }
                *packets += 1;
            });
            while let Some(((at, _), _)) = self.network.first_key_value()
                && *at <= now
            {
                let ((at, _), packet) = self.network.pop_first().unwrap();
                let arrival = self.start + Duration::from_micros(at);
                self.digits.extend(self.receiver.handle(&Packet::parse(&packet).unwrap(), arrival));
            }
            let mut out = [0.0; FRAME];
            self.receiver.frame(self.start + Duration::from_micros(now), &mut out);
            heard.extend(out);
            self.tick += 1;
        }
        heard
    }
}

fn tone(frequency: f32) -> impl Fn(u64) -> f32 {
    move |n| 0.4 * (std::f64::consts::TAU * f64::from(frequency) * n as f64 / 48_000.0).sin() as f32
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// Reproducible numbers.
fn dice(seed: u64, number: u64) -> u64 {
    let mut x = (seed << 32 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 32
}

#[test]
fn a_tone_goes_through_each_codec_and_packet_time() {
    for codec in CODECS {
        for ptime in [10, 20, 40, 60] {
            let mut line = Line::new(Format { ptime, ..format(codec) });
            let heard = line.run(240, tone(1000.0), |_| Some(2_000));
            let settled = &heard[48 * 1_400..];
            assert!(tone_share(settled, SAMPLE_RATE, 1000.0) > 0.98, "{codec:?} {ptime}");
            assert!(rms(settled) > 0.2, "{codec:?} {ptime}");
            assert_eq!(line.sender.sent().packets, 2_400 / u64::from(ptime), "{codec:?} {ptime}");
        }
    }
}

#[test]
fn the_way_takes_little_more_than_a_packet_and_the_buffer() {
    for (codec, limit) in [(Codec::Pcmu, 50), (Codec::Opus, 57)] {
        let mut line = Line::new(format(codec));
        // Silence, then a sudden tone.
        line.run(100, |_| 0.0, |_| Some(500));
        let begin = line.tick * FRAME as u64;
        let heard = line.run(50, |n| tone(1000.0)(n) * f32::from(u8::from(n >= begin)), |_| Some(500));
        let onset = heard.iter().position(|sample| sample.abs() > 0.1).unwrap() / 48;
        // The frame's own 10 ms are counted by whoever plays it.
        assert!(onset <= limit, "{codec:?}: {onset} ms");
    }
}

#[test]
fn loss_and_jitter_leave_neither_holes_nor_clicks() {
    for codec in CODECS {
        for (loss, seed) in [(2, 1), (5, 2), (5, 3)] {
            let mut line = Line::new(format(codec));
            let network = |number| {
                let lost = number > 20 && dice(seed, number) % 100 < loss;
                (!lost).then(|| 20_000 + dice(seed + 100, number) % 40_000)
            };
            let heard = line.run(1_000, tone(400.0), network);
            let settled = &heard[48 * 2_000..];
            let holes = settled.chunks(480).filter(|frame| rms(frame) < 0.05).count();
            assert!(holes <= 12, "{codec:?} {loss} %: {holes} of 800 frames are silent");
            let clean = largest_step(&(0..960).map(tone(400.0)).collect::<Vec<_>>());
            assert!(largest_step(settled) < 4.0 * clean, "{codec:?}: {} against {clean}", largest_step(settled));
            assert!(tone_share(&settled[48 * 5_000..48 * 5_200], SAMPLE_RATE, 400.0) > 0.5, "{codec:?}");
        }
    }
}

#[test]
fn digits_arrive_once_and_in_order_even_over_a_bad_line() {
    for codec in CODECS {
        let mut line = Line::new(format(codec));
        line.run(20, tone(300.0), |_| Some(1_000));
        assert_eq!(line.sender.queue_dtmf("0123456789*#ABCD"), 16);
        let heard = line.run(300, tone(300.0), |number| (dice(5, number) % 100 >= 30).then_some(1_000));
        assert_eq!(line.digits, "0123456789*#ABCD", "{codec:?}");
        assert!(!line.sender.is_sending_dtmf());
        assert!(tone_share(&heard[heard.len() - 9_600..], SAMPLE_RATE, 300.0) > 0.9, "sound goes on afterwards");
    }
    let mut deaf = Line::new(Format { dtmf: None, ..format(Codec::Pcmu) });
    assert_eq!(deaf.sender.queue_dtmf("1"), 0);
}

#[test]
fn timestamps_run_on_through_digits_and_pauses() {
    let mut sender = Sender::new(format(Codec::Pcmu), 0).unwrap();
    let mut packets = Vec::new();
    let frame = [0.1; FRAME];
    let mut run = |sender: &mut Sender, frames: usize, pass: bool| {
        for _ in 0..frames {
            if pass {
                sender.pass();
            } else {
                sender.push(&frame, |packet| packets.push(Packet::parse(packet).unwrap().header));
            }
        }
    };
    run(&mut sender, 4, false);
    sender.queue_dtmf("5");
    run(&mut sender, 20, false);
    run(&mut sender, 10, true);
    run(&mut sender, 2, false);
    let sound: Vec<_> = packets.iter().filter(|header| header.payload_type == 8).collect();
    // Two packets, 160 ms of a digit and its pause, two packets, 100 ms on hold, one packet.
    let timestamps: Vec<_> = sound.iter().map(|header| header.timestamp / 80).collect();
    assert_eq!(timestamps, [0, 2, 20, 22, 34]);
    let markers: Vec<_> = sound.iter().map(|header| header.marker).collect();
    assert_eq!(markers, [true, false, true, false, true]);
    assert!(packets.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)));
}

#[test]
fn foreign_payload_types_are_ignored() {
    let mut receiver = Receiver::new(format(Codec::Pcmu), Limits::default()).unwrap();
    let header = Header { marker: false, payload_type: 96, sequence: 1, timestamp: 1, ssrc: 1 };
    assert_eq!(receiver.handle(&Packet { header, payload: &[0; 160] }, Instant::now()), None);
    assert_eq!(receiver.reception().received(), 0);
    let mut out = [1.0; FRAME];
    receiver.frame(Instant::now(), &mut out);
    assert_eq!(peak(&out), 0.0);
}

#[test]
fn a_change_of_codec_in_mid_stream_is_heard_through() {
    let mut line = Line::new(format(Codec::Pcmu));
    line.run(50, tone(700.0), |_| Some(1_000));
    let opus = format(Codec::Opus);
    line.sender.change(opus).unwrap();
    line.receiver.change(opus, Limits::default()).unwrap();
    line.network.clear();
    let heard = line.run(100, tone(700.0), |_| Some(1_000));
    assert!(tone_share(&heard[24_000..], SAMPLE_RATE, 700.0) > 0.98);
}

#[test]
fn random_packets_never_panic() {
    for codec in CODECS {
        let mut receiver = Receiver::new(format(codec), Limits::default()).unwrap();
        let start = Instant::now();
        let mut out = [0.0; FRAME];
        for number in 0..3_000u64 {
            let roll = dice(9, number);
            let payload: Vec<u8> = (0..roll % 300).map(|n| dice(roll, n) as u8).collect();
            let header = Header {
                marker: roll & 1 == 0,
                payload_type: if roll.is_multiple_of(7) { 101 } else { format(codec).payload_type },
                sequence: (number as u16).wrapping_add((roll >> 8) as u16 % 5),
                timestamp: number as u32 * 160,
                ssrc: 1,
            };
            let at = start + Duration::from_millis(number * 5);
            receiver.handle(&Packet { header, payload: &payload }, at);
            receiver.frame(at, &mut out);
            assert!(out.iter().all(|sample| sample.is_finite()));
        }
    }
}
