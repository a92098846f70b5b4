//! Environments of Python: equal to this crate's from the same seeds, whatever they print, and every fault told in one
//! sentence. `make wheel` installs the interpreter.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aaren_envs::{ActionSpace, EnvSpec, Error, Step, VectorEnv, describe, make};
use serde_json::{Value, json};

fn interpreter() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.deps/wheel/bin/python");
    assert!(path.exists(), "{}: run `make wheel`, which installs it", path.display());
    path.to_str().unwrap().to_owned()
}

fn spec(env: Value) -> EnvSpec {
    let mut env = env;
    let map = env.as_object_mut().unwrap();
    map.entry("interpreter").or_insert(interpreter().into());
    map.entry("path").or_insert(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python").into());
    serde_json::from_value(env).unwrap()
}

/// The point on a line with these keyword arguments.
fn line(kwargs: Value) -> EnvSpec {
    spec(json!({"python": "tiny:Line", "kwargs": kwargs, "max_episode_steps": 20}))
}

/// Some action of step `t`, inside of the bounds.
fn action(space: &ActionSpace, t: usize) -> Vec<f32> {
    let ActionSpace::Continuous { low, high } = space else { return vec![(t * t / 3 % space.size()) as f32] };
    let part = |entry: usize| 0.5 + 0.5 * ((t * (entry + 2)) as f32).sin();
    low.iter().zip(high).enumerate().map(|(i, (low, high))| low + part(i) * (high - low)).collect()
}

/// All that a vector of `count` environments shows of the first `episodes` episodes, by their numbers.
fn play(spec: &EnvSpec, count: usize, episodes: u64, seed: u64) -> Vec<Vec<f64>> {
    let mut vector = VectorEnv::new(spec, count).unwrap();
    let size = vector.observation_size();
    let mut observations = vec![0.0; count * size];
    let mut steps = vec![Step::default(); count];
    vector.reset(seed, &mut observations).unwrap();
    let mut shown = vec![Vec::new(); 2 * (episodes as usize + count)];
    let mut elapsed = vec![0; count];
    while vector.episodes().iter().any(|&episode| episode < episodes) {
        let actions: Vec<f32> = elapsed.iter().flat_map(|&t| action(vector.action_space(), t)).collect();
        let before = vector.episodes().to_vec();
        for (&episode, observation) in before.iter().zip(observations.chunks_exact(size)) {
            shown[episode as usize].extend(observation);
        }
        vector.step(&actions, &mut observations, &mut steps).unwrap();
        for (index, step) in steps.iter().enumerate() {
            let all = &mut shown[before[index] as usize];
            all.extend([step.reward, f64::from(step.terminated), f64::from(step.truncated)]);
            elapsed[index] += 1;
            if step.done() {
                all.extend(vector.final_observation(index));
                elapsed[index] = 0;
            }
        }
    }
    shown.truncate(episodes as usize);
    shown
}

/// Gymnasium's own in Python, and ours: as float32, as Gymnasium's cart pole and pendulum show the world.
#[test]
fn python_plays_what_this_crate_plays() {
    for (id, episodes) in [("CartPole-v1", 6), ("Pendulum-v1", 2), ("Hopper-v4", 6)] {
        let found = play(&spec(json!({"gymnasium": id})), 3, episodes, 11);
        let expected = play(&EnvSpec::new(id), 2, episodes, 11);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{id}");
            let same = |(a, b): (&f64, &f64)| *a as f32 == *b as f32;
            assert!(found.iter().zip(expected).all(same), "{id}: {found:?} {expected:?}");
        }
        let its = describe(&spec(json!({"gymnasium": id}))).unwrap();
        let ours = make(&EnvSpec::new(id)).unwrap().describe();
        assert_eq!(
            (its.observation_size, &its.action, its.max_episode_steps, its.repeats),
            (ours.observation_size, &ours.action, ours.max_episode_steps, true)
        );
        assert_eq!(its.versions["gymnasium"], "1.4.0");
        assert!(id != "Hopper-v4" || its.versions["mujoco"] == aaren_envs::mujoco_version(), "{its:?}");
    }
}

#[test]
fn an_episode_is_the_same_whoever_else_is_played() {
    let spec = line(json!({}));
    let alone = play(&spec, 1, 9, 3);
    assert!(alone.iter().all(|episode| *episode != alone[0]) || alone.len() > 1 && alone[0] != alone[1]);
    assert_eq!(play(&spec, 5, 9, 3), alone);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(|| play(&spec, 2, 9, 3))).collect();
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), alone));
    });
    assert_eq!(play(&line(json!({"fault": "print"})), 2, 9, 3), alone, "what is printed is no answer");
}

#[test]
fn those_kept_go_on_undisturbed() {
    let spec = line(json!({}));
    let mut observations = vec![0.0; 10];
    let mut steps = [Step::default(); 5];
    let mut all = VectorEnv::new(&spec, 5).unwrap();
    all.reset(7, &mut observations).unwrap();
    all.advance(&[0.1; 5], &mut observations, &mut steps).unwrap();
    let mut some = VectorEnv::new(&spec, 5).unwrap();
    some.reset(7, &mut observations).unwrap();
    some.advance(&[0.1; 5], &mut observations, &mut steps).unwrap();
    some.keep(&[1, 4]);
    let mut two = [0.0; 4];
    some.advance(&[0.2, 0.3], &mut two, &mut steps[..2]).unwrap();
    all.advance(&[0.0, 0.2, 0.0, 0.0, 0.3], &mut observations, &mut steps).unwrap();
    assert_eq!(two, [observations[2], observations[3], observations[8], observations[9]]);
}

/// What `gymnasium.spaces.flatten` gives (1.4.0): choices one-hot, counted from the start of their space, a dictionary in
/// the order of its keys.
#[test]
fn every_space_becomes_the_vector_that_gymnasium_flattens_it_to() {
    let box_ = [0.25, 0.5, 0.75, 1.0];
    let dict = [vec![1.0, 0.0, 1.0, 7.0], box_.to_vec()].concat();
    for (kind, expected) in [
        ("matrix", box_.to_vec()),
        ("discrete", vec![0.0, 0.0, 1.0, 0.0]),
        ("multi-discrete", vec![0.0, 1.0, 0.0, 0.0, 1.0]),
        ("multi-binary", vec![1.0, 0.0, 1.0]),
        ("tuple", vec![0.5, 0.5, 0.5, 0.5, 1.0, 0.0]),
        ("dict", dict),
    ] {
        let spec =
            spec(json!({"python": "tiny:Kind", "kwargs": {"observation": kind}, "max_episode_steps": 9}));
        let mut vector = VectorEnv::new(&spec, 2).unwrap();
        let mut found = vec![0.0; 2 * vector.observation_size()];
        vector.reset(0, &mut found).unwrap();
        assert_eq!(found, [expected.clone(), expected].concat(), "{kind}");
    }
    let observe = |keys: Value| {
        spec(json!({
            "python": "tiny:Kind", "kwargs": {"observation": "dict"}, "max_episode_steps": 9, "observe": keys,
        }))
    };
    let chosen = observe(json!(["observation", "achieved.z"]));
    let mut vector = VectorEnv::new(&chosen, 1).unwrap();
    let mut found = vec![0.0; vector.observation_size()];
    vector.reset(0, &mut found).unwrap();
    assert_eq!(found, [0.25, 0.5, 0.75, 1.0, 0.0, 1.0], "in the order of `observe`");
    let message = describe(&observe(json!(["goal"]))).unwrap_err().to_string();
    assert!(message.contains("no key `goal`; they have achieved, desired_goal, observation"), "{message}");
}

/// The reward is the sum of the action that came, as the space's own type and shape.
#[test]
fn actions_come_as_their_space_has_them() {
    for (kind, given, sum) in [
        ("discrete", vec![2.0], 7.0),
        ("matrix", vec![0.5, -1.25], -0.75),
        ("matrix", vec![2.0000002, 0.0], 2.0),
        // The float32 next to 0.1 is above it.
        ("narrow", vec![1.0], 0.1),
        ("several", vec![2.0, 1.0], 7.0),
    ] {
        let kwargs = json!({"observation": "discrete", "action": kind});
        let spec = spec(json!({"python": "tiny:Kind", "kwargs": kwargs, "max_episode_steps": 9}));
        let mut vector = VectorEnv::new(&spec, 1).unwrap();
        let (mut observation, mut steps) = ([0.0; 4], [Step::default()]);
        vector.reset(0, &mut observation).unwrap();
        vector.step(&given, &mut observation, &mut steps).unwrap();
        assert_eq!(steps[0].reward, sum, "{kind}");
    }
}

/// What cannot be had is refused before anything is played, with the cure and the end of Python's message.
#[test]
fn what_cannot_be_had_is_refused_in_one_sentence() {
    let kind = |observation: &str, action: &str| {
        let kwargs = json!({"observation": observation, "action": action});
        json!({"python": "tiny:Kind", "kwargs": kwargs, "max_episode_steps": 9})
    };
    let cases: Vec<(Value, Vec<String>)> = vec![
        (
            json!({"gymnasium": "CartPole-v1", "interpreter": "/nowhere/python"}),
            vec!["/nowhere/python cannot be started (No such file".into(), "set `interpreter:`".into()],
        ),
        (
            json!({"gymnasium": "CartPole-v1", "interpreter": "/bin/false"}),
            vec!["ended with exit status 1".into(), "is it a Python with gymnasium?".into()],
        ),
        (
            json!({"gymnasium": "CartPole-v1", "import": ["no_such_robots"]}),
            vec![
                "has no module no_such_robots (ModuleNotFoundError: No module named".into(),
                "-m pip install no-such-robots`, or set `interpreter:`".into(),
            ],
        ),
        (
            json!({"gymnasium": "CartPole-v9"}),
            vec![
                "knows no such id".into(),
                "`CartPole` doesn't exist".into(),
                "did you mean `CartPole-v1`?".into(),
            ],
        ),
        (
            json!({"gymnasium": "CartPole-v1", "kwargs": {"gravitation": 3}}),
            vec!["unexpected keyword argument 'gravitation'".into(), "change `kwargs`".into()],
        ),
        (
            json!({"python": "tiny:Circle"}),
            vec!["module tiny has no `Circle`; it has ".into(), "Line".into()],
        ),
        (json!({"python": "tiny:number"}), vec!["`tiny:number` is a int".into()]),
        (json!({"python": "tiny"}), vec!["write `module:function`".into()]),
        (
            json!({"python": "tinny:Line"}),
            vec!["python has no module tinny".into(), "`path:` to the folder".into()],
        ),
        (json!({"python": "tiny:Line"}), vec!["no time limit; set `max_episode_steps: N`".into()]),
        (
            json!({"python": "tiny:Line", "kwargs": {"fault": "make"}}),
            vec!["making it raised RuntimeError: no licence (tiny.py, line ".into()],
        ),
        (
            json!({"python": "tiny:Line", "kwargs": {"fault": "reset"}, "max_episode_steps": 9}),
            vec!["`reset(seed=0)` raised ValueError: no room (tiny.py, line ".into()],
        ),
        (
            kind("image", "discrete"),
            vec!["its observations are images, Box(0, 255, (64, 64, 3), uint8)".into()],
        ),
        (kind("text", "discrete"), vec!["its observations are Text(".into(), "wrap the environment".into()]),
        (kind("matrix", "endless"), vec!["without finite bounds".into(), "RescaleAction".into()]),
        (kind("matrix", "text"), vec!["its actions are Text(".into()]),
    ];
    for (env, expected) in cases {
        let error = describe(&spec(env.clone())).unwrap_err();
        let message = error.to_string();
        assert!(error.is_refusal() && message.lines().count() == 1, "{message}");
        for part in expected {
            assert!(message.contains(&part), "{env}: {part} in {message}");
        }
    }
}

/// Plays until something goes wrong.
fn fault(spec: &EnvSpec, count: usize) -> Error {
    let mut vector = VectorEnv::new(spec, count).unwrap();
    let mut observations = vec![0.0; count * vector.observation_size()];
    let mut steps = vec![Step::default(); count];
    vector.reset(40, &mut observations).unwrap();
    let actions = vec![0.0; count];
    (0..9).find_map(|_| vector.step(&actions, &mut observations, &mut steps).err()).unwrap()
}

#[test]
fn what_goes_wrong_in_an_episode_is_told_in_one_sentence() {
    for (kind, expected) in [
        ("raise", "`step` raised KeyError: 'the key' (tiny.py, line "),
        ("exit", "`step` raised SystemExit: 3 (tiny.py, line "),
        ("nan", "`step` gave nan as entry 0 of the observation"),
        ("shape", "`step` raised ValueError: an observation of shape (3,), where its space has (2,)"),
        ("four", "`step` raised ValueError: not enough values to unpack (expected 5, got 4)"),
        (
            "die",
            "`step` did not come back: its process was killed by signal 6 (the last that it printed: a last word)",
        ),
    ] {
        let spec = line(json!({"fault": kind}));
        let error = fault(&spec, 1);
        let message = error.to_string();
        assert!(!error.is_refusal() && message.lines().count() == 1, "{message}");
        assert!(message.starts_with("env: tiny:Line: ") && message.contains(expected), "{message}");
        assert!(message.contains(", at timestep 3 of the episode with seed 40"), "{message}");
        // The next one is played by another process.
        let mut fresh = VectorEnv::new(&spec, 1).unwrap();
        let mut observation = [0.0; 2];
        fresh.reset(1, &mut observation).unwrap();
        fresh.step(&[0.0], &mut observation, &mut [Step::default()]).unwrap();
    }
}

/// Where one of several processes fails, what the others answered meanwhile is no answer to whoever asks next.
#[test]
fn no_answer_is_left_unread() {
    let spec = line(json!({"fault": "raise", "seed": 40}));
    fault(&spec, 2);
    let found = |spec: &EnvSpec| {
        let mut vector = VectorEnv::new(spec, 2).unwrap();
        let mut observations = [0.0; 4];
        vector.reset(90, &mut observations).unwrap();
        observations
    };
    assert_eq!(found(&spec), found(&line(json!({}))));
}

/// What an environment starts ends with it.
#[test]
fn children_of_an_environment_end_with_it() {
    let note = std::env::temp_dir().join(format!("aaren-envs-child-{}", std::process::id()));
    let spec = line(json!({"fault": "raise", "child": note}));
    fault(&spec, 1);
    let spec = line(json!({"fault": "die", "child": note}));
    fault(&spec, 1);
    let pids = std::fs::read_to_string(&note).unwrap();
    std::fs::remove_file(&note).unwrap();
    assert_eq!(pids.lines().count(), 2);
    until_ended(&pids);
}

#[test]
fn one_that_hangs_is_given_up_after_its_timeout() {
    let mut spec = line(json!({"fault": "hang"}));
    spec.python.as_mut().unwrap().timeout = 3.0;
    let started = Instant::now();
    let message = fault(&spec, 1).to_string();
    assert!(started.elapsed() < Duration::from_secs(100), "it would hang for 1000 s");
    let expected = "`step` did not come back: has not answered for 3 s (the last that it printed: waiting); raise `timeout:`";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_seed_that_decides_nothing_is_noticed() {
    assert!(!describe(&line(json!({"fault": "unseeded"}))).unwrap().repeats);
    assert!(describe(&line(json!({}))).unwrap().repeats);
}

#[test]
fn python_draws_what_it_steps() {
    let mut vector = VectorEnv::filmed(&line(json!({})), 1).unwrap();
    vector.reset(0, &mut [0.0; 2]).unwrap();
    let mut camera = vector.camera(64, 64).unwrap();
    let picture = vector.picture(0, &mut camera).unwrap();
    let at = |x: usize, y: usize| picture.rgb()[3 * (y * 64 + x)..][..3].to_vec();
    assert_eq!((at(10, 32), at(50, 32), at(10, 2)), (vec![255, 0, 0], vec![0; 3], vec![255; 3]));
    let kwargs = json!({"observation": "matrix"});
    let blind = spec(json!({"python": "tiny:Kind", "kwargs": kwargs, "max_episode_steps": 9}));
    let mut vector = VectorEnv::filmed(&blind, 1).unwrap();
    vector.reset(0, &mut [0.0; 4]).unwrap();
    let error = vector.picture(0, &mut camera).unwrap_err();
    assert!(matches!(error, Error::Picture { .. }), "{error}");
}

/// Waits until none of these processes, a line each, is alive.
fn until_ended(pids: &str) {
    let alive = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie has ended.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let since = Instant::now();
    while pids.lines().any(alive) {
        assert!(since.elapsed() < Duration::from_secs(60), "{pids}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Hangs with a child that hangs.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn wait_for_what_hangs() {
    let note = std::env::var("NOTE").unwrap();
    let mut vector = VectorEnv::new(&line(json!({"fault": "hang", "note": note})), 1).unwrap();
    let mut observation = [0.0; 2];
    vector.reset(0, &mut observation).unwrap();
    std::fs::write(format!("{note}.begun"), "").unwrap();
    while vector.step(&[0.0], &mut observation, &mut [Step::default()]).is_ok() {}
}

#[test]
fn a_child_ends_with_its_parent_even_where_that_is_killed() {
    let folder = std::env::temp_dir().join(format!("aaren-envs-python-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let note: PathBuf = folder.join("note");
    let test = std::env::current_exe().unwrap();
    let mut child = Command::new(test)
        .args(["--exact", "wait_for_what_hangs", "--ignored"])
        .env("NOTE", &note)
        .spawn()
        .unwrap();
    let begun = folder.join("note.begun");
    while !begun.exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    let pids = std::fs::read_to_string(&note).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    until_ended(&pids);
    std::fs::remove_dir_all(&folder).unwrap();
}
