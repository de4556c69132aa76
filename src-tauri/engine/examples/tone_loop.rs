//! Two media planes of one process in a call over loopback, with the computer's real devices: what is said into the
//! microphone of the first comes out of the speaker of the second, and the other way round.
//!
//! `cargo run --release -p deskline-engine --example tone_loop -- pcmu 60 [microphone-a speaker-b microphone-b speaker-a]`

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deskline_core::media::{Codec, Command, DeviceRole, Direction, Event, MediaId, SendSource};
use deskline_core::sdp::Negotiated;
use deskline_engine::audio::CpalHost;
use deskline_engine::media::{MediaConfig, MediaControl, MediaEvent, MediaPlane};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LEG: MediaId = MediaId(1);

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |number: usize| arguments.get(number).cloned();
    let codec = match text(0).as_deref() {
        Some("opus") => Codec::Opus,
        Some("pcma") => Codec::Pcma,
        _ => Codec::Pcmu,
    };
    let seconds: u64 = text(1).map_or(Ok(10), |text| text.parse())?;
    let (a, mut from_a) = phone(text(2), text(5));
    let (b, mut from_b) = phone(text(4), text(3));
    let (address_a, address_b) = (open(&a, &mut from_a)?, open(&b, &mut from_b)?);
    for (plane, remote) in [(&a, address_b), (&b, address_a)] {
        let payload_type = if codec == Codec::Opus { 111 } else { 0 };
        let negotiated = Negotiated {
            codec,
            send_payload_type: payload_type,
            receive_payload_type: payload_type,
            dtmf_send: None,
            dtmf_receive: None,
            dtmf_clock_rate: codec.clock_rate(),
            remote,
            direction: Direction::SendRecv,
            ptime: 20,
        };
        plane.control(MediaControl::Core(Command::Run { id: LEG, negotiated, send: SendSource::Microphone }));
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        for (name, events) in [("a", &mut from_a), ("b", &mut from_b)] {
            while let Ok(event) = events.try_recv() {
                match event {
                    MediaEvent::Levels { .. } => {}
                    event => println!("{name}: {event:?}"),
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn phone(microphone: Option<String>, speaker: Option<String>) -> (MediaPlane, UnboundedReceiver<MediaEvent>) {
    let (sender, events) = unbounded_channel();
    let config = MediaConfig {
        host: Arc::new(CpalHost::new()),
        speaker_volume: 100,
        ringer_volume: 100,
        microphone_volume: 100,
    };
    let plane = MediaPlane::start(config, sender);
    plane.control(MediaControl::SelectDevice { role: DeviceRole::Microphone, device: microphone });
    plane.control(MediaControl::SelectDevice { role: DeviceRole::Speaker, device: speaker });
    (plane, events)
}

fn open(plane: &MediaPlane, events: &mut UnboundedReceiver<MediaEvent>) -> Result<std::net::SocketAddr, Error> {
    plane.control(MediaControl::Core(Command::Open { id: LEG, local: IpAddr::V4(Ipv4Addr::LOCALHOST) }));
    loop {
        match events.blocking_recv().ok_or("the media plane ended")? {
            MediaEvent::Core(Event::Opened { address, .. }) => return Ok(address),
            MediaEvent::Core(Event::OpenFailed { reason, .. }) => return Err(reason.into()),
            _ => {}
        }
    }
}
