//! Who may import whom, and what the core must not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The packages of the workspace that each may depend on.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("deskline-core", &[]),
    ("deskline-ipc", &["deskline-core"]),
    ("deskline-engine", &["deskline-core", "deskline-ipc"]),
    ("deskline-centre", &["deskline-core", "deskline-engine"]),
    ("deskline-bridge", &["deskline-ipc"]),
    ("deskline-headless", &["deskline-engine", "deskline-ipc", "deskline-centre"]),
    ("deskline", &["deskline-engine", "deskline-ipc", "deskline-bridge", "deskline-centre"]),
    ("deskline-xtask", &["deskline-ipc", "deskline-tests"]),
    (
        "deskline-tests",
        &[
            "deskline-core",
            "deskline-engine",
            "deskline-ipc",
            "deskline-bridge",
            "deskline-centre",
            "deskline-headless",
        ],
    ),
];

/// What the core may use of the world's crates. None of them does input or output, waits, or asks for the time.
const CORE_MAY_USE: &[&str] =
    &["memchr", "quick-xml", "rand_chacha", "rsip", "serde", "serde_json", "sha2", "md-5", "thiserror"];

/// Words that no source of the core may contain: clocks, sockets, threads, files.
const NOT_IN_CORE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "std::net::Udp",
    "std::net::Tcp",
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
    "tokio",
    "println!",
    "eprintln!",
];

#[test]
fn every_crate_imports_only_what_its_place_allows() {
    let workspace = Workspace::load();
    let mut wrong = Vec::new();
    for member in &workspace.members {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == member) else {
            wrong.push(format!("{member} is not in the table of this test"));
            continue;
        };
        for other in workspace.direct[member].intersection(&workspace.members) {
            if !allowed.contains(&other.as_str()) {
                wrong.push(format!("{member} must not depend on {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn core_uses_nothing_that_touches_the_world() {
    let workspace = Workspace::load();
    let unknown: Vec<_> =
        workspace.direct["deskline-core"].iter().filter(|name| !CORE_MAY_USE.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "the core must stay pure; it now depends on {unknown:?}");
    let below = workspace.below("deskline-core");
    for runtime in ["tokio", "mio", "async-std", "smol", "cpal", "rusqlite", "tracing-subscriber"] {
        assert!(!below.contains(runtime), "the core reaches {runtime}");
    }
}

#[test]
fn headless_program_never_links_the_window() {
    let below = Workspace::load().below("deskline-headless");
    for window in ["tauri", "tauri-runtime", "wry", "tao", "webkit2gtk", "gtk", "deskline"] {
        assert!(!below.contains(window), "deskline-headless reaches {window}");
    }
}

#[test]
fn only_the_application_knows_tauri() {
    let workspace = Workspace::load();
    for member in workspace.members.iter().filter(|member| *member != "deskline") {
        assert!(!workspace.below(member).contains("tauri"), "{member} reaches tauri");
    }
}

#[test]
fn core_sources_name_no_clock_socket_thread_or_file() {
    let mut found = Vec::new();
    let of_tests = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name == "simulation" || name.trim_end_matches(".rs").ends_with("tests")
    };
    let core = root().join("src-tauri/core/src");
    let product = |path: &PathBuf| path.strip_prefix(&core).unwrap().iter().all(|part| !of_tests(part));
    let sources: Vec<PathBuf> = sources(&core).into_iter().filter(product).collect();
    assert!(sources.len() > 20, "the core's sources are read: {}", sources.len());
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        // What stands below a file's tests is not the product.
        let code = text.split("\nmod tests {").next().unwrap_or(&text);
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or(line);
            if let Some(word) = NOT_IN_CORE.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
            if line.contains("serde_json") && !path.components().any(|part| part.as_os_str() == "platform") {
                found.push(format!("{}:{}: serde_json belongs to platform/ only", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The workspace's dependency graph, without development dependencies.
struct Workspace {
    members: BTreeSet<String>,
    direct: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    fn load() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let ask = |more: &[&str]| {
            let mut command = Command::new(&cargo);
            command.args(["metadata", "--format-version", "1", "--locked"]).args(more);
            command.current_dir(root()).output().unwrap()
        };
        let mut output = ask(&["--offline"]);
        if !output.status.success() {
            // What only other systems need may not have been downloaded yet.
            output = ask(&[]);
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let members = metadata["workspace_members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| names[id.as_str().unwrap()].to_owned())
            .collect();
        let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let own = direct.entry(names[node["id"].as_str().unwrap()].to_owned()).or_default();
            let dependencies = node["deps"].as_array().unwrap().iter();
            own.extend(
                dependencies
                    .filter(|dependency| {
                        dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev")
                    })
                    .map(|dependency| names[dependency["pkg"].as_str().unwrap()].to_owned()),
            );
        }
        Self { members, direct }
    }

    /// Everything that `package` reaches.
    fn below(&self, package: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(next) = open.pop() {
            for other in self.direct.get(&next).into_iter().flatten() {
                if reached.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        reached
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
