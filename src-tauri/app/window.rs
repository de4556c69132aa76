//! The desktop window: opening, closing, and recovering from a crash of the web view.

use deskline_engine::Engine;
use deskline_ipc::command::Nothing;
use deskline_ipc::{Command, dispatch};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder, Window, WindowEvent};

/// The label of the window with the panel.
pub(crate) const MAIN: &str = "main";

/// The panel's own size (width × height in logical pixels), and the window's at first.
const SMALLEST: (f64, f64) = (280.0, 420.0);
const FIRST: (f64, f64) = (1_080.0, 720.0);

pub(crate) fn open(app: &AppHandle) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title("Deskline")
        .inner_size(FIRST.0, FIRST.1)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        .center()
        // The page never leaves the program's own files.
        .on_navigation(|url| matches!(url.scheme(), "tauri" | "asset") || url.host_str().is_some_and(is_own_host))
        .build()?;
    reload_after_crash(&window)
}

/// The hosts under which Tauri serves the page on Windows and in development.
fn is_own_host(host: &str) -> bool {
    host == "tauri.localhost" || (cfg!(dev) && host == "127.0.0.1")
}

/// Closing the window ends the program: in good order, with calls hung up and the registration removed.
pub(crate) fn handle_event(window: &Window, event: &WindowEvent) {
    let WindowEvent::CloseRequested { api, .. } = event else { return };
    if window.try_state::<Engine>().is_none() {
        return;
    }
    api.prevent_close();
    end_in_good_order(window.app_handle());
    if let Err(error) = window.hide() {
        tracing::warn!(%error, "the window cannot be hidden");
    }
}

/// Has the engine hang up, sign out and end; the program follows its end (see `events`).
pub(crate) fn end_in_good_order(app: &AppHandle) {
    let Some(engine) = app.try_state::<Engine>() else { return };
    let engine = engine.inner().clone();
    tauri::async_runtime::spawn(async move {
        // The engine may be ending already.
        let _ = dispatch(&engine, Command::Quit(Nothing {})).await;
    });
}

/// The call is not in the page: when the page's process dies, a new one is loaded and shows the same call again.
#[cfg(target_os = "linux")]
fn reload_after_crash(window: &WebviewWindow) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt;

    window.with_webview(|webview| {
        webview.inner().connect_web_process_terminated(|webview, _| {
            tracing::error!("the web view's process has ended: loading the panel anew");
            webview.reload();
        });
    })
}

/// WKWebView and WebView2 restart their process by themselves.
#[cfg(not(target_os = "linux"))]
fn reload_after_crash(_: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}
