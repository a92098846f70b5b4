//! The C file against the runtime: the same actions over an episode, from every compiler that is here.

mod common;

use std::path::Path;
use std::process::Command;

use aaren_streaming::{ActionSpace, CFile, Error, Policy, c_file, quantise};
use common::{Cloning, Config};
use serde_json::json;

const STEPS: usize = 60;

/// Compiles `tests/c/drive.c` with the policy `NAME.h` in `folder` and runs it: the actions of an episode for each target.
fn drive(compiler: &str, folder: &Path, name: &str, steps: usize, targets: &[f64]) -> Vec<Vec<Vec<f32>>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/drive.c");
    let program = folder.join(format!("{name}-{compiler}"));
    let mut cc = Command::new(compiler);
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]);
    cc.args([format!("-DPOLICY_FILE=\"{name}.h\""), format!("-DPOLICY(x)={name}_##x")]);
    cc.arg(format!("-DSIZE(x)={}_##x", name.to_uppercase()));
    cc.arg("-I").arg(folder).arg(source).arg("-o").arg(&program).arg("-lm");
    let output = cc.output().unwrap();
    assert!(output.status.success(), "{cc:?}: {}", String::from_utf8_lossy(&output.stderr));
    let episode = |target: &f64| {
        let mut program = Command::new(&program);
        program.args([steps, STEPS].map(|n| n.to_string())).arg(target.to_string());
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}, {target}: {:?} {said}", output.status);
        let row = |line: &str| line.split(' ').map(|x| x.parse().unwrap()).collect();
        String::from_utf8(output.stdout).unwrap().lines().map(row).collect()
    };
    targets.iter().map(episode).collect()
}

/// What the runtime does in the same surroundings.
fn expected(policy: &Policy, steps: usize, target: f64) -> Vec<Vec<f32>> {
    let mut stream = policy.stream();
    stream.reset(target);
    let size = policy.observation_size();
    let observation = |t: usize| (0..size).map(move |i| ((t * 7 + i * 3) % 11) as f32 / 11.0);
    let mut actions = Vec::new();
    for t in 0..steps {
        let action = stream.act(&observation(t).collect::<Vec<_>>(), 0.25 * (t % 60) as f64).unwrap();
        if t + STEPS >= steps {
            actions.push(action.to_vec());
        }
    }
    actions
}

/// Policies by name: every encoder of constant state, recency, memory and kind of action, and perceptrons.
fn policies() -> Vec<(String, Vec<u8>)> {
    let mut policies = Vec::new();
    let mut put = |name: &str, bytes: Vec<u8>| {
        policies.push((format!("{name}_int8"), quantise(&bytes).unwrap().bytes));
        policies.push((name.to_owned(), bytes));
    };
    for (seed, recency) in (0..).zip(["none", "learned", "spread", "gated"]) {
        let config = Config { recency, ..Config::new("aaren", 30, 2, 3) };
        put(&format!("aaren_{recency}"), config.fixture(seed).bytes());
    }
    let one_head = Config { norm: "pre", recency: "gated", discrete: true, ..Config::new("aaren", 24, 3, 1) };
    put("one_head", one_head.fixture(5).bytes());
    let turning = Config { positions: "rotary", rotated_heads: 1, ..Config::new("aaren", 18, 2, 2) };
    put("turning", turning.fixture(3).bytes());
    let one = Config { recency: "gated", rollout: json!({"reset": 9}), past_actions: false, ..turning };
    put("turning_reset", Config { heads: 1, ..one }.fixture(3).bytes());
    let keyed = Config { keys: 5, recency: "gated", ..turning };
    put("keyed", keyed.fixture(2).bytes());
    let untold = Config { positions: "none", ..Config::new("aaren", 16, 1, 2) };
    put("untold", untold.fixture(4).bytes());
    let window =
        Config { rollout: json!({"window": 7}), max_timesteps: 20, ..Config::new("aaren", 24, 2, 2) };
    put("window", window.fixture(6).bytes());
    let now = Config { rollout: json!({"window": 1}), past_actions: false, ..Config::new("aaren", 16, 1, 2) };
    put("now", now.fixture(6).bytes());
    let reset =
        Config { rollout: json!({"reset": 7}), past_actions: false, ..Config::new("aaren", 24, 1, 2) };
    put("reset", reset.fixture(7).bytes());
    put("gru", Config { max_timesteps: 20, ..Config::new("gru", 31, 2, 1) }.fixture(8).bytes());
    let gru =
        Config { norm: "pre", rollout: json!({"reset": 9}), discrete: true, ..Config::new("gru", 1, 1, 1) };
    put("gru_reset", gru.fixture(9).bytes());
    put("lstm", Config { max_timesteps: 20, ..Config::new("lstm", 31, 2, 1) }.fixture(3).bytes());
    put("mingru", Config { norm: "pre", ..Config::new("mingru", 31, 2, 1) }.fixture(3).bytes());
    let delta = Config { norm: "pre", ..Config::new("gated-delta", 18, 2, 2) };
    put("delta", delta.fixture(4).bytes());
    put(
        "delta_turning",
        Config { positions: "rotary", heads: 3, rotated_heads: 2, rollout: json!({"reset": 9}), ..delta }
            .fixture(4)
            .bytes(),
    );
    let columns = Config { actions: 5, columns: Some([2, 3]), ..Config::new("aaren", 16, 1, 2) };
    put("columns", columns.fixture(10).bytes());
    let joint = Config {
        joint: Some("token"),
        rate: true,
        bins: 6,
        max_timesteps: 40,
        ..Config::new("aaren", 24, 2, 2)
    };
    put("one_token", joint.fixture(10).bytes());
    let head = Config { joint: Some("head"), past_actions: false, ..Config::new("gru", 24, 2, 1) };
    put("in_head", head.fixture(11).bytes());
    let window = json!({"window": 5});
    let guided = Config { guidance: 1.5, rollout: window.clone(), rate: true, joint: Some("head"), ..joint };
    put("guided", guided.fixture(12).bytes());
    let chooser = Config { guidance: 2.0, discrete: true, joint: Some("head"), rollout: window, ..head };
    put("guided_chooser", chooser.fixture(13).bytes());
    for (name, width, layers, discrete) in [("cloning", 40, 2, false), ("chooser", 17, 3, true)] {
        put(name, Cloning { width, layers, observation: 11, actions: 3, discrete }.fixture(1).bytes());
    }
    policies
}

#[test]
fn a_c_file_acts_as_the_runtime_does_from_every_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let there = |compiler: &&str| Command::new(compiler).arg("--version").output().is_ok();
    let compilers: Vec<&str> = ["gcc", "clang", "cc"].into_iter().filter(there).take(2).collect();
    assert!(!compilers.is_empty(), "no C compiler: install gcc or clang");
    for (name, bytes) in policies() {
        let policy = Policy::from_bytes(&bytes).unwrap();
        let CFile { source, constant_bytes } = c_file(&bytes, &name).unwrap();
        std::fs::write(folder.path().join(format!("{name}.h")), source).unwrap();
        assert!(constant_bytes > policy.encoder_bytes() / 2, "{name}: {constant_bytes}");
        // A head that hears returns can be asked for the most.
        let targets: &[f64] = if name.starts_with("in_head") || name.starts_with("guided") {
            &[300.0, f64::INFINITY]
        } else {
            &[300.0]
        };
        let expected: Vec<_> = targets.iter().map(|&target| expected(&policy, STEPS, target)).collect();
        for compiler in &compilers {
            let episodes = drive(compiler, folder.path(), &name, STEPS, targets);
            assert!(episodes.iter().all(|actions| actions.len() == STEPS), "{name} {compiler}");
            for (t, (action, expected)) in
                episodes.iter().flatten().zip(expected.iter().flatten()).enumerate()
            {
                for (i, (a, e)) in action.iter().zip(expected).enumerate() {
                    let range = match policy.action_space() {
                        ActionSpace::Continuous { low, high } => high[i] - low[i],
                        _ => 1.0,
                    };
                    assert!(
                        (a - e).abs() < 1e-4 * range,
                        "{name} {compiler} at {t}: {action:?}, {expected:?}"
                    );
                }
            }
        }
    }
}

/// The last actions of so many steps are the runtime's, within a tolerance.
fn stays(name: &str, bytes: &[u8], steps: usize, tolerance: f32) {
    let folder = tempfile::tempdir().unwrap();
    let policy = Policy::from_bytes(bytes).unwrap();
    std::fs::write(folder.path().join(format!("{name}.h")), c_file(bytes, name).unwrap().source).unwrap();
    let actions = drive("cc", folder.path(), name, steps, &[300.0]).swap_remove(0);
    assert_eq!(actions.len(), STEPS, "{name}");
    for (action, expected) in actions.iter().zip(expected(&policy, steps, 300.0)) {
        let off = action.iter().zip(&expected).map(|(a, e)| (a - e).abs()).fold(0.0, f32::max);
        assert!(off < tolerance, "{name}: {action:?}, {expected:?}: {off:e}");
    }
}

/// Half a million steps with a decay that is smaller than half a unit in the last place of the scores: a plain
/// recurrence drifts. With rotation too; what keys read magnifies rounding, see [`c_file`].
#[test]
fn a_c_file_stays_with_the_runtime_for_long() {
    let plain = Config { max_timesteps: 1, ..Config::new("aaren", 16, 1, 1) };
    let turning = Config { positions: "rotary", rotated_heads: 1, recency: "gated", ..plain.clone() };
    for (name, config, decay) in
        [("learned", Config { recency: "learned", ..plain }, "recency"), ("turning", turning, "gate.bias")]
    {
        let mut f = config.fixture(5);
        f.tensor(&format!("blocks.0.attention.{decay}"))[0] = -14.0;
        stays(name, &f.bytes(), 500_000, 3e-4);
    }
}

/// What keys read is divided by what may come near zero, which magnifies rounding.
#[test]
fn a_c_file_with_keys_stays_near_the_runtime_for_a_thousand_steps() {
    for (name, recency, rotated_heads) in [("gated", "gated", 1), ("unforgetting", "none", 2)] {
        let form = Config { recency, rotated_heads, past_actions: false, ..Config::new("aaren", 24, 2, 2) };
        stays(name, &Config { positions: "rotary", keys: 8, ..form }.fixture(4).bytes(), 1000, 5e-4);
    }
}

#[test]
fn what_no_c_file_can_be_is_refused_with_the_reason() {
    let transformer = Config::new("transformer", 16, 1, 2).fixture(0).bytes();
    let message = c_file(&transformer, "policy").unwrap_err().to_string();
    assert!(message.starts_with("`model.encoder`: found transformer, expected"), "{message}");
    assert!(message.contains("grows") && message.contains("streaming runtime"), "{message}");
    let aaren = Config::new("aaren", 16, 1, 2).fixture(0).bytes();
    let long = "a".repeat(41);
    for name in ["", "Policy", "1st", "a-b", "a b", "_a", "é", &long] {
        assert!(matches!(c_file(&aaren, name), Err(Error::Name { .. })), "{name}");
    }
    assert!(c_file(&aaren[..100], "policy").is_err());
}

#[test]
fn text_of_a_header_cannot_end_its_comment() {
    let mut f = Config::new("aaren", 8, 1, 2).fixture(0);
    f.header["policy"] = json!("a */ int main; /* \\\n#error b");
    f.header["env"]["id"] = json!("x*/");
    let source = c_file(&f.bytes(), "policy").unwrap().source;
    let first = source.split("*/").next().unwrap();
    assert!(first.contains("#error b`") && first.contains("Of libm it needs"), "{first}");
}
