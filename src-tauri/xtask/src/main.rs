//! `cargo xtask …`: everything that is done with this repository beyond `cargo build`.

#[cfg(unix)]
mod bench;
#[cfg(unix)]
mod demo;
#[cfg(target_os = "linux")]
mod fuzz;
mod headless;
mod packages;
mod run;
mod setup;
mod shell;
mod test;
mod ui;

use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::setup::Purpose;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run                builds Deskline and opens its window (without a display: a demonstration under Xvfb)
  test [--quick]     everything that must hold: formatting, lints, builds, all tests
  bench [--quick]    measures, beside a peer: docs/benchmarks.md
  fuzz [--seconds N] [TARGET…]
                     what reads bytes from outside, under libFuzzer: docs/fuzzing.md
  headless [ARGS…]   the program without a window: JSON lines on stdin and stdout
  setup [run|test]   installs what is missing on Debian and Ubuntu; names it elsewhere
  types              writes ui/src/ipc/generated.ts from src-tauri/ipc
";

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: Vec<String>) -> anyhow::Result<()> {
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => bail!("no command given\n\n{USAGE}"),
    };
    match command {
        "run" => run::run(),
        "test" => test::test(rest),
        #[cfg(unix)]
        "bench" => bench::bench(rest),
        #[cfg(target_os = "linux")]
        "fuzz" => fuzz::fuzz(rest),
        "headless" => headless::headless(rest),
        "setup" => match rest {
            [] => setup::setup(Purpose::Run),
            [purpose] if purpose == "run" => setup::setup(Purpose::Run),
            [purpose] if purpose == "test" => setup::setup(Purpose::Test),
            _ => bail!("usage: cargo xtask setup [run|test]"),
        },
        "types" => {
            let path = shell::root().join("ui/src/ipc/generated.ts");
            std::fs::write(&path, deskline_ipc::typescript::generate()).context("writing ui/src/ipc/generated.ts")
        }
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no command `{other}`\n\n{USAGE}"),
    }
}
