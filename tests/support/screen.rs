//! A screen that nobody sees, with a window manager.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::Output;
use crate::{Process, Scratch};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running Xvfb with openbox in it.
#[derive(Debug)]
pub struct Screen {
    _window_manager: Process,
    _server: Process,
    _scratch: Scratch,
    display: String,
}

impl Screen {
    /// # Errors
    /// When no display comes up; with the log.
    pub fn start(width: u32, height: u32) -> anyhow::Result<Self> {
        // Another run may hold a number: the next is tried then.
        let mut trouble = anyhow::anyhow!("no display number");
        for _ in 0..20 {
            let number = 100 + (std::process::id() % 300) * 20 + NEXT.fetch_add(1, Ordering::Relaxed);
            match Self::start_at(number, width, height) {
                Ok(screen) => return Ok(screen),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// The value of `DISPLAY` that leads here.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Clicks with the mouse into the only window of this name, so many pixels from its upper left corner.
    ///
    /// # Errors
    /// When there is no such window.
    pub fn click(&self, window: &str, at: (i32, i32)) -> anyhow::Result<()> {
        let tool = |args: &[&str]| -> anyhow::Result<String> {
            let output = Command::new("xdotool")
                .args(args)
                .env("DISPLAY", &self.display)
                .output()
                .context("starting xdotool")?;
            if !output.status.success() {
                bail!("xdotool {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
            }
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let windows = tool(&["search", "--onlyvisible", "--name", window])?;
        let id = windows.lines().next_back().context("no window of this name")?;
        tool(&["mousemove", "--window", id, &at.0.to_string(), &at.1.to_string()])?;
        tool(&["click", "1"]).map(drop)
    }

    fn start_at(number: u32, width: u32, height: u32) -> anyhow::Result<Self> {
        let socket = format!("/tmp/.X11-unix/X{number}");
        if std::path::Path::new(&socket).exists() {
            bail!("display {number} is taken");
        }
        let scratch = Scratch::new("screen")?;
        let display = format!(":{number}");
        let mut server = Process::spawn(
            "xvfb",
            Command::new("Xvfb").args([&display, "-screen", "0", &format!("{width}x{height}x24"), "-nolisten", "tcp"]),
            scratch.path(),
            Output::Log,
        )?;
        server.until_ready(Duration::from_secs(10), |_| std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
        let window_manager = Process::spawn(
            "openbox",
            Command::new("openbox").env("DISPLAY", &display).env("HOME", scratch.path()),
            scratch.path(),
            Output::Log,
        )
        .context("the window manager of the hidden screen")?;
        Ok(Self { _window_manager: window_manager, _server: server, _scratch: scratch, display })
    }
}
