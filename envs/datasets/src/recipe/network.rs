//! `TASK-QUALITY`: snapshots of a trained network's policy, replayed as it acted in its training.

use aaren_envs::EnvSpec;

use super::{Behaviour, Recipe, uniform};
use crate::Error;
use crate::behaviour::{Snapshots, TASKS, Task};

/// What a recipe's name ends in, after the task and a `-`.
const QUALITIES: [&str; 6] = ["random", "medium", "medium-replay", "full-replay", "medium-expert", "expert"];

/// Each name.
pub(super) fn names() -> impl Iterator<Item = String> {
    let of = |task: &'static Task| QUALITIES.map(|quality| format!("{}-{quality}", task.name));
    TASKS.iter().flat_map(of)
}

/// The names.
pub(super) fn known() -> String {
    format!(
        "TASK-QUALITY with {} and {}",
        TASKS.each_ref().map(|task| task.name).join(", "),
        QUALITIES.join(", ")
    )
}

pub(super) struct Replay {
    task: &'static Task,
    snapshots: Snapshots,
    parts: Vec<Part>,
}

/// A part of the dataset.
struct Part {
    /// Index of the snapshot that acts; none acts uniformly.
    snapshot: Option<usize>,
    /// Where it ends, as a fraction of the dataset.
    end: (u64, u64),
}

pub(super) fn find(name: &str) -> Result<Option<Replay>, Error> {
    let named = TASKS.iter().find_map(|task| {
        let quality = name.strip_prefix(task.name)?.strip_prefix('-')?;
        QUALITIES.contains(&quality).then_some((task, quality))
    });
    let Some((task, quality)) = named else { return Ok(None) };
    let snapshots = task.snapshots()?;
    let (medium, expert) = (snapshots.medium, snapshots.expert);
    let whole = |snapshot| vec![Part { snapshot, end: (1, 1) }];
    let replay = |last: usize| {
        let steps = |index: usize| snapshots.snapshots[index].steps;
        (0..=last).map(|index| Part { snapshot: Some(index), end: (steps(index), steps(last)) }).collect()
    };
    let parts = match quality {
        "random" => whole(None),
        "medium" => whole(Some(medium)),
        "expert" => whole(Some(expert)),
        "medium-replay" => replay(medium),
        "full-replay" => replay(expert),
        _ => vec![Part { snapshot: Some(medium), end: (1, 2) }, Part { snapshot: Some(expert), end: (1, 1) }],
    };
    Ok(Some(Replay { task, snapshots, parts }))
}

impl Recipe for Replay {
    fn env(&self) -> EnvSpec {
        EnvSpec::new(self.task.env)
    }

    fn ends(&self, transitions: usize) -> Vec<usize> {
        let end = |part: &Part| (transitions as u128 * u128::from(part.end.0)).div_ceil(part.end.1.into());
        self.parts.iter().map(|part| end(part) as usize).collect()
    }

    fn behaviour(&self, part: usize) -> Behaviour<'_> {
        let Some(index) = self.parts[part].snapshot else { return Box::new(uniform) };
        let actor = &self.snapshots.actors[index];
        Box::new(|observation, space, random, action| {
            actor.distribution(observation).sample(space, random, action);
        })
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let steps: Vec<String> = self
            .parts
            .iter()
            .filter_map(|part| Some(self.snapshots.snapshots[part.snapshot?].steps.to_string()))
            .collect();
        let mut metadata = vec![("mujoco_version", aaren_envs::mujoco_version().to_owned())];
        if steps.is_empty() {
            metadata.push(("algorithm", "uniform actions".to_owned()));
        } else {
            metadata.push(("algorithm", format!("{}, stochastic policy", self.snapshots.algorithm)));
            metadata.push(("snapshots_after_steps", steps.join(" ")));
        }
        metadata
    }
}
