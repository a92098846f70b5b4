//! Recipes: datasets made with no download, from committed snapshots of trained networks or by a script.
//!
//! A kind of recipe is a file here with a `Recipe`, and a line in `find`.

mod network;
mod popgym;
mod t_maze;

use std::path::Path;

use aaren_envs::{ActionSpace, EnvSpec, seeds};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{Dataset, Error, Transitions};

/// Transitions of a recipe's dataset, at least: the last episode is finished.
pub const TRANSITIONS: usize = 200_000;

/// Seed of the datasets that `aaren run` makes.
pub const SEED: u64 = 0;

/// Episodes made side by side, at most.
const BATCH: usize = 16;

/// What a recipe's name means.
trait Recipe: Sync {
    /// The environment that the data are made in.
    fn env(&self) -> EnvSpec;

    /// The parts of the dataset, in order: each ends with the episode that brings it so many transitions.
    fn ends(&self, transitions: usize) -> Vec<usize> {
        vec![transitions]
    }

    /// Who acts in an episode of that part: anew for each, so that it may remember.
    fn behaviour(&self, part: usize) -> Behaviour<'_>;

    /// What the file says of the behaviour.
    fn metadata(&self) -> Vec<(&'static str, String)>;
}

/// Who acts in an episode: writes an action of the space for an observation; the generator belongs to this episode and to
/// nothing else in it.
type Behaviour<'r> = Box<dyn FnMut(&[f32], &ActionSpace, &mut ChaCha8Rng, &mut [f32]) + 'r>;

fn find(name: &str) -> Result<Box<dyn Recipe>, Error> {
    if let Some(recipe) = popgym::find(name) {
        return Ok(Box::new(recipe));
    }
    if let Some(recipe) = t_maze::find(name) {
        return Ok(Box::new(recipe));
    }
    if let Some(recipe) = network::find(name)? {
        return Ok(Box::new(recipe));
    }
    let known = format!("{}; {}; {}", network::known(), popgym::known(), t_maze::KNOWN);
    let near = nearest(name).map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    Err(Error::Recipe { name: name.to_owned(), near, known })
}

/// The recipe whose name is most like another word, if any is.
pub fn nearest(word: &str) -> Option<String> {
    let names: Vec<String> = network::names().chain(popgym::names()).collect();
    aaren_envs::nearest(word, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The environment that the data of a recipe are made in.
///
/// # Errors
/// [`Error::Recipe`] for an unknown name.
pub fn env(name: &str) -> Result<EnvSpec, Error> {
    Ok(find(name)?.env())
}

/// Makes the dataset of a recipe. `progress` is called with the transitions made so far.
///
/// `random` acts uniformly; `expert` and `medium` replay one snapshot of a training, the best and the one about a
/// third of the way there; `medium-replay` and `full-replay` all up to one of these, in order and each for a share
/// in proportion to the training that it stands for, as a replay buffer fills; `medium-expert`
/// is half and half. In a T-maze every second turn is the wrong one, in RATE's none. Of POPGym's tasks `expert` is a
/// script that remembers and `mixed` the same with a share of random actions, another one in each episode.
///
/// The result depends on name, transitions and seed alone.
///
/// # Errors
/// [`Error::Recipe`] for an unknown name.
pub fn make(name: &str, transitions: usize, seed: u64, progress: impl Fn(usize)) -> Result<Dataset, Error> {
    fill(name, find(name)?.as_ref(), transitions, seed, progress)
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
    let recipe = find(name)?;
    let dataset = fill(name, recipe.as_ref(), transitions, seed, progress)?;
    let env = recipe.env();
    let mut metadata = vec![("recipe", name.to_owned()), ("seed", seed.to_string()), ("env_id", env.id)];
    if !env.kwargs.is_empty() {
        metadata.push(("env_kwargs", serde_json::Value::Object(env.kwargs).to_string()));
    }
    metadata.extend(recipe.metadata());
    dataset.write_d4rl(path, &metadata)?;
    Ok(dataset)
}

fn fill(
    name: &str,
    recipe: &dyn Recipe,
    transitions: usize,
    seed: u64,
    progress: impl Fn(usize),
) -> Result<Dataset, Error> {
    let env = recipe.env();
    let environment = aaren_envs::make(&env)?;
    let longest = environment.max_episode_steps();
    let mut all = Transitions::default();
    let mut episode = 0;
    for (part, end) in recipe.ends(transitions).into_iter().enumerate() {
        while all.rewards.len() < end {
            // Episodes are made side by side and taken in order, so threads do not matter; never more than it takes.
            let batch = (end - all.rewards.len()).div_ceil(longest).min(BATCH);
            let made: Vec<Transitions> = (episode..episode + batch as u64)
                .into_par_iter()
                .map(|episode| record(&env, recipe.behaviour(part), seeds::data(seed, episode)))
                .collect::<Result<_, Error>>()?;
            made.into_iter().for_each(|one| append(&mut all, one));
            episode += batch as u64;
            progress(all.rewards.len());
        }
    }
    let space = environment.action_space();
    let discrete = !space.choices().is_empty();
    Ok(Dataset::new(name, all, environment.observation_size(), space.entries(), discrete))
}

fn record(env: &EnvSpec, mut behaviour: Behaviour, seed: u64) -> Result<Transitions, Error> {
    let mut environment = aaren_envs::make(env)?;
    let space = environment.action_space().clone();
    // Another generator than the environment's, so that nothing follows from the same seed.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut observation = vec![0.0; environment.observation_size()];
    let mut action = vec![0.0; space.entries()];
    let mut episode = Transitions::default();
    environment.reset(seed, &mut observation);
    loop {
        // What is recorded is what is acted upon.
        let recorded = episode.observations.len();
        episode.observations.extend(observation.iter().map(|&x| x as f32));
        behaviour(&episode.observations[recorded..], &space, &mut random, &mut action);
        episode.actions.extend_from_slice(&action);
        let step = environment.step(&action, &mut observation);
        // Where the simulation blew up, the reward is of no state of the task.
        episode.rewards.push(if step.unstable { 0.0 } else { step.reward as f32 });
        episode.terminals.push(step.terminated);
        episode.timeouts.push(step.done() && !step.terminated);
        if step.done() {
            return Ok(episode);
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

/// Actions drawn uniformly.
fn uniform(_: &[f32], space: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
    match space {
        ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
            for (index, &choices) in action.iter_mut().zip(space.choices()) {
                *index = random.random_range(0..choices) as f32;
            }
        }
        ActionSpace::Continuous { low, high } => {
            for (a, (&low, &high)) in action.iter_mut().zip(low.iter().zip(high)) {
                *a = random.random_range(low..=high);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_recipe_and_a_slip_finds_the_nearest() {
        let names: Vec<String> = network::names().chain(popgym::names()).collect();
        assert_eq!(names.len(), 9 * 6 + 6 * 3 * 3);
        names.iter().for_each(|name| assert!(find(name).is_ok(), "{name}"));
        for (slip, meant) in [
            ("hoper-medium-exprt", Some("hopper-medium-expert")),
            ("popgym-repeatfirst-easy-expert", Some("popgym-repeat-first-easy-expert")),
            ("zebra", None),
        ] {
            let message = find(slip).err().unwrap().to_string();
            let asked = meant.map(|meant| format!("recipe {slip}; did you mean {meant}? known are"));
            assert!(message.contains(&asked.unwrap_or(format!("recipe {slip}; known are"))), "{message}");
        }
    }

    /// Blows up at the third step of each episode.
    struct Breaks(usize, ActionSpace);

    impl aaren_envs::Dynamics for Breaks {
        fn observation_size(&self) -> usize {
            1
        }

        fn action_space(&self) -> &ActionSpace {
            &self.1
        }

        fn reset(&mut self, _: &mut aaren_envs::Generator) {
            self.0 = 0;
        }

        fn step(&mut self, _: &[f32], _: &mut aaren_envs::Generator) -> aaren_envs::Step {
            self.0 += 1;
            let reward = if self.0 == 3 { f64::NAN } else { 1.0 };
            aaren_envs::Step { reward, ..aaren_envs::Step::default() }
        }

        fn observe(&self, observation: &mut [f64]) {
            observation[0] = self.0 as f64;
        }
    }

    #[test]
    fn an_episode_that_blows_up_ends_there() {
        aaren_envs::register("Breaks-v0", |spec| {
            let dynamics = Breaks(0, ActionSpace::Discrete { choices: 2 });
            Ok(aaren_envs::Environment::new(spec.clone(), Box::new(dynamics), Some(9)))
        });
        let env = EnvSpec::new("Breaks-v0");
        let mut all = Transitions::default();
        for seed in 0..2 {
            append(&mut all, record(&env, Box::new(uniform), seed).unwrap());
        }
        let dataset = Dataset::new("breaks", all, 1, 1, true);
        assert_eq!(dataset.rewards(), [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let ends: Vec<_> = dataset.episodes().iter().map(|it| (it.length, it.end)).collect();
        assert_eq!(ends, [(3, crate::End::Truncated); 2]);
    }
}
