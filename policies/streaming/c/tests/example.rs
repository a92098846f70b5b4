//! C programs, compiled with the system's compiler against the library: the example says what Rust says, and
//! streams that are stepped together act as they do alone.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aaren_streaming::Policy;

/// The library beside this test, under the name the linker looks for.
fn library(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let candidates = [deps.join(name), deps.parent().unwrap().join(name)];
    candidates
        .iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {name} at {candidates:?}"))
        .clone()
}

fn compile(source: &str, to: &Path, link: &[&str]) {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or("cc".into()));
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror"]).arg(crate_folder.join(source));
    cc.arg("-I").arg(crate_folder.join("include")).args(link).arg("-o").arg(to);
    let output = cc.output().expect("a C compiler");
    assert!(output.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn run(example: &Path, policy: &Path) -> Output {
    Command::new(example).arg(policy).arg("50").output().unwrap()
}

#[test]
fn the_c_example_acts_as_rust_does() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, archive) = (
        library(&format!("libaaren_streaming_c{}", std::env::consts::DLL_SUFFIX)),
        library("libaaren_streaming_c.a"),
    );
    let shared_folder = shared.parent().unwrap().to_str().unwrap();
    let link_shared = ["-L", shared_folder, "-laaren_streaming_c", &format!("-Wl,-rpath,{shared_folder}")];
    let [by_shared, several] = ["act-shared", "several"].map(|name| folder.path().join(name));
    compile("examples/act.c", &by_shared, &link_shared);
    compile("tests/several.c", &several, &link_shared);
    let by_archive = folder.path().join("act-static");
    compile("examples/act.c", &by_archive, &[archive.to_str().unwrap(), "-lpthread", "-ldl", "-lm"]);

    let discrete = common::Config { discrete: true, ..common::Config::new("transformer", 24, 1, 2) };
    // Policies that the demo trained, and others.
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../results/reference/demo");
    let mut policies = ["aaren", "transformer"].map(|name| demo.join(format!("{name}.safetensors"))).to_vec();
    let gru = common::Config::new("gru", 30, 2, 1);
    let cloning = common::Cloning { width: 32, layers: 2, observation: 11, actions: 3, discrete: false };
    let configs = [common::Config::new("aaren", 40, 2, 2), discrete, gru];
    let fixtures = configs.map(|config| config.fixture(1)).into_iter().chain([cloning.fixture(1)]);
    for (i, fixture) in fixtures.enumerate() {
        let path = folder.path().join(format!("{i}.safetensors"));
        std::fs::write(&path, fixture.bytes()).unwrap();
        policies.push(path);
    }
    for path in policies {
        let policy = Policy::from_file(&path).unwrap();
        let mut stream = policy.stream();
        stream.reset(policy.target_returns()[0]);
        let mut expected = Vec::new();
        for t in 0..50 {
            let observation: Vec<f32> = (0..11).map(|i| ((t * 7 + i * 3) % 11) as f32 / 11.0).collect();
            expected.push(stream.act(&observation, 1.0).unwrap().to_vec());
        }
        for example in [&by_shared, &by_archive] {
            let output = run(example, &path);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{stderr}");
            let stdout = String::from_utf8(output.stdout).unwrap();
            let row = |line: &str| line.split(' ').map(|x| x.parse().unwrap()).collect();
            let actions: Vec<Vec<f32>> = stdout.lines().map(row).collect();
            assert_eq!(actions, expected);
            assert_eq!(stderr, format!("state: {} bytes\n", stream.state_bytes()));
        }
        let output = Command::new(&several).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), policy.header().to_json());
    }

    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, b"not a policy at all").unwrap();
    for path in [&broken, &folder.path().join("missing.safetensors")] {
        let output = run(&by_shared, path);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("load: {}\n", Policy::from_file(path).unwrap_err())
        );
    }
}
