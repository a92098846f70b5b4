//! What is to be learned.

use aaren_datasets::Dataset;
use aaren_envs::Description;
use aaren_format::{ActionSpace, EnvSpec, Header, Invalid, check_scale};
use tch::{Kind, Tensor};

use crate::Error;

/// What is to be learned: the environment's sizes, and the scales of what a network sees of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The environment.
    pub env: EnvSpec,
    /// Entries of an observation.
    pub observation_size: usize,
    /// The actions it takes.
    pub action: ActionSpace,
    /// Timesteps of the longest episode.
    pub max_timesteps: usize,
    /// Returns-to-go are divided by this.
    pub return_scale: f64,
    /// The lowest and the highest return-to-go of the dataset.
    pub return_range: [f64; 2],
    /// Mean of the dataset's observations.
    pub observation_mean: Vec<f32>,
    /// Their standard deviation.
    pub observation_std: Vec<f32>,
}

impl Task {
    /// Of an environment alone: observations are taken as they are.
    pub fn new(environment: &Description, return_scale: f64) -> Self {
        let observation_size = environment.observation_size;
        Self {
            env: environment.spec.clone(),
            observation_size,
            action: environment.action.clone(),
            max_timesteps: environment.max_episode_steps,
            return_scale,
            return_range: [0.0; 2],
            observation_mean: vec![0.0; observation_size],
            observation_std: vec![1.0; observation_size],
        }
    }

    /// Of data alone, where `env` is none: their sizes, and the actions that they say or show.
    pub fn of_data(dataset: &Dataset, env: EnvSpec, return_scale: f64) -> Self {
        let observation_size = dataset.observation_size();
        Self {
            env,
            observation_size,
            action: dataset.action_space(),
            max_timesteps: dataset.longest_episode(),
            return_scale,
            return_range: [0.0; 2],
            observation_mean: vec![0.0; observation_size],
            observation_std: vec![1.0; observation_size],
        }
    }

    /// With the scales, the range of returns-to-go and the longest episode of a dataset.
    ///
    /// # Errors
    /// Where dimensions, kind of action or a discrete action do not fit the environment.
    pub fn with_dataset(self, dataset: &Dataset) -> Result<Self, Error> {
        self.check_fit(dataset)?;
        let longest = dataset.episodes().iter().map(|episode| episode.length).max().unwrap_or(0);
        let (observation_mean, observation_std) = dataset.observation_statistics();
        let max_timesteps = self.max_timesteps.max(longest);
        let returns = || dataset.returns_to_go().iter().map(|&to_go| f64::from(to_go));
        let return_range =
            [returns().fold(f64::INFINITY, f64::min), returns().fold(f64::NEG_INFINITY, f64::max)];
        Ok(Self { max_timesteps, return_range, observation_mean, observation_std, ..self })
    }

    /// Whether a dataset is of this environment.
    ///
    /// # Errors
    /// Where dimensions, kind of action or a discrete action do not fit.
    pub fn check_fit(&self, dataset: &Dataset) -> Result<(), Error> {
        let (name, env) = (dataset.name().to_owned(), self.env.id.clone());
        if dataset.observation_size() != self.observation_size {
            return Err(Error::Dimension {
                dataset: name,
                env,
                what: "observations",
                found: dataset.observation_size(),
                expected: self.observation_size,
            });
        }
        let found = if dataset.discrete() { "discrete" } else { "continuous" };
        let expected = if self.action.choices().is_empty() { "continuous" } else { "discrete" };
        if found != expected {
            return Err(Error::ActionKind { dataset: name, env, found, expected });
        }
        let (found, expected) = (dataset.action_size(), self.action.entries());
        if found != expected {
            return Err(Error::Dimension { dataset: name, env, what: "actions", found, expected });
        }
        let rows = || dataset.actions().chunks_exact(found);
        match rows().position(|action| !self.action.takes(action)) {
            Some(index) if dataset.discrete() => {
                let mut row = rows().nth(index).unwrap_or_default().iter().zip(self.action.choices());
                let wrong = row.find(|&(&found, &choices)| {
                    !(0.0..choices as f32).contains(&found) || found.fract() != 0.0
                });
                let (found, choices) = wrong.map_or((0.0, 0), |(found, choices)| (*found, *choices));
                Err(Error::ActionChoice { dataset: name, index, found, choices })
            }
            _ => Ok(()),
        }
    }

    /// Refuses discrete actions for an agent that takes continuous ones only.
    ///
    /// # Errors
    /// [`Error::Discrete`].
    pub fn check_continuous(&self, agent: &'static str) -> Result<(), Error> {
        match self.action {
            ActionSpace::Continuous { .. } => Ok(()),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
                Err(Error::Discrete { agent, env: self.env.id.clone(), choices: self.action.size() })
            }
        }
    }

    /// Appends an observation as networks take it: less the mean, over the deviation.
    pub(crate) fn push_normalised(&self, observation: &[f32], to: &mut Vec<f32>) {
        let scale = self.observation_mean.iter().zip(&self.observation_std);
        to.extend(observation.iter().zip(scale).map(|(o, (mean, std))| (o - mean) / std));
    }

    /// Action tokens for a head's output: tanh for continuous ones, else the logits as they are.
    pub(crate) fn action_tokens(&self, head: &Tensor) -> Tensor {
        match self.action {
            ActionSpace::Continuous { .. } => head.tanh(),
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => head.shallow_clone(),
        }
    }

    /// Errors `[…, action size]` of a head's output against action tokens: squares, or the terms of a
    /// cross-entropy.
    pub(crate) fn action_errors(&self, head: &Tensor, tokens: &Tensor) -> Tensor {
        match self.action {
            ActionSpace::Continuous { .. } => (self.action_tokens(head) - tokens).square(),
            ActionSpace::Discrete { .. } => -(head.log_softmax(-1, None::<Kind>) * tokens),
            ActionSpace::MultiDiscrete { ref choices } => {
                let sizes: Vec<i64> = choices.iter().map(|&choices| choices as i64).collect();
                let columns = head.split_with_sizes(&sizes, -1);
                let logs: Vec<Tensor> = columns.iter().map(|one| one.log_softmax(-1, None::<Kind>)).collect();
                -(Tensor::cat(&logs, -1) * tokens)
            }
        }
    }

    /// Over how many entries of one action the sum of these errors is a mean.
    pub(crate) fn action_terms(&self) -> f64 {
        match self.action {
            ActionSpace::Continuous { .. } => self.action.size() as f64,
            ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => self.action.entries() as f64,
        }
    }

    /// Of a policy file, with what its tensors say of the observations.
    pub(crate) fn of_file(header: &Header, mean: Vec<f32>, std: Vec<f32>) -> Result<Self, Invalid> {
        check_scale(&mean, &std)?;
        let decision = header.decision();
        let (max_timesteps, return_scale, return_range) =
            decision.map_or((1, 1.0, [0.0; 2]), |it| (it.max_timesteps, it.return_scale, it.return_range));
        Ok(Self {
            env: header.env.clone(),
            observation_size: header.observation_size,
            action: header.action.clone(),
            max_timesteps,
            return_scale,
            return_range,
            observation_mean: mean,
            observation_std: std,
        })
    }
}
