//! The panel's TypeScript types are those of the Rust code.

#[test]
fn generated_typescript_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/src/ipc/generated.ts");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == deskline_ipc::typescript::generate(),
        "ui/src/ipc/generated.ts does not match src-tauri/ipc: run `cargo xtask types` and commit the result"
    );
}
