//! Sends a recording through one stream over a simulated network, in virtual time, to judge what the jitter buffer and the
//! concealment make of it. Recordings are raw: 16-bit little-endian, mono, 48 kHz.
//!
//! `cargo run -p deskline-engine --example impair -- opus LOSS-% DELAY-MS JITTER-MS SEED < in.raw > out.raw`

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use deskline_core::media::jitter::Limits;
use deskline_core::media::rtp::Packet;
use deskline_core::media::{Codec, FRAME};
use deskline_engine::media::stream::{Format, Receiver, Sender};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map_or(Ok(0u64), |text| text.parse());
    let codec = match arguments.first().map(String::as_str) {
        Some("opus") => Codec::Opus,
        Some("pcma") => Codec::Pcma,
        _ => Codec::Pcmu,
    };
    let (loss, delay, jitter, mut state) = (number(1)?, number(2)?, number(3)?, number(4)? * 7_919 + 1);
    let mut dice = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    };
    let format = Format { codec, payload_type: 96, dtmf: None, dtmf_clock_rate: codec.clock_rate(), ptime: 20 };
    let mut sender = Sender::new(format, dice())?;
    let mut receiver = Receiver::new(format, Limits::default())?;
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let mut output = Vec::new();
    let start = Instant::now();
    let mut network: BTreeMap<(u64, u64), Vec<u8>> = BTreeMap::new();
    let mut count = 0;
    let mut buffered = Duration::ZERO;
    for (tick, bytes) in input.chunks_exact(2 * FRAME).enumerate() {
        let now = tick as u64 * 10_000;
        let mut frame = [0.0; FRAME];
        for (sample, bytes) in frame.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sample = f32::from(i16::from_le_bytes(*bytes)) / 32_768.0;
        }
        sender.push(&frame, |packet| {
            count += 1;
            if dice() % 100 >= loss {
                let way = 1_000 * (delay - jitter) + dice() % (2_000 * jitter + 1);
                network.insert((now + way, count), packet.to_vec());
            }
        });
        while let Some(entry) = network.first_entry()
            && entry.key().0 <= now
        {
            let ((at, _), packet) = entry.remove_entry();
            receiver.handle(&Packet::parse(&packet)?, start + Duration::from_micros(at));
        }
        receiver.frame(start + Duration::from_micros(now), &mut frame);
        buffered += receiver.delay();
        output.extend(frame.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()));
    }
    let ticks = (input.len() / 2 / FRAME).max(1) as u32;
    eprintln!("{count} packets, {} too late, {:?} in the buffer", receiver.late(), buffered / ticks);
    std::io::stdout().write_all(&output)?;
    Ok(())
}
