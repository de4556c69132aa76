//! Devices of software, clocked by a test: it speaks into the microphone, moves time on, and reads what was heard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deskline_core::media::{DeviceRole, DeviceTrouble, FRAME};

use super::stream::{self, Capture, CaptureFeed, Playback, PlaybackFeed};
use super::{Device, DeviceHost, FoundDevices, Wake};

/// The names of the devices that a new [`VirtualHost`] has.
pub const MICROPHONE: &str = "virtual:microphone";
pub const SPEAKER: &str = "virtual:speaker";
pub const RINGER: &str = "virtual:ringer";

/// The media thread must do 10 ms of work in this time, or something is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Devices of software. By default a microphone and two outputs, of which the first is the system's default.
pub struct VirtualHost {
    state: Mutex<State>,
    clock: Arc<VirtualClock>,
}

#[derive(Default)]
struct State {
    found: FoundDevices,
    troubles: BTreeMap<String, DeviceTrouble>,
    missing: Option<DeviceTrouble>,
    /// What is said into each microphone.
    said: BTreeMap<String, VecDeque<f32>>,
    captures: Vec<(String, CaptureFeed)>,
    playbacks: Vec<(String, DeviceRole, PlaybackFeed)>,
    heard: BTreeMap<(String, &'static str), Vec<f32>>,
}

impl VirtualHost {
    pub fn new() -> Arc<Self> {
        let device = |id: &str| Device { id: id.to_owned(), name: id.replace(':', " ") };
        let found = FoundDevices {
            inputs: vec![device(MICROPHONE)],
            outputs: vec![device(SPEAKER), device(RINGER)],
            default_input: Some(MICROPHONE.to_owned()),
            default_output: Some(SPEAKER.to_owned()),
        };
        Arc::new(Self { state: Mutex::new(State { found, ..State::default() }), clock: Arc::default() })
    }

    /// Speaks `samples` (48 kHz, ±1.0) into the microphone, after what was said before. Else it is silent.
    pub fn say(&self, samples: &[f32]) {
        self.say_into(MICROPHONE, samples);
    }

    pub fn say_into(&self, microphone: &str, samples: &[f32]) {
        self.state().said.entry(microphone.to_owned()).or_default().extend(samples);
    }

    /// What was played in the speaker (whichever device that is) since the last call.
    pub fn heard(&self) -> Vec<f32> {
        self.take(|_, role| role == role_name(DeviceRole::Speaker))
    }

    /// What was played on the ringer since the last call.
    pub fn rung(&self) -> Vec<f32> {
        self.take(|_, role| role == role_name(DeviceRole::Ringer))
    }

    /// What was played on the output `id`, for whatever purpose, since the last call.
    pub fn heard_on(&self, id: &str) -> Vec<f32> {
        self.take(|device, _| device == id)
    }

    /// Whether a microphone is open.
    pub fn is_listening(&self) -> bool {
        !self.state().captures.is_empty()
    }

    /// Plugs a device in.
    pub fn plug_input(&self, id: &str, default: bool) {
        let mut state = self.state();
        state.found.inputs.push(Device { id: id.to_owned(), name: id.to_owned() });
        if default {
            state.found.default_input = Some(id.to_owned());
        }
    }

    pub fn plug_output(&self, id: &str, default: bool) {
        let mut state = self.state();
        state.found.outputs.push(Device { id: id.to_owned(), name: id.to_owned() });
        if default {
            state.found.default_output = Some(id.to_owned());
        }
    }

    /// Pulls a device out: its streams go silent without a word, as with PulseAudio.
    pub fn unplug(&self, id: &str) {
        let mut state = self.state();
        state.found.inputs.retain(|device| device.id != id);
        state.found.outputs.retain(|device| device.id != id);
        if state.found.default_input.as_deref() == Some(id) {
            state.found.default_input = state.found.inputs.first().map(|device| device.id.clone());
        }
        if state.found.default_output.as_deref() == Some(id) {
            state.found.default_output = state.found.outputs.first().map(|device| device.id.clone());
        }
        state.captures.retain(|(device, _)| device != id);
        state.playbacks.retain(|(device, ..)| device != id);
    }

    /// Opening `id` fails so from now on; its open streams fail at once. `None`: it works again.
    pub fn trouble(&self, id: &str, trouble: Option<DeviceTrouble>) {
        let mut state = self.state();
        match trouble {
            None => {
                state.troubles.remove(id);
            }
            Some(trouble) => {
                state.troubles.insert(id.to_owned(), trouble);
                let captures = state.captures.iter().filter(|(device, _)| device == id).map(|(_, feed)| feed.status());
                let playbacks =
                    state.playbacks.iter().filter(|(device, ..)| device == id).map(|(.., feed)| feed.status());
                captures.chain(playbacks).for_each(|status| status.fail(trouble));
            }
        }
    }

    /// Opening any of these fails from now on; what is open stays so.
    pub fn refuse_opening(&self, ids: &[&str], trouble: DeviceTrouble) {
        self.state().troubles.extend(ids.iter().map(|&id| (id.to_owned(), trouble)));
    }

    /// The whole sound system is gone, or is back.
    pub fn sound_system(&self, trouble: Option<DeviceTrouble>) {
        self.state().missing = trouble;
    }

    /// Moves time on, in steps of 10 ms. Returns when the media thread has done all its work until then.
    ///
    /// # Panics
    /// If the media thread stands still for 20 s.
    pub fn advance(&self, milliseconds: u64) {
        for _ in 0..milliseconds.div_ceil(10) {
            self.record();
            self.clock.advance();
            self.play();
        }
    }

    /// Time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.clock.state().now
    }

    fn record(&self) {
        let mut state = self.state();
        let State { said, captures, .. } = &mut *state;
        captures.retain(|(_, feed)| !feed.is_abandoned());
        for (id, feed) in captures {
            let mut frame = [0.0; FRAME];
            if let Some(said) = said.get_mut(id) {
                frame.iter_mut().zip(said.drain(..said.len().min(FRAME))).for_each(|(place, sample)| *place = sample);
            }
            feed.record(&frame, |sample| sample);
        }
    }

    fn play(&self) {
        let mut state = self.state();
        let State { heard, playbacks, .. } = &mut *state;
        playbacks.retain(|(.., feed)| !feed.is_abandoned());
        for (id, role, feed) in playbacks {
            let mut frame = [0.0; FRAME];
            feed.play(&mut frame, |sample| sample);
            heard.entry((id.clone(), role_name(*role))).or_default().extend(frame);
        }
    }

    fn take(&self, mut which: impl FnMut(&str, &'static str) -> bool) -> Vec<f32> {
        let mut state = self.state();
        let mut sound = Vec::new();
        for ((device, role), heard) in &mut state.heard {
            if which(device, role) {
                sound.append(heard);
            }
        }
        sound
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn role_name(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Microphone => "microphone",
        DeviceRole::Speaker => "speaker",
        DeviceRole::Ringer => "ringer",
    }
}

impl DeviceHost for VirtualHost {
    fn devices(&self) -> Result<FoundDevices, DeviceTrouble> {
        let state = self.state();
        state.missing.map_or_else(|| Ok(state.found.clone()), Err)
    }

    fn open_capture(&self, id: &str, _wake: Wake) -> Result<Capture, DeviceTrouble> {
        let mut state = self.state();
        state.check(id, |found| &found.inputs)?;
        let (feed, capture) = stream::capture(48_000, 1, no_wake()).map_err(|_| DeviceTrouble::Failed)?;
        state.captures.push((id.to_owned(), feed));
        Ok(capture)
    }

    fn open_playback(&self, id: &str, role: DeviceRole, _wake: Wake) -> Result<Playback, DeviceTrouble> {
        let mut state = self.state();
        state.check(id, |found| &found.outputs)?;
        let (feed, playback) = stream::playback(48_000, 1, no_wake()).map_err(|_| DeviceTrouble::Failed)?;
        state.playbacks.push((id.to_owned(), role, feed));
        Ok(playback)
    }

    fn clock(&self) -> Option<Arc<VirtualClock>> {
        Some(self.clock.clone())
    }
}

/// The clock wakes the media thread, once for each 10 ms: what happens then does not depend on the scheduler.
fn no_wake() -> Wake {
    Arc::new(|| {})
}

impl State {
    fn check(&self, id: &str, list: impl Fn(&FoundDevices) -> &Vec<Device>) -> Result<(), DeviceTrouble> {
        if let Some(trouble) = self.missing.or(self.troubles.get(id).copied()) {
            return Err(trouble);
        }
        if list(&self.found).iter().any(|device| device.id == id) { Ok(()) } else { Err(DeviceTrouble::Missing) }
    }
}

/// Time that moves only when the test says so. The media thread attaches itself, and is waited for.
pub struct VirtualClock {
    epoch: Instant,
    state: Mutex<ClockState>,
    changed: Condvar,
}

#[derive(Default)]
struct ClockState {
    now: Duration,
    /// What wakes the media thread, while there is one.
    thread: Option<Wake>,
    /// The time until which it has worked.
    done: Duration,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self { epoch: Instant::now(), state: Mutex::default(), changed: Condvar::new() }
    }
}

impl VirtualClock {
    pub(crate) fn attach(&self, wake: Wake) {
        let mut state = self.state();
        state.thread = Some(wake);
        state.done = state.now;
    }

    pub(crate) fn detach(&self) {
        self.state().thread = None;
        self.changed.notify_all();
    }

    pub(crate) fn now(&self) -> Instant {
        self.epoch + self.state().now
    }

    /// The media thread has done its work until `until`.
    pub(crate) fn done(&self, until: Instant) {
        self.state().done = until.saturating_duration_since(self.epoch);
        self.changed.notify_all();
    }

    fn advance(&self) {
        let mut state = self.state();
        state.now += Duration::from_millis(10);
        let Some(wake) = state.thread.clone() else { return };
        drop(state);
        wake();
        let waited = self
            .changed
            .wait_timeout_while(self.state(), PATIENCE, |state| state.thread.is_some() && state.done < state.now);
        let (_state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the media thread stands still");
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
