//! The agent's sound devices: which are wanted, which are chosen, which are open, and what to do when one vanishes.
//!
//! Opening, closing and listing may block, so a thread of its own does it (not with a virtual host, whose answers must not
//! depend on the scheduler). A device that vanishes or fails is replaced by the next best, and returned to when it is back.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use deskline_core::media::{DeviceRole, DeviceTrouble};

use super::{Capture, Device, DeviceHost, DeviceList, FoundDevices, Playback, Wake};

/// How often the list of devices is looked at while a device is wanted, and else (once somebody asked for it).
const WATCH: Duration = Duration::from_secs(1);
const WATCH_IDLE: Duration = Duration::from_secs(5);

/// A device that failed is not tried again for so long, unless it was pulled out and in.
const AFTER_FAILURE: Duration = Duration::from_secs(3);

const ROLES: [DeviceRole; 3] = [DeviceRole::Microphone, DeviceRole::Speaker, DeviceRole::Ringer];

/// What has happened to the devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskEvent {
    Trouble(DeviceRole, DeviceTrouble),
    Healed(DeviceRole),
    List(DeviceList),
}

pub struct Desk {
    worker: Worker,
    found: FoundDevices,
    /// Why nothing was found.
    blind: Option<DeviceTrouble>,
    /// The list is not known so far.
    unknown: bool,
    places: [Place; 3],
    failures: BTreeMap<String, (Instant, DeviceTrouble)>,
    watched: bool,
    asked: bool,
    listing: bool,
    next_look: Option<Instant>,
    events: VecDeque<DeskEvent>,
}

/// What stands in the place of one role.
#[derive(Default)]
struct Place {
    wanted: bool,
    chosen: Option<String>,
    open: Option<(String, Stream)>,
    /// A request to open that is under way.
    opening: Option<String>,
    trouble: Option<DeviceTrouble>,
    /// Trouble has been told, and not yet that it is over: this outlasts the wish for the device.
    told: bool,
}

enum Stream {
    Capture(Capture),
    Playback(Playback),
}

impl Stream {
    fn trouble(&self) -> Option<DeviceTrouble> {
        match self {
            Self::Capture(capture) => capture.status.trouble(),
            Self::Playback(playback) => playback.status.trouble(),
        }
    }
}

impl Desk {
    /// `wake` wakes the thread that calls [`Desk::tick`].
    pub fn new(host: Arc<dyn DeviceHost>, wake: Wake) -> Self {
        Self {
            worker: Worker::start(host, wake),
            found: FoundDevices::default(),
            blind: None,
            unknown: true,
            places: Default::default(),
            failures: BTreeMap::new(),
            watched: false,
            asked: false,
            listing: false,
            next_look: None,
            events: VecDeque::new(),
        }
    }

    /// The device of `role` shall be open, or closed.
    pub fn want(&mut self, role: DeviceRole, wanted: bool) {
        let place = &mut self.places[role as usize];
        if place.wanted == wanted {
            return;
        }
        place.wanted = wanted;
        // Trouble with a device that nobody wants is no trouble; it is told again when it is wanted again.
        place.trouble = None;
        if wanted && !self.places.iter().any(|other| other.open.is_some()) {
            self.next_look = None;
        }
    }

    /// The agent's choice; `None`: the system's default.
    pub fn choose(&mut self, role: DeviceRole, device: Option<String>) {
        let place = &mut self.places[role as usize];
        if place.chosen != device {
            if let Some(device) = &device {
                self.failures.remove(device);
            }
            place.chosen = device;
            self.asked = !self.unknown || self.asked;
        }
    }

    /// Tell the list, now and whenever it changes.
    pub fn watch(&mut self) {
        self.watched = true;
        self.asked = true;
        self.next_look = None;
    }

    pub fn microphone(&mut self) -> Option<&mut Capture> {
        match &mut self.places[DeviceRole::Microphone as usize].open {
            Some((_, Stream::Capture(capture))) => Some(capture),
            _ => None,
        }
    }

    pub fn playback(&mut self, role: DeviceRole) -> Option<&mut Playback> {
        match &mut self.places[role as usize].open {
            Some((_, Stream::Playback(playback))) => Some(playback),
            _ => None,
        }
    }

    /// The device of `role` is wanted, and cannot be used.
    pub fn has_trouble(&self, role: DeviceRole) -> bool {
        self.places[role as usize].trouble.is_some()
    }

    /// When [`Desk::tick`] is to be called again, beside whenever it is woken.
    pub fn next_tick(&self) -> Option<Instant> {
        self.next_look.filter(|_| self.is_needed())
    }

    /// Looks after the devices. What happened is told by [`Desk::poll_event`].
    pub fn tick(&mut self, now: Instant) {
        if self.is_needed() && !self.listing && self.next_look.is_none_or(|at| at <= now) {
            let interval = if self.places.iter().any(|place| place.wanted) { WATCH } else { WATCH_IDLE };
            self.next_look = Some(now + interval);
            self.listing = true;
            self.worker.ask(Request::List);
        }
        self.take_answers(now);
        self.failures.retain(|_, (at, _)| now.saturating_duration_since(*at) < AFTER_FAILURE);
        for role in ROLES {
            self.look_after(role, now);
        }
        // An inline worker has answered already.
        self.take_answers(now);
    }

    pub fn poll_event(&mut self) -> Option<DeskEvent> {
        self.events.pop_front()
    }

    fn is_needed(&self) -> bool {
        self.watched || self.places.iter().any(|place| place.wanted)
    }

    fn take_answers(&mut self, now: Instant) {
        while let Some(answer) = self.worker.answer() {
            match answer {
                Answer::List(found) => self.listed(found),
                Answer::Opened { role, id, result } => self.opened(role, id, result, now),
            }
        }
    }

    fn listed(&mut self, found: Result<FoundDevices, DeviceTrouble>) {
        self.listing = false;
        self.unknown = false;
        self.blind = found.as_ref().err().copied();
        let found = found.unwrap_or_default();
        if found != self.found {
            // A device that is new may be tried, whatever happened before.
            let known = |id: &str| self.found.inputs.iter().chain(&self.found.outputs).any(|device| device.id == id);
            let fresh: Vec<String> = found
                .inputs
                .iter()
                .chain(&found.outputs)
                .filter(|device| !known(&device.id))
                .map(|device| device.id.clone())
                .collect();
            fresh.iter().for_each(|id| {
                self.failures.remove(id);
            });
            self.asked |= found.inputs != self.found.inputs || found.outputs != self.found.outputs;
            self.found = found;
        }
        if std::mem::take(&mut self.asked) {
            self.events.push_back(DeskEvent::List(self.list()));
        }
    }

    fn list(&self) -> DeviceList {
        let chosen = |role: DeviceRole| self.places[role as usize].chosen.clone();
        DeviceList {
            inputs: self.found.inputs.clone(),
            outputs: self.found.outputs.clone(),
            chosen_microphone: chosen(DeviceRole::Microphone),
            chosen_speaker: chosen(DeviceRole::Speaker),
            chosen_ringer: chosen(DeviceRole::Ringer),
        }
    }

    fn look_after(&mut self, role: DeviceRole, now: Instant) {
        let (devices, default) = match role {
            DeviceRole::Microphone => (&self.found.inputs, &self.found.default_input),
            DeviceRole::Speaker | DeviceRole::Ringer => (&self.found.outputs, &self.found.default_output),
        };
        let place = &mut self.places[role as usize];
        if !place.wanted {
            if let Some((_, stream)) = place.open.take() {
                self.worker.close(stream);
            }
            return;
        }
        if self.unknown {
            return;
        }
        // The open device: does it fail, is it still there?
        if let Some((id, stream)) = &place.open {
            let gone = !devices.iter().any(|device| device.id == *id);
            if let Some(trouble) = stream.trouble().or(gone.then_some(DeviceTrouble::Missing)) {
                self.failures.insert(id.clone(), (now, trouble));
                if let Some((_, stream)) = place.open.take() {
                    self.worker.close(stream);
                }
                tell(place, role, trouble, &mut self.events);
            }
        }
        if place.opening.is_some() {
            return;
        }
        let best = candidate(place, devices, default.as_deref(), &self.failures);
        let better = best.filter(|id| place.open.as_ref().is_none_or(|(open, _)| open != id)).map(str::to_owned);
        match (best.is_some(), better) {
            (true, Some(id)) => {
                place.opening = Some(id.clone());
                self.worker.ask(Request::Open { role, id });
            }
            (true, None) => {}
            (false, _) if place.open.is_none() => {
                let failed = devices.iter().find_map(|device| self.failures.get(&device.id));
                let trouble = failed.map(|(_, trouble)| *trouble).or(self.blind).unwrap_or(DeviceTrouble::Missing);
                tell(place, role, trouble, &mut self.events);
            }
            (false, _) => {}
        }
    }

    fn opened(&mut self, role: DeviceRole, id: String, result: Result<Stream, DeviceTrouble>, now: Instant) {
        let place = &mut self.places[role as usize];
        if place.opening.as_ref() == Some(&id) {
            place.opening = None;
        }
        match result {
            Ok(stream) if !place.wanted => self.worker.close(stream),
            Ok(stream) => {
                tracing::info!(?role, "sound device opened");
                if let Some((_, old)) = place.open.replace((id, stream)) {
                    self.worker.close(old);
                }
                place.trouble = None;
                if std::mem::take(&mut place.told) {
                    self.events.push_back(DeskEvent::Healed(role));
                }
            }
            Err(trouble) => {
                tracing::warn!(?role, ?trouble, "sound device cannot be opened");
                self.failures.insert(id, (now, trouble));
                if place.wanted && place.open.is_none() {
                    tell(place, role, trouble, &mut self.events);
                }
                // The next best is tried at once.
                self.look_after(role, now);
            }
        }
    }
}

fn tell(place: &mut Place, role: DeviceRole, trouble: DeviceTrouble, events: &mut VecDeque<DeskEvent>) {
    if place.trouble.is_none() {
        place.trouble = Some(trouble);
        place.told = true;
        events.push_back(DeskEvent::Trouble(role, trouble));
    }
}

/// The best device that there is and that did not just fail: the chosen one, the default, any other.
fn candidate<'a>(
    place: &'a Place,
    devices: &'a [Device],
    default: Option<&'a str>,
    failures: &BTreeMap<String, (Instant, DeviceTrouble)>,
) -> Option<&'a str> {
    let preferred = place.chosen.as_deref().into_iter().chain(default);
    preferred
        .chain(devices.iter().map(|device| device.id.as_str()))
        .find(|id| devices.iter().any(|device| device.id == *id) && !failures.contains_key(*id))
}

enum Request {
    List,
    Open {
        role: DeviceRole,
        id: String,
    },
    /// To be dropped where it may block.
    Close(Box<dyn Any + Send>),
}

enum Answer {
    List(Result<FoundDevices, DeviceTrouble>),
    Opened { role: DeviceRole, id: String, result: Result<Stream, DeviceTrouble> },
}

/// Who talks to the host.
enum Worker {
    Inline { host: Arc<dyn DeviceHost>, wake: Wake, answers: VecDeque<Answer> },
    Thread { requests: mpsc::Sender<Request>, answers: mpsc::Receiver<Answer> },
}

impl Worker {
    fn start(host: Arc<dyn DeviceHost>, wake: Wake) -> Self {
        if host.clock().is_some() {
            return Self::Inline { host, wake, answers: VecDeque::new() };
        }
        let (requests, work) = mpsc::channel();
        let (results, answers) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("deskline-devices".to_owned()).spawn(move || {
            while let Ok(request) = work.recv() {
                if let Some(answer) = perform(&*host, request, &wake) {
                    if results.send(answer).is_err() {
                        return;
                    }
                    wake();
                }
            }
        });
        if let Err(error) = spawned {
            // Without it no request is ever answered: calls go on without sound.
            tracing::error!(%error, "the device thread cannot be started");
        }
        Self::Thread { requests, answers }
    }

    fn ask(&mut self, request: Request) {
        match self {
            Self::Inline { host, wake, answers } => answers.extend(perform(&**host, request, wake)),
            Self::Thread { requests, .. } => drop(requests.send(request)),
        }
    }

    fn close(&mut self, stream: Stream) {
        self.ask(Request::Close(match stream {
            Stream::Capture(capture) => Box::new(capture),
            Stream::Playback(playback) => Box::new(playback),
        }));
    }

    fn answer(&mut self) -> Option<Answer> {
        match self {
            Self::Inline { answers, .. } => answers.pop_front(),
            Self::Thread { answers, .. } => answers.try_recv().ok(),
        }
    }
}

fn perform(host: &dyn DeviceHost, request: Request, wake: &Wake) -> Option<Answer> {
    match request {
        Request::List => Some(Answer::List(host.devices())),
        Request::Open { role, id } => {
            let result = match role {
                DeviceRole::Microphone => host.open_capture(&id, wake.clone()).map(Stream::Capture),
                DeviceRole::Speaker | DeviceRole::Ringer => {
                    host.open_playback(&id, role, wake.clone()).map(Stream::Playback)
                }
            };
            Some(Answer::Opened { role, id, result })
        }
        Request::Close(stream) => {
            drop(stream);
            None
        }
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
