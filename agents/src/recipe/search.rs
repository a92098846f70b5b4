//! `TASK-QUALITY`: snapshots of the random search, with noise on their actions.

use aaren_envs::{ActionSpace, EnvSpec};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Behaviour, Recipe, Uniform};
use crate::random_search::{LinearPolicy, Snapshot, TASKS, Task, expert, medium, standard_normal};

/// Standard deviation of the Gaussian noise on every action, in units of the bounds; how often a discrete one
/// is drawn at random. Without it a deterministic policy would show an imitator no way back to its path.
const ACTION_NOISE: f64 = 0.03;

/// What a recipe's name ends in, after the task and a `-`.
const QUALITIES: [&str; 5] = ["random", "medium", "medium-replay", "medium-expert", "expert"];

/// The names.
pub(super) fn known() -> String {
    let tasks = TASKS.each_ref().map(|task| task.name).join(", ");
    format!("TASK-QUALITY with {tasks} and {}", QUALITIES.join(", "))
}

pub(super) struct Search {
    task: &'static Task,
    /// Who acts in each part of the dataset, all of them as long; nobody acts uniformly.
    parts: Vec<Option<LinearPolicy>>,
}

pub(super) fn find(name: &str) -> Option<Search> {
    let (name, quality) = name.split_once('-').filter(|(_, quality)| QUALITIES.contains(quality))?;
    let task = TASKS.iter().find(|task| task.name == name)?;
    let snapshots = task.snapshots();
    let (medium, expert) = (medium(&snapshots), expert(&snapshots));
    let policy = |snapshot: &Snapshot| Some(snapshot.policy.clone());
    let parts = match quality {
        "random" => vec![None],
        "medium" => vec![policy(medium)],
        "expert" => vec![policy(expert)],
        "medium-replay" => snapshots.iter().filter(|s| s.iteration <= medium.iteration).map(policy).collect(),
        _ => vec![policy(medium), policy(expert)],
    };
    Some(Search { task, parts })
}

impl Recipe for Search {
    fn env(&self) -> EnvSpec {
        EnvSpec::new(self.task.env)
    }

    fn ends(&self, transitions: usize) -> Vec<usize> {
        let parts = self.parts.len();
        (1..=parts).map(|part| (transitions * part).div_ceil(parts)).collect()
    }

    fn behaviour(&self, part: usize) -> Box<dyn Behaviour + '_> {
        match &self.parts[part] {
            None => Box::new(Uniform),
            Some(policy) => Box::new(Noisy { policy }),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![
            ("algorithm", "augmented random search V2-t, linear policy".to_owned()),
            ("action_noise_std", ACTION_NOISE.to_string()),
            ("mujoco_version", aaren_envs::mujoco_version().to_owned()),
        ]
    }
}

struct Noisy<'p> {
    policy: &'p LinearPolicy,
}

impl Behaviour for Noisy<'_> {
    fn act(&mut self, observation: &[f32], space: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
        let double: Vec<f64> = observation.iter().map(|&x| x.into()).collect();
        self.policy.act(&double, action);
        match space {
            ActionSpace::Continuous { .. } => {
                for (entry, a) in action.iter_mut().enumerate() {
                    *a = self.policy.cut(entry, *a + (ACTION_NOISE * standard_normal(random)) as f32);
                }
            }
            ActionSpace::Discrete { .. } if random.random::<f64>() < ACTION_NOISE => {
                Uniform.act(observation, space, random, action);
            }
            ActionSpace::Discrete { .. } => {}
        }
    }
}
