//! The panel's packages and its build.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, bail};

use crate::shell;

/// npm in the UI's folder.
pub fn npm(args: &[&str]) -> Command {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = shell::command(program, args);
    command.current_dir(shell::root().join("ui"));
    command
}

/// Is there a UI to build?
pub fn present() -> bool {
    shell::root().join("ui/package.json").exists()
}

/// The names of the scripts in ui/package.json.
///
/// # Errors
/// When the file cannot be read.
pub fn scripts() -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(shell::root().join("ui/package.json")).context("reading ui/package.json")?;
    let package: serde_json::Value = serde_json::from_str(&text).context("reading ui/package.json")?;
    Ok(package["scripts"].as_object().map(|scripts| scripts.keys().cloned().collect()).unwrap_or_default())
}

/// `npm ci`, when the lock file is not the one that was installed last.
///
/// # Errors
/// When npm fails.
pub fn install() -> anyhow::Result<()> {
    let folder = shell::root().join("ui");
    let lock_file = folder.join("package-lock.json");
    if !lock_file.exists() {
        return if present() { bail!("ui/package-lock.json is missing") } else { Ok(()) };
    }
    let lock = fs::read(&lock_file).context("reading ui/package-lock.json")?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    eprintln!("xtask: installing the UI's packages");
    shell::run(npm(&["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, lock).context("writing ui/node_modules/.installed-lock.json")
}

/// `npm run build`, when a source is newer than what was built last.
///
/// # Errors
/// When npm fails or a file cannot be read.
pub fn build() -> anyhow::Result<()> {
    if !present() {
        return Ok(());
    }
    let folder = shell::root().join("ui");
    let built = fs::metadata(folder.join("dist/index.html")).and_then(|file| file.modified()).ok();
    if built.is_some_and(|built| newest(&folder).is_some_and(|source| source <= built)) {
        return Ok(());
    }
    eprintln!("xtask: building the UI");
    shell::run(npm(&["run", "build"]))
}

/// The time of the newest source below `folder`; `None` when one cannot be read.
fn newest(folder: &Path) -> Option<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name();
        if ["node_modules", "dist", "dist-preview", "e2e"].iter().any(|other| name == *other) {
            continue;
        }
        let kind = entry.file_type().ok()?;
        let time = if kind.is_dir() { self::newest(&entry.path())? } else { entry.metadata().ok()?.modified().ok()? };
        newest = newest.max(time);
    }
    Some(newest)
}
