//! Events on their way to the window.

use deskline_engine::Engine;
use deskline_ipc::{Backend, Subscription};
use tauri::{AppHandle, Emitter};

use crate::window::MAIN;

/// The name under which every event of the engine reaches the page.
const EVENT: &str = "deskline://event";

/// Forwards events until the engine ends, then ends the program.
pub(crate) fn forward(app: &AppHandle, engine: Engine) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(mut events) = engine.subscribe().await {
            while let Some(event) = events.next().await {
                // A page that is just being loaded misses events; it asks for the snapshot when it is there.
                if let Err(error) = app.emit_to(MAIN, EVENT, &event) {
                    tracing::warn!(%error, "an event did not reach the window");
                }
            }
        }
        engine.ended().await;
        app.exit(0);
    });
}
