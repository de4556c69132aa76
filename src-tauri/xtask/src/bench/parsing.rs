//! Reading and writing messages beside rsip, and the instructions that odd messages of 64 KiB cost.

use anyhow::Context;

use crate::shell;

/// 64 KiB of any shape may cost so many times what 1 KiB of it, and what a usual INVITE of 1 KB costs.
const BOUND: f64 = 80.0;
const USUAL: &str = "the usual INVITE";

/// Runs `core/benches/parse.rs`, then counts by valgrind; prints JSON lines and a table.
///
/// # Errors
/// When the benchmark does not build or run, or valgrind is missing.
pub fn measure() -> anyhow::Result<()> {
    let args = ["bench", "--package", "deskline-core", "--bench", "parse"];
    shell::run(shell::cargo([&args[..], &["--", "invite_1k"]].concat()))?;
    let program = program()?;
    let names = shell::output(shell::command(&program, ["--shapes"])).context("the benchmark names no shapes")?;
    let usual = cost(&program, USUAL, 1024)?;
    println!(
        "\n| 64 KiB of | instructions | × its own 1 KiB | × a usual INVITE of 1 KB ({usual:.0}) |\n|---|--:|--:|--:|"
    );
    let mut worst: f64 = 0.0;
    for name in names.lines().filter(|name| *name != USUAL) {
        let (small, large) = (cost(&program, name, 1024)?, cost(&program, name, 64 * 1024)?);
        println!("| {name} | {large:.0} | {:.0} | {:.0} |", large / small, large / usual);
        worst = worst.max(large / small).max(large / usual);
    }
    println!("{{\"name\":\"parse_64k_worst_ratio\",\"unit\":\"\",\"median\":{worst:.1},\"bound\":{BOUND}}}");
    if worst > BOUND {
        eprintln!("xtask: an odd message costs {worst:.0} times a usual one; the bound is {BOUND}");
    }
    Ok(())
}

/// Where cargo has built the benchmark.
fn program() -> anyhow::Result<std::path::PathBuf> {
    let args = ["bench", "--package", "deskline-core", "--bench", "parse", "--no-run", "--message-format", "json"];
    let messages = shell::output(shell::cargo(args)).context("building the benchmark")?;
    let executable = messages.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| path.to_owned())
    });
    Ok(executable.context("cargo names no executable of the benchmark")?.into())
}

/// Instructions for one reading: the difference between many and one, since starting costs some too.
fn cost(program: &std::path::Path, shape: &str, size: usize) -> anyhow::Result<f64> {
    let more = if size > 8192 { 3 } else { 21 };
    let [one, many] = [1, more].map(|times| collected(program, shape, size, times));
    Ok((many? - one?) / f64::from(more - 1))
}

fn collected(program: &std::path::Path, shape: &str, size: usize, times: i32) -> anyhow::Result<f64> {
    let mut command = shell::command("valgrind", ["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args(["--once", shape, &size.to_string(), &times.to_string()]);
    let output = command.output().context("running valgrind")?;
    let log = String::from_utf8_lossy(&output.stderr);
    let count = log.lines().find_map(|line| line.split_once("Collected : ").map(|(_, count)| count.trim().to_owned()));
    count.context("valgrind counted nothing")?.parse().context("valgrind's count is not a number")
}
