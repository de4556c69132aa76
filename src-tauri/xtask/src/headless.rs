//! `cargo xtask headless`: the program without a window.

use crate::shell;

/// Builds `deskline-headless` and runs it with `args`; its streams are ours.
///
/// # Errors
/// When the build or the program fails.
pub fn headless(args: &[String]) -> anyhow::Result<()> {
    // Nothing but the program's own lines may reach standard output: cargo writes to standard error.
    shell::run(shell::cargo(["build", "--quiet", "--package", "deskline-headless"]))?;
    shell::run(shell::command(shell::built("debug", "deskline-headless"), args))
}
