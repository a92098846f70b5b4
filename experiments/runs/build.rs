//! rpaths as in the other crates, and the commit that reports name.

use std::path::Path;
use std::process::Command;

#[path = "../../.cargo/rpath.rs"]
mod rpath;

/// What the program is built from: a change of it makes the tree dirty.
const SOURCES: [&str; 13] = [
    "agents",
    "envs",
    "policies/format",
    "policies/encoders",
    "policies/streaming",
    "experiments/spec",
    "experiments/runs",
    "experiments/reports",
    "experiments/statistics",
    "experiments/cli",
    "experiments/bench",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() {
    rpath::main();
    println!("cargo:rerun-if-changed=build.rs");
    // HEAD names a branch and stays as it is when that gets a commit; its log does not.
    for watched in [".git/logs/HEAD"].into_iter().chain(SOURCES) {
        let path = format!("../../{watched}");
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    if commit.is_some() {
        let sources = SOURCES.map(|path| format!(":/{path}"));
        let status: Vec<&str> =
            ["status", "--porcelain", "--"].into_iter().chain(sources.iter().map(String::as_str)).collect();
        if let Some(changes) = git(&status) {
            println!("cargo:rustc-env=AAREN_DIRTY={}", !changes.is_empty());
        }
    }
    println!("cargo:rustc-env=AAREN_LIBTORCH={}", libtorch().as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=AAREN_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The version that is linked, as the requirements pin it.
fn libtorch() -> Option<String> {
    let path = "../../requirements.txt";
    println!("cargo:rerun-if-changed={path}");
    let pinned = std::fs::read_to_string(path).ok()?;
    let line = pinned.lines().find_map(|line| line.strip_prefix("torch=="))?;
    line.split_whitespace().next().map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
