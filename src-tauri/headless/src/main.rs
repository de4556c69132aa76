//! Deskline without a window: the same engine, driven by scripts, benchmarks and tests.

mod options;
mod protocol;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use deskline_engine::audio::{CpalHost, DeviceHost, NoDevices};
use deskline_engine::settings::{InMemory, JsonFile, SettingsStore};
use deskline_engine::{Engine, EngineConfig};
use deskline_ipc::command::SetSettings;
use deskline_ipc::{Backend, Command, Event, Subscription, dispatch};
use tokio::sync::{mpsc, oneshot};

use crate::options::Options;
use crate::protocol::{Line, Reply, read_line};

/// How many lines wait for a reader that is slow; beyond, answers and events wait in turn, and the phone goes on.
const WAITING_LINES: usize = 256;

/// How long a reader that has stopped reading may delay the end of the program.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let settings: Arc<dyn SettingsStore> = match &options.data {
        Some(folder) => Arc::new(JsonFile::new(folder.join("settings.json"))),
        None => Arc::new(InMemory::default()),
    };
    let centre = if options.demo { Some(deskline_centre::demo::start().await?) } else { None };
    let devices: Arc<dyn DeviceHost> = if options.no_sound { Arc::new(NoDevices) } else { Arc::new(CpalHost::new()) };
    let engine = Engine::start(EngineConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: options.data.clone(),
        settings,
        devices,
        centre,
        codecs: options.codecs(),
        auto_answer: options.auto_answer.map(Duration::from_secs),
    })?;
    let events = engine.subscribe().await.context("the engine has ended at once")?;
    let (printer, printed) = Printer::start();
    let events = tokio::spawn(print_events(events, printer.clone(), options.snapshots, options.levels));

    if options.after_call_work.is_some() {
        let settings = SetSettings { after_call_work_seconds: options.after_call_work, ..SetSettings::default() };
        dispatch(&engine, Command::SetSettings(settings)).await?;
    }
    let sign_in = options.sign_in().or_else(|| options.demo.then(|| demo_account(&engine)));
    if let Some(account) = sign_in
        && let Err(error) = dispatch(&engine, Command::SignIn(account)).await
    {
        printer.print(&Reply::Error { re: None, error }).await;
    }
    serve(&engine, &printer).await;
    engine.ended().await;
    drop((engine, printer));
    // What was told before the end is printed before the end.
    let _ = tokio::time::timeout(LAST_WORDS, async { (events.await, printed.await) }).await;
    Ok(())
}

/// Carries out stdin's commands until it closes or the engine ends.
async fn serve(engine: &Engine, printer: &Printer) {
    let mut lines = read_lines();
    let mut end = std::pin::pin!(asked_to_end());
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = &mut end => None,
            () = engine.ended() => return,
        };
        let Some(line) = line else {
            // Whoever drove us is gone, or has had enough: end in good order.
            let _ = dispatch(engine, Command::Quit(deskline_ipc::command::Nothing {})).await;
            return;
        };
        let Line { id, command } = line;
        let result = match command {
            Ok(command) => dispatch(engine, command).await,
            Err(error) => Err(error),
        };
        let reply = match result {
            Ok(ok) => Reply::Ok { re: id, ok },
            Err(error) => Reply::Error { re: id, error },
        };
        tokio::select! {
            biased;
            () = printer.print(&reply) => {}
            () = engine.ended() => return,
        }
    }
}

/// Ctrl-C, or the system's wish: no call is left standing, and no binding.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => return,
            Ok(()) = tokio::signal::ctrl_c() => return,
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Lines of stdin, read on a thread of their own since a terminal blocks.
fn read_lines() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        while let Some(line) = read_line(&mut stdin) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn print_events(mut events: impl Subscription, printer: Printer, snapshots: bool, levels: bool) {
    while let Some(event) = events.next().await {
        let wanted = match event {
            Event::Snapshot { .. } => snapshots,
            Event::Levels { .. } => levels,
            _ => true,
        };
        if wanted {
            printer.print(&Reply::Event(&event)).await;
        }
    }
}

/// Writes lines to stdout, on a thread of its own: a reader that does not read must not hold up the phone.
#[derive(Clone)]
struct Printer(mpsc::Sender<String>);

impl Printer {
    /// The printer, and what tells that everything is printed after its last clone is dropped.
    fn start() -> (Self, oneshot::Receiver<()>) {
        let (sender, mut lines) = mpsc::channel::<String>(WAITING_LINES);
        let (done, printed) = oneshot::channel();
        std::thread::spawn(move || {
            let mut stdout = std::io::stdout().lock();
            while let Some(line) = lines.blocking_recv() {
                // A reader that has gone is noticed by stdin's end, not here.
                let _ = writeln!(stdout, "{line}");
                let _ = stdout.flush();
            }
            let _ = done.send(());
        });
        (Self(sender), printed)
    }

    /// One line.
    async fn print(&self, reply: &Reply<'_>) {
        if let Ok(line) = serde_json::to_string(reply) {
            let _ = self.0.send(line).await;
        }
    }
}

fn demo_account(engine: &Engine) -> deskline_ipc::command::SignIn {
    let form = engine.current().sign_in.clone();
    deskline_ipc::command::SignIn {
        server: form.server,
        user: form.user,
        password: None,
        transport: form.transport,
        display_name: Some(form.display_name),
        domain: None,
        auth_user: None,
        options: form.options,
    }
}
