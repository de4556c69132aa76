//! `cargo xtask fuzz`: everything that reads bytes from outside, under libFuzzer, on the stable compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::shell;

/// What rustc is told to instrument: the counters and comparisons that libFuzzer steers by. (`cargo fuzz` gives the same,
/// and the address sanitizer with it, which needs a nightly compiler and would find little: the code is safe.)
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// How long a target is fuzzed where nothing else is said, in seconds.
const SECONDS: u32 = 15;

/// Fuzzes every target, or those named, two at a time. New inputs stay in target/fuzz/corpus; what fails is written to
/// target/fuzz/artifacts.
///
/// # Errors
/// When a target does not build, or an input makes it fail.
pub fn fuzz(args: &[String]) -> anyhow::Result<()> {
    let mut seconds = SECONDS;
    let mut wanted = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let value = args.next().context("--seconds needs a number")?;
                seconds = value.parse().context("--seconds needs a number")?;
            }
            flag if flag.starts_with('-') => bail!("usage: cargo xtask fuzz [--seconds N] [TARGET…]"),
            target => wanted.push(target.to_owned()),
        }
    }
    let known = targets()?;
    if let Some(unknown) = wanted.iter().find(|target| !known.contains(target)) {
        bail!("no target {unknown}; there are {}", known.join(", "));
    }
    if wanted.is_empty() {
        wanted = known;
    }
    build()?;
    let mut failed = Vec::new();
    for pair in wanted.chunks(2) {
        let running: Vec<_> =
            pair.iter().map(|target| Ok((target, start(target, seconds)?))).collect::<anyhow::Result<_>>()?;
        for (target, child) in running {
            let output = child.wait_with_output().context("waiting for the fuzzer")?;
            let log = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                let runs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
                println!("xtask: fuzz {target}: {} inputs in {seconds} s", runs.unwrap_or_default().trim());
            } else {
                println!("xtask: fuzz {target} FAILED\n{log}");
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("findings in {}; see {}", failed.join(", "), folder("artifacts").display())
    }
}

fn source() -> PathBuf {
    shell::root().join("fuzz")
}

fn folder(name: &str) -> PathBuf {
    shell::target().join("fuzz").join(name)
}

/// One source file a target.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(source().join("fuzz_targets")).context("reading fuzz/fuzz_targets")? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

/// Named to cargo, since flags reach no build script then.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn build() -> anyhow::Result<()> {
    let mut cargo = shell::cargo(["build", "--release", "--bins", "--target", &triple()]);
    cargo.current_dir(source()).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", shell::target().join("fuzz"));
    shell::run(cargo)
}

fn start(target: &str, seconds: u32) -> anyhow::Result<std::process::Child> {
    let (corpus, artifacts) = (folder("corpus").join(target), folder("artifacts"));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let program = folder(&triple()).join("release").join(target);
    Command::new(&program)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=8192", "-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{target}-", artifacts.display()))
        // What is new goes into the first folder; the kept corpus is only read.
        .args([corpus.as_path(), kept(target).as_path()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

/// The corpus that is part of the repository, and replayed by the ordinary tests.
fn kept(target: &str) -> PathBuf {
    Path::new(&source()).join("corpus").join(target)
}
