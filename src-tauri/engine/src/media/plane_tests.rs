#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use deskline_core::media::levels::{dbfs, peak, rms, tone_share};
use deskline_core::media::{
    Codec, Command, DeviceRole, DeviceTrouble, Direction, Event, MediaId, SAMPLE_RATE, SendSource, Tone,
};
use deskline_core::pii::Pii;
use deskline_core::sdp::Negotiated;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::audio::VirtualHost;

const LEG: MediaId = MediaId(1);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A media plane with devices of software.
struct Phone {
    host: Arc<VirtualHost>,
    plane: MediaPlane,
    events: UnboundedReceiver<MediaEvent>,
    seen: Vec<MediaEvent>,
    said: u64,
}

impl Phone {
    fn new() -> Self {
        let host = VirtualHost::new();
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        let config =
            MediaConfig { host: host.clone(), speaker_volume: 100, ringer_volume: 100, microphone_volume: 100 };
        Self { plane: MediaPlane::start(config, sender), host, events, seen: Vec::new(), said: 0 }
    }

    fn command(&self, command: Command) {
        self.plane.control(MediaControl::Core(command));
    }

    fn open(&mut self, id: MediaId) -> SocketAddr {
        self.command(Command::Open { id, local: LOOPBACK });
        self.host.advance(10);
        let opened = |event: &MediaEvent| match event {
            MediaEvent::Core(Event::Opened { id: opened, address }) if *opened == id => Some(*address),
            _ => None,
        };
        self.events().iter().rev().find_map(opened).unwrap()
    }

    fn events(&mut self) -> &[MediaEvent] {
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        &self.seen
    }

    fn core_events(&mut self) -> Vec<Event> {
        let core = |event: &MediaEvent| match event {
            MediaEvent::Core(event) => Some(event.clone()),
            _ => None,
        };
        self.events().iter().filter_map(core).collect()
    }

    fn digits(&mut self) -> String {
        let digit = |event: &Event| match event {
            Event::DtmfReceived { digit, .. } => Some(*digit),
            _ => None,
        };
        self.core_events().iter().filter_map(digit).collect()
    }

    /// Whistles for a while.
    fn whistle(&mut self, frequency: f32, milliseconds: u64) {
        let step = std::f64::consts::TAU * f64::from(frequency) / 48_000.0;
        let samples: Vec<f32> =
            (self.said..self.said + 48 * milliseconds).map(|n| 0.4 * (step * n as f64).sin() as f32).collect();
        self.said += 48 * milliseconds;
        self.host.say(&samples);
    }
}

fn negotiated(codec: Codec, remote: SocketAddr) -> Negotiated {
    let payload_type = match codec {
        Codec::Opus => 111,
        Codec::Pcma => 8,
        Codec::Pcmu => 0,
    };
    Negotiated {
        codec,
        send_payload_type: payload_type,
        receive_payload_type: payload_type,
        dtmf_send: Some(101),
        dtmf_receive: Some(101),
        dtmf_clock_rate: codec.clock_rate(),
        remote,
        direction: Direction::SendRecv,
        ptime: 20,
    }
}

/// Two phones in a call.
struct Call {
    a: Phone,
    b: Phone,
    of_a: Negotiated,
    of_b: Negotiated,
}

impl Call {
    fn new(codec: Codec) -> Self {
        let (mut a, mut b) = (Phone::new(), Phone::new());
        let (address_a, address_b) = (a.open(LEG), b.open(LEG));
        let call = Self { a, b, of_a: negotiated(codec, address_b), of_b: negotiated(codec, address_a) };
        call.run_a(|_| SendSource::Microphone);
        call.run_b(|_| SendSource::Microphone);
        call
    }

    fn run_a(&self, change: impl FnOnce(&mut Negotiated) -> SendSource) {
        let mut negotiated = self.of_a.clone();
        let send = change(&mut negotiated);
        self.a.command(Command::Run { id: LEG, negotiated, send });
    }

    fn run_b(&self, change: impl FnOnce(&mut Negotiated) -> SendSource) {
        let mut negotiated = self.of_b.clone();
        let send = change(&mut negotiated);
        self.b.command(Command::Run { id: LEG, negotiated, send });
    }

    /// Lets time pass on both sides and returns what was heard at A and at B.
    fn wait(&self, milliseconds: u64) -> (Vec<f32>, Vec<f32>) {
        for _ in 0..milliseconds / 10 {
            self.a.host.advance(10);
            self.b.host.advance(10);
        }
        (self.a.host.heard(), self.b.host.heard())
    }
}

fn share(sound: &[f32], frequency: f32) -> f32 {
    tone_share(sound, SAMPLE_RATE, frequency)
}

#[test]
fn each_hears_the_other_in_every_codec() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
        let mut call = Call::new(codec);
        call.a.whistle(700.0, 1_500);
        call.b.whistle(1_100.0, 1_500);
        call.wait(700);
        let (at_a, at_b) = call.wait(500);
        assert!(share(&at_b, 700.0) > 0.95, "{codec:?}: {}", share(&at_b, 700.0));
        assert!(share(&at_a, 1_100.0) > 0.95, "{codec:?}: {}", share(&at_a, 1_100.0));
        assert!(rms(&at_a) > 0.2 && rms(&at_b) > 0.2, "{codec:?}");
        let first = |event: &&Event| matches!(event, Event::FirstPacket { id: LEG });
        assert_eq!(call.a.core_events().iter().filter(first).count(), 1);
        assert_eq!(call.b.core_events().iter().filter(first).count(), 1);
    }
}

#[test]
fn from_mouth_to_ear_take_less_than_60_ms_besides_the_devices() {
    let mut call = Call::new(Codec::Pcmu);
    call.wait(1_000);
    call.a.whistle(1_000.0, 500);
    let (_, at_b) = call.wait(400);
    let onset = at_b.iter().position(|sample| sample.abs() > 0.1).unwrap() / 48;
    assert!(onset < 60, "{onset} ms");
}

#[test]
fn mute_silences_and_unmute_brings_back() {
    let mut call = Call::new(Codec::Opus);
    call.a.whistle(700.0, 5_000);
    call.wait(500);
    call.a.command(Command::Mute(true));
    call.wait(300);
    assert!(dbfs(rms(&call.wait(300).1)) < -50.0);
    call.a.command(Command::Mute(false));
    call.wait(300);
    assert!(share(&call.wait(300).1, 700.0) > 0.9);
}

#[test]
fn on_hold_music_is_heard_and_the_agent_hears_nothing() {
    let mut call = Call::new(Codec::Opus);
    call.b.whistle(1_100.0, 10_000);
    call.a.whistle(700.0, 10_000);
    call.wait(500);
    call.run_a(|negotiated| {
        negotiated.direction = Direction::SendOnly;
        SendSource::HoldMusic
    });
    call.run_b(|negotiated| {
        negotiated.direction = Direction::RecvOnly;
        SendSource::Microphone
    });
    call.wait(500);
    let (at_a, at_b) = call.wait(2_000);
    assert!(rms(&at_b) > 0.01, "music plays");
    assert!(share(&at_b, 700.0) < 0.2, "the agent is not in it");
    assert!(peak(&at_a) < 1e-4);
    call.run_a(|_| SendSource::Microphone);
    call.run_b(|_| SendSource::Microphone);
    call.wait(500);
    let (at_a, at_b) = call.wait(300);
    assert!(share(&at_b, 700.0) > 0.9 && share(&at_a, 1_100.0) > 0.9, "both are back");
}

#[test]
fn digits_are_received_and_heard_by_the_agent() {
    let mut call = Call::new(Codec::Pcma);
    call.wait(300);
    call.a.command(Command::Dtmf { id: LEG, digits: Pii::new("159#".to_owned()) });
    let (at_a, _) = call.wait(1_000);
    call.wait(200);
    assert_eq!(call.b.digits(), "159#");
    assert_eq!(call.a.digits(), "");
    // The first digit's tones: 697 and 1209 Hz.
    let loudest = at_a.chunks(2_400).map(|part| share(part, 697.0) + share(part, 1_209.0)).fold(0.0, f32::max);
    assert!(loudest > 0.8, "{loudest}");
}

#[test]
fn tones_play_in_the_speaker_and_the_ring_on_the_ringer() {
    let phone = Phone::new();
    phone.command(Command::Ring(true));
    phone.command(Command::Tone(Some(Tone::RingBack)));
    phone.host.advance(900);
    let heard = phone.host.heard();
    assert!(share(&heard[9_600..], 450.0) > 0.95);
    assert!(rms(&phone.host.rung()) > 0.05);
    assert!(!phone.host.is_listening(), "no call, no microphone");
    phone.command(Command::Ring(false));
    phone.command(Command::Tone(None));
    phone.host.advance(500);
    phone.host.heard();
    phone.host.rung();
    phone.host.advance(4_000);
    assert_eq!((peak(&phone.host.heard()), peak(&phone.host.rung())), (0.0, 0.0));
    assert!(phone.host.rung().is_empty(), "the devices are let go");
    let ringer = crate::audio::RINGER.to_owned();
    phone.plane.control(MediaControl::SelectDevice { role: DeviceRole::Ringer, device: Some(ringer.clone()) });
    phone.command(Command::Ring(true));
    phone.host.advance(500);
    assert!(rms(&phone.host.heard_on(&ringer)) > 0.05);
}

#[test]
fn without_a_ringer_it_rings_in_the_speaker() {
    let mut phone = Phone::new();
    let ringer = Some(crate::audio::RINGER.to_owned());
    phone.plane.control(MediaControl::SelectDevice { role: DeviceRole::Ringer, device: ringer });
    let troubles = [crate::audio::RINGER, crate::audio::SPEAKER];
    phone.command(Command::Devices { wanted: true });
    phone.host.advance(200);
    // The speaker is open already; nothing else can be opened.
    phone.host.refuse_opening(&troubles, DeviceTrouble::Busy);
    phone.command(Command::Ring(true));
    phone.host.advance(900);
    assert!(rms(&phone.host.heard()) > 0.05);
    assert!(phone.host.rung().is_empty());
    let trouble = Event::DeviceTrouble { role: DeviceRole::Ringer, trouble: DeviceTrouble::Busy };
    assert!(phone.core_events().contains(&trouble));
}

#[test]
fn the_peer_is_told_every_five_seconds_what_was_sent_and_received() {
    use deskline_core::media::rtcp::{self, Item};
    let mut phone = Phone::new();
    let address = phone.open(LEG);
    let (rtp, reports) = super::leg::bind_pair(LOOPBACK).unwrap();
    let remote = rtp.local_addr().unwrap();
    let negotiated = negotiated(Codec::Pcmu, remote);
    phone.command(Command::Run { id: LEG, negotiated, send: SendSource::Microphone });
    // Every fourth packet is lost on the way.
    for sequence in 0..1_500u16 {
        if !sequence.is_multiple_of(4) {
            let header = deskline_core::media::rtp::Header {
                marker: false,
                payload_type: 0,
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: 7,
            };
            rtp.send_to(header.write(&[0xff; 160], &mut [0; 200]).unwrap(), address).unwrap();
        }
        if !sequence.is_multiple_of(2) {
            phone.host.advance(40);
        }
    }
    reports.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 500];
    let mut items = Vec::new();
    for _ in 0..5 {
        let length = reports.recv(&mut buffer).unwrap();
        rtcp::read(&buffer[..length], |item| items.push(item));
    }
    let sent = items.iter().rev().find_map(|item| match item {
        Item::SenderReport { info, .. } => Some(info.packets),
        _ => None,
    });
    assert!(sent.unwrap() > 1_000, "{items:?}");
    let lost = items.iter().rev().find_map(|item| match item {
        Item::Block { block, .. } if block.report.ssrc == 7 => Some(block.report.fraction_lost),
        _ => None,
    });
    assert!((60..=68).contains(&lost.unwrap()), "{items:?}");
    phone.command(Command::Close { id: LEG });
    phone.host.advance(10);
    let ends = std::iter::repeat_with(|| {
        let length = reports.recv(&mut buffer).unwrap();
        let mut farewell = false;
        rtcp::read(&buffer[..length], |item| farewell |= matches!(item, Item::Farewell { .. }));
        farewell
    });
    assert!(ends.take(3).any(|farewell| farewell));
}

#[test]
fn volumes_are_followed() {
    let mut call = Call::new(Codec::Pcmu);
    call.a.whistle(700.0, 10_000);
    call.wait(500);
    let loud = rms(&call.wait(300).1);
    call.b.plane.control(MediaControl::Volume { role: DeviceRole::Speaker, percent: 50 });
    call.wait(200);
    let quiet = rms(&call.wait(300).1);
    assert!((quiet / loud - 0.25).abs() < 0.03, "{quiet} {loud}");
    call.b.plane.control(MediaControl::Volume { role: DeviceRole::Speaker, percent: 100 });
    call.a.plane.control(MediaControl::Volume { role: DeviceRole::Microphone, percent: 0 });
    call.wait(300);
    assert!(rms(&call.wait(300).1) < 0.001);
}

#[test]
fn a_call_without_any_sound_system_still_runs() {
    let mut call = Call::new(Codec::Pcmu);
    call.a.host.sound_system(Some(DeviceTrouble::Missing));
    call.a.host.unplug(crate::audio::MICROPHONE);
    call.a.host.unplug(crate::audio::SPEAKER);
    call.a.host.unplug(crate::audio::RINGER);
    call.wait(1_000);
    call.b.whistle(700.0, 2_000);
    call.wait(2_000);
    let missing = |role| Event::DeviceTrouble { role, trouble: DeviceTrouble::Missing };
    let events = call.a.core_events();
    assert!(events.contains(&missing(DeviceRole::Microphone)) && events.contains(&missing(DeviceRole::Speaker)));
    let stats = |phone: &mut Phone| {
        let stats = |event: &MediaEvent| match event {
            MediaEvent::Stats { stats, .. } => Some(*stats),
            _ => None,
        };
        phone.events().iter().rev().find_map(stats).unwrap()
    };
    let (at_a, at_b) = (stats(&mut call.a), stats(&mut call.b));
    assert!(at_a.packets_sent >= 95, "silence keeps its time: {at_a:?}");
    assert!(at_b.packets_received >= 95 && at_b.packets_lost == 0, "{at_b:?}");
    assert!(at_a.buffer_ms < 80.0, "what comes in does not pile up: {at_a:?}");
}

#[test]
fn a_headset_that_is_pulled_out_is_replaced_in_mid_call() {
    let mut call = Call::new(Codec::Opus);
    call.a.host.plug_input("headset", false);
    let headset = Some("headset".to_owned());
    call.a.plane.control(MediaControl::SelectDevice { role: DeviceRole::Microphone, device: headset });
    call.wait(500);
    call.a.host.unplug("headset");
    call.wait(1_500);
    call.a.whistle(700.0, 2_000);
    call.wait(500);
    assert!(share(&call.wait(300).1, 700.0) > 0.9, "the built-in microphone is in use");
    let events = call.a.core_events();
    let role = DeviceRole::Microphone;
    assert!(events.contains(&Event::DeviceTrouble { role, trouble: DeviceTrouble::Missing }));
    assert!(events.contains(&Event::DeviceHealed { role }));
}

#[test]
fn the_microphone_is_open_only_while_it_is_needed() {
    let call = Call::new(Codec::Pcmu);
    call.wait(50);
    assert!(call.a.host.is_listening());
    call.a.command(Command::Close { id: LEG });
    call.wait(50);
    assert!(!call.a.host.is_listening());
    call.a.command(Command::Devices { wanted: true });
    call.wait(50);
    assert!(call.a.host.is_listening());
    call.a.command(Command::Devices { wanted: false });
    call.wait(50);
    assert!(!call.a.host.is_listening());
}

#[test]
fn two_legs_are_heard_together_and_only_one_hears_the_agent() {
    let mut agent = Phone::new();
    let (mut b, mut c) = (Phone::new(), Phone::new());
    let second = MediaId(2);
    let (agent_b, agent_c) = (agent.open(LEG), agent.open(second));
    let (address_b, address_c) = (b.open(LEG), c.open(LEG));
    let run = |phone: &Phone, id, remote, send| {
        phone.command(Command::Run { id, negotiated: negotiated(Codec::Pcmu, remote), send });
    };
    run(&agent, LEG, address_b, SendSource::Microphone);
    run(&agent, second, address_c, SendSource::Silence);
    run(&b, LEG, agent_b, SendSource::Microphone);
    run(&c, LEG, agent_c, SendSource::Microphone);
    agent.whistle(500.0, 3_000);
    b.whistle(900.0, 3_000);
    c.whistle(1_700.0, 3_000);
    for tick in 0..150 {
        if tick == 50 {
            [&agent, &b, &c].iter().for_each(|phone| drop(phone.host.heard()));
        }
        [&agent, &b, &c].iter().for_each(|phone| phone.host.advance(10));
    }
    let [heard, at_b, at_c] = [&agent, &b, &c].map(|phone| phone.host.heard());
    assert!(share(&heard, 900.0) > 0.3 && share(&heard, 1_700.0) > 0.3);
    assert!(share(&at_b, 500.0) > 0.95);
    assert!(rms(&at_c) < 0.01);
}

#[test]
fn packets_are_answered_where_they_come_from() {
    let mut phone = Phone::new();
    let address = phone.open(LEG);
    // The description names a port behind which nobody is.
    let elsewhere = "127.0.0.1:9".parse().unwrap();
    let run = Command::Run { id: LEG, negotiated: negotiated(Codec::Pcmu, elsewhere), send: SendSource::Microphone };
    phone.command(run);
    phone.host.advance(100);
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let header = |sequence: u16| deskline_core::media::rtp::Header {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 7,
    };
    let mut out = [0; 200];
    peer.send_to(header(1).write(&[0xff; 160], &mut out).unwrap(), address).unwrap();
    phone.host.advance(100);
    let mut buffer = [0; 2_000];
    let (length, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(from, address);
    assert_eq!(length, 172);
    // A stranger is ignored while the peer speaks.
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    stranger.send_to(header(2).write(&[0; 160], &mut out).unwrap(), address).unwrap();
    phone.host.advance(100);
    assert!(stranger.recv_from(&mut buffer).is_err());
}

#[test]
fn a_stranger_who_comes_first_gives_way_to_the_peer_that_was_described() {
    let mut phone = Phone::new();
    let address = phone.open(LEG);
    let [peer, stranger] = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let negotiated = negotiated(Codec::Pcmu, peer.local_addr().unwrap());
    phone.command(Command::Run { id: LEG, negotiated, send: SendSource::Microphone });
    let send = |socket: &std::net::UdpSocket, ssrc| {
        let header =
            deskline_core::media::rtp::Header { marker: false, payload_type: 0, sequence: 1, timestamp: 1, ssrc };
        socket.send_to(header.write(&[0xff; 160], &mut [0; 200]).unwrap(), address).unwrap();
    };
    send(&stranger, 1);
    phone.host.advance(50);
    send(&peer, 2);
    phone.host.advance(10);
    let drain = |socket: &std::net::UdpSocket| {
        socket.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| socket.recv(&mut [0; 500]).ok()).count()
    };
    drain(&stranger);
    drain(&peer);
    phone.host.advance(200);
    assert_eq!((drain(&stranger), drain(&peer)), (0, 10));
}

#[test]
fn opening_twice_gives_the_same_address_and_an_address_that_is_not_ours_an_error() {
    let mut phone = Phone::new();
    let address = phone.open(LEG);
    assert_eq!(address.port() % 2, 0);
    assert_eq!(phone.open(LEG), address);
    phone.command(Command::Open { id: MediaId(9), local: "192.0.2.1".parse().unwrap() });
    phone.host.advance(10);
    assert!(phone.core_events().iter().any(|event| matches!(event, Event::OpenFailed { id: MediaId(9), .. })));
}

#[test]
fn commands_for_unknown_legs_and_datagrams_of_rubbish_change_nothing() {
    let mut call = Call::new(Codec::Pcmu);
    let nobody = MediaId(99);
    call.a.command(Command::Close { id: nobody });
    call.a.command(Command::Dtmf { id: nobody, digits: Pii::new("1".to_owned()) });
    let run = Command::Run { id: nobody, negotiated: call.of_a.clone(), send: SendSource::Microphone };
    call.a.command(run);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..500u64 {
        let bytes: Vec<u8> = (0..number % 90).map(|n| (n * 37 + number * 101) as u8).collect();
        stranger.send_to(&bytes, call.of_b.remote).unwrap();
    }
    call.b.whistle(700.0, 2_000);
    call.wait(500);
    assert!(share(&call.wait(300).0, 700.0) > 0.95);
}

#[test]
fn levels_and_devices_are_told() {
    let mut call = Call::new(Codec::Pcmu);
    call.a.plane.control(MediaControl::ListDevices);
    call.a.whistle(700.0, 2_000);
    call.wait(1_000);
    let events = call.a.events().to_vec();
    let levels: Vec<f32> = events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::Levels { microphone, .. } => Some(*microphone),
            _ => None,
        })
        .collect();
    assert!((8..=12).contains(&levels.len()), "{}", levels.len());
    assert!((levels[5] - dbfs(0.4)).abs() < 0.5, "{levels:?}");
    assert!(events.iter().any(|event| matches!(event, MediaEvent::Devices(list) if list.inputs.len() == 1)));
}

#[test]
fn a_device_is_tried_for_a_while() {
    let phone = Phone::new();
    phone.plane.control(MediaControl::TestDevice { role: DeviceRole::Ringer });
    phone.plane.control(MediaControl::TestDevice { role: DeviceRole::Speaker });
    phone.host.advance(1_900);
    assert!(rms(&phone.host.rung()) > 0.05);
    assert!(rms(&phone.host.heard()) > 0.05);
    phone.host.advance(1_000);
    phone.host.heard();
    phone.host.rung();
    phone.host.advance(1_000);
    assert_eq!((peak(&phone.host.heard()), peak(&phone.host.rung())), (0.0, 0.0));
}
