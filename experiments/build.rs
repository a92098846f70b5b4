//! rpaths as in the other crates, and the commit that reports name.

#[path = "../.cargo/rpath.rs"]
mod rpath;

fn main() {
    rpath::main();
    // HEAD names a branch and stays as it is when that gets a commit; its log does not.
    let log = "../.git/logs/HEAD";
    println!("cargo:rerun-if-changed={}", if std::path::Path::new(log).exists() { log } else { "build.rs" });
    let commit = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit
        .map_or_else(|| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo:rustc-env=AAREN_COMMIT={commit}");
}
