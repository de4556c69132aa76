//! Makes a fresh machine ready; does nothing, quickly, on one that is.

use anyhow::bail;

use crate::{packages, shell, ui};

/// What the machine is to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Build and show the window.
    Run,
    /// The same without a screen and a sound card.
    Demo,
    /// All tests.
    Test,
}

/// The system packages, Node, and the UI's packages.
///
/// # Errors
/// Names what is missing and the command that brings it, where we cannot bring it ourselves.
pub fn setup(purpose: Purpose) -> anyhow::Result<()> {
    system_packages(purpose)?;
    node()?;
    ui::install()
}

fn system_packages(purpose: Purpose) -> anyhow::Result<()> {
    let needed = packages::needed(purpose);
    if packages::has_apt() {
        let missing = packages::missing(&needed)?;
        return if missing.is_empty() { Ok(()) } else { packages::install(&missing) };
    }
    if cfg!(not(target_os = "linux")) {
        // There the system brings its own web view and sound; cargo says what else it wants.
        return match purpose {
            Purpose::Run => Ok(()),
            Purpose::Demo | Purpose::Test => bail!("the tests with a real window and real peers run on Linux only"),
        };
    }
    let absent: Vec<&str> = probes(purpose).iter().filter(|probe| !probe.holds()).map(|probe| probe.name).collect();
    if absent.is_empty() {
        return Ok(());
    }
    bail!(
        "missing on this system: {}. Please install them with your package manager. On Debian and Ubuntu it would be:\n\n    {}\n",
        absent.join(", "),
        packages::apt_line(&needed)
    )
}

/// Node 18 or later, with npm.
fn node() -> anyhow::Result<()> {
    let works = || node_major().is_some_and(|major| major >= 18) && shell::output(ui::npm(&["--version"])).is_some();
    if works() {
        return Ok(());
    }
    // Debian's npm is a package of its own; a Node that is too old is somebody's choice and not ours to replace.
    if packages::has_apt() && node_major().is_none_or(|major| major >= 18) {
        packages::install(&packages::missing(&["nodejs", "npm"])?)?;
    }
    match node_major() {
        _ if works() => Ok(()),
        Some(major) if major < 18 => {
            bail!("Node {major} is too old: Node 18 or later is needed, see https://nodejs.org/en/download")
        }
        Some(_) => bail!("npm is missing beside Node: please install it, see https://nodejs.org/en/download"),
        None => bail!("Node is missing: please install Node 18 or later, see https://nodejs.org/en/download"),
    }
}

fn node_major() -> Option<u32> {
    let version = shell::output(shell::command("node", ["--version"]))?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// How to tell on a system whose package manager we do not know.
struct Probe {
    name: &'static str,
    how: How,
}

enum How {
    Program,
    PkgConfig,
}

impl Probe {
    fn holds(&self) -> bool {
        match self.how {
            How::Program => std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(self.name).is_file())),
            How::PkgConfig => shell::output(shell::command("pkg-config", ["--exists", self.name])).is_some(),
        }
    }
}

fn probes(purpose: Purpose) -> Vec<Probe> {
    let programs: &[&str] = match purpose {
        Purpose::Run => &["cc", "cmake", "pkg-config"],
        Purpose::Demo => &["cc", "cmake", "pkg-config", "Xvfb", "WebKitWebDriver", "openbox", "pulseaudio", "pactl"],
        Purpose::Test => &[
            "cc",
            "cmake",
            "pkg-config",
            "Xvfb",
            "WebKitWebDriver",
            "openbox",
            "pulseaudio",
            "pactl",
            "kamailio",
            "baresip",
            "chromium",
            "xdotool",
            "linphonec",
            "sipp",
        ],
    };
    let libraries = ["webkit2gtk-4.1", "librsvg-2.0", "alsa", "ayatana-appindicator3-0.1"];
    let programs = programs.iter().map(|name| Probe { name, how: How::Program });
    programs.chain(libraries.into_iter().map(|name| Probe { name, how: How::PkgConfig })).collect()
}
