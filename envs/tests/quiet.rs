//! MuJoCo's warnings reach neither the user's terminal nor a log file. A test of its own, because it
//! looks at a whole process.

use std::process::Command;

use aaren_envs::{EnvSpec, make};

/// half_cheetah.xml has a deprecated attribute, and a control that is no number is worth a warning too.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn warn() {
    let mut cheetah = make(&EnvSpec::new("HalfCheetah-v5")).unwrap();
    let mut observation = [0.0; 17];
    cheetah.reset(0, &mut observation);
    assert!(cheetah.step(&[f32::NAN; 6], &mut observation).unstable);
}

#[test]
fn mujoco_is_quiet_and_leaves_no_log() {
    let folder = std::env::temp_dir().join(format!("aaren-envs-quiet-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let test = std::env::current_exe().unwrap();
    let arguments = ["--exact", "warn", "--ignored", "--nocapture", "--quiet"];
    let output = Command::new(test).args(arguments).current_dir(&folder).output().unwrap();
    let left = std::fs::read_dir(&folder).unwrap().count();
    std::fs::remove_dir_all(&folder).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed") && !printed.to_lowercase().contains("warning"), "{printed}");
    assert_eq!(left, 0, "files left behind");
}
