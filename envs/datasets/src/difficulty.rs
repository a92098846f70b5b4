//! How hard a dataset is to imitate: what is known of an action before its policy is.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Dataset;
use crate::least_squares::{ALIKE, residual_share};
use aaren_envs::{EnvSpec, make, seeds};

use crate::Error;

/// Actions that the past is judged by.
const LAST_ACTIONS: usize = 5;

/// Bins of the returns' histogram.
const BINS: usize = 20;

/// Episodes of an evaluation that starts are compared with.
const EVALUATION_EPISODES: u64 = 1000;

/// What can be told of a dataset's actions without a policy, and how its episodes lie.
///
/// A share of variance left is the sum of squared residuals over all entries of the actions, divided by the sum of
/// squared deviations from the mean action, over the same transitions; discrete actions count as one entry for each
/// choice that occurs, 1 for the one taken. It is absent where the data are too few to tell, or where all actions are
/// alike; and for a linear function where more than 64 choices occur.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difficulty {
    /// Share of the actions' variance left when the timestep alone is known: around the mean action of each timestep
    /// (unbiased; timesteps that a single episode reaches are left out). Near 0 the data are one trajectory repeated.
    pub left_given_timestep: Option<f64>,
    /// Share left by a linear function of the last five actions, fitted to the same transitions, those with five
    /// before them in their episode. Near 0 the past gives the behaviour away.
    pub left_given_last_actions: Option<f64>,
    /// Share left by a linear function of the observation, fitted to the same transitions. Near 0 a linear policy
    /// imitates the data.
    pub left_given_observation: Option<f64>,
    /// How the returns of the episodes lie.
    pub returns: Histogram,
    /// Episodes.
    pub episodes: usize,
    /// Episodes that start, bit for bit as float32, where one of an evaluation's first 1000 (seed 0) does; absent
    /// where the environment is not known, or one of Python.
    pub starts_of_evaluation: Option<usize>,
}

/// Counts in bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Where the first bin begins: the least value.
    pub low: f64,
    /// Where the last bin ends: the largest value, which that bin includes.
    pub high: f64,
    /// Values in each bin.
    pub counts: Vec<usize>,
}

impl Difficulty {
    /// Of a dataset; `env` is the environment that a policy trained on it is evaluated in.
    ///
    /// # Errors
    /// Those of [`aaren_envs::make`].
    pub fn of(dataset: &Dataset, env: Option<&EnvSpec>) -> Result<Self, Error> {
        let actions = Actions::of(dataset);
        let few = actions.few();
        let observations = |transition: usize, row: &mut Vec<f64>| {
            let size = dataset.observation_size;
            row.extend(dataset.observations[transition * size..][..size].iter().map(|&x| f64::from(x)));
        };
        let last = |transition: usize, row: &mut Vec<f64>| {
            (1..=LAST_ACTIONS).for_each(|back| actions.push(transition - back, row));
        };
        let with_past = dataset.episodes.iter().flat_map(|e| e.start + LAST_ACTIONS..e.start + e.length);
        let target = |transition: usize, row: &mut Vec<f64>| actions.push(transition, row);
        let returns: Vec<f64> = dataset.episodes.iter().map(|episode| episode.total_return).collect();
        Ok(Self {
            left_given_timestep: left_given_timestep(dataset, &actions),
            left_given_last_actions: residual_share(with_past.filter(|_| few), last, target),
            left_given_observation: residual_share(
                (0..dataset.transitions()).filter(|_| few),
                observations,
                target,
            ),
            returns: Histogram::of(&returns),
            episodes: dataset.episodes.len(),
            starts_of_evaluation: env
                .filter(|env| env.python.is_none())
                .map(|env| starts_of_evaluation(dataset, env))
                .transpose()?,
        })
    }
}

/// Entries that choices become, at most, where a linear function is fitted: its cost grows with their square.
const MOST_CHOICES: usize = 64;

/// Actions as vectors: of discrete ones an entry for each choice that occurs.
struct Actions<'d> {
    dataset: &'d Dataset,
    /// The choices that occur in each column, in order.
    occurring: Vec<Vec<u32>>,
}

impl<'d> Actions<'d> {
    fn of(dataset: &'d Dataset) -> Self {
        let columns = if dataset.discrete { dataset.action_size } else { 0 };
        let occurring = (0..columns).map(|column| {
            let all = dataset.actions.iter().skip(column).step_by(columns);
            let mut choices: Vec<u32> = all.map(|choice| choice.to_bits()).collect();
            choices.sort_unstable();
            choices.dedup();
            choices
        });
        Self { dataset, occurring: occurring.collect() }
    }

    /// Whether few enough choices occur to fit a function to them.
    fn few(&self) -> bool {
        self.occurring.iter().map(Vec::len).sum::<usize>() <= MOST_CHOICES
    }

    fn row(&self, transition: usize) -> &[f32] {
        let size = self.dataset.action_size;
        &self.dataset.actions[transition * size..][..size]
    }

    fn push(&self, transition: usize, row: &mut Vec<f64>) {
        let action = self.row(transition);
        if !self.dataset.discrete {
            row.extend(action.iter().map(|&x| f64::from(x)));
        }
        for (choice, occurring) in action.iter().zip(&self.occurring) {
            row.extend(occurring.iter().map(|other| f64::from(choice.to_bits() == *other)));
        }
    }
}

/// What the timestep leaves of the variance of choices, of `counts` rows at each timestep and `used` in all: among n rows
/// of which n_c are of choice c, the squared deviations of all entries sum up to n − Σ n_c²/n.
fn choices_given_timestep(dataset: &Dataset, actions: &Actions, counts: &[usize], used: f64) -> Option<f64> {
    let (mut left, mut total) = (0.0, 0.0);
    for column in 0..dataset.action_size {
        let mut here: HashMap<(usize, u32), f64> = HashMap::new();
        let mut all: HashMap<u32, f64> = HashMap::new();
        for episode in &dataset.episodes {
            for timestep in (0..episode.length).filter(|&timestep| counts[timestep] > 1) {
                let choice = actions.row(episode.start + timestep)[column].to_bits();
                *here.entry((timestep, choice)).or_default() += 1.0;
                *all.entry(choice).or_default() += 1.0;
            }
        }
        let mut squares = vec![0.0; counts.len()];
        here.into_iter().for_each(|((timestep, _), count)| squares[timestep] += count * count);
        for (&count, squares) in counts.iter().zip(squares).filter(|(count, _)| **count > 1) {
            let count = count as f64;
            left += count / (count - 1.0) * (count - squares / count);
        }
        total += used - all.values().map(|count| count * count).sum::<f64>() / used;
    }
    (total > ALIKE * used).then(|| left / total)
}

fn left_given_timestep(dataset: &Dataset, actions: &Actions) -> Option<f64> {
    let longest = dataset.longest_episode();
    let mut counts = vec![0usize; longest];
    for episode in &dataset.episodes {
        counts[..episode.length].iter_mut().for_each(|count| *count += 1);
    }
    let used = counts.iter().filter(|&&count| count > 1).sum::<usize>() as f64;
    if dataset.discrete {
        return choices_given_timestep(dataset, actions, &counts, used);
    }
    let size = dataset.action_size;
    // Means first, then squares around them: the difference of two large sums would lose what is asked for.
    let mut means = vec![0.0; longest * size];
    let mut row = Vec::new();
    let mut each = |visit: &mut dyn FnMut(usize, &[f64])| {
        for episode in &dataset.episodes {
            for timestep in (0..episode.length).filter(|&timestep| counts[timestep] > 1) {
                row.clear();
                actions.push(episode.start + timestep, &mut row);
                visit(timestep, &row);
            }
        }
    };
    let mut all = vec![0.0; size];
    each(&mut |timestep, row| {
        for (entry, x) in row.iter().enumerate() {
            means[timestep * size + entry] += x / counts[timestep] as f64;
            all[entry] += x / used;
        }
    });
    let (mut left, mut total, mut squares) = (0.0, 0.0, 0.0);
    each(&mut |timestep, row| {
        let unbiased = counts[timestep] as f64 / (counts[timestep] - 1) as f64;
        for (entry, x) in row.iter().enumerate() {
            left += unbiased * (x - means[timestep * size + entry]).powi(2);
            total += (x - all[entry]).powi(2);
            squares += x * x;
        }
    });
    (total > ALIKE * squares).then(|| left / total)
}

fn starts_of_evaluation(dataset: &Dataset, env: &EnvSpec) -> Result<usize, Error> {
    let mut environment = make(env)?;
    let mut observation = vec![0.0; environment.observation_size()];
    let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut starts = HashSet::new();
    for episode in 0..EVALUATION_EPISODES {
        environment.reset(seeds::evaluation(0, episode), &mut observation);
        starts.insert(bits(&observation.iter().map(|&x| x as f32).collect::<Vec<_>>()));
    }
    let size = dataset.observation_size;
    let start = |transition: usize| bits(&dataset.observations[transition * size..][..size]);
    Ok(dataset.episodes.iter().filter(|episode| starts.contains(&start(episode.start))).count())
}

impl Histogram {
    fn of(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut counts = vec![0; BINS];
        for value in values {
            // All alike are all in the first bin.
            let place = (value - low) / (high - low) * BINS as f64;
            counts[(place as usize).min(BINS - 1)] += 1;
        }
        Self { low, high, counts }
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "share of the actions' variance that is left")?;
        for (given, left) in [
            ("the timestep", self.left_given_timestep),
            ("5 actions", self.left_given_last_actions),
            ("the state", self.left_given_observation),
        ] {
            let left = left.map_or("too few data to tell".into(), |left| format!("{:.1} %", 100.0 * left));
            writeln!(f, "  given {given:<14} {left}")?;
        }
        write!(f, "returns       {:.1} ", self.returns.low)?;
        let most = self.returns.counts.iter().copied().max().unwrap_or(0).max(1);
        for count in &self.returns.counts {
            // An empty bin is blank; the least of the others is seen.
            let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
            let bar = if *count == 0 { ' ' } else { bars[(count * bars.len() - 1) / most] };
            write!(f, "{bar}")?;
        }
        write!(f, " {:.1}", self.returns.high)?;
        match self.starts_of_evaluation {
            None => Ok(()),
            Some(shared) => write!(
                f,
                "\nstarts        {shared} of {} episodes start where an episode of an evaluation does",
                self.episodes
            ),
        }
    }
}
