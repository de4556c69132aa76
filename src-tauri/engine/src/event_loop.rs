//! The event loop: the only owner of clock, randomness, sockets, devices and disk. It hands inputs to the workbench one by
//! one and does what the workbench asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deskline_core::account::Account;
use deskline_core::call::CallId;
use deskline_core::clock::Now;
use deskline_core::flow::Transport;
use deskline_core::media::{Codec, DeviceRole};
use deskline_core::pii::Pii;
use deskline_core::workbench::{self, Command, Done, Input, Output, Ticket, Workbench};
use deskline_ipc::command::{CallQuery, SetSettings};
use deskline_ipc::snapshot::{CallPage, NoticeCode, NoticeLevel};
use deskline_ipc::{Error, ErrorCode, Snapshot, snapshot};
use tokio::sync::{mpsc, oneshot, watch};

use crate::account;
use crate::audio::DeviceList;
use crate::demo::{DemoCentre, DemoNumberKind};
use crate::engine::{EngineConfig, StartError};
use crate::media::{MediaConfig, MediaControl, MediaEvent, MediaPlane};
use crate::net::{ConnectId, Net, NetEvent, NetEvents};
use crate::records;
use crate::settings::{Settings, SettingsStore};
use crate::store::{Location, Store, StoreEvent, StoreEvents};
use crate::subscription::{Publisher, Subscription};
use crate::translation::{event, failure_code, refused};

/// How long the program waits for the server when it ends.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// How long the start of the program waits for what an earlier run has left of its calls.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// How soon a sleep of the machine is noticed after its end.
const TICK: Duration = Duration::from_secs(2);

type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What front ends ask of the loop.
pub(crate) enum Request {
    Command { command: Command, answer: Answer<Done> },
    SignIn { account: Box<Account>, answer: Answer<()> },
    SetVolume { role: DeviceRole, percent: u8, answer: Answer<()> },
    SelectDevice { role: DeviceRole, device: Option<String>, answer: Answer<()> },
    TestDevice { role: DeviceRole, answer: Answer<()> },
    DemoCall { answer: Answer<()> },
    Calls { query: CallQuery, answer: Answer<CallPage> },
    SetSettings { change: SetSettings, answer: Answer<()> },
    DismissNotice { id: u32, answer: Answer<()> },
    Subscribe(oneshot::Sender<Subscription>),
    Quit { answer: Answer<()> },
}

pub(crate) fn spawn(
    config: EngineConfig,
    requests: mpsc::UnboundedReceiver<Request>,
    ended: watch::Sender<bool>,
) -> Result<watch::Receiver<Arc<Snapshot>>, StartError> {
    let (event_loop, inputs, snapshot) = EventLoop::new(config)?;
    tokio::spawn(async move {
        event_loop.run(inputs, requests).await;
        ended.send_replace(true);
    });
    Ok(snapshot)
}

/// Where inputs come from, beside the front ends.
struct Inputs {
    net: NetEvents,
    media: mpsc::UnboundedReceiver<MediaEvent>,
    store: StoreEvents,
}

struct EventLoop {
    version: String,
    workbench: Workbench,
    net: Net,
    media: MediaPlane,
    store: Store,
    settings: Settings,
    settings_store: Arc<dyn SettingsStore>,
    centre: Option<Arc<dyn DemoCentre>>,
    publisher: Publisher,
    devices: DeviceList,
    /// The loop's own notices, beside those of the workbench.
    notices: Vec<snapshot::Notice>,
    /// The id of the newest of them. The workbench counts its own from 1; these count down from the top.
    last_notice: u32,
    tickets: HashMap<Ticket, Answer<Done>>,
    next_ticket: u64,
    tracker: records::Tracker,
    call_list_rev: u64,
    rev: u64,
    changed: bool,
    shown_rev: u64,
    /// The program is ending: until then it may say goodbye to the server.
    farewell: Option<Instant>,
}

impl EventLoop {
    fn new(config: EngineConfig) -> Result<(Self, Inputs, watch::Receiver<Arc<Snapshot>>), StartError> {
        let mut seed = [0; 32];
        let mut session = [0; 8];
        let mut instance = [0; 16];
        getrandom::fill(&mut seed)
            .and_then(|()| getrandom::fill(&mut session))
            .and_then(|()| getrandom::fill(&mut instance))
            .map_err(|error| StartError::Randomness(error.to_string()))?;
        let mut settings = Settings::from_value(config.settings.load());
        let (instance, is_new_instance) = settings.instance(instance);
        let location = config.data.map_or(Location::Memory, |folder| Location::File(folder.join("deskline.sqlite")));
        let (store, store_events) = Store::open(location).map_err(StartError::Thread)?;
        let (mut net, net_events) = Net::new();
        net.watch_addresses();
        let (media_sender, media_events) = mpsc::unbounded_channel();
        let media = MediaPlane::start(
            MediaConfig {
                host: config.devices,
                speaker_volume: settings.volumes.speaker,
                ringer_volume: settings.volumes.ringer,
                microphone_volume: settings.volumes.microphone,
            },
            media_sender,
        );
        for (role, device) in [
            (DeviceRole::Microphone, &settings.devices.microphone),
            (DeviceRole::Speaker, &settings.devices.speaker),
            (DeviceRole::Ringer, &settings.devices.ringer),
        ] {
            if device.is_some() {
                media.control(MediaControl::SelectDevice { role, device: device.clone() });
            }
        }
        media.control(MediaControl::ListDevices);
        let codecs = if config.codecs.is_empty() { codecs(&settings) } else { config.codecs };
        let now = now();
        let mut workbench = Workbench::new(
            now,
            workbench::Config {
                product: format!("Deskline/{}", config.version),
                codecs,
                auto_answer: config.auto_answer,
                instance: Some(instance),
                seed,
            },
        );
        let after_call_work = after_call_work(&settings);
        workbench.handle(now, Input::Command { ticket: Ticket(0), command: after_call_work });

        let (publisher, snapshot) = Publisher::new(empty_snapshot());
        let mut this = Self {
            version: config.version,
            workbench,
            net,
            media,
            store,
            settings,
            settings_store: config.settings,
            centre: config.centre,
            publisher,
            devices: DeviceList::default(),
            notices: Vec::new(),
            last_notice: u32::MAX,
            tickets: HashMap::new(),
            next_ticket: 0,
            tracker: records::Tracker::new(now, session),
            call_list_rev: 0,
            rev: 0,
            changed: true,
            shown_rev: 0,
            farewell: None,
        };
        if is_new_instance {
            this.save_settings();
        }
        this.settle();
        Ok((this, Inputs { net: net_events, media: media_events, store: store_events }, snapshot))
    }

    async fn run(mut self, mut inputs: Inputs, mut requests: mpsc::UnboundedReceiver<Request>) {
        // Before anybody can sign in.
        if let Ok(Ok(Ok(kept))) = tokio::time::timeout(STORE_PATIENCE, self.store.kept_calls()).await {
            self.workbench.remember(kept);
        }
        // Once nobody is left who could ask, only the farewell is waited for.
        let mut orphaned = false;
        loop {
            // Timers stand still while the machine sleeps: a look at the clocks now and then notices that it has woken.
            let tick = (!self.workbench.lines().is_empty()).then(|| Instant::now() + TICK);
            let timeout = [self.workbench.poll_timeout(), self.farewell, tick].into_iter().flatten().min();
            tokio::select! {
                biased;
                request = requests.recv(), if !orphaned => match request {
                    Some(request) => self.request(request),
                    None => {
                        orphaned = true;
                        self.say_goodbye();
                    }
                },
                Some(event) = inputs.net.recv() => self.net_event(event),
                Some(event) = inputs.media.recv() => self.media_event(event),
                Some(event) = inputs.store.recv() => self.store_event(&event),
                () = sleep_until(timeout) => self.workbench.handle(now(), Input::Timeout),
            }
            self.settle();
            if self.farewell.is_some_and(|until| Instant::now() >= until || self.is_signed_out()) {
                break;
            }
        }
        self.settle();
        // Dropping the store waits until everything is written: not on this thread.
        let store = self.store;
        if tokio::task::spawn_blocking(move || drop(store)).await.is_err() {
            tracing::error!("the store could not be closed");
        }
        tracing::info!("stopped");
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Command { command, answer } => self.command(command, answer),
            Request::SignIn { account, answer } => self.sign_in(*account, answer),
            Request::SetVolume { role, percent, answer } => {
                *volume(&mut self.settings, role) = percent;
                self.media.control(MediaControl::Volume { role, percent });
                self.save_settings();
                reply(answer, Ok(()));
            }
            Request::SelectDevice { role, device, answer } => reply(answer, self.select_device(role, device)),
            Request::TestDevice { role, answer } => {
                self.media.control(MediaControl::TestDevice { role });
                reply(answer, Ok(()));
            }
            Request::DemoCall { answer } => self.demo_call(answer),
            Request::Calls { query, answer } => {
                let calls = self.store.calls(query.into());
                tokio::spawn(async move {
                    let storage = |why: String| Error::new(ErrorCode::Storage, why).retryable();
                    let page = calls.await.map_err(|_| storage("the call list is closed".to_owned()));
                    reply(
                        answer,
                        page.and_then(|page| page.map_err(|error| storage(error.to_string()))).map(Into::into),
                    );
                });
            }
            Request::SetSettings { change, answer } => {
                self.change_settings(change);
                reply(answer, Ok(()));
            }
            Request::DismissNotice { id, answer } => {
                self.notices.retain(|notice| notice.id != id);
                self.changed = true;
                self.command(Command::DismissNotice(id), forward_unit(answer));
            }
            Request::Subscribe(sender) => {
                // Whoever asked may be gone again.
                let _ = sender.send(self.publisher.subscribe());
            }
            Request::Quit { answer } => {
                self.say_goodbye();
                reply(answer, Ok(()));
            }
        }
    }

    fn command(&mut self, command: Command, answer: Answer<Done>) {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.tickets.insert(ticket, answer);
        self.workbench.handle(now(), Input::Command { ticket, command });
        // At once: what goes to the wire goes before anything else is looked at.
        self.drain();
    }

    fn sign_in(&mut self, mut account: Account, answer: Answer<()>) {
        let is_demo = self.centre.as_ref().is_some_and(|centre| {
            let demo = centre.account();
            let port = account.server.port.or(account.server.transport.map(Transport::default_port));
            port.is_some_and(|port| demo.server == format!("{}:{port}", account.server.uri_host()))
        });
        if let Some(centre) = self.centre.as_ref().filter(|_| is_demo) {
            account.password = account.password.or_else(|| centre.password(account.user.expose()));
            let agents = centre.numbers().into_iter().filter(|number| number.kind == DemoNumberKind::Agent);
            account.colleagues = agents.map(|number| Pii::new(number.number)).collect();
        }
        let remembered = (!is_demo).then(|| account::remembered(&account));
        if self.settings.account != remembered {
            self.settings.account = remembered;
            self.save_settings();
        }
        self.command(Command::SignIn(Box::new(account)), forward_unit(answer));
    }

    fn select_device(&mut self, role: DeviceRole, device: Option<String>) -> Result<(), Error> {
        let known = match role {
            DeviceRole::Microphone => &self.devices.inputs,
            DeviceRole::Speaker | DeviceRole::Ringer => &self.devices.outputs,
        };
        if device.as_ref().is_some_and(|id| !known.iter().any(|device| device.id == *id)) {
            return Err(Error::new(ErrorCode::NoDevice, "there is no such sound device: read the list again"));
        }
        *chosen_device(&mut self.settings, role) = device.clone();
        self.media.control(MediaControl::SelectDevice { role, device });
        self.save_settings();
        Ok(())
    }

    fn demo_call(&mut self, answer: Answer<()>) {
        let Some(centre) = self.centre.clone() else {
            return reply(answer, Err(Error::new(ErrorCode::NoCentre, "no embedded contact centre is running")));
        };
        let Some(user) = self.workbench.account().map(|account| account.user.expose().clone()) else {
            return reply(answer, Err(Error::new(ErrorCode::NotSignedIn, "sign in first")));
        };
        tokio::spawn(async move {
            let rung = centre.ring(&user).await;
            reply(answer, rung.map_err(|why| Error::new(ErrorCode::NoCentre, why).retryable()));
        });
    }

    fn change_settings(&mut self, change: SetSettings) {
        if let Some(language) = change.language {
            self.settings.language = language;
        }
        if let Some(theme) = change.theme {
            self.settings.theme = theme;
        }
        if let Some(seconds) = change.after_call_work_seconds {
            self.settings.after_call_work.seconds = seconds;
            let time = after_call_work(&self.settings);
            self.workbench.handle(now(), Input::Command { ticket: Ticket(0), command: time });
        }
        self.save_settings();
    }

    fn save_settings(&mut self) {
        self.changed = true;
        if let Err(error) = self.settings_store.save(self.settings.to_value()) {
            tracing::warn!(%error, "the settings cannot be saved");
            self.notify(NoticeCode::SettingsFailed);
        } else {
            self.notices.retain(|notice| notice.code != NoticeCode::SettingsFailed);
        }
    }

    /// Hangs up, signs out, and gives the network a moment for it.
    fn say_goodbye(&mut self) {
        if self.farewell.is_some() {
            return;
        }
        self.farewell = Some(Instant::now() + FAREWELL);
        let calls: Vec<CallId> = self.workbench.calls().iter().map(|call| call.id).collect();
        for command in calls.into_iter().map(hang_up).chain([Command::SignOut]) {
            self.workbench.handle(now(), Input::Command { ticket: Ticket(0), command });
            self.drain();
        }
    }

    /// Signed out, and every session is over: REGISTER, and BYE or CANCEL, have been answered.
    fn is_signed_out(&self) -> bool {
        let (sessions, ..) = self.workbench.load();
        let offline = |line: &workbench::Line| matches!(line.registration, workbench::Registration::Offline { .. });
        sessions == 0 && self.workbench.lines().iter().all(offline)
    }

    fn net_event(&mut self, event: NetEvent) {
        let now = now();
        match event {
            NetEvent::Message { flow, bytes } => {
                self.workbench.handle(now, Input::Received { flow: &flow, bytes: &bytes })
            }
            NetEvent::Up { flow, connect: Some(connect) } => {
                self.workbench.handle(now, Input::FlowUp { connect: workbench::ConnectId(connect.0), flow });
            }
            NetEvent::AddressChanged { moved } => {
                tracing::info!(moved = moved.len(), "the machine's addresses have changed");
                self.workbench.handle(now, Input::AddressChanged { moved: &moved });
            }
            NetEvent::MappedAddressChanged { flow, .. } => {
                self.workbench.handle(now, Input::MappedAddressChanged { flow });
            }
            // A peer's own flow: nothing is to be done before it says something.
            NetEvent::Up { connect: None, .. } => {}
            NetEvent::Down { flow, peer, reason } => {
                tracing::info!(%reason, "flow down");
                self.workbench.handle(now, Input::FlowDown { flow });
                if let Some((transport, address)) = peer {
                    self.drain();
                    self.workbench.handle(now, Input::Unsent { transport, address });
                }
            }
            NetEvent::ConnectFailed { connect, error } => {
                let code = failure_code(&error);
                tracing::info!(?code, "connecting failed");
                self.workbench.handle(now, Input::ConnectFailed { connect: workbench::ConnectId(connect.0), code });
            }
        }
    }

    fn media_event(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Core(event) => self.workbench.handle(now(), Input::Media(event)),
            MediaEvent::Devices(devices) => {
                self.devices = devices;
                self.changed = true;
            }
            MediaEvent::Levels { microphone, speaker } => self.publisher.levels((microphone, speaker)),
            MediaEvent::Stats { .. } => {}
        }
    }

    fn store_event(&mut self, event: &StoreEvent) {
        match event {
            StoreEvent::Recovered { .. } => self.notify(NoticeCode::StoreRecovered),
            StoreEvent::Failed(_) => self.notify(NoticeCode::StoreFailed),
            StoreEvent::Healed => {
                self.notices.retain(|notice| notice.code != NoticeCode::StoreFailed);
                self.changed = true;
            }
        }
    }

    /// Does what the workbench asks for, and shows what has changed.
    fn settle(&mut self) {
        self.drain();
        if self.changed || self.workbench.rev() != self.shown_rev {
            self.changed = false;
            self.shown_rev = self.workbench.rev();
            self.rev += 1;
            let snapshot = self.snapshot();
            self.publisher.snapshot(snapshot);
        }
    }

    fn drain(&mut self) {
        let mut edges = Vec::new();
        while let Some(output) = self.workbench.poll_output() {
            match output {
                Output::Transmit { destination, bytes } => self.net.send(destination, bytes),
                Output::Connect { id, server } => self.net.connect(ConnectId(id.0), server),
                Output::CloseFlow(flow) => self.net.close(flow),
                Output::Media(command) => self.media.control(MediaControl::Core(command)),
                Output::Record(call) => {
                    // The answer is not awaited: a record that cannot be written waits in the store, and an event tells.
                    let line = self.workbench.lines().iter().find(|line| line.id == call.line);
                    drop(self.store.save_call(records::record(&call, line.map(|line| &line.account))));
                    self.call_list_rev += 1;
                }
                Output::Keep(kept) => self.store.keep_call(&kept),
                Output::Forget(call) => self.store.forget_call(call),
                Output::Telemetry(event) => self.store.append_telemetry(self.tracker.event(&event, now())),
                Output::Edge(edge) => edges.push(edge),
                Output::Outcome { ticket, outcome } => {
                    if let Some(answer) = self.tickets.remove(&ticket) {
                        reply(answer, outcome.map_err(|refusal| refused(&refusal)));
                    }
                }
            }
        }
        for edge in edges {
            self.publisher.edge(&event(edge));
        }
    }

    fn notify(&mut self, code: NoticeCode) {
        if self.notices.iter().any(|notice| notice.code == code) {
            return;
        }
        self.last_notice -= 1;
        let id = self.last_notice;
        self.notices.push(snapshot::Notice { id, level: NoticeLevel::Warning, code, at_ms: now().unix_ms });
        self.changed = true;
    }

    fn snapshot(&self) -> Snapshot {
        let view = crate::view::Sources {
            workbench: &self.workbench,
            settings: &self.settings,
            devices: &self.devices,
            centre: self.centre.as_deref(),
            notices: &self.notices,
            version: &self.version,
            rev: self.rev,
            call_list_rev: self.call_list_rev,
        };
        view.snapshot(now())
    }
}

/// What stands in the channel until the first real snapshot a moment later.
fn empty_snapshot() -> Snapshot {
    Snapshot {
        rev: 0,
        version: String::new(),
        capabilities: Vec::new(),
        account: None,
        sign_in: snapshot::SignInForm::default(),
        registration: snapshot::Registration::Offline { failure: None },
        lines: Vec::new(),
        agent: snapshot::Agent { code: -1, since_ms: 0, until_ms: None, break_reason: None, allowed: Vec::new() },
        calls: Vec::new(),
        last_call: None,
        devices: snapshot::Devices::default(),
        settings: snapshot::Settings {
            language: snapshot::Language::System,
            theme: snapshot::Theme::System,
            after_call_work_seconds: 0,
        },
        notices: Vec::new(),
        call_list_rev: 0,
    }
}

fn hang_up(call: CallId) -> Command {
    Command::HangUp { call: Some(call), headers: Vec::new() }
}

fn codecs(settings: &Settings) -> Vec<Codec> {
    let known = [Codec::Opus, Codec::Pcma, Codec::Pcmu];
    let wanted = settings.codecs.0.iter();
    let chosen: Vec<Codec> =
        wanted.filter_map(|name| known.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))).collect();
    if chosen.is_empty() { known.to_vec() } else { chosen }
}

fn after_call_work(settings: &Settings) -> Command {
    Command::SetAfterCallWork(Duration::from_secs(settings.after_call_work.seconds.into()))
}

fn volume(settings: &mut Settings, role: DeviceRole) -> &mut u8 {
    match role {
        DeviceRole::Microphone => &mut settings.volumes.microphone,
        DeviceRole::Speaker => &mut settings.volumes.speaker,
        DeviceRole::Ringer => &mut settings.volumes.ringer,
    }
}

fn chosen_device(settings: &mut Settings, role: DeviceRole) -> &mut Option<String> {
    match role {
        DeviceRole::Microphone => &mut settings.devices.microphone,
        DeviceRole::Speaker => &mut settings.devices.speaker,
        DeviceRole::Ringer => &mut settings.devices.ringer,
    }
}

/// Both clocks, read together.
fn now() -> Now {
    let unix_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    Now { instant: Instant::now(), unix_ms }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Whoever asked may have gone: then nobody misses the answer.
fn reply<T>(answer: Answer<T>, result: Result<T, Error>) {
    let _ = answer.send(result);
}

/// An answer without a value made of one with a value.
fn forward_unit(answer: Answer<()>) -> Answer<Done> {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok(result) = receiver.await {
            reply(answer, Result::map(result, |_: Done| ()));
        }
    });
    sender
}
