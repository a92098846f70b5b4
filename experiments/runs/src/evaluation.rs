//! Roll-outs of trained policies. The streaming runtime acts, on the CPU, whatever trained them.

use std::ops::Range;

use aaren_envs::{Camera, EnvSpec, Picture, Step, VectorEnv, seeds};
use aaren_format::Regime;
use aaren_spec::EpisodeResult;
use aaren_streaming::{Policy, Streams};
use indicatif::ProgressBar;
use rayon::current_num_threads;
use rayon::prelude::*;

use crate::{Error, Result, interrupt};

/// Episodes that a thread plays at once, at most: beyond a few their steps no longer get cheaper, and the
/// cores are not evenly busy to the end.
const BATCH: u64 = 10;

/// What all episodes of an evaluation share.
pub struct Evaluation<'e> {
    /// The environment.
    pub env: &'e EnvSpec,
    /// What the policy remembers.
    pub regime: Regime,
    /// Target returns, each with the same episodes.
    pub targets: &'e [f64],
    /// Episodes for each target.
    pub episodes: u64,
    /// Decides the episodes.
    pub seed: u64,
    /// How much an asked return counts; as the policy's file says unless given.
    pub guidance: Option<f64>,
}

impl Evaluation<'_> {
    /// The seed that an episode's environment is reset with: here, and in a Python loop that is to play the same one.
    pub fn episode_seed(&self, episode: u64) -> u64 {
        seeds::evaluation(self.seed, episode)
    }

    /// Rolls a policy out in the streaming runtime, on all cores; a signal cuts the episodes short.
    ///
    /// Each thread plays one batch of episodes after the other; their returns do not depend on how many
    /// threads there are.
    ///
    /// # Errors
    /// Where the environment cannot be made, fails in an episode, or the policy's output is NaN or infinite.
    pub fn stream(&self, policy: &Policy, bar: &ProgressBar) -> Result<Vec<EpisodeResult>> {
        let threads = current_num_threads() as u64;
        let batches = threads * self.episodes.div_ceil(threads * BATCH);
        let batch = self.episodes.div_ceil(batches);
        let starts = (0..self.episodes).step_by(batch as usize);
        let groups: Vec<_> = (self.targets.iter())
            .flat_map(|&target| starts.clone().map(move |start| (target, start)))
            .collect();
        let played = groups.into_par_iter().with_max_len(1).map(|(target, start)| {
            let episodes = start..self.episodes.min(start + batch);
            let count = (episodes.end - start) as usize;
            let mut streams = self.streams(policy, count)?;
            (0..count).for_each(|index| streams.reset(index, target));
            match self.play(target, episodes.clone(), &mut streams, bar) {
                // A signal has cut the episodes short.
                Err(Error::Env(aaren_envs::Error::Stopped { .. })) if interrupt::signal().is_some() => {
                    Ok(episodes.map(|index| EpisodeResult::new(target, index)).collect())
                }
                played => played,
            }
        });
        Ok(played.collect::<Result<Vec<_>>>()?.concat())
    }

    /// One episode alone, before its first step: that which [`stream`](Self::stream) plays with this index.
    ///
    /// # Errors
    /// Where the environment cannot be made, or the policy cannot act in this regime.
    pub fn episode(&self, policy: &Policy, target: f64, index: u64) -> Result<Playing> {
        self.begin(policy, target, index, VectorEnv::new)
    }

    /// As [`episode`](Self::episode), such that [pictures](Playing::picture) can be taken.
    ///
    /// # Errors
    /// As [`episode`](Self::episode).
    pub fn filmed(&self, policy: &Policy, target: f64, index: u64) -> Result<Playing> {
        self.begin(policy, target, index, VectorEnv::filmed)
    }

    /// One episode, in the environment that `make` makes.
    fn begin(
        &self,
        policy: &Policy,
        target: f64,
        index: u64,
        make: fn(&EnvSpec, usize) -> std::result::Result<VectorEnv, aaren_envs::Error>,
    ) -> Result<Playing> {
        let mut streams = self.streams(policy, 1)?;
        streams.reset(0, target);
        let mut environment = make(self.env, 1)?;
        let mut observation = vec![0.0; environment.observation_size()];
        environment.reset(self.episode_seed(index), &mut observation)?;
        let result = EpisodeResult::new(target, index);
        Ok(Playing { streams, environment, observation, reward: 0.0, result, over: false })
    }

    fn streams(&self, policy: &Policy, count: usize) -> Result<Streams> {
        let mut streams = policy.streams_with(self.regime, count)?;
        self.guidance.map_or(Ok(()), |guidance| streams.set_guidance(guidance))?;
        Ok(streams)
    }

    /// Plays some episodes of a target, each in an environment of its own; those that end leave the batch.
    fn play(
        &self,
        target: f64,
        episodes: Range<u64>,
        streams: &mut Streams,
        bar: &ProgressBar,
    ) -> Result<Vec<EpisodeResult>> {
        let mut playing: Vec<EpisodeResult> =
            episodes.clone().map(|index| EpisodeResult::new(target, index)).collect();
        let mut environments = VectorEnv::new(self.env, playing.len())?;
        let (size, entries) = (environments.observation_size(), environments.action_space().entries());
        let mut observations = vec![0.0; playing.len() * size];
        let mut actions = vec![0.0; playing.len() * entries];
        let mut rewards = vec![0.0; playing.len()];
        let mut steps = vec![Step::default(); playing.len()];
        environments.reset(self.episode_seed(episodes.start), &mut observations)?;
        let mut over = Vec::new();
        loop {
            for (episode, observation) in playing.iter_mut().zip(observations.chunks_exact(size)) {
                episode.see(observation);
            }
            actions.copy_from_slice(streams.act(&observations, &rewards)?);
            environments.advance(&actions, &mut observations, &mut steps)?;
            let stop = interrupt::signal().is_some();
            let mut kept = Vec::new();
            for (row, (episode, step)) in playing.iter_mut().zip(&steps).enumerate() {
                rewards[row] = step.reward;
                if episode.take(step) || stop {
                    over.push(episode.clone());
                    bar.inc(1);
                } else {
                    kept.push(row);
                }
            }
            if kept.is_empty() {
                break;
            }
            if kept.len() < playing.len() {
                for (to, &from) in kept.iter().enumerate() {
                    playing.swap(to, from);
                    rewards.swap(to, from);
                    observations.copy_within(from * size..(from + 1) * size, to * size);
                }
                playing.truncate(kept.len());
                rewards.truncate(kept.len());
                steps.truncate(kept.len());
                observations.truncate(kept.len() * size);
                actions.truncate(kept.len() * entries);
                environments.keep(&kept);
                streams.keep(&kept);
            }
        }
        over.sort_by_key(|episode| episode.episode);
        Ok(over)
    }
}

/// An episode that is played step by step, for a caller that looks at each step.
pub struct Playing {
    streams: Streams,
    environment: VectorEnv,
    observation: Vec<f64>,
    /// Of the last step.
    reward: f64,
    result: EpisodeResult,
    over: bool,
}

impl Playing {
    /// A camera for pictures of its environment.
    ///
    /// # Errors
    /// Where there can be no such picture.
    pub fn camera(&self, width: usize, height: usize) -> Result<Camera> {
        Ok(self.environment.camera(width, height)?)
    }

    /// The environment as it stands.
    ///
    /// # Errors
    /// Where it cannot be drawn.
    pub fn picture(&mut self, camera: &mut Camera) -> Result<Picture> {
        Ok(self.environment.picture(0, camera)?)
    }

    /// How it went so far.
    pub fn result(&self) -> &EpisodeResult {
        &self.result
    }

    /// Whether it has ended.
    pub fn over(&self) -> bool {
        self.over
    }

    /// What the policy sees at its next step: observation, and reward of the last.
    pub fn seen(&self) -> (&[f64], f64) {
        (&self.observation, self.reward)
    }

    /// One step; what the policy did.
    ///
    /// # Errors
    /// Where the policy's output is NaN or infinite, or the environment fails.
    pub fn step(&mut self) -> Result<Vec<f32>> {
        self.result.see(&self.observation);
        let action = self.streams.act(&self.observation, &[self.reward])?.to_vec();
        let mut steps = [Step::default()];
        self.environment.advance(&action, &mut self.observation, &mut steps)?;
        let [step] = steps;
        self.reward = step.reward;
        self.over = self.result.take(&step);
        Ok(action)
    }
}

#[cfg(test)]
mod tests {
    use aaren_format::{AgentConfig, EncoderKind};

    use super::*;
    use crate::stand_in::{hopper, policy};

    /// Batches of other sizes on other threads, and episodes that end at different timesteps.
    #[test]
    fn returns_do_not_depend_on_the_number_of_threads() {
        let env = EnvSpec::new("Hopper-v4");
        for (encoder, regime) in
            [(EncoderKind::Aaren, Regime::Unbounded), (EncoderKind::Transformer, Regime::Window(3))]
        {
            let (agent, task) = hopper(encoder, 2);
            let targets = &[1800.0, 3600.0];
            let evaluation = Evaluation { env: &env, regime, targets, episodes: 11, seed: 5, guidance: None };
            let on = |policy: &Policy, threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| evaluation.stream(policy, &ProgressBar::hidden())).unwrap()
            };
            // Other tests draw from libtorch's generator too: what weights these are is not known.
            let drawn = std::iter::repeat_with(|| {
                let file = policy("untrained", &AgentConfig::new(&agent), &task).unwrap();
                let policy = Policy::from_bytes(&file.to_bytes()).unwrap();
                let one = on(&policy, 1);
                (policy, one)
            });
            let (policy, one) = (drawn.take(100))
                .find(|(_, one)| one.iter().any(|episode| episode.length != one[0].length))
                .expect("episodes of different lengths");
            let order: Vec<_> = one.iter().map(|episode| (episode.target_return, episode.episode)).collect();
            let expected = targets.iter().flat_map(|&target| (0..11).map(move |episode| (target, episode)));
            assert!(order.into_iter().eq(expected));
            assert_eq!(one, on(&policy, 2));
            let mut alone = evaluation.episode(&policy, targets[1], 7).unwrap();
            while !alone.over() {
                alone.step().unwrap();
            }
            assert_eq!(*alone.result(), one[11 + 7]);
            assert_eq!(one, on(&policy, 5));
        }
    }
    /// A corridor of fixed length has two episodes, one for each cue; Hopper's all start elsewhere.
    #[test]
    fn episodes_that_repeat_others_are_counted() {
        let distinct = |env: &EnvSpec| {
            let task = aaren_agents::Task::new(&aaren_envs::describe(env).unwrap(), 1.0);
            let (agent, _) = hopper(EncoderKind::Aaren, 1);
            let file = policy("untrained", &AgentConfig::new(&agent), &task).unwrap();
            let policy = Policy::from_bytes(&file.to_bytes()).unwrap();
            let regime = Regime::Unbounded;
            let evaluation =
                Evaluation { env, regime, targets: &[1.0], episodes: 20, seed: 0, guidance: None };
            EpisodeResult::distinct(&evaluation.stream(&policy, &ProgressBar::hidden()).unwrap())
        };
        let mut maze = EnvSpec::new("TMaze-v0");
        maze.kwargs.insert("corridor".into(), 3.into());
        assert_eq!(distinct(&maze), 2);
        assert_eq!(distinct(&EnvSpec::new("Hopper-v4")), 20);
    }
}
