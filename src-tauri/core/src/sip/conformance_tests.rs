//! docs/conformance.md claims nothing that is not tested.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn ")?.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_test_that_the_table_names_exists() {
    let mut known = BTreeSet::new();
    functions(&root().join("src-tauri/core/src"), &mut known);
    let page = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let shown_by = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in shown_by.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(known.contains(name), "there is no test {name}: {row}");
        }
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if let [_, _, _, _, holds, shown_by, _] = cells[..]
            && (holds == "yes" || holds.starts_with("partly"))
        {
            assert!(shown_by.starts_with('`'), "nothing shows what is said to hold: {row}");
        }
    }
    assert!(named > 80, "the page is read: {named}");
}
