//! One simulated person on the telephone: speaks first, then gives back what is said.
//!
//! The echo sends each payload back as it came, under our own numbers: nothing is decoded for it and nothing waits, so
//! that a round trip measures the other side alone. What comes in is decoded beside that, for [`Heard`].

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deskline_core::media::SAMPLE_RATE;
use deskline_core::media::dtmf;
use deskline_core::media::rtp::{Header, Packet, sequence_distance};
use deskline_core::sdp::Negotiated;
use deskline_engine::media::codec::{Decoder, Encoder, MAX_BYTES, MAX_SAMPLES};

use super::heard::{CallProbe, Heard};
use crate::call::CallState;
use crate::sound::Sound;

/// Sound is made in frames of 20 ms.
const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: usize = SAMPLE_RATE as usize / 50;

/// Behind the clock by more than that (a machine that slept), the missed frames are skipped, not made up for.
const MAX_BEHIND: Duration = Duration::from_millis(200);

/// Lost packets in a row that are concealed; more is a pause.
const MAX_CONCEALED: i16 = 5;

/// What a simulated person does.
#[derive(Clone, Default)]
pub struct Performance {
    /// Said or played first, for that long.
    pub opening: Option<(Sound, Duration)>,
    /// Then gives back what comes; otherwise stays silent.
    pub echo: bool,
    /// Digits pressed (RFC 4733), each group that long after the beginning, in order of time.
    pub digits: Vec<(Duration, String)>,
}

pub(crate) struct Endpoint {
    performance: Performance,
    stream: Option<Stream>,
    heard: Heard,
    packets_sent: u64,
    ssrc: u32,
    /// The sequence number of the next packet.
    sequence: u16,
    /// The RTP timestamp at the beginning.
    clock_base: u32,
}

/// What runs once codec and addresses are agreed.
struct Stream {
    negotiated: Negotiated,
    encoder: Encoder,
    decoder: Decoder,
    began: Instant,
    /// When the next frame is due; frames fall every 20 ms whether or not there is something to say.
    next_frame: Instant,
    /// Frames of the opening that are over.
    opening_frames: u32,
    dtmf: dtmf::Sender,
    dtmf_received: dtmf::Receiver,
    /// Groups of `performance.digits` that were queued.
    groups_queued: usize,
    reflection: Option<Reflection>,
    /// Source and highest sequence number of what was decoded.
    incoming: Option<(u32, u16)>,
    /// The next packet begins a talk spurt.
    mark: bool,
}

/// What is added to the numbers of a packet to make them ours.
#[derive(Clone, Copy)]
struct Reflection {
    source: u32,
    sequence: u16,
    timestamp: u32,
}

impl Endpoint {
    /// `seed` gives the stream its source and its first numbers.
    pub(crate) fn new(performance: Performance, seed: u64) -> Self {
        Self {
            performance,
            stream: None,
            heard: Heard::default(),
            packets_sent: 0,
            ssrc: seed as u32,
            sequence: (seed >> 32) as u16 & 0x7fff,
            clock_base: (seed >> 16) as u32,
        }
    }

    /// Starts, or goes on as newly agreed. What cannot be coded is not sent.
    pub(crate) fn run(&mut self, now: Instant, negotiated: Negotiated) {
        if let Some(stream) = &mut self.stream
            && stream.negotiated.codec == negotiated.codec
        {
            stream.negotiated = negotiated;
            stream.reflection = None;
            stream.mark = true;
            return;
        }
        let (Ok(encoder), Ok(decoder)) = (Encoder::new(negotiated.codec), Decoder::new(negotiated.codec)) else {
            return;
        };
        let old = self.stream.take();
        self.stream = Some(Stream {
            encoder,
            decoder,
            began: old.as_ref().map_or(now, |old| old.began),
            next_frame: old.as_ref().map_or(now, |old| old.next_frame),
            opening_frames: old.as_ref().map_or(0, |old| old.opening_frames),
            groups_queued: old.as_ref().map_or(0, |old| old.groups_queued),
            dtmf: dtmf::Sender::new(negotiated.dtmf_clock_rate),
            negotiated,
            dtmf_received: dtmf::Receiver::default(),
            reflection: None,
            incoming: None,
            mark: true,
        });
    }

    pub(crate) fn probe(&self, now: Instant, state: CallState) -> CallProbe {
        self.heard.probe(now, state, self.packets_sent)
    }

    pub(crate) fn note_digit(&mut self, digit: char) {
        self.heard.add_digit(digit);
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        mut send: impl FnMut(SocketAddr, Vec<u8>),
    ) {
        let Some(stream) = &mut self.stream else { return };
        if !stream.negotiated.direction.receives() || from.ip() != stream.negotiated.remote.ip() {
            return;
        }
        let Ok(Packet { header, payload }) = Packet::parse(datagram) else { return };
        let send_type = if Some(header.payload_type) == stream.negotiated.dtmf_receive {
            if let Some(digit) = stream.dtmf_received.handle(header.ssrc, header.timestamp, payload) {
                self.heard.add_digit(digit);
            }
            stream.negotiated.dtmf_send
        } else if header.payload_type == stream.negotiated.receive_payload_type {
            stream.hear(now, &mut self.heard, header, payload);
            Some(stream.negotiated.send_payload_type)
        } else {
            return;
        };
        let Some(payload_type) = send_type else { return };
        if !self.performance.echo || !stream.negotiated.direction.sends() || !stream.opening_is_over(&self.performance)
        {
            return;
        }
        if stream.dtmf.is_active() {
            stream.reflection = None;
            return;
        }

        let marker = header.marker || std::mem::take(&mut stream.mark);
        let reflection = match stream.reflection {
            Some(known) if known.source == header.ssrc => known,
            _ => *stream.reflection.insert(Reflection {
                source: header.ssrc,
                sequence: self.sequence.wrapping_sub(header.sequence),
                timestamp: stream.timestamp(now, self.clock_base).wrapping_sub(header.timestamp),
            }),
        };
        let header = Header {
            marker,
            payload_type,
            sequence: header.sequence.wrapping_add(reflection.sequence),
            timestamp: header.timestamp.wrapping_add(reflection.timestamp),
            ssrc: self.ssrc,
        };
        if sequence_distance(header.sequence, self.sequence) >= 0 {
            self.sequence = header.sequence.wrapping_add(1);
        }
        if let Some(packet) = written(header, payload) {
            self.packets_sent += 1;
            send(stream.negotiated.remote, packet);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, mut send: impl FnMut(SocketAddr, Vec<u8>)) {
        let Some(stream) = &mut self.stream else { return };
        if now.saturating_duration_since(stream.next_frame) > MAX_BEHIND {
            stream.next_frame = now;
        }
        while stream.next_frame <= now {
            let at = stream.next_frame;
            stream.next_frame += FRAME;
            if !stream.negotiated.direction.sends() {
                stream.mark = true;
                continue;
            }
            let timestamp = stream.timestamp(at, self.clock_base);
            stream.queue_digits(at, &self.performance);
            let (payload_type, timestamp, marker, payload) = match stream.dtmf.poll(timestamp) {
                dtmf::Send::Event { payload, timestamp, marker } => {
                    let Some(payload_type) = stream.negotiated.dtmf_send else { continue };
                    stream.mark = true;
                    (payload_type, timestamp, marker, payload.to_bytes().to_vec())
                }
                dtmf::Send::Nothing => continue,
                dtmf::Send::Sound => {
                    let Some(payload) = stream.next_of_opening(&mut self.performance) else { continue };
                    (stream.negotiated.send_payload_type, timestamp, std::mem::take(&mut stream.mark), payload)
                }
            };
            let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
            if let Some(packet) = written(header, &payload) {
                self.sequence = self.sequence.wrapping_add(1);
                self.packets_sent += 1;
                send(stream.negotiated.remote, packet);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let stream = self.stream.as_ref()?;
        let busy = stream.dtmf.is_active()
            || !stream.opening_is_over(&self.performance)
            || stream.groups_queued < self.performance.digits.len();
        busy.then_some(stream.next_frame)
    }
}

impl Stream {
    fn opening_is_over(&self, performance: &Performance) -> bool {
        let length = performance.opening.as_ref().map_or(Duration::ZERO, |(_, length)| *length);
        FRAME * self.opening_frames >= length
    }

    /// The next frame of the opening, coded.
    fn next_of_opening(&mut self, performance: &mut Performance) -> Option<Vec<u8>> {
        if self.opening_is_over(performance) {
            return None;
        }
        let (sound, _) = performance.opening.as_mut()?;
        self.opening_frames = self.opening_frames.saturating_add(1);
        let mut frame = [0.0; FRAME_SAMPLES];
        sound.fill(&mut frame);
        let mut out = [0; MAX_BYTES];
        let length = self.encoder.encode(&frame, &mut out).ok()?;
        Some(out[..length].to_vec())
    }

    fn queue_digits(&mut self, now: Instant, performance: &Performance) {
        while let Some((after, digits)) = performance.digits.get(self.groups_queued)
            && now.saturating_duration_since(self.began) >= *after
        {
            self.groups_queued += 1;
            self.dtmf.queue(digits);
        }
    }

    /// Our clock as an RTP timestamp.
    fn timestamp(&self, now: Instant, base: u32) -> u32 {
        let elapsed = now.saturating_duration_since(self.began).as_micros();
        let units = elapsed * u128::from(self.negotiated.codec.clock_rate()) / 1_000_000;
        base.wrapping_add(units as u32)
    }

    /// Decodes a packet that is newer than those before it.
    fn hear(&mut self, now: Instant, heard: &mut Heard, header: Header, payload: &[u8]) {
        let ahead = match self.incoming {
            Some((source, highest)) if source == header.ssrc => sequence_distance(header.sequence, highest),
            _ => 1,
        };
        if ahead <= 0 {
            return;
        }
        self.incoming = Some((header.ssrc, header.sequence));
        let mut out = [0.0; MAX_SAMPLES];
        if (2..=MAX_CONCEALED + 1).contains(&ahead) {
            for _ in 1..ahead {
                let missing = &mut out[..FRAME_SAMPLES];
                if self.decoder.conceal(missing).is_ok() {
                    heard.add(now, missing);
                }
            }
        }
        if let Ok(count) = self.decoder.decode(payload, &mut out) {
            heard.add(now, &out[..count]);
        }
    }
}

fn written(header: Header, payload: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; deskline_core::media::rtp::HEADER_BYTES + payload.len()];
    header.write(payload, &mut out)?;
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use deskline_core::media::{Codec, Direction, levels};

    use super::super::heard::{HEARD_RATE, HEARD_SECONDS};
    use super::*;
    use crate::sound::{Speaker, Speech, Tone};

    const REMOTE: ([u8; 4], u16) = ([127, 0, 0, 1], 4000);

    fn negotiated(codec: Codec, direction: Direction) -> Negotiated {
        Negotiated {
            codec,
            send_payload_type: 96,
            receive_payload_type: 97,
            dtmf_send: Some(100),
            dtmf_receive: Some(101),
            dtmf_clock_rate: codec.clock_rate(),
            remote: REMOTE.into(),
            direction,
            ptime: 20,
        }
    }

    /// An agent's side in virtual time: sends a tone or digits, collects what comes.
    struct Line {
        endpoint: Endpoint,
        now: Instant,
        encoder: Encoder,
        tone: Sound,
        sequence: u16,
        timestamp: u32,
        received: Vec<(Instant, Vec<u8>)>,
    }

    impl Line {
        fn new(codec: Codec, performance: Performance) -> Self {
            let now = Instant::now();
            let mut endpoint = Endpoint::new(performance, 0x1234_5678_9abc_def0);
            endpoint.run(now, negotiated(codec, Direction::SendRecv));
            let tone = Sound::Tone(Tone::new(700.0, 0.3));
            Self {
                endpoint,
                now,
                encoder: Encoder::new(codec).unwrap(),
                tone,
                sequence: 65_530,
                timestamp: 7,
                received: vec![],
            }
        }

        fn frame(&mut self, talking: bool) {
            let (now, received) = (self.now, &mut self.received);
            if talking {
                let mut frame = [0.0; FRAME_SAMPLES];
                self.tone.fill(&mut frame);
                let mut payload = [0; MAX_BYTES];
                let length = self.encoder.encode(&frame, &mut payload).unwrap();
                let header = Header {
                    marker: false,
                    payload_type: 97,
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    ssrc: 5,
                };
                self.sequence = self.sequence.wrapping_add(1);
                self.timestamp += self.encoder.codec().clock_rate() / 50;
                let packet = written(header, &payload[..length]).unwrap();
                self.endpoint.handle_packet(now, REMOTE.into(), &packet, |_, packet| received.push((now, packet)));
            }
            self.endpoint.handle_timeout(now, |_, packet| received.push((now, packet)));
            self.now += FRAME;
        }

        fn talk(&mut self, frames: usize) {
            (0..frames).for_each(|_| self.frame(true));
        }

        fn listen(&mut self, frames: usize) {
            (0..frames).for_each(|_| self.frame(false));
        }

        fn headers(&self) -> Vec<Header> {
            self.received.iter().map(|(_, packet)| Packet::parse(packet).unwrap().header).collect()
        }

        fn sound(&self, codec: Codec) -> Vec<f32> {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut out = [0.0; MAX_SAMPLES];
            let mut sound = Vec::new();
            for (_, packet) in &self.received {
                let packet = Packet::parse(packet).unwrap();
                if packet.header.payload_type == 96 {
                    let count = decoder.decode(packet.payload, &mut out).unwrap();
                    sound.extend(&out[..count]);
                }
            }
            sound
        }
    }

    fn echo() -> Performance {
        Performance { echo: true, ..Performance::default() }
    }

    fn speech(milliseconds: u64) -> Performance {
        let sound = Sound::Speech(Speech::new(Speaker::WOMAN, 1));
        Performance { opening: Some((sound, Duration::from_millis(milliseconds))), ..echo() }
    }

    #[test]
    fn a_tone_comes_back_at_once_in_every_codec_and_is_heard() {
        for codec in [Codec::Opus, Codec::Pcma, Codec::Pcmu] {
            let mut line = Line::new(codec, echo());
            line.talk(50);
            assert_eq!(line.received.len(), 50, "{codec:?}");
            let sound = line.sound(codec);
            assert!(levels::tone_share(&sound[4_800..], SAMPLE_RATE, 700.0) > 0.95, "{codec:?}");
            let probe = line.endpoint.probe(line.now, CallState::Talking);
            assert!(probe.tone_share(700.0, Duration::from_millis(500)) > 0.95, "{codec:?}");
            assert_eq!((probe.packets_received, probe.packets_sent), (50, 50));
        }
    }

    #[test]
    fn numbers_run_on_without_a_step_from_the_opening_into_the_echo() {
        let mut line = Line::new(Codec::Pcmu, speech(400));
        line.talk(40);
        let headers = line.headers();
        assert_eq!(headers.len(), 40);
        assert!(headers[0].marker && headers.iter().all(|header| header.ssrc == headers[0].ssrc));
        for pair in headers.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        }
    }

    #[test]
    fn while_held_nothing_is_sent_but_the_music_is_heard() {
        let mut line = Line::new(Codec::Pcma, speech(60_000));
        line.listen(10);
        line.endpoint.run(line.now, negotiated(Codec::Pcma, Direction::RecvOnly));
        let before = line.received.len();
        line.talk(50);
        assert_eq!(line.received.len(), before);
        let probe = line.endpoint.probe(line.now, CallState::Held);
        assert!(probe.tone_share(700.0, Duration::from_millis(500)) > 0.9);
        line.endpoint.run(line.now, negotiated(Codec::Pcma, Direction::SendRecv));
        line.listen(10);
        assert_eq!(line.received.len(), before + 10, "goes on speaking");
        assert!(line.headers()[before].marker);
    }

    #[test]
    fn digits_are_noted_once_and_echoed_as_they_came() {
        let mut line = Line::new(Codec::Opus, echo());
        let mut sender = dtmf::Sender::new(48_000);
        sender.queue("5#");
        let mut sequence = 0;
        while sender.is_active() {
            if let dtmf::Send::Event { payload, timestamp, marker } = sender.poll(960 * u32::from(sequence)) {
                let header = Header { marker, payload_type: 101, sequence, timestamp, ssrc: 9 };
                let packet = written(header, &payload.to_bytes()).unwrap();
                let received = &mut line.received;
                line.endpoint
                    .handle_packet(line.now, REMOTE.into(), &packet, |_, packet| received.push((line.now, packet)));
            }
            sequence += 1;
        }
        assert_eq!(line.endpoint.probe(line.now, CallState::Talking).digits, "5#");
        let mut receiver = dtmf::Receiver::default();
        let echoed: String = line
            .received
            .iter()
            .filter_map(|(_, packet)| {
                let packet = Packet::parse(packet).unwrap();
                assert_eq!(packet.header.payload_type, 100);
                receiver.handle(packet.header.ssrc, packet.header.timestamp, packet.payload)
            })
            .collect();
        assert_eq!(echoed, "5#");
    }

    #[test]
    fn a_script_presses_keys_in_the_place_of_sound() {
        let digits = vec![(Duration::from_millis(200), "12".to_owned())];
        let mut line = Line::new(Codec::Pcmu, Performance { digits, ..speech(2_000) });
        line.listen(100);
        let mut receiver = dtmf::Receiver::default();
        let events = line.received.iter().filter_map(|(_, packet)| {
            let packet = Packet::parse(packet).unwrap();
            (packet.header.payload_type == 100).then_some(packet)
        });
        let pressed: String =
            events.filter_map(|p| receiver.handle(p.header.ssrc, p.header.timestamp, p.payload)).collect();
        assert_eq!(pressed, "12");
    }

    #[test]
    fn a_stranger_is_not_heard_and_nonsense_does_no_harm() {
        let mut line = Line::new(Codec::Opus, echo());
        line.talk(1);
        let (_, good) = line.received.pop().unwrap();
        let stranger = SocketAddr::from(([10, 9, 8, 7], 4000));
        line.endpoint.handle_packet(line.now, stranger, &good, |_, _| panic!("answered a stranger"));
        for length in 0..good.len() {
            line.endpoint.handle_packet(line.now, REMOTE.into(), &good[..length], |_, _| {});
        }
        line.endpoint.handle_packet(line.now, REMOTE.into(), &[0xff; 2000], |_, _| panic!("echoed nonsense"));
    }

    #[test]
    fn ten_thousand_mutated_packets_leave_the_echo_as_it_was() {
        for codec in [Codec::Opus, Codec::Pcmu] {
            let mut line = Line::new(codec, echo());
            line.talk(3);
            let good: Vec<Vec<u8>> = line.received.drain(..).map(|(_, packet)| packet).collect();
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            let mut random = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as usize
            };
            for _ in 0..10_000 {
                let mut packet = good[random() % good.len()].clone();
                // Ours come back with the peer's numbers: as if they were its own, half of the time.
                packet[1] = if random() % 2 == 0 { 97 } else { 101 };
                for _ in 0..1 + random() % 4 {
                    let at = random() % packet.len();
                    packet[at] = random() as u8;
                }
                packet.truncate(random() % (packet.len() + 1));
                line.endpoint.handle_packet(line.now, REMOTE.into(), &packet, |_, _| {});
            }
            line.talk(50);
            let sound = line.sound(codec);
            assert!(levels::tone_share(&sound[9_600..], SAMPLE_RATE, 700.0) > 0.9, "{codec:?}");
            let probe = line.endpoint.probe(line.now, CallState::Talking);
            assert!(probe.samples.len() <= HEARD_RATE as usize * HEARD_SECONDS && probe.digits.len() <= 256);
        }
    }

    #[test]
    fn after_a_long_sleep_the_missed_frames_are_skipped() {
        let mut line = Line::new(Codec::Pcmu, speech(60_000));
        line.listen(5);
        line.now += Duration::from_secs(30);
        let before = line.received.len();
        line.listen(1);
        assert!(line.received.len() - before <= 2);
        assert!(line.endpoint.poll_timeout().unwrap() >= line.now);
    }
}
