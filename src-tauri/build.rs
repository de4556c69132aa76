//! Tauri's code generation. Cargo runs this in the repository's root, where tauri.conf.json lies.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        // Naming the command makes it subject to the capabilities: no window has it by itself.
        .app_manifest(tauri_build::AppManifest::new().commands(&["execute"]));
    tauri_build::try_build(attributes)?;
    // The schemas are written to ./gen; they belong beside the rest of the Rust side.
    let (made, place) = (Path::new("gen"), Path::new("src-tauri/gen"));
    if made.is_dir() {
        if place.is_dir() {
            std::fs::remove_dir_all(place)?;
        }
        std::fs::rename(made, place)?;
    }
    Ok(())
}
