//! The two halves of an RTP session, without sockets and devices: sound into packets ([`Sender`]), packets into sound
//! ([`Receiver`]). Both work in frames of 10 ms, mono, 48 kHz.

use std::time::{Duration, Instant};

use deskline_core::media::dtmf::{self, Send};
use deskline_core::media::jitter::{JitterBuffer, Limits, Pull, Stretch};
use deskline_core::media::quality::Reception;
use deskline_core::media::rtp::{self, Header, Packet};
use deskline_core::media::{Codec, FRAME, SAMPLE_RATE, timescale};

use super::codec::{self, Decoder, Encoder, MAX_BYTES, MAX_SAMPLES};

/// Comfort noise (RFC 3389): stands for silence.
const COMFORT_NOISE: u8 = 13;

/// Frames of 10 ms between two questions to the DTMF sender.
const EVENT_FRAMES: u32 = (dtmf::INTERVAL.as_millis() / 10) as u32;

/// Bridging with made-up sound ends here; then it is silence.
const BRIDGED_AT_MOST: usize = 48 * 200;

/// The coming back of sound after silence.
const FADE_IN: usize = 120;

/// What is agreed about one direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub codec: Codec,
    pub payload_type: u8,
    /// The payload type of telephone-event.
    pub dtmf: Option<u8>,
    /// In Hz, what durations of telephone events count in: as a rule the codec's own.
    pub dtmf_clock_rate: u32,
    /// Milliseconds of sound in one packet: 10, 20, 40 or 60. Others are taken as 20. Of no interest to a receiver.
    pub ptime: u8,
}

/// Counts of a [`Sender`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub packets: u64,
    /// Of payload.
    pub octets: u64,
}

/// Sound into packets.
pub struct Sender {
    format: Format,
    encoder: Encoder,
    dtmf: dtmf::Sender,
    frames: u32,
    ssrc: u32,
    sequence: u16,
    /// Of the first sample in `pending`.
    timestamp: u32,
    /// The next packet begins a talk spurt.
    marker: bool,
    pending: [f32; 2_880],
    filled: usize,
    sent: Sent,
}

impl Sender {
    /// `entropy` chooses the source's identifier and the beginnings of its numbers (RFC 3550 §5.1).
    pub fn new(format: Format, entropy: u64) -> Result<Self, codec::Error> {
        Ok(Self {
            encoder: Encoder::new(format.codec)?,
            dtmf: dtmf::Sender::new(format.dtmf_clock_rate),
            format,
            frames: 0,
            ssrc: (entropy >> 32) as u32,
            sequence: (entropy >> 16) as u16 & 0x7fff,
            timestamp: entropy as u32,
            marker: true,
            pending: [0.0; 2_880],
            filled: 0,
            sent: Sent::default(),
        })
    }

    /// Another format in mid-stream. The numbers go on; a new codec with another clock begins a new timestamp line from here.
    pub fn change(&mut self, format: Format) -> Result<(), codec::Error> {
        if format.codec != self.format.codec {
            self.encoder = Encoder::new(format.codec)?;
            self.marker = true;
        }
        if format.dtmf_clock_rate != self.format.dtmf_clock_rate {
            self.dtmf = dtmf::Sender::new(format.dtmf_clock_rate);
        }
        self.format = format;
        self.filled = 0;
        Ok(())
    }

    /// Takes 10 ms of sound and hands out the packets that are due.
    pub fn push(&mut self, frame: &[f32; FRAME], mut transmit: impl FnMut(&[u8])) {
        let mut packet = [0; rtp::HEADER_BYTES + MAX_BYTES];
        let frame_ticks = self.format.codec.clock_rate() / 100;
        if self.frames.is_multiple_of(EVENT_FRAMES) && self.dtmf.is_active() {
            let now = self.timestamp.wrapping_add(self.filled as u32 / FRAME as u32 * frame_ticks);
            match (self.dtmf.poll(now), self.format.dtmf) {
                (Send::Event { payload, timestamp, marker }, Some(payload_type)) => {
                    let header = self.header(marker, payload_type, timestamp);
                    self.transmit(header, &payload.to_bytes(), &mut packet, &mut transmit);
                    self.marker = true;
                }
                (Send::Event { .. } | Send::Nothing | Send::Sound, _) => {}
            }
        }
        self.frames = self.frames.wrapping_add(1);
        self.pending[self.filled..][..FRAME].copy_from_slice(frame);
        self.filled += FRAME;
        let wanted = self.packet_samples();
        if self.filled < wanted {
            return;
        }
        self.filled = 0;
        if !self.dtmf.is_active() {
            let mut payload = [0; MAX_BYTES];
            // The lengths are those that the encoder takes.
            if let Ok(length) = self.encoder.encode(&self.pending[..wanted], &mut payload) {
                let header = self.header(self.marker, self.format.payload_type, self.timestamp);
                self.marker = false;
                self.transmit(header, &payload[..length], &mut packet, &mut transmit);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(wanted as u32 / FRAME as u32 * frame_ticks);
    }

    /// Lets 10 ms pass without sending: the stream is on hold.
    pub fn pass(&mut self) {
        let ticks = self.format.codec.clock_rate() / 100;
        let waiting = self.filled as u32 / FRAME as u32;
        self.timestamp = self.timestamp.wrapping_add(ticks * (1 + waiting));
        self.filled = 0;
        self.marker = true;
    }

    /// Queues digits (`0-9*#A-D`). Returns how many were taken: none where the peer takes no telephone events.
    pub fn queue_dtmf(&mut self, digits: &str) -> usize {
        if self.format.dtmf.is_some() { self.dtmf.queue(digits) } else { 0 }
    }

    /// The digit that is being sent.
    pub fn sounding(&self) -> Option<char> {
        self.dtmf.sounding()
    }

    pub fn is_sending_dtmf(&self) -> bool {
        self.dtmf.is_active()
    }

    /// The share of packets that the peer misses, in percent.
    pub fn expect_loss(&mut self, percent: u8) {
        self.encoder.expect_loss(percent);
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp of this moment.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    pub fn sent(&self) -> Sent {
        self.sent
    }

    fn packet_samples(&self) -> usize {
        match self.format.ptime {
            ptime @ (10 | 40 | 60) => usize::from(ptime) / 10 * FRAME,
            _ => 2 * FRAME,
        }
    }

    fn header(&mut self, marker: bool, payload_type: u8, timestamp: u32) -> Header {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        Header { marker, payload_type, sequence, timestamp, ssrc: self.ssrc }
    }

    fn transmit(&mut self, header: Header, payload: &[u8], packet: &mut [u8], transmit: &mut impl FnMut(&[u8])) {
        if let Some(packet) = header.write(payload, packet) {
            self.sent.packets += 1;
            self.sent.octets += payload.len() as u64;
            transmit(packet);
        }
    }
}

/// Packets into sound.
pub struct Receiver {
    format: Format,
    decoder: Decoder,
    jitter: JitterBuffer,
    dtmf: dtmf::Receiver,
    reception: Reception,
    /// Decoded sound that was not taken so far, in front.
    sound: Box<[f32]>,
    stored: usize,
    /// Samples of the last packet.
    packet_samples: usize,
    /// Samples that were bridged in one go.
    bridged: usize,
}

impl Receiver {
    pub fn new(format: Format, limits: Limits) -> Result<Self, codec::Error> {
        Ok(Self {
            decoder: Decoder::new(format.codec)?,
            jitter: JitterBuffer::new(format.codec.clock_rate(), limits),
            dtmf: dtmf::Receiver::default(),
            reception: Reception::default(),
            sound: vec![0.0; FRAME + 2 * MAX_SAMPLES].into(),
            stored: 0,
            packet_samples: 2 * FRAME,
            bridged: BRIDGED_AT_MOST,
            format,
        })
    }

    /// Another format in mid-stream. What was received in another codec before is forgotten.
    pub fn change(&mut self, format: Format, limits: Limits) -> Result<(), codec::Error> {
        if format.codec != self.format.codec {
            self.decoder = Decoder::new(format.codec)?;
            self.jitter = JitterBuffer::new(format.codec.clock_rate(), limits);
            self.stored = 0;
            self.bridged = BRIDGED_AT_MOST;
        }
        self.format = format;
        Ok(())
    }

    /// Takes a packet that arrived at `arrival`, and returns the digit that begins with it. A packet of a type that was
    /// not agreed is ignored.
    pub fn handle(&mut self, packet: &Packet<'_>, arrival: Instant) -> Option<char> {
        let header = &packet.header;
        let sound = header.payload_type == self.format.payload_type;
        let event = !sound && self.format.dtmf == Some(header.payload_type);
        let noise = !sound && header.payload_type == COMFORT_NOISE;
        if !(sound || event || noise) {
            return None;
        }
        self.reception.handle(header, arrival, self.format.codec.clock_rate(), sound);
        if !sound {
            self.jitter.skip(header, arrival);
            return event.then(|| self.dtmf.handle(header.ssrc, header.timestamp, packet.payload)).flatten();
        }
        self.jitter.put(header, packet.payload, arrival);
        None
    }

    /// The next 10 ms, to be played from `now` on.
    pub fn frame(&mut self, now: Instant, out: &mut [f32; FRAME]) {
        // Each turn stores something, so that this ends; but a peer could send packets of nothing.
        for _ in 0..16 {
            if self.stored < FRAME {
                self.pull(now);
            }
        }
        let ready = self.stored.min(FRAME);
        out[..ready].copy_from_slice(&self.sound[..ready]);
        out[ready..].fill(0.0);
        self.sound.copy_within(ready..self.stored, 0);
        self.stored -= ready;
    }

    /// What was received, for reports.
    pub fn reception(&mut self) -> &mut Reception {
        &mut self.reception
    }

    /// The delay of sound in the buffer.
    pub fn delay(&self) -> Duration {
        self.jitter.delay() + samples(self.stored)
    }

    /// Packets that were missing when they were due, because they never came or came too late: since the beginning.
    pub fn late(&self) -> u64 {
        self.jitter.late()
    }

    fn pull(&mut self, now: Instant) {
        let stored = samples(self.stored);
        let room = &mut self.sound[self.stored..];
        match self.jitter.pull(now, stored) {
            Pull::Silence => {
                let missing = FRAME - self.stored;
                room[..missing].fill(0.0);
                self.stored += missing;
            }
            Pull::Wait => {
                // As little as possible: the packet may be here at the next tick.
                let length = (FRAME - self.stored).next_multiple_of(120);
                self.bridge(length);
            }
            Pull::Lost { next } => {
                let length = self.packet_samples.next_multiple_of(120).min(MAX_SAMPLES);
                let recovered = match next {
                    Some(next) if self.bridged == 0 => self.decoder.recover(next, &mut room[..length]).is_ok(),
                    _ => false,
                };
                if recovered { self.stored += length } else { self.bridge(length) }
            }
            Pull::Packet { payload, stretch, skipped } => {
                let seam = (skipped && self.bridged < BRIDGED_AT_MOST)
                    .then(|| {
                        let mut seam = [0.0; FADE_IN];
                        self.decoder.conceal(&mut seam).is_ok().then_some(seam)
                    })
                    .flatten();
                let Ok(mut count) = self.decoder.decode(payload, &mut room[..MAX_SAMPLES]) else {
                    self.bridge(self.packet_samples.next_multiple_of(120).min(MAX_SAMPLES));
                    return;
                };
                if count == 0 {
                    return;
                }
                self.packet_samples = count;
                let silent = self.bridged >= BRIDGED_AT_MOST;
                if silent || seam.is_some() {
                    let before = seam.unwrap_or([0.0; FADE_IN]);
                    for (n, (sample, before)) in room.iter_mut().zip(before).enumerate() {
                        let weight = (n + 1) as f32 / (FADE_IN + 1) as f32;
                        *sample = *sample * weight + before * (1.0 - weight);
                    }
                }
                self.bridged = 0;
                let sent = samples(count);
                let done = match stretch {
                    Stretch::None => Stretch::None,
                    Stretch::Shorten(by) => {
                        let removed = timescale::shorten(&mut room[..count], in_samples(by), by > HURRY);
                        count -= removed;
                        Stretch::Shorten(samples(removed))
                    }
                    Stretch::Lengthen(by) => {
                        let added = timescale::lengthen(room, count, in_samples(by), by > HURRY);
                        count += added;
                        Stretch::Lengthen(samples(added))
                    }
                };
                self.jitter.played(sent);
                self.jitter.stretched(done, stored);
                self.stored += count;
            }
        }
    }

    /// Appends `length` samples of a makeshift, which fades into silence.
    fn bridge(&mut self, length: usize) {
        let room = &mut self.sound[self.stored..][..length];
        if self.bridged >= BRIDGED_AT_MOST || self.decoder.conceal(room).is_err() {
            room.fill(0.0);
        } else {
            let last = self.bridged + length >= BRIDGED_AT_MOST;
            if last {
                for (n, sample) in room.iter_mut().enumerate() {
                    *sample *= 1.0 - n as f32 / length as f32;
                }
            }
        }
        self.bridged = (self.bridged + length).min(BRIDGED_AT_MOST);
        self.stored += length;
    }
}

/// A stretch of more than this is done even where it might be heard.
const HURRY: Duration = Duration::from_millis(60);

fn samples(count: usize) -> Duration {
    Duration::from_nanos(count as u64 * 1_000_000_000 / u64::from(SAMPLE_RATE))
}

fn in_samples(duration: Duration) -> usize {
    (duration.as_micros() as u64 * u64::from(SAMPLE_RATE) / 1_000_000) as usize
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
