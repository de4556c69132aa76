//! `cargo xtask run`: the window, from a fresh checkout.

use crate::setup::{self, Purpose};
use crate::{shell, ui};

/// Builds everything and runs the application.
///
/// # Errors
/// When something is missing, does not build, or the application fails.
pub fn run() -> anyhow::Result<()> {
    setup::setup(if has_display() { Purpose::Run } else { Purpose::Demo })?;
    ui::build()?;
    build_application()?;
    shell::run(shell::command(shell::built("debug", "deskline"), [""; 0]))
}

/// The application with the UI inside, instead of one that asks the UI's development server.
fn build_application() -> anyhow::Result<()> {
    shell::run(shell::cargo(["build", "--package", "deskline", "--features", "tauri/custom-protocol"]))
}

/// Can a window be shown?
fn has_display() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}
