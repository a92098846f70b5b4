//! The environments against trajectories of Python Gymnasium 1.4.0 with MuJoCo 3.17.0, which
//! `oracle/rollout.py` printed (`make oracle` compares many more, afresh).

use std::collections::BTreeSet;
use std::path::PathBuf;

use aaren_envs::{
    ActionSpace, Check, EnvSpec, EnvState, Environment, Error, Step, check, ids, make, reference_scores,
    return_range,
};
use serde_json::json;

/// The environments whose seed decides everything and who have no other state.
const DECIDED_BY_SEED: [&str; 5] =
    ["Autoencode", "CountRecall", "RateTMaze", "RepeatFirst", "RepeatPrevious"];

fn trajectories() -> Vec<(PathBuf, String)> {
    let folder = format!("{}/tests/trajectories", env!("CARGO_MANIFEST_DIR"));
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

fn spec(value: serde_json::Value) -> EnvSpec {
    serde_json::from_value(value).unwrap()
}

/// By how much observations and rewards may differ: not at all, bit for bit, but in these, where sums and sines of
/// NumPy's round otherwise than ours.
fn allowed(env: &str) -> (f64, f64) {
    match env {
        "Acrobot-v1" => (4e-9, 0.0),
        "Pendulum-v1" => (0.0, 2e-10),
        _ if env.starts_with("popgym-PositionOnlyPendulum") => (0.0, 4e-14),
        _ => (0.0, 0.0),
    }
}

/// Every id, flags included.
#[test]
fn every_environment_behaves_as_gymnasiums() {
    let mut seen = BTreeSet::new();
    for (path, text) in trajectories() {
        let Check { env, steps, max_observation_difference, max_reward_difference, flags_equal } =
            check(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (of_observations, of_rewards) = allowed(&env);
        assert!(
            max_observation_difference <= of_observations
                && max_reward_difference <= of_rewards
                && flags_equal,
            "{}: {max_observation_difference:e}, {max_reward_difference:e}, flags equal: {flags_equal}",
            path.display()
        );
        assert!(steps > 0);
        seen.insert(env);
    }
    let gymnasiums = ids().iter().filter(|&&id| id != "TMaze-v0");
    assert_eq!(seen, gymnasiums.map(ToString::to_string).collect());
}

#[test]
fn the_check_notices_every_kind_of_difference() {
    let trajectories = trajectories();
    let (_, text) = trajectories.iter().find(|(path, _)| path.ends_with("hopper-v5.jsonl")).unwrap();
    let with = |line: usize, key: &str, value: serde_json::Value| {
        let mut lines: Vec<serde_json::Value> =
            text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        lines[line][key] = value;
        check(lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").as_bytes())
    };
    let observation: Vec<f64> = vec![9.0; 11];
    assert!(with(0, "observation", json!(observation)).unwrap().max_observation_difference > 1.0);
    assert!(with(3, "observation", json!(observation)).unwrap().max_observation_difference > 1.0);
    assert!(with(3, "reward", json!(1e6)).unwrap().max_reward_difference > 1e5);
    assert!(!with(3, "truncated", json!(true)).unwrap().flags_equal);
    for (line, key, value, said) in [
        (3, "action", json!([0.5]), "line 4: [0.5] is no action"),
        (3, "observation", json!([0.5]), "line 4: the observation has 1 entries, expected 11"),
        (0, "state", json!({"qpos": [0.0], "qvel": []}), "line 1: state of Hopper-v5: found 1 entries"),
        (0, "state", json!({"state": [0.0]}), "line 1: state of Hopper-v5: expected qpos and qvel"),
        (0, "state", json!({}), "line 1: data did not match any variant"),
        (0, "state", json!(null), "line 1: the episode has no `state` to start in"),
        (0, "env", json!("Hoper-v5"), "nearest known one is Hopper-v5"),
    ] {
        let message = with(line, key, value).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
    assert!(matches!(check(&b""[..]), Err(Error::Trajectory { line: 1, .. })));
}

/// What `gymnasium.make(id)` shows: entries of an observation, actions and their bound, most steps.
#[test]
fn sizes_bounds_and_time_limits_are_gymnasiums() {
    let discrete = |choices| (choices, None);
    let continuous = |entries, bound| (entries, Some(bound));
    for (id, observation, action, limit) in [
        ("Acrobot-v1", 6, discrete(3), 500),
        ("Ant-v4", 27, continuous(8, 1.0), 1000),
        ("Ant-v5", 105, continuous(8, 1.0), 1000),
        ("CartPole-v1", 4, discrete(2), 500),
        ("HalfCheetah-v4", 17, continuous(6, 1.0), 1000),
        ("HalfCheetah-v5", 17, continuous(6, 1.0), 1000),
        ("Hopper-v4", 11, continuous(3, 1.0), 1000),
        ("Hopper-v5", 11, continuous(3, 1.0), 1000),
        ("Humanoid-v4", 376, continuous(17, 0.4), 1000),
        ("Humanoid-v5", 348, continuous(17, 0.4), 1000),
        ("HumanoidStandup-v4", 376, continuous(17, 0.4), 1000),
        ("HumanoidStandup-v5", 348, continuous(17, 0.4), 1000),
        ("InvertedDoublePendulum-v4", 11, continuous(1, 1.0), 1000),
        ("InvertedDoublePendulum-v5", 9, continuous(1, 1.0), 1000),
        ("InvertedPendulum-v4", 4, continuous(1, 3.0), 1000),
        ("InvertedPendulum-v5", 4, continuous(1, 3.0), 1000),
        ("MountainCar-v0", 2, discrete(3), 200),
        ("MountainCarContinuous-v0", 2, continuous(1, 1.0), 999),
        ("Pendulum-v1", 3, continuous(1, 2.0), 200),
        ("Pusher-v5", 23, continuous(7, 2.0), 100),
        ("RateTMaze-v0", 4, discrete(4), 150),
        ("Reacher-v4", 11, continuous(2, 1.0), 50),
        ("Reacher-v5", 10, continuous(2, 1.0), 50),
        ("Swimmer-v4", 8, continuous(2, 1.0), 1000),
        ("Swimmer-v5", 8, continuous(2, 1.0), 1000),
        ("Walker2d-v4", 17, continuous(6, 1.0), 1000),
        ("Walker2d-v5", 17, continuous(6, 1.0), 1000),
        ("popgym-AutoencodeEasy-v0", 6, discrete(4), 103),
        ("popgym-AutoencodeMedium-v0", 6, discrete(4), 207),
        ("popgym-AutoencodeHard-v0", 6, discrete(4), 311),
        ("popgym-CountRecallEasy-v0", 4, discrete(27), 51),
        ("popgym-CountRecallMedium-v0", 8, discrete(27), 103),
        ("popgym-CountRecallHard-v0", 26, discrete(17), 207),
        ("popgym-PositionOnlyCartPoleEasy-v0", 2, discrete(2), 200),
        ("popgym-PositionOnlyCartPoleMedium-v0", 2, discrete(2), 400),
        ("popgym-PositionOnlyCartPoleHard-v0", 2, discrete(2), 600),
        ("popgym-PositionOnlyPendulumEasy-v0", 2, continuous(1, 2.0), 200),
        ("popgym-PositionOnlyPendulumMedium-v0", 2, continuous(1, 2.0), 150),
        ("popgym-PositionOnlyPendulumHard-v0", 2, continuous(1, 2.0), 100),
        ("popgym-RepeatFirstEasy-v0", 4, discrete(4), 51),
        ("popgym-RepeatFirstMedium-v0", 4, discrete(4), 415),
        ("popgym-RepeatFirstHard-v0", 4, discrete(4), 831),
        ("popgym-RepeatPreviousEasy-v0", 4, discrete(4), 51),
        ("popgym-RepeatPreviousMedium-v0", 4, discrete(4), 103),
        ("popgym-RepeatPreviousHard-v0", 4, discrete(4), 155),
    ] {
        let environment = make(&EnvSpec::new(id)).unwrap();
        let expected = match action {
            (choices, None) => ActionSpace::Discrete { choices },
            (n, Some(bound)) => ActionSpace::Continuous { low: vec![-bound; n], high: vec![bound; n] },
        };
        assert_eq!(environment.action_space(), &expected, "{id}");
        assert_eq!(
            (environment.observation_size(), environment.max_episode_steps()),
            (observation, limit),
            "{id}"
        );
    }
}

/// An action of alternating sign, or choice.
fn action(space: &ActionSpace, t: usize) -> Vec<f32> {
    match space {
        ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
            space.choices().iter().map(|choices| (t % choices) as f32).collect()
        }
        ActionSpace::Continuous { low, .. } => vec![(t as f32).sin(); low.len()],
    }
}

#[test]
fn a_reset_after_a_dirty_episode_is_a_fresh_environment() {
    for id in ids() {
        let episode = |environment: &mut Environment| {
            let mut observation = vec![0.0; environment.observation_size()];
            environment.reset(5, &mut observation);
            let mut trace = observation.clone();
            for t in 0..40 {
                let step = environment.step(&action(environment.action_space(), t), &mut observation);
                trace.extend(&observation);
                trace.push(step.reward);
            }
            trace.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let mut dirty = make(&EnvSpec::new(*id)).unwrap();
        let mut observation = vec![0.0; dirty.observation_size()];
        dirty.reset(9, &mut observation);
        for t in 0..100 {
            dirty.step(&action(dirty.action_space(), t / 7), &mut observation);
        }
        let fresh = episode(&mut make(&EnvSpec::new(*id)).unwrap());
        assert_eq!(episode(&mut dirty), fresh, "{id}");
        let starts = (0..20).map(|seed| {
            dirty.reset(seed, &mut observation);
            observation.clone()
        });
        let starts: Vec<_> = starts.collect();
        assert!(starts.iter().any(|start| start != &starts[0]), "{id}: another seed starts elsewhere");
    }
}

#[test]
fn a_state_taken_over_continues_alike() {
    for id in ids() {
        let (mut one, mut two) = (make(&EnvSpec::new(*id)).unwrap(), make(&EnvSpec::new(*id)).unwrap());
        let mut observations = [vec![0.0; one.observation_size()], vec![0.0; one.observation_size()]];
        one.reset(3, &mut observations[0]);
        let decided_by_seed = DECIDED_BY_SEED.iter().any(|name| id.contains(name));
        let Some(state) = one.state() else {
            assert!(decided_by_seed, "{id} has no state");
            let message = two.set_state(&EnvState::Classic { state: vec![0.0] }).unwrap_err().to_string();
            assert!(message.contains("its seed decides its episodes"), "{message}");
            continue;
        };
        assert!(!decided_by_seed, "{id} has a state");
        two.set_state(&state).unwrap();
        let action = action(one.action_space(), 1);
        let steps = (one.step(&action, &mut observations[0]), two.step(&action, &mut observations[1]));
        assert_eq!(
            (steps.0, &observations[0], one.state()),
            (steps.1, &observations[1], two.state()),
            "{id}"
        );
    }
}

/// Where `oracle/starts.py` says that Gymnasium's resets put it, the one of a seed and the one after it without.
#[test]
fn resets_start_where_gymnasiums_do_to_the_last_bit() {
    #[derive(serde::Deserialize)]
    struct Start {
        env: String,
        seed: u64,
        starts: [(EnvState, Vec<f64>); 2],
    }
    let bits = |state: &EnvState, observation: &[f64]| -> Vec<u64> {
        let state = match state {
            EnvState::Mujoco { qpos, qvel } => [qpos.as_slice(), qvel].concat(),
            EnvState::Classic { state } => state.clone(),
        };
        state.iter().chain(observation).map(|x| x.to_bits()).collect()
    };
    let starts: Vec<Start> = serde_json::from_str(include_str!("starts.json")).unwrap();
    let mut seen = BTreeSet::new();
    for Start { env, seed, starts: [first, second] } in starts {
        let mut environment = make(&EnvSpec::new(env.as_str())).unwrap();
        let mut observation = vec![0.0; environment.observation_size()];
        environment.reset(seed, &mut observation);
        let found = bits(&environment.state().unwrap(), &observation);
        assert_eq!(found, bits(&first.0, &first.1), "{env}, {seed}");
        environment.reset_unseeded(&mut observation);
        let found = bits(&environment.state().unwrap(), &observation);
        assert_eq!(found, bits(&second.0, &second.1), "{env}, after {seed}");
        seen.insert(env);
    }
    // The others' trajectories start from a seed.
    let others = ids().iter().filter(|id| id.starts_with("popgym-") || id.contains("TMaze"));
    seen.extend(others.map(ToString::to_string));
    assert_eq!(seen, ids().iter().map(ToString::to_string).collect());
}

#[test]
fn a_simulation_that_blows_up_ends_its_episode() {
    let mut hopper = make(&EnvSpec::new("Hopper-v5")).unwrap();
    let mut observation = vec![0.0; 11];
    hopper.reset(0, &mut observation);
    let step = hopper.step(&[f32::NAN, 0.0, 0.0], &mut observation);
    assert!(step.unstable && step.done());
    hopper.reset(0, &mut observation);
    assert!(!hopper.step(&[0.0; 3], &mut observation).unstable, "a reset forgets it");
    assert!(hopper.step(&[f32::INFINITY; 3], &mut observation).unstable, "its cost is infinite");
    hopper
        .set_state(&EnvState::Mujoco { qpos: vec![0.0, 1.0, 0.0, 0.0, 0.0, 0.0], qvel: vec![1e9; 6] })
        .unwrap();
    assert!(hopper.step(&[0.0; 3], &mut observation).unstable, "too fast to simulate");
}

#[test]
fn positions_are_the_observation_without_velocities() {
    let humanoid: Vec<usize> = (0..22).collect();
    let pusher: Vec<usize> = (0..7).chain(14..23).collect();
    let expected: [(&str, &[usize]); 15] = [
        ("Acrobot-v1", &[0, 1, 2, 3]),
        ("Ant-v5", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("CartPole-v1", &[0, 2]),
        ("HalfCheetah-v4", &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("Hopper-v4", &[0, 1, 2, 3, 4]),
        ("Humanoid-v5", &humanoid),
        ("InvertedDoublePendulum-v4", &[0, 1, 2, 3, 4]),
        ("InvertedPendulum-v5", &[0, 1]),
        ("MountainCar-v0", &[0]),
        ("MountainCarContinuous-v0", &[0]),
        ("Pendulum-v1", &[0, 1]),
        ("Pusher-v5", &pusher),
        ("Reacher-v4", &[0, 1, 2, 3, 4, 5, 8, 9, 10]),
        ("Swimmer-v5", &[0, 1, 2]),
        ("Walker2d-v5", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ];
    for (id, positions) in expected {
        let mut all = make(&EnvSpec::new(id)).unwrap();
        let mut some = make(&spec(json!({"id": id, "kwargs": {"observe": "positions"}}))).unwrap();
        let mut observations = [vec![0.0; all.observation_size()], vec![f64::NAN; some.observation_size()]];
        all.reset(1, &mut observations[0]);
        some.reset(1, &mut observations[1]);
        let picked: Vec<f64> = positions.iter().map(|&index| observations[0][index]).collect();
        assert_eq!(observations[1], picked, "{id}");
        assert_eq!(some.observed().as_deref(), Some(positions), "{id}");
        assert_eq!(all.observed(), None, "{id}");
    }
}

/// D4RL's datasets: 111 entries of Ant, of which the 84 contact forces are zero.
#[test]
fn names_of_d4rl_datasets_stand_for_their_environments() {
    for (name, id, size) in [
        ("hopper-medium-v2", "Hopper-v4", 11),
        ("halfcheetah-medium-replay-v2", "HalfCheetah-v4", 17),
        ("walker2d-expert-v0", "Walker2d-v4", 17),
        ("ant-medium-expert-v2", "Ant-v4", 111),
    ] {
        let (mut one, mut two) = (make(&EnvSpec::new(name)).unwrap(), make(&EnvSpec::new(id)).unwrap());
        let mut observations = [vec![f64::NAN; one.observation_size()], vec![0.0; two.observation_size()]];
        assert_eq!(observations[0].len(), size, "{name}");
        one.reset(1, &mut observations[0]);
        two.reset(1, &mut observations[1]);
        observations[1].resize(size, 0.0);
        assert_eq!(observations[0], observations[1], "{name}");
        assert!(reference_scores(name).is_some());
    }
    assert!(make(&EnvSpec::new("hopper-mediocre-v2")).is_err());
}

#[test]
fn unknown_names_and_impossible_values_are_refused() {
    let message = make(&EnvSpec::new("Hoper-v4")).unwrap_err().to_string();
    assert!(message.contains("no environment Hoper-v4") && message.contains("Hopper-v4"), "{message}");
    let message = make(&EnvSpec::new("Zebra-v1")).unwrap_err().to_string();
    let expected =
        "env: there is no environment Zebra-v1 (`aaren envs list` shows all; `env: {gymnasium: Zebra-v1, ";
    assert!(message.starts_with(expected), "{message}");
    let error = make(&EnvSpec::new("Pusher-v4")).unwrap_err();
    let said = "env: Pusher-v4 runs on MuJoCo before 3.0 only, and this is 3.17.0; use Pusher-v5";
    assert_eq!((error.to_string().as_str(), error.is_refusal()), (said, true));
    for (id, kwargs, said) in [
        ("HalfCheetah-v5", json!({"healthy_reward": 1}), "no `healthy_reward`"),
        (
            "Walker2d-v5",
            json!({"healthy_state_range": [0, 1]}),
            "no `healthy_state_range`; the nearest one is `healthy_",
        ),
        ("Humanoid-v4", json!({"contact_cost_weight": 1}), "no `contact_cost_weight`"),
        ("Humanoid-v5", json!({"frame_skip": 0.5}), "`frame_skip`: invalid"),
        ("HumanoidStandup-v4", json!({"reset_noise_scale": 1}), "no `reset_noise_scale`; it takes observe"),
        ("Hopper-v5", json!({"reset_noise": 1}), "no `reset_noise`; the nearest one is `reset_noise_scale`"),
        ("Hopper-v4", json!({"frame_skip": 2}), "no `frame_skip`"),
        ("Ant-v5", json!({"use_contact_forces": true}), "no `use_contact_forces`"),
        ("Ant-v5", json!({"main_body": "head"}), "`main_body`: no such body; expected a number below 14"),
        ("Ant-v5", json!({"main_body": 14}), "`main_body`: no such body"),
        ("Hopper-v5", json!({"frame_skip": 0}), "`frame_skip`: invalid value: integer `0`"),
        ("Hopper-v5", json!({"healthy_reward": "much"}), "`healthy_reward`: invalid type: string \"much\""),
        ("Hopper-v5", json!({"healthy_z_range": [2, 1]}), "`healthy_z_range`: the range [2, 1] is empty"),
        ("Hopper-v5", json!({"reset_noise_scale": -1}), "`reset_noise_scale`: found -1"),
        ("Hopper-v5", json!({"observe": "d4rl"}), "`observe`: unknown variant `d4rl`"),
        ("Pendulum-v1", json!({"max_episode_steps": 0}), "`max_episode_steps`: invalid value: integer `0`"),
        ("RateTMaze-v0", json!({"corridor": [5, 2]}), "RateTMaze-v0: `corridor`: found 5 to 2"),
        (
            "popgym-AutoencodeEasy-v0",
            json!({"num_decks": 2}),
            "no `num_decks`; it takes none but `max_episode_steps`",
        ),
    ] {
        let message = make(&spec(json!({"id": id, "kwargs": kwargs}))).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

/// D4RL's `infos.py`: the random policy's return is 0, the expert's 100.
#[test]
fn normalised_scores_are_d4rls() {
    for (robot, data, random, expert) in [
        ("Ant", "ant", -325.6, 3879.7),
        ("HalfCheetah", "halfcheetah", -280.178953, 12135.0),
        ("Hopper", "hopper", -20.272305, 3234.3),
        ("Walker2d", "walker2d", 1.629008, 4592.3),
    ] {
        let names = [format!("{robot}-v4"), format!("{robot}-v5"), format!("{data}-expert-v2")];
        for name in names.into_iter().chain([format!("{data}-medium-replay")]) {
            let scores = reference_scores(&name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((scores.normalised(random), scores.normalised(expert)), (0.0, 100.0), "{name}");
        }
    }
    let others = [
        "Pendulum-v1",
        "Hopper-Mine-v0",
        "Hopper",
        "hopper",
        "hopper-mine-v2",
        "mine-medium-v2",
        "Hopper-v9",
    ];
    for name in others {
        assert_eq!(reference_scores(name), None, "{name}");
    }
}

/// Whole episodes of waves and of noise in every environment with a range: no return is outside.
#[test]
fn returns_lie_in_their_range() {
    let limited = |id: &str| json!({"id": id, "kwargs": {"max_episode_steps": 60}});
    let specs = ids()
        .iter()
        .map(|id| EnvSpec::new(*id))
        .chain(["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0"].map(|id| spec(limited(id))));
    let mut bounded = 0;
    for spec in specs {
        let (low, high) = return_range(&spec).unwrap();
        if low.is_infinite() {
            continue;
        }
        bounded += 1;
        let mut environment = make(&spec).unwrap();
        let mut observation = vec![0.0; environment.observation_size()];
        for seed in 0..6 {
            environment.reset(seed, &mut observation);
            let mut total = 0.0;
            for t in 0.. {
                let slower = if seed % 2 == 0 { t } else { t * t / (seed as usize + 3) };
                let step = environment.step(&action(environment.action_space(), slower), &mut observation);
                total += step.reward;
                if step.done() {
                    break;
                }
            }
            assert!(low - 1e-9 <= total && total <= high + 1e-9, "{}: {total}", spec.id);
        }
    }
    assert_eq!(bounded, ids().len() + 3 - 19, "all but the robots, of which both InvertedPendulums are");
    let sutton = json!({"id": "CartPole-v1", "kwargs": {"sutton_barto_reward": true}});
    assert_eq!(return_range(&spec(sutton)).unwrap(), (-1.0, 0.0));
}

#[test]
fn the_t_maze_shows_its_cue_once_and_asks_for_it() {
    let observe = |maze: &mut Environment, action: f32| {
        let mut observation = [f64::NAN; 2];
        (maze.step(&[action], &mut observation), observation)
    };
    let mut rewards = Vec::new();
    for (seed, turn) in (0..6).flat_map(|seed| [(seed, 1.0), (seed, 2.0)]) {
        let mut maze = make(&spec(json!({"id": "TMaze-v0", "kwargs": {"corridor": 3}}))).unwrap();
        let mut first = [f64::NAN; 2];
        maze.reset(seed, &mut first);
        assert!(first[0].abs() == 1.0 && first[1] == 0.0);
        assert_eq!(observe(&mut maze, 1.0), (Step::default(), first), "a wall");
        assert_eq!(observe(&mut maze, 0.0), (Step::default(), [0.0, 0.0]));
        assert_eq!(observe(&mut maze, 0.0), (Step::default(), [0.0, 0.0]));
        assert_eq!(observe(&mut maze, 0.0), (Step::default(), [0.0, 1.0]));
        assert_eq!(observe(&mut maze, 0.0), (Step::default(), [0.0, 1.0]), "a wall");
        let reward = observe(&mut maze, turn).0;
        let right = (first[0] < 0.0) == (turn == 1.0);
        assert_eq!(reward, Step { reward: f64::from(right), terminated: true, ..Step::default() });
        rewards.push((turn as usize, right));
    }
    rewards.sort();
    rewards.dedup();
    assert_eq!(rewards.len(), 4, "either cue, either turn: {rewards:?}");

    let lengths: Vec<usize> = (0..200)
        .map(|seed| {
            let mut maze = make(&spec(json!({"id": "TMaze-v0", "kwargs": {"corridor": [2, 9]}}))).unwrap();
            maze.reset(seed, &mut [0.0; 2]);
            (1..20).find(|_| observe(&mut maze, 0.0).1[1] == 1.0).unwrap()
        })
        .collect();
    assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&2), Some(&9)));
    for corridor in [json!(0), json!([5, 2]), json!([1, 1_000_001]), json!("long"), json!(-3)] {
        let message = make(&spec(json!({"id": "TMaze-v0", "kwargs": {"corridor": corridor}}))).unwrap_err();
        assert!(message.to_string().contains("TMaze-v0: `corridor`: "), "{message}");
    }
}

/// A time limit of the wrapper's and the game's own end, as `gymnasium.make` has them: the last card terminates, and
/// nothing truncates; steps beyond it are worth nothing.
#[test]
fn a_card_game_ends_with_its_last_card() {
    for (id, kwargs, steps, terminated) in [
        ("popgym-RepeatFirstEasy-v0", json!({}), 51, true),
        ("popgym-AutoencodeEasy-v0", json!({}), 103, true),
        ("popgym-RepeatPreviousEasy-v0", json!({"max_episode_steps": 9}), 9, false),
        ("popgym-CountRecallEasy-v0", json!({"max_episode_steps": 90}), 51, true),
    ] {
        let mut game = make(&spec(json!({"id": id, "kwargs": kwargs}))).unwrap();
        assert_eq!(game.max_episode_steps(), steps, "{id}");
        let mut observation = vec![0.0; game.observation_size()];
        game.reset(0, &mut observation);
        let ends: Vec<Step> = (0..steps).map(|_| game.step(&[0.0], &mut observation)).collect();
        assert!(ends[..steps - 1].iter().all(|step| !step.done()), "{id}");
        let last = ends[steps - 1];
        assert_eq!((last.terminated, last.truncated), (terminated, !terminated), "{id}");
        if terminated {
            let beyond = game.step(&[0.0], &mut observation);
            assert_eq!((beyond.reward, beyond.terminated), (0.0, true), "{id}");
        }
    }
}
