//! What `make install-c` installs: the example builds by what pkg-config says, and by CMake where that is here.

use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn the_example_builds_by_pkg_config_and_by_cmake() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build: PathBuf = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("installed");
    run(Command::new("sh")
        .arg(source.join("install.sh"))
        .args([&build, &prefix])
        .arg(env!("CARGO_PKG_VERSION")));
    let policy = source.join("../../../results/reference/demo/aaren.safetensors");
    let act = |program: &Path| run(Command::new(program).arg(&policy).arg("10"));
    let mut said = Vec::new();

    if there("pkg-config") {
        let ask = |what: &[&str]| {
            let mut command = Command::new("pkg-config");
            run(command
                .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
                .args(what)
                .arg("aaren-streaming"))
        };
        assert_eq!(ask(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));
        let flags = ask(&["--cflags", "--libs"]);
        let program = folder.path().join("by-pkg-config");
        let line = format!("cc \"$1\" {} -o \"$2\"", flags.trim());
        run(Command::new("sh").args(["-c", &line, "sh"]).arg(source.join("examples/act.c")).arg(&program));
        said.push(act(&program));
    }
    if there("cmake") {
        let project = folder.path().join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::copy(source.join("examples/act.c"), project.join("act.c")).unwrap();
        let lists = "cmake_minimum_required(VERSION 3.16)\nproject(act C)\nfind_package(aaren_streaming 0.1 REQUIRED)\n\
                     foreach(kind streaming streaming_static)\nadd_executable(${kind} act.c)\n\
                     target_link_libraries(${kind} aaren::${kind})\nendforeach()\n";
        std::fs::write(project.join("CMakeLists.txt"), lists).unwrap();
        let built = project.join("build");
        run(Command::new("cmake")
            .arg("-S")
            .arg(&project)
            .arg("-B")
            .arg(&built)
            .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
        run(Command::new("cmake").arg("--build").arg(&built));
        said.extend(["streaming", "streaming_static"].map(|program| act(&built.join(program))));
    }
    assert!(!said.is_empty(), "neither pkg-config nor cmake: install one");
    assert!(said.iter().all(|actions| *actions == said[0] && actions.lines().count() == 10), "{said:?}");
}
