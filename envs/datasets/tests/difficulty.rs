//! How hard a dataset is, against numpy.

use aaren_datasets::Dataset;
use aaren_datasets::{Difficulty, Transitions};
use aaren_envs::{EnvSpec, seeds};

/// Numbers that numpy draws as easily.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24) - 0.5
    }
}

/// Actions that depend on the last one, on the timestep and on the observation, of which one entry depends on another
/// and one never moves; as three choices if `discrete`.
fn synthetic(discrete: bool) -> Dataset {
    let round = |x: f64| f64::from(x as f32);
    let mut random = Random(12345);
    let mut all = Transitions::default();
    for episode in 0..60 {
        let length = 5 + episode % 7 * 9;
        let mut action = [0.0; 2];
        for timestep in 0..length {
            let (x, y, z) = (round(random.draw()), round(random.draw()), round(1.0 + random.draw()));
            let first = 0.6 * action[0] + 0.5 * x + 0.1 * f64::from(timestep % 4) + 0.2 * random.draw();
            let second = action[0] - 0.3 * y * z + 0.5 * random.draw();
            action = [round(first), round(second)];
            all.observations.extend([x, y, z, x, 2.0].map(|x| x as f32));
            if discrete {
                all.actions.push(f32::from(action[0] > 0.0) + f32::from(action[1] > 0.0));
            } else {
                all.actions.extend(action.map(|a| a as f32));
            }
            all.rewards.push(1.0);
            all.terminals.push(timestep + 1 == length);
            all.timeouts.push(false);
        }
    }
    Dataset::new("synthetic", all, 5, if discrete { 1 } else { 2 }, discrete)
}

/// numpy 2.4.6: `lstsq` with a column of ones, `var(ddof=1)` at each timestep that two episodes reach.
#[test]
fn shares_are_numpys() {
    for (discrete, timestep, last_actions, observation) in [
        (false, 0.750_778_055_258_842_8, 0.507_227_412_708_050_8, 0.791_640_573_545_155_6),
        (true, 0.853_654_517_632_384_5, 0.929_185_930_976_018_9, 0.969_004_741_618_418_4),
    ] {
        let difficulty = Difficulty::of(&synthetic(discrete), None).unwrap();
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-7, "{found:?} instead of {expected}");
        };
        near(difficulty.left_given_timestep, timestep);
        near(difficulty.left_given_last_actions, last_actions);
        near(difficulty.left_given_observation, observation);
        assert_eq!(difficulty.starts_of_evaluation, None);
        // Lengths, and so returns, are 5, 14, … 59: sixty episodes, nine of each of the first four.
        assert_eq!((difficulty.returns.low, difficulty.returns.high), (5.0, 59.0));
        let counts: Vec<usize> = difficulty.returns.counts.iter().copied().filter(|&c| c > 0).collect();
        assert_eq!(counts, [9, 9, 9, 9, 8, 8, 8]);
        assert_eq!(difficulty.returns.counts.len(), 20);
    }
}

/// One trajectory repeated leaves nothing, and neither does a linear policy; too few rows tell nothing.
#[test]
fn the_easiest_data_leave_nothing_and_the_smallest_say_nothing() {
    let data = |episodes: usize, action: &dyn Fn(usize, &[f64]) -> f32| {
        let mut random = Random(1);
        let mut all = Transitions::default();
        for _ in 0..episodes {
            for timestep in 0..20 {
                let observation = [random.draw(), random.draw()];
                all.actions.push(action(timestep, &observation));
                all.observations.extend(observation.map(|x| x as f32));
                all.rewards.push(0.0);
                all.terminals.push(timestep == 19);
                all.timeouts.push(false);
            }
        }
        Difficulty::of(&Dataset::new("data", all, 2, 1, false), None).unwrap()
    };
    let repeated = data(30, &|timestep, _| (timestep * timestep % 7) as f32);
    assert!(repeated.left_given_timestep.unwrap() < 1e-20);
    assert!(repeated.left_given_observation.unwrap() > 0.9);
    assert_eq!(repeated.returns.counts[0], 30);
    let linear = data(30, &|_, o| (2.0 * o[0] - o[1] + 3.0) as f32);
    assert!(linear.left_given_observation.unwrap() < 1e-12);
    assert!(linear.left_given_timestep.unwrap() > 0.9);
    let constant = data(30, &|_, _| 0.5);
    let shares =
        [constant.left_given_timestep, constant.left_given_last_actions, constant.left_given_observation];
    assert_eq!(shares, [None; 3]);
    let one = data(1, &|timestep, _| timestep as f32);
    assert_eq!([one.left_given_timestep, one.left_given_last_actions, one.left_given_observation], [None; 3]);
}

#[test]
fn starts_of_an_evaluation_are_counted_bit_for_bit() {
    let env = EnvSpec::new("Hopper-v4");
    let mut environment = aaren_envs::make(&env).unwrap();
    let mut observation = vec![0.0; 11];
    let mut all = Transitions::default();
    for seed in [
        seeds::evaluation(0, 0),
        seeds::evaluation(0, 999),
        seeds::evaluation(0, 1000),
        seeds::data(0, 0),
        seeds::data(0, 1),
    ] {
        environment.reset(seed, &mut observation);
        all.observations.extend(observation.iter().map(|&x| x as f32));
        all.actions.extend([0.0; 3]);
        all.rewards.push(1.0);
        all.terminals.push(true);
        all.timeouts.push(false);
    }
    let data = Dataset::new("starts", all, 11, 3, false);
    let difficulty = Difficulty::of(&data, Some(&env)).unwrap();
    assert_eq!((difficulty.starts_of_evaluation, difficulty.episodes), (Some(2), 5));
    let text = serde_json::to_string(&difficulty).unwrap();
    assert_eq!(serde_json::from_str::<Difficulty>(&text).unwrap(), difficulty);
}
