//! The system's packages: what is needed for what, what is missing, and how it comes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::setup::Purpose;
use crate::shell;

/// To build the window and its sound.
const RUN: &[&str] = &[
    "build-essential",
    "cmake",
    "pkg-config",
    "libasound2-dev",
    "libayatana-appindicator3-dev",
    "librsvg2-dev",
    "libwebkit2gtk-4.1-dev",
    "libxdo-dev",
];

/// To show the window where there is no screen and no sound card.
const DEMO: &[&str] = &["fonts-noto-cjk", "openbox", "pulseaudio", "pulseaudio-utils", "webkit2gtk-driver", "xvfb"];

/// Real peers, and a browser for the panel's own tests.
const TEST: &[&str] = &[
    "baresip-core",
    "chromium",
    "kamailio",
    "kamailio-tls-modules",
    "kamailio-websocket-modules",
    "libasound2-plugins",
    "linphone-cli",
    "sip-tester",
    "valgrind",
    "xdotool",
];

/// The packages that `purpose` needs.
pub fn needed(purpose: Purpose) -> Vec<&'static str> {
    let lists: &[&[&str]] = match purpose {
        Purpose::Run => &[RUN],
        Purpose::Demo => &[RUN, DEMO],
        Purpose::Test => &[RUN, DEMO, TEST],
    };
    lists.concat()
}

/// Does this system install by apt?
pub fn has_apt() -> bool {
    Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-query").exists()
}

/// Those of `packages` that are not installed. Asks dpkg only, which takes milliseconds.
///
/// # Errors
/// When dpkg cannot be asked.
pub fn missing<'a>(packages: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
        .context("asking dpkg-query for the installed packages")?;
    // dpkg-query fails when it does not know a package at all: what it prints is complete nevertheless.
    let listing = String::from_utf8_lossy(&output.stdout);
    let installed: Vec<&str> = listing.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    Ok(packages.iter().copied().filter(|package| !installed.contains(package)).collect())
}

/// The command that installs `packages`, for people.
pub fn apt_line(packages: &[&str]) -> String {
    format!("sudo apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs `packages` by apt, as root or by a sudo that asks nothing. The package lists are renewed once when they do
/// not have what is asked for.
///
/// # Errors
/// When we may not install, or apt fails.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    let Some(prefix) = root_prefix() else {
        bail!(
            "system packages are missing and this user may not install them. Please run:\n\n    {}\n",
            apt_line(packages)
        );
    };
    eprintln!("xtask: installing {}", packages.join(" "));
    let apt = |args: &[&str]| {
        let mut line: Vec<&str> = prefix.to_vec();
        line.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
        line.extend(args);
        shell::command(line[0], &line[1..])
    };
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(packages);
    let known = shell::output(shell::command("apt-cache", ["policy"].iter().chain(packages)));
    let lists_are_fresh = known.is_some_and(|text| text.matches("Candidate: ").count() >= packages.len());
    if !lists_are_fresh {
        shell::run(apt(&["update"]))?;
    }
    if let Err(error) = shell::run(apt(&install)) {
        if !lists_are_fresh {
            return Err(error);
        }
        // Old lists name versions that the archive no longer has.
        shell::run(apt(&["update"]))?;
        shell::run(apt(&install))?;
    }
    if packages.contains(&"kamailio") && Path::new("/run/systemd/system").exists() {
        // The tests start a Kamailio of their own; the package's would take port 5060 of this machine.
        let mut line: Vec<&str> = prefix.to_vec();
        line.extend(["systemctl", "disable", "--now", "kamailio"]);
        let _ = shell::run(shell::command(line[0], &line[1..]));
    }
    let left = missing(packages)?;
    if !left.is_empty() {
        bail!("apt did not install: {}", left.join(" "));
    }
    Ok(())
}

/// What to put before a command that must run as root; `None` when we cannot become root without asking.
fn root_prefix() -> Option<&'static [&'static str]> {
    if shell::output(shell::command("id", ["-u"])).is_some_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    shell::output(shell::command("sudo", ["-n", "true"])).map(|_| &["sudo", "-n"] as &[&str])
}
