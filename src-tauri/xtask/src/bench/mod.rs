//! `cargo xtask bench`: the figures of docs/benchmarks.md. Nothing here passes or fails by a time.

mod chirp;
mod counterpart;
mod footprint;
mod mouth_to_ear;
mod parsing;
mod set_up;
mod signalling;
mod statistics;

use std::time::Duration;

use anyhow::{Context, bail};

use crate::setup::{self, Purpose};
use crate::{shell, ui};
use statistics::Figure;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Of what takes milliseconds.
    repetitions: usize,
    /// Of what takes half a minute.
    calls: usize,
    /// The window too, whose release build takes minutes.
    window: bool,
}

/// Longer than anything that is measured.
const LIMIT: Duration = Duration::from_secs(20);

/// Measures, prints a table, and writes it to target/bench.
///
/// `--quick` repeats less and leaves the window out.
///
/// # Errors
/// When a program does not build or does not do what is to be measured.
pub fn bench(args: &[String]) -> anyhow::Result<()> {
    let extent = match args {
        [] => Extent { repetitions: 30, calls: 5, window: true },
        [flag] if flag == "--quick" => Extent { repetitions: 10, calls: 1, window: false },
        _ => bail!("usage: cargo xtask bench [--quick]"),
    };
    setup::setup(Purpose::Test)?;
    shell::run(shell::cargo(["build", "--release", "--package", "deskline-headless"]))?;
    if extent.window {
        ui::build()?;
        shell::run(shell::cargo(["build", "--release", "--package", "deskline", "--features", "custom-protocol"]))?;
    }
    let load = shell::output(shell::command("cat", ["/proc/loadavg"])).unwrap_or_default();
    let mut figures = signalling::measure(extent)?;
    figures.extend(set_up::measure(extent)?);
    figures.extend(mouth_to_ear::measure(extent)?);
    figures.extend(footprint::measure(extent)?);
    parsing::measure()?;

    let table = statistics::table(&figures);
    println!("\n{}\n{table}", machine(&load));
    let folder = shell::target().join("bench");
    std::fs::create_dir_all(&folder).context("making target/bench")?;
    std::fs::write(folder.join("bench.json"), statistics::json(&figures, &machine(&load)).to_string())?;
    std::fs::write(folder.join("bench.md"), table)?;
    eprintln!("xtask: also in {}", folder.display());
    Ok(())
}

/// Where it was measured: processor, cores, load at the start.
fn machine(load: &str) -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!("{}, {cores} cores, load at the start {load}", model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()))
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Deskline,
    Baresip,
    Sipp,
}

impl Who {
    /// The phones with sound.
    const ALL: [Self; 2] = [Self::Deskline, Self::Baresip];

    fn name(self) -> &'static str {
        match self {
            Self::Deskline => "deskline",
            Self::Baresip => "baresip",
            Self::Sipp => "sipp",
        }
    }
}

fn figure(what: impl Into<String>, unit: &'static str, who: Who, values: Vec<f64>) -> Figure {
    Figure { what: what.into(), unit, who: who.name(), values }
}
