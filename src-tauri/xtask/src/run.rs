//! `cargo xtask run`: the window, from a fresh checkout.

#[cfg(unix)]
use crate::demo;
use crate::setup::{self, Purpose};
use crate::{shell, ui};

/// Builds everything and runs the application; without a display, the demonstration.
///
/// # Errors
/// When something is missing, does not build, or the application fails.
pub fn run() -> anyhow::Result<()> {
    let display = has_display();
    if !display {
        eprintln!(
            "xtask: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set): a demonstration on a hidden one"
        );
    }
    setup::setup(if display { Purpose::Run } else { Purpose::Demo })?;
    ui::build()?;
    // With this feature the UI is inside the program; without it the program asks the UI's development server.
    shell::run(shell::cargo(["build", "--package", "deskline", "--features", "custom-protocol"]))?;
    #[cfg(unix)]
    if !display {
        return demo::demo();
    }
    shell::run(shell::command(shell::built("debug", "deskline"), [""; 0]))
}

/// Can a window be shown?
fn has_display() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}
