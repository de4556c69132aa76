//! Deskline without a window: the same engine, driven by scripts, benchmarks and tests.

mod options;
mod protocol;

use std::io::{BufRead, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use deskline_engine::audio::{CpalHost, DeviceHost, NoDevices};
use deskline_engine::settings::{InMemory, JsonFile, SettingsStore};
use deskline_engine::{Engine, EngineConfig};
use deskline_ipc::command::SetSettings;
use deskline_ipc::{Backend, Command, Event, Subscription, dispatch};
use tokio::sync::mpsc;

use crate::options::Options;
use crate::protocol::{LONGEST_LINE, Line, Reply};

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
    let printer = tokio::spawn(print_events(events, options.snapshots, options.levels));

    if options.after_call_work.is_some() {
        let settings = SetSettings { after_call_work_seconds: options.after_call_work, ..SetSettings::default() };
        dispatch(&engine, Command::SetSettings(settings)).await?;
    }
    let sign_in = options.sign_in().or_else(|| options.demo.then(|| demo_account(&engine)));
    if let Some(account) = sign_in
        && let Err(error) = dispatch(&engine, Command::SignIn(account)).await
    {
        print(&Reply::Error { re: None, error });
    }
    serve(&engine).await;
    engine.ended().await;
    drop(engine);
    // What was told before the end is printed before the end.
    let _ = printer.await;
    Ok(())
}

/// Carries out stdin's commands until it closes or the engine ends.
async fn serve(engine: &Engine) {
    let mut lines = read_lines();
    loop {
        let text = tokio::select! {
            text = lines.recv() => text,
            () = engine.ended() => return,
        };
        let Some(text) = text else {
            // Whoever drove us is gone: end in good order.
            let _ = dispatch(engine, Command::Quit(deskline_ipc::command::Nothing {})).await;
            return;
        };
        let Line { id, command } = Line::parse(&text);
        let result = match command {
            Ok(command) => dispatch(engine, command).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(ok) => print(&Reply::Ok { re: id, ok }),
            Err(error) => print(&Reply::Error { re: id, error }),
        }
    }
}

/// Lines of stdin, read on a thread of their own since a terminal blocks.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
            match stdin.by_ref().take(limit).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn print_events(mut events: impl Subscription, snapshots: bool, levels: bool) {
    while let Some(event) = events.next().await {
        let wanted = match event {
            Event::Snapshot { .. } => snapshots,
            Event::Levels { .. } => levels,
            _ => true,
        };
        if wanted {
            print(&Reply::Event(&event));
        }
    }
}

/// One line. A reader that has gone is noticed by stdin's end, not here.
fn print(reply: &Reply<'_>) {
    if let Ok(text) = serde_json::to_string(reply) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{text}");
        let _ = stdout.flush();
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
    }
}
