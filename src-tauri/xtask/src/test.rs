//! `cargo xtask test`: everything that must hold, in one command.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::setup::{self, Purpose};
use crate::{shell, ui};

/// Runs every check, to the end even when one fails, and prints a summary.
///
/// `--quick` leaves out the lints of the whole workspace, the UI's browser tests and the tests with real peers.
///
/// # Errors
/// When any check fails.
pub fn test(args: &[String]) -> anyhow::Result<()> {
    let quick = match args {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => bail!("usage: cargo xtask test [--quick]"),
    };
    let mut checks = Checks::default();
    setup::setup(Purpose::Test)?;

    checks.run("formatting", shell::cargo(["fmt", "--all", "--check"]));
    if ui::present() {
        checks.take("UI: build", ui::build);
        let scripts = ui::scripts()?;
        let wanted = if quick { &["check", "test"][..] } else { &["check", "lint", "test", "e2e"] };
        for script in wanted.iter().filter(|script| scripts.iter().any(|known| known == *script)) {
            checks.run(&format!("UI: {script}"), ui::npm(&["run", script]));
        }
    }
    // The core alone, before anything else: it must build without the window's libraries.
    checks.cargo_test("core tests", shell::cargo(["test", "--package", "deskline-core"]));
    if quick {
        checks.cargo_test("tests", shell::cargo(test_args("test", &["--exclude", "deskline-tests"])));
        return checks.finish();
    }
    checks
        .run("lints", shell::cargo([&test_args("clippy", &["--all-targets"])[..], &["--", "-D", "warnings"]].concat()));
    // One package set and one feature set for build and test: everything is compiled once.
    checks.run("build", shell::cargo(test_args("build", &["--all-targets"])));
    if checks.last_held() {
        checks.cargo_test("tests", shell::cargo(test_args("test", &["--no-fail-fast"])));
    }
    #[cfg(target_os = "linux")]
    checks.take("fuzzing", || crate::fuzz::fuzz(&[]));
    checks.finish()
}

/// `cargo COMMAND` over the whole workspace with the features under test: the UI is inside the application.
fn test_args<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command, "--workspace", "--features", "deskline/custom-protocol"], more].concat()
}

/// What was checked so far.
#[derive(Default)]
struct Checks {
    done: Vec<(String, Duration, anyhow::Result<()>)>,
    /// Cargo's own `test result:` lines, each with the check that it belongs to.
    results: Vec<String>,
}

impl Checks {
    fn run(&mut self, name: &str, command: Command) {
        self.take(name, || shell::run(command));
    }

    fn cargo_test(&mut self, name: &str, command: Command) {
        let mut lines = Vec::new();
        self.take(name, || {
            let (result, output) = shell::run_keeping_output(command);
            lines = output;
            result
        });
        self.results.extend(lines.into_iter().filter(|line| {
            line.starts_with("test result:") || (line.starts_with("test ") && line.ends_with("FAILED"))
        }));
    }

    fn take(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<()>) {
        eprintln!("\nxtask: ── {name}");
        let begun = Instant::now();
        let result = check();
        if let Err(error) = &result {
            eprintln!("xtask: {name}: {error:#}");
        }
        self.done.push((name.to_owned(), begun.elapsed(), result));
    }

    fn last_held(&self) -> bool {
        self.done.last().is_none_or(|(_, _, result)| result.is_ok())
    }

    fn finish(self) -> anyhow::Result<()> {
        println!("\nSummary");
        for (name, took, result) in &self.done {
            println!("  {} {name} ({:.1} s)", if result.is_ok() { "ok    " } else { "FAILED" }, took.as_secs_f64());
        }
        println!();
        for line in &self.results {
            println!("{line}");
        }
        let failed: Vec<&str> =
            self.done.iter().filter(|(_, _, result)| result.is_err()).map(|(name, _, _)| name.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
    }
}
