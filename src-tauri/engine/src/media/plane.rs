//! The media thread: everything that has to happen every 10 ms.
//!
//! Sending keeps the time of the microphone, playing that of the speaker; where one is missing, the clock takes its place.
//! The thread sleeps until a callback, a packet, a command or a timer wakes it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use deskline_core::media::levels::PeakMeter;
use deskline_core::media::melody::Melody;
use deskline_core::media::mixer::{self, Gain};
use deskline_core::media::rtcp;
use deskline_core::media::tones::{Player, Signal};
use deskline_core::media::{Command, DeviceRole, Event, FRAME, MediaId, SendSource};
use mio::{Events, Interest, Poll, Token};
use tokio::sync::mpsc::UnboundedSender;

use super::leg::{Arrival, Leg};
use super::{MediaConfig, MediaControl, MediaEvent};
use crate::audio::{Desk, DeskEvent, Playback, VirtualClock, Wake};

pub const WAKER: Token = Token(0);

const TICK: Duration = Duration::from_millis(10);

/// A microphone that brought nothing for so long is replaced by silence, so that the stream goes on.
const STALLED: Duration = Duration::from_millis(60);

/// More sound than this from the microphone, in samples, and the oldest is dropped: nobody wants to hear it any more.
const BACKLOG: usize = 10 * FRAME;

/// Beyond what the speaker takes at once, this is held ready for it; it grows when it was not enough.
const LEAST_AHEAD: usize = 120;
const MOST_AHEAD: usize = 4_800;
const AHEAD_STEP: usize = 240;

/// The speaker is supplied so long before it takes the next block: the later, the more packets have come.
const HEADROOM: Duration = Duration::from_millis(5);

/// So long after the last shortage the reserve shrinks.
const AHEAD_SHRINKS: Duration = Duration::from_secs(20);

/// The ringer's reserve: nobody minds its delay.
const RINGER_AHEAD: usize = 6 * FRAME;

/// The speaker stays open for so long after its last use, so that the end of a tone is heard.
const LINGER: Duration = Duration::from_millis(300);

const LEVELS: Duration = Duration::from_millis(100);
const STATS: Duration = Duration::from_secs(1);

/// How long a device is tried: a sound on outputs, the level of the microphone.
const TRY_OUTPUT: Duration = Duration::from_secs(2);
const TRY_MICROPHONE: Duration = Duration::from_secs(5);

pub enum Message {
    Control(MediaControl),
    Stop,
}

pub struct Plane {
    poll: Poll,
    messages: mpsc::Receiver<Message>,
    events: UnboundedSender<MediaEvent>,
    clock: Option<Arc<VirtualClock>>,
    desk: Desk,
    legs: BTreeMap<MediaId, Leg>,
    devices_wanted: bool,
    muted: bool,
    volumes: [u8; 3],
    gains: [Gain; 3],
    tone: Player,
    keys: Player,
    ring: Player,
    ringing: bool,
    melody: Melody,
    microphone_meter: PeakMeter,
    speaker_meter: PeakMeter,
    /// When the next frame is due by the clock, where no device sets the pace.
    next_sent: Instant,
    next_played: Instant,
    ahead: Ahead,
    speaker_until: Instant,
    /// Until when each device is tried.
    trials: [Option<Instant>; 3],
    next_levels: Instant,
    next_stats: Instant,
    next_report: Instant,
    next_token: usize,
    datagram: Box<[u8; 2_048]>,
}

/// The reserve of the speaker.
struct Ahead {
    samples: usize,
    glitches: u32,
    changed: Instant,
    /// What the speaker had when it was last looked at, and when it is to be supplied again.
    supply: usize,
    supply_at: Instant,
}

impl Plane {
    pub fn new(
        poll: Poll,
        config: MediaConfig,
        messages: mpsc::Receiver<Message>,
        events: UnboundedSender<MediaEvent>,
        wake: Wake,
    ) -> Self {
        let clock = config.host.clock();
        let now = clock.as_ref().map_or_else(Instant::now, |clock| clock.now());
        let volumes = [config.microphone_volume, config.speaker_volume, config.ringer_volume];
        Self {
            poll,
            messages,
            events,
            clock,
            desk: Desk::new(config.host, wake),
            legs: BTreeMap::new(),
            devices_wanted: false,
            muted: false,
            volumes,
            gains: volumes.map(|volume| Gain::new(mixer::volume_gain(volume))),
            tone: Player::default(),
            keys: Player::default(),
            ring: Player::default(),
            ringing: false,
            melody: Melody::default(),
            microphone_meter: PeakMeter::default(),
            speaker_meter: PeakMeter::default(),
            next_sent: now,
            next_played: now,
            ahead: Ahead { samples: LEAST_AHEAD, glitches: 0, changed: now, supply: 0, supply_at: now },
            speaker_until: now,
            trials: [None; 3],
            next_levels: now,
            next_stats: now,
            next_report: now,
            next_token: 1,
            datagram: Box::new([0; 2_048]),
        }
    }

    /// Works until it is told to stop.
    pub fn run(mut self) {
        let mut ready = Events::with_capacity(64);
        loop {
            let timeout = match self.clock {
                Some(_) => None,
                None => self.next_timer(self.now()).map(|at| at.saturating_duration_since(Instant::now())),
            };
            if let Err(error) = self.poll.poll(&mut ready, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait");
                return;
            }
            let now = self.now();
            loop {
                match self.messages.try_recv() {
                    Ok(Message::Control(control)) => self.handle_control(control, now),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Ok(Message::Stop) | Err(mpsc::TryRecvError::Disconnected) => {
                        self.legs.values_mut().for_each(Leg::close);
                        return;
                    }
                }
            }
            self.step(now);
            if let Some(clock) = &self.clock {
                clock.done(now);
            }
        }
    }

    fn now(&self) -> Instant {
        self.clock.as_ref().map_or_else(Instant::now, |clock| clock.now())
    }

    fn tell(&self, event: MediaEvent) {
        // Nobody listens any more when the program ends.
        let _ = self.events.send(event);
    }

    fn is_calling(&self) -> bool {
        self.legs.values().any(Leg::is_running)
    }

    fn handle_control(&mut self, control: MediaControl, now: Instant) {
        match control {
            MediaControl::Core(command) => self.handle_command(command, now),
            MediaControl::SelectDevice { role, device } => {
                self.desk.choose(role, device);
                self.desk.watch();
            }
            MediaControl::Volume { role, percent } => {
                self.volumes[role as usize] = percent.min(100);
                self.set_gains();
            }
            MediaControl::ListDevices => self.desk.watch(),
            MediaControl::TestDevice { role } => {
                let length = if role == DeviceRole::Microphone { TRY_MICROPHONE } else { TRY_OUTPUT };
                self.trials[role as usize] = Some(now + length);
            }
        }
    }

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Open { id, local } => self.open(id, local),
            Command::Run { id, negotiated, send } => {
                if !self.is_calling() {
                    (self.next_sent, self.next_played) = (now, now);
                    (self.next_levels, self.next_stats) = (now + LEVELS, now + STATS);
                    self.next_report = now + rtcp::INTERVAL / 2;
                }
                let Some(leg) = self.legs.get_mut(&id) else { return };
                if let Err(error) = leg.run(negotiated, send) {
                    tracing::error!(%error, "the stream cannot be started");
                    self.tell(MediaEvent::Core(Event::OpenFailed { id, reason: error.to_string() }));
                }
            }
            Command::Close { id } => {
                if let Some(mut leg) = self.legs.remove(&id) {
                    leg.close();
                    let _ = self.poll.registry().deregister(&mut leg.rtp);
                    let _ = self.poll.registry().deregister(&mut leg.rtcp);
                }
            }
            Command::Mute(muted) => {
                self.muted = muted;
                self.set_gains();
            }
            Command::Dtmf { id, digits } => {
                let queued = self.legs.get_mut(&id).map_or(0, |leg| leg.dial(digits.expose()));
                if queued < digits.expose().chars().count() {
                    tracing::warn!(queued, "not all digits can be sent");
                }
            }
            Command::Ring(on) => {
                self.ringing = on;
                self.trials[DeviceRole::Ringer as usize] = None;
            }
            Command::Tone(tone) => self.tone.play(tone.map(Signal::Tone)),
            Command::Devices { wanted } => self.devices_wanted = wanted,
        }
    }

    fn open(&mut self, id: MediaId, local: std::net::IpAddr) {
        let event = match self.legs.get(&id) {
            Some(leg) => Event::Opened { id, address: leg.address },
            None => match self.bind(id, local) {
                Ok(leg) => {
                    let address = leg.address;
                    self.legs.insert(id, leg);
                    Event::Opened { id, address }
                }
                Err(error) => Event::OpenFailed { id, reason: error.to_string() },
            },
        };
        self.tell(MediaEvent::Core(event));
    }

    fn bind(&mut self, id: MediaId, local: std::net::IpAddr) -> io::Result<Leg> {
        let mut leg = Leg::open(id, local)?;
        let registry = self.poll.registry();
        registry.register(&mut leg.rtp, Token(self.next_token), Interest::READABLE)?;
        registry.register(&mut leg.rtcp, Token(self.next_token + 1), Interest::READABLE)?;
        self.next_token += 2;
        Ok(leg)
    }

    fn set_gains(&mut self) {
        for (gain, &volume) in self.gains.iter_mut().zip(&self.volumes) {
            gain.set(mixer::volume_gain(volume));
        }
        if self.muted {
            self.gains[DeviceRole::Microphone as usize].set(0.0);
        }
    }

    fn step(&mut self, now: Instant) {
        self.receive(now);
        self.want_devices(now);
        self.desk.tick(now);
        while let Some(event) = self.desk.poll_event() {
            self.tell(match event {
                DeskEvent::Trouble(role, trouble) => MediaEvent::Core(Event::DeviceTrouble { role, trouble }),
                DeskEvent::Healed(role) => MediaEvent::Core(Event::DeviceHealed { role }),
                DeskEvent::List(list) => MediaEvent::Devices(list),
            });
        }
        self.send(now);
        self.play(now);
        self.ring();
        self.keep_time(now);
    }

    fn receive(&mut self, now: Instant) {
        for leg in self.legs.values_mut() {
            let (id, events) = (leg.id, &self.events);
            leg.receive(now, &mut self.datagram[..], |arrival| {
                let event = match arrival {
                    Arrival::First => Event::FirstPacket { id },
                    Arrival::Digit(digit) => Event::DtmfReceived { id, digit },
                };
                let _ = events.send(MediaEvent::Core(event));
            });
            leg.receive_reports(now, &mut self.datagram[..]);
        }
    }

    fn want_devices(&mut self, now: Instant) {
        let calling = self.is_calling();
        let trying = self.trials.map(|until| until.is_some_and(|until| until > now));
        let [trying_microphone, trying_speaker, trying_ringer] = trying;
        if self.devices_wanted || calling || trying_speaker || self.tone.is_playing() {
            self.speaker_until = now + LINGER;
        }
        let ringing = self.ringing || trying_ringer;
        self.ring.play(ringing.then_some(Signal::Ring));
        self.desk.want(DeviceRole::Microphone, self.devices_wanted || calling || trying_microphone);
        self.desk.want(DeviceRole::Speaker, self.speaker_until > now);
        self.desk.want(DeviceRole::Ringer, ringing || self.ring.is_playing());
    }

    /// Takes the microphone's frames, or silence in their place, and gives each leg what it sends.
    fn send(&mut self, now: Instant) {
        let calling = self.is_calling();
        let mut frame = [0.0; FRAME];
        // Half a second at most; more is made up for in the next turn.
        for _ in 0..50 {
            let recorded = self.desk.microphone().is_some_and(|capture| {
                let held = capture.samples.slots();
                if held > BACKLOG.max(3 * capture.status.block())
                    && let Ok(old) = capture.samples.read_chunk(held - FRAME)
                {
                    old.commit_all();
                }
                capture.samples.pop_entire_slice(&mut frame).is_ok()
            });
            if recorded {
                self.next_sent = now + TICK;
            } else {
                let late = if self.desk.microphone().is_some() { STALLED } else { Duration::ZERO };
                if !calling || now < self.next_sent + late {
                    return;
                }
                frame.fill(0.0);
                self.next_sent += TICK;
            }
            self.gains[DeviceRole::Microphone as usize].apply(&mut frame);
            self.microphone_meter.add(&frame);
            self.send_frame(&frame);
        }
        self.next_sent = now;
    }

    fn send_frame(&mut self, microphone: &[f32; FRAME]) {
        let mut music = [0.0; FRAME];
        if self.legs.values().any(|leg| leg.source() == Some(SendSource::HoldMusic)) {
            self.melody.fill(&mut music);
        }
        for leg in self.legs.values_mut() {
            leg.send(match leg.source() {
                Some(SendSource::Microphone) => microphone,
                Some(SendSource::HoldMusic) => &music,
                Some(SendSource::Silence) | None => &[0.0; FRAME],
            });
        }
    }

    /// Keeps the speaker supplied, or the clock where there is none.
    fn play(&mut self, now: Instant) {
        let digit = self.legs.values().find_map(Leg::sounding);
        let trying = self.trials[DeviceRole::Speaker as usize].is_some_and(|until| until > now);
        self.keys.play(digit.map(Signal::Key).or(trying.then_some(Signal::Test)));
        for _ in 0..50 {
            match self.desk.playback(DeviceRole::Speaker) {
                Some(playback) => {
                    self.next_played = now + TICK;
                    let lazy = self.clock.is_none();
                    if supply(playback) >= self.ahead.wanted(playback, now)
                        || lazy && self.ahead.has_time(playback, now)
                    {
                        return;
                    }
                }
                None if now < self.next_played => return,
                None => self.next_played += TICK,
            }
            let mut frame = [0.0; FRAME];
            self.mix(now, &mut frame);
            if let Some(playback) = self.desk.playback(DeviceRole::Speaker) {
                let _ = playback.samples.push_entire_slice(&frame);
                self.ahead.supply = supply(playback);
            }
        }
        self.next_played = now;
    }

    fn mix(&mut self, now: Instant, frame: &mut [f32; FRAME]) {
        let mut voice = [0.0; FRAME];
        for leg in self.legs.values_mut() {
            if leg.hear(now, &mut voice) {
                mixer::add(frame, &voice);
            }
        }
        self.tone.add_to(frame);
        self.keys.add_to(frame);
        self.gains[DeviceRole::Speaker as usize].apply(frame);
        // No ringer, but an agent with a headset on: better than a call that nobody hears of.
        if self.ring.is_playing() && self.desk.has_trouble(DeviceRole::Ringer) {
            let mut ring = [0.0; FRAME];
            self.ring.add_to(&mut ring);
            self.gains[DeviceRole::Ringer as usize].apply(&mut ring);
            mixer::add(frame, &ring);
        }
        mixer::limit(frame);
        self.speaker_meter.add(frame);
    }

    fn ring(&mut self) {
        while let Some(playback) = self.desk.playback(DeviceRole::Ringer)
            && supply(playback) < RINGER_AHEAD
        {
            let mut frame = [0.0; FRAME];
            self.ring.add_to(&mut frame);
            self.gains[DeviceRole::Ringer as usize].apply(&mut frame);
            mixer::limit(&mut frame);
            if playback.samples.push_entire_slice(&frame).is_err() {
                return;
            }
        }
    }

    /// Levels, statistics and reports.
    fn keep_time(&mut self, now: Instant) {
        let calling = self.is_calling();
        let trying = self.trials[DeviceRole::Microphone as usize].is_some_and(|until| until > now);
        if (calling || trying) && self.next_levels <= now {
            self.next_levels = now + LEVELS;
            let (microphone, speaker) = (self.microphone_meter.take_dbfs(), self.speaker_meter.take_dbfs());
            self.tell(MediaEvent::Levels { microphone, speaker });
        }
        if calling && self.next_stats <= now {
            self.next_stats = now + STATS;
            for leg in self.legs.values_mut() {
                if let Some(stats) = leg.stats() {
                    let _ = self.events.send(MediaEvent::Stats { id: leg.id, stats });
                }
            }
        }
        if calling && self.next_report <= now {
            self.next_report = now + rtcp::INTERVAL;
            self.legs.values_mut().for_each(|leg| leg.report(now));
        }
        for until in &mut self.trials {
            until.take_if(|until| *until <= now);
        }
    }

    /// When something is due although nobody wakes us.
    fn next_timer(&mut self, now: Instant) -> Option<Instant> {
        let mut next = self.desk.next_tick();
        let mut sooner = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        if self.is_calling() {
            let stalled = if self.desk.microphone().is_some() { STALLED } else { Duration::ZERO };
            sooner(self.next_sent + stalled);
            sooner(self.next_levels);
            sooner(self.next_stats);
            sooner(self.next_report);
        }
        let speaker = self.desk.playback(DeviceRole::Speaker).is_some();
        if speaker && self.ahead.supply_at > now {
            sooner(self.ahead.supply_at);
        }
        if !speaker && (self.is_calling() || self.tone.is_playing()) {
            sooner(self.next_played);
        }
        if self.speaker_until > now {
            sooner(self.speaker_until);
        }
        if self.ring.is_playing() && self.desk.playback(DeviceRole::Ringer).is_none() {
            sooner(now + 10 * TICK);
        }
        self.trials.iter().flatten().for_each(|&until| sooner(until.min(now + LEVELS)));
        next
    }
}

/// What waits for the device, in samples.
fn supply(playback: &Playback) -> usize {
    playback.samples.buffer().capacity() - playback.samples.slots()
}

impl Ahead {
    /// The speaker has just taken a block and has enough for the time until shortly before the next.
    fn has_time(&mut self, playback: &Playback, now: Instant) -> bool {
        let left = supply(playback);
        if left < self.supply {
            let block = playback.status.block();
            let period = Duration::from_micros(block as u64 * 1_000 / 48);
            // A device that takes irregular bites is supplied at once.
            let regular = block.is_multiple_of(FRAME / 2) && left >= self.samples.min(block);
            self.supply_at = now + if regular { period.saturating_sub(HEADROOM) } else { Duration::ZERO };
        }
        self.supply = left;
        now < self.supply_at
    }

    /// How much sound the speaker should have before it: what it takes at once, and a reserve that grows with each
    /// shortage and shrinks slowly without.
    fn wanted(&mut self, playback: &Playback, now: Instant) -> usize {
        let glitches = playback.status.glitches();
        if glitches != self.glitches {
            if glitches > self.glitches {
                self.samples = (self.samples + AHEAD_STEP).min(MOST_AHEAD);
            }
            (self.glitches, self.changed) = (glitches, now);
        } else if now.saturating_duration_since(self.changed) > AHEAD_SHRINKS {
            self.samples = self.samples.saturating_sub(AHEAD_STEP).max(LEAST_AHEAD);
            self.changed = now;
        }
        playback.status.block().clamp(FRAME, MOST_AHEAD) + self.samples
    }
}
