//! Recipes: datasets made with no download, from committed snapshots of the random search or by a script.

use std::path::Path;

use aaren_envs::{ActionSpace, Dataset, EnvSpec, dataset::Transitions, make as make_env};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::Error;
use crate::random_search::{LinearPolicy, Snapshot, TASKS, Task, expert, medium, standard_normal};

/// Standard deviation of the Gaussian noise on every action, in units of the bounds; how often a discrete one
/// is drawn at random. Without it a deterministic policy would show an imitator no way back to its path.
const ACTION_NOISE: f64 = 0.03;

/// Transitions of a recipe's dataset, at least: the last episode is finished.
pub const TRANSITIONS: usize = 200_000;

/// Seed of the datasets that `aaren run` makes.
pub const SEED: u64 = 0;

/// What a recipe's name ends in, after the task and a `-`.
pub const QUALITIES: [&str; 5] = ["random", "medium", "medium-replay", "medium-expert", "expert"];

/// What a recipe's name means.
enum Recipe<'n> {
    /// Snapshots of the search on a task, of that quality.
    Search(&'static Task, &'n str),
    /// A walk through the T-maze that turns at random, in corridors of these lengths.
    TMaze(EnvSpec),
}

fn find(name: &str) -> Result<Recipe<'_>, Error> {
    if let Some(lengths) = name.strip_prefix("t-maze-") {
        let lengths: Result<Vec<usize>, _> = lengths.split('-').map(str::parse).collect();
        if let Ok(lengths @ ([_] | [_, _])) = lengths.as_deref() {
            let corridor = if let [length] = lengths { serde_json::json!(length) } else { lengths.into() };
            let kwargs = serde_json::Map::from_iter([("corridor".to_owned(), corridor)]);
            return Ok(Recipe::TMaze(EnvSpec { id: "TMaze-v0".into(), kwargs }));
        }
    }
    let parts = name.split_once('-').filter(|(_, quality)| QUALITIES.contains(quality));
    let found = parts.and_then(|(name, quality)| Some((TASKS.iter().find(|r| r.name == name)?, quality)));
    found.map(|(task, quality)| Recipe::Search(task, quality)).ok_or_else(|| {
        let tasks = TASKS.each_ref().map(|task| task.name).join(", ");
        let known = format!(
            "TASK-QUALITY with {tasks} and {}; t-maze-L and t-maze-L-M with corridors of L to M steps",
            QUALITIES.join(", ")
        );
        Error::Recipe { name: name.to_owned(), known }
    })
}

/// Who acts in an episode.
enum Behaviour<'s> {
    Random,
    Policy(&'s LinearPolicy),
    /// Forward through the T-maze, then a turn to either side.
    Walk,
}

/// Makes the dataset of a recipe. `progress` is called with the transitions made so far.
///
/// `random` acts uniformly; `expert` is the best snapshot; `medium` the one whose return is nearest to
/// 40 % of the expert's; `medium-replay` takes all snapshots up to medium in turn; `medium-expert` is
/// half and half. In a T-maze every second turn is the wrong one. The result depends on name, transitions and
/// seed alone.
///
/// # Errors
/// [`Error::Recipe`] for an unknown name.
pub fn make(name: &str, transitions: usize, seed: u64, progress: impl Fn(usize)) -> Result<Dataset, Error> {
    let snapshots;
    let (env, plan) = match find(name)? {
        Recipe::TMaze(env) => (env, vec![(vec![Behaviour::Walk], transitions)]),
        Recipe::Search(task, quality) => {
            snapshots = task.snapshots();
            (EnvSpec::new(task.env), plan(&snapshots, quality, transitions))
        }
    };
    let mut all = Transitions::default();
    let mut episode = 0;
    for (behaviours, wanted) in plan {
        let end = all.rewards.len() + wanted;
        while all.rewards.len() < end {
            // Episodes are made in parallel batches and taken in order, so threads do not matter.
            let batch: Vec<Transitions> = (episode..episode + 16)
                .into_par_iter()
                .map(|index| {
                    let behaviour = &behaviours[index as usize % behaviours.len()];
                    record(&env, behaviour, seed.wrapping_mul(1_000_003).wrapping_add(index))
                })
                .collect::<Result<_, Error>>()?;
            for one in batch {
                if all.rewards.len() < end {
                    append(&mut all, one);
                    episode += 1;
                }
            }
            progress(all.rewards.len());
        }
    }
    let environment = make_env(&env)?;
    let space = environment.action_space();
    let discrete = matches!(space, ActionSpace::Discrete { .. });
    Ok(Dataset::new(name, all, environment.observation_size(), space.entries(), discrete))
}

/// Who acts in turn, and for how many transitions.
fn plan<'s>(
    snapshots: &'s [Snapshot],
    quality: &str,
    transitions: usize,
) -> Vec<(Vec<Behaviour<'s>>, usize)> {
    let (medium, expert) = (medium(snapshots), expert(snapshots));
    let half = transitions.div_ceil(2);
    match quality {
        "random" => vec![(vec![Behaviour::Random], transitions)],
        "medium" => vec![(vec![Behaviour::Policy(&medium.policy)], transitions)],
        "expert" => vec![(vec![Behaviour::Policy(&expert.policy)], transitions)],
        "medium-replay" => {
            let early = snapshots.iter().filter(|s| s.iteration <= medium.iteration);
            vec![(early.map(|s| Behaviour::Policy(&s.policy)).collect(), transitions)]
        }
        _ => vec![
            (vec![Behaviour::Policy(&medium.policy)], half),
            (vec![Behaviour::Policy(&expert.policy)], half),
        ],
    }
}

/// Makes a recipe's dataset and writes it as a D4RL file that says how it was made.
///
/// # Errors
/// As [`make`], and where the file cannot be written.
pub fn write(
    name: &str,
    path: &Path,
    transitions: usize,
    seed: u64,
    progress: impl Fn(usize),
) -> Result<Dataset, Error> {
    let dataset = make(name, transitions, seed, progress)?;
    let mut metadata = vec![("recipe", name.to_owned()), ("seed", seed.to_string())];
    metadata.extend(match find(name)? {
        Recipe::Search(task, _) => vec![
            ("env_id", task.env.to_owned()),
            ("algorithm", "augmented random search V2-t, linear policy".to_owned()),
            ("action_noise_std", ACTION_NOISE.to_string()),
            ("mujoco_version", aaren_envs::mujoco_version().to_owned()),
        ],
        Recipe::TMaze(env) => vec![
            ("env_id", env.id),
            ("env_kwargs", serde_json::Value::Object(env.kwargs).to_string()),
            ("algorithm", "forward, then a turn to either side".to_owned()),
        ],
    });
    dataset.write_d4rl(path, &metadata)?;
    Ok(dataset)
}

fn record(env: &EnvSpec, behaviour: &Behaviour, seed: u64) -> Result<Transitions, Error> {
    let mut environment = make_env(env)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    if matches!(behaviour, Behaviour::Walk) {
        // The environment draws the cue from this seed: a turn must not follow it.
        random.set_stream(1);
    }
    let mut observation = vec![0.0; environment.observation_size()];
    let mut action = vec![0.0; environment.action_space().entries()];
    let mut episode = Transitions::default();
    environment.reset(seed, &mut observation);
    loop {
        match behaviour {
            Behaviour::Random => draw(environment.action_space(), &mut random, &mut action),
            Behaviour::Walk if observation[1] == 1.0 => action[0] = random.random_range(1..=2u8).into(),
            Behaviour::Walk => action[0] = 0.0,
            Behaviour::Policy(policy) => {
                policy.act(&observation, &mut action);
                match environment.action_space() {
                    ActionSpace::Continuous { .. } => {
                        for (entry, a) in action.iter_mut().enumerate() {
                            *a = policy.cut(entry, *a + (ACTION_NOISE * standard_normal(&mut random)) as f32);
                        }
                    }
                    space if random.random::<f64>() < ACTION_NOISE => draw(space, &mut random, &mut action),
                    ActionSpace::Discrete { .. } => {}
                }
            }
        }
        episode.observations.extend(observation.iter().map(|&x| x as f32));
        episode.actions.extend_from_slice(&action);
        let step = environment.step(&action, &mut observation);
        episode.rewards.push(step.reward as f32);
        episode.terminals.push(step.terminated);
        episode.timeouts.push(step.truncated && !step.terminated);
        if step.done() {
            return Ok(episode);
        }
    }
}

/// An action drawn uniformly.
fn draw(space: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
    match space {
        ActionSpace::Discrete { choices } => action[0] = random.random_range(0..*choices) as f32,
        ActionSpace::Continuous { low, high } => {
            for (a, (&low, &high)) in action.iter_mut().zip(low.iter().zip(high)) {
                *a = random.random_range(low..=high);
            }
        }
    }
}

fn append(all: &mut Transitions, episode: Transitions) {
    all.observations.extend(episode.observations);
    all.actions.extend(episode.actions);
    all.rewards.extend(episode.rewards);
    all.terminals.extend(episode.terminals);
    all.timeouts.extend(episode.timeouts);
}
