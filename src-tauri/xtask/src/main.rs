//! `cargo xtask …`: everything that is done with this repository beyond `cargo build`.

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("types") => {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/ipc/generated.ts");
            std::fs::write(&path, deskline_ipc::typescript::generate()).context("writing ui/src/ipc/generated.ts")
        }
        _ => bail!("usage: cargo xtask types"),
    }
}
