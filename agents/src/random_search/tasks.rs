use super::{SearchConfig, Snapshot};

/// A task of the recipes, and how its behaviour policies are found.
pub struct Task {
    /// Its name in the names of datasets, which for robots are D4RL's.
    pub name: &'static str,
    /// Its environment.
    pub env: &'static str,
    /// The search: the paper's settings for V2-t (table 9), where the survival bonus does not count; but for
    /// Ant, which would rather fall than pay for its controls. Short episodes teach the same gait sooner.
    pub search: SearchConfig,
    snapshots: &'static str,
}

/// All tasks of the recipes.
pub const TASKS: [Task; 5] = [
    Task {
        name: "cartpole",
        env: "CartPole-v1",
        search: SearchConfig {
            directions: 8,
            best: 4,
            step_size: 0.02,
            noise: 0.02,
            survival_bonus: 0.0,
            iterations: 20,
            horizon: 500,
            snapshot_every: 1,
            seed: 0,
        },
        snapshots: include_str!("snapshots/cartpole.json"),
    },
    Task {
        name: "hopper",
        env: "Hopper-v4",
        search: SearchConfig {
            directions: 8,
            best: 4,
            step_size: 0.01,
            noise: 0.025,
            survival_bonus: 1.0,
            iterations: 160,
            horizon: 1000,
            snapshot_every: 5,
            seed: 2,
        },
        snapshots: include_str!("snapshots/hopper.json"),
    },
    Task {
        name: "halfcheetah",
        env: "HalfCheetah-v4",
        search: SearchConfig {
            directions: 32,
            best: 4,
            step_size: 0.02,
            noise: 0.03,
            survival_bonus: 0.0,
            iterations: 100,
            horizon: 1000,
            snapshot_every: 5,
            seed: 0,
        },
        snapshots: include_str!("snapshots/halfcheetah.json"),
    },
    Task {
        name: "walker2d",
        env: "Walker2d-v4",
        search: SearchConfig {
            directions: 40,
            best: 30,
            step_size: 0.03,
            noise: 0.025,
            survival_bonus: 1.0,
            iterations: 500,
            horizon: 300,
            snapshot_every: 10,
            seed: 0,
        },
        snapshots: include_str!("snapshots/walker2d.json"),
    },
    Task {
        name: "ant",
        env: "Ant-v4",
        search: SearchConfig {
            directions: 60,
            best: 20,
            step_size: 0.015,
            noise: 0.025,
            survival_bonus: 0.0,
            iterations: 60,
            horizon: 250,
            snapshot_every: 5,
            seed: 0,
        },
        snapshots: include_str!("snapshots/ant.json"),
    },
];

impl Task {
    /// The committed snapshots of its search, in order.
    ///
    /// # Panics
    /// Never: they are JSON.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        serde_json::from_str(self.snapshots).expect("the committed snapshots are JSON")
    }
}

/// The snapshot with the highest return, less its standard deviation: an expert falls seldom.
pub(crate) fn expert(snapshots: &[Snapshot]) -> &Snapshot {
    let reliable = |s: &Snapshot| s.return_mean - s.return_std;
    let better = |a: &&Snapshot, b: &&Snapshot| reliable(a).total_cmp(&reliable(b));
    snapshots.iter().max_by(better).expect("a search takes at least one snapshot")
}

/// The snapshot whose return is nearest to 40 % of the expert's, of those that the search made before it: the
/// first of all does nothing, which for some tasks is not bad.
pub(crate) fn medium(snapshots: &[Snapshot]) -> &Snapshot {
    let expert = expert(snapshots);
    let off = |s: &Snapshot| (s.return_mean - 0.4 * expert.return_mean).abs();
    let before = snapshots.iter().filter(|s| (1..=expert.iteration).contains(&s.iteration));
    before.min_by(|a, b| off(a).total_cmp(&off(b))).expect("the expert itself is among them")
}

/// What the recipes need of a search: at most ten snapshots up to medium, evenly spaced, and the expert.
pub fn thin(snapshots: &[Snapshot]) -> Vec<Snapshot> {
    let (medium, expert) = (medium(snapshots), expert(snapshots));
    let early: Vec<&Snapshot> = snapshots.iter().filter(|s| s.iteration <= medium.iteration).collect();
    let every = early.len().div_ceil(10);
    let spaced = early.iter().rev().step_by(every).rev().map(|s| (*s).clone());
    spaced.chain((expert != medium).then(|| expert.clone())).collect()
}
