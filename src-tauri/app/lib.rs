//! The Tauri shell: a window around the panel, and a thin adapter between the panel and the engine.
//!
//! This folder is the only code that knows Tauri. It decides nothing: commands go to the engine as they come, events go to
//! the window as they come.

mod commands;
mod events;
mod settings;
mod window;

use std::sync::Arc;

use anyhow::Context;
use deskline_engine::{Engine, EngineConfig};
use tauri::{Manager, RunEvent};

/// Runs the program until it ends.
pub fn run() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_store::Builder::new().build())
        .invoke_handler(tauri::generate_handler![commands::execute])
        .setup(|app| {
            let handle = app.handle().clone();
            let engine = tauri::async_runtime::block_on(start_engine(&handle))?;
            events::forward(&handle, engine.clone());
            app.manage(engine);
            window::open(&handle)?;
            Ok(())
        })
        .on_window_event(window::handle_event)
        .build(tauri::generate_context!())
        .context("starting the window system; without a display use deskline-headless")?;
    app.run(|app, event| {
        // Not by our own exit after the engine's end: the system's menu, or a window that is gone.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
            window::end_in_good_order(app);
        }
    });
    Ok(())
}

async fn start_engine(app: &tauri::AppHandle) -> anyhow::Result<Engine> {
    let data = app.path().app_data_dir().context("finding the folder for data")?;
    // Without the demo the phone is still a phone.
    let centre = deskline_centre::demo::start()
        .await
        .inspect_err(|error| tracing::error!(%error, "the embedded contact centre cannot be started"))
        .ok();
    let engine = Engine::start(EngineConfig {
        version: app.package_info().version.to_string(),
        data: Some(data),
        settings: Arc::new(settings::PluginStore::open(app)?),
        devices: Arc::new(deskline_engine::audio::CpalHost::new()),
        centre,
        codecs: Vec::new(),
        auto_answer: None,
    })?;
    Ok(engine)
}
