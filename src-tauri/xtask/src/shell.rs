//! Running other programs from the repository's root.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The repository's root folder.
pub fn root() -> PathBuf {
    // xtask is always run where it was built: by cargo, inside this checkout.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

/// The folder of cargo's output.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A program built by cargo in the profile whose output folder is `profile` (`debug`, `release`).
pub fn built(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join(name)
}

/// `program` with arguments, to be run in the root folder.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// The cargo that runs us.
pub fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Runs to the end with our own output streams.
///
/// # Errors
/// When the program cannot be started or fails; the text names the command line.
pub fn run(mut command: Command) -> anyhow::Result<()> {
    let line = line(&command);
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Like [`run`], and keeps the lines of standard output, which are passed on as they come.
///
/// # Errors
/// As [`run`]; the lines are returned all the same.
pub fn run_keeping_output(mut command: Command) -> (anyhow::Result<()>, Vec<String>) {
    let line = line(&command);
    let mut lines = Vec::new();
    let mut child = match command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting `{line}`")) {
        Ok(child) => child,
        Err(error) => return (Err(error), lines),
    };
    if let Some(stdout) = child.stdout.take() {
        let mut out = std::io::stdout();
        for text in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text).into_owned();
            let _ = writeln!(out, "{text}");
            lines.push(text);
        }
    }
    let result = match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(anyhow::anyhow!("`{line}` failed: {status}")),
        Err(error) => Err(error).with_context(|| format!("waiting for `{line}`")),
    };
    (result, lines)
}

/// The standard output of a program that succeeds; `None` when it is missing or fails.
pub fn output(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
