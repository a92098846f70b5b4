//! What is kept of an episode, and the pass of the weights that continues some of them.

use alloc::vec::Vec;
use core::ops::Range;

use crate::Error;
use crate::block::{Scratch, State};
use crate::policy::{Embedding, Weights};
use crate::simd::{Kernel, Lanes};
use crate::vector::add_assign;
use aaren_format::{ActionSpace, Regime};

/// Timesteps of a window that pass through the encoder together: enough to reuse each panel of
/// weights from the first-level cache, few enough for their activations to stay there too.
const CHUNK: usize = 20;

/// What the policy was told, what it remembers, and what it answered.
pub(crate) struct Episode {
    /// Timesteps acted in.
    pub(crate) timestep: u64,
    pub(crate) return_to_go: f64,
    /// A ring of rows, one per timestep: return-to-go, observation, action; all as the embedding
    /// takes them. Timestep t is in row t mod `rows`.
    pub(crate) inputs: Vec<f32>,
    pub(crate) rows: u64,
    pub(crate) row_length: usize,
    pub(crate) state: State,
    /// The head's output: an action in [−1, 1] before tanh, or logits.
    pub(crate) head: Vec<f32>,
    pub(crate) action: Vec<f32>,
}

impl AsMut<State> for Episode {
    fn as_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Episode {
    pub(crate) fn new(policy: &Weights, regime: Regime) -> Episode {
        let (observation, actions) = (policy.header.observation_size, policy.header.action.size());
        let row_length = 1 + observation + actions;
        // Outside a window only this timestep and the last one's action are wanted.
        let rows = match regime {
            Regime::Window(timesteps) => timesteps.max(2),
            Regime::Unbounded | Regime::Reset(_) => 2,
        };
        // A header may ask for any window, and its sizes multiply: provide for what is plausible,
        // the rest grows with the timesteps that really come.
        let expected = rows.min(policy.decision.max_timesteps.max(2)).saturating_mul(row_length).min(1 << 20);
        let action = match policy.header.action {
            ActionSpace::Continuous { .. } => actions,
            ActionSpace::Discrete { .. } => 1,
        };
        Episode {
            timestep: 0,
            return_to_go: 0.0,
            inputs: Vec::with_capacity(expected),
            rows: rows as u64,
            row_length,
            state: policy.encoder.zero_state(),
            head: alloc::vec![0.0; actions],
            action: alloc::vec![0.0; action],
        }
    }

    pub(crate) fn reset(&mut self, policy: &Weights, target_return: f64) {
        self.timestep = 0;
        self.return_to_go = target_return;
        policy.encoder.clear(&mut self.state);
    }

    /// The tokens that the state still lacks, up to this timestep's state. An episode's tokens are
    /// numbered from its start: 3t is the return-to-go of timestep t, then its state, then its action.
    fn tokens_to_come(&self, regime: Regime) -> Range<u64> {
        let first = match regime {
            Regime::Unbounded => 0,
            Regime::Window(length) => (self.timestep + 1).saturating_sub(length as u64),
            Regime::Reset(length) => self.timestep - self.timestep % length as u64,
        };
        3 * first + self.state.tokens..3 * self.timestep + 2
    }

    /// The row of `timestep`, which must be among the last `rows`.
    #[inline(always)]
    pub(crate) fn row(&self, timestep: u64) -> &[f32] {
        let start = (timestep % self.rows) as usize * self.row_length;
        &self.inputs[start..start + self.row_length]
    }

    /// The row of the next timestep, for writing.
    fn next_row(&mut self) -> &mut [f32] {
        let start = (self.timestep % self.rows) as usize * self.row_length;
        if start == self.inputs.len() {
            self.inputs.resize(start + self.row_length, 0.0);
        }
        &mut self.inputs[start..start + self.row_length]
    }

    /// Whether observation and reward can be used; the return-to-go after the reward.
    pub(crate) fn check<T: Copy + Into<f64>>(
        &self,
        policy: &Weights,
        observation: &[T],
        previous_reward: f64,
    ) -> Result<f64, Error> {
        let expected = policy.header.observation_size;
        if observation.len() != expected {
            return Err(Error::ObservationSize { found: observation.len(), expected });
        }
        if let Some(found) = observation.iter().map(|&x| x.into()).find(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what: "an entry of the observation", found });
        }
        let return_to_go = self.return_to_go - if self.timestep > 0 { previous_reward } else { 0.0 };
        if !return_to_go.is_finite() {
            return Err(Error::NotFinite {
                what: "the return to go (target return less rewards)",
                found: return_to_go,
            });
        }
        Ok(return_to_go)
    }

    /// Takes in what [`check`](Self::check) accepted.
    pub(crate) fn observe<T: Copy + Into<f64>>(
        &mut self,
        policy: &Weights,
        observation: &[T],
        return_to_go: f64,
    ) {
        let embedding = &policy.embedding;
        self.return_to_go = return_to_go;
        let row = self.next_row();
        row[0] = (return_to_go / policy.decision.return_scale) as f32;
        for (i, (to, &x)) in row[1..].iter_mut().zip(observation).enumerate() {
            *to = ((x.into() - f64::from(embedding.mean[i])) / f64::from(embedding.std[i])) as f32;
        }
    }

    /// Turn the head's output into an action, and remember it as the next step's action token.
    fn answer(&mut self, policy: &Weights) {
        let token_start = 1 + policy.header.observation_size;
        let start = (self.timestep % self.rows) as usize * self.row_length;
        let token = &mut self.inputs[start + token_start..start + self.row_length];
        match &policy.header.action {
            ActionSpace::Continuous { low, high } => {
                for (i, (token, action)) in token.iter_mut().zip(&mut self.action).enumerate() {
                    let (centre, half) = (0.5 * low[i] + 0.5 * high[i], 0.5 * (high[i] - low[i]));
                    *token = libm::tanhf(self.head[i]);
                    *action = (centre + half * *token).clamp(low[i], high[i]);
                }
            }
            ActionSpace::Discrete { .. } => {
                let mut best = 0;
                for (i, &logit) in self.head.iter().enumerate() {
                    if logit > self.head[best] {
                        best = i;
                    }
                }
                token.fill(0.0);
                token[best] = 1.0;
                self.action[0] = best as f32;
            }
        }
    }
}

/// Runs the timestep whose return-to-go and state stand in each episode's next row; the actions stand
/// in the episodes afterwards. Not generic: the kernels are compiled once, here, and not in every
/// crate that acts.
pub(crate) fn push(
    policy: &Weights,
    regime: Regime,
    episodes: &mut [Episode],
    scratch: &mut Scratch,
) -> Result<(), Error> {
    for episode in &mut *episodes {
        let empty = match regime {
            Regime::Unbounded => false,
            Regime::Window(_) => true,
            Regime::Reset(length) => episode.timestep.is_multiple_of(length as u64),
        };
        if empty {
            policy.encoder.clear(&mut episode.state);
        }
    }
    policy.instructions.run(Push { policy, regime, episodes, scratch });
    let mut lost = None;
    for episode in episodes {
        lost = lost.or(episode.head.iter().copied().find(|x| !x.is_finite()));
        episode.answer(policy);
        episode.timestep += 1;
    }
    match lost {
        Some(found) => Err(Error::NotFinite { what: "an output of the policy", found: found.into() }),
        None => Ok(()),
    }
}

/// Push each episode's new tokens, in a window all of its timesteps', and read the head at the last
/// one's state token.
pub(crate) struct Push<'a> {
    policy: &'a Weights,
    regime: Regime,
    episodes: &'a mut [Episode],
    scratch: &'a mut Scratch,
}

impl Push<'_> {
    /// Working memory for so many episodes at once.
    pub(crate) fn scratch(policy: &Weights, regime: Regime, episodes: usize) -> Scratch {
        policy.encoder.scratch(match regime {
            Regime::Window(timesteps) => 3 * timesteps.min(CHUNK),
            Regime::Unbounded | Regime::Reset(_) => 3 * episodes,
        })
    }
}

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Push { policy, regime, episodes, scratch } = self;
        let (width, encoder) = (policy.encoder.width, &policy.encoder);
        // The timesteps of a window share a pass already.
        let together = if matches!(regime, Regime::Window(_)) { 1 } else { episodes.len().max(1) };
        for group in episodes.chunks_mut(together) {
            loop {
                let (mut row, mut complete) = (0, true);
                for episode in &mut *group {
                    let tokens = episode.tokens_to_come(regime);
                    let end = tokens.end.min(tokens.start + 3 * CHUNK as u64);
                    complete &= end == tokens.end;
                    episode.state.incoming = (end - tokens.start) as usize;
                    for token in tokens.start..end {
                        let x = &mut scratch.x[row * width..(row + 1) * width];
                        policy.embed::<L>(episode, token, x);
                        row += 1;
                    }
                }
                encoder.forward::<L>(scratch, group, complete);
                if complete {
                    break;
                }
            }
            for (x, episode) in scratch.x.chunks_exact(width).zip(group) {
                policy.head.apply::<L>(x, 1, &mut episode.head);
            }
        }
    }
}

impl Weights {
    /// The embedding of an episode's token, numbered as in [`Episode::tokens_to_come`].
    #[inline(always)]
    fn embed<L: Lanes>(&self, episode: &Episode, token: u64, x: &mut [f32]) {
        let (timestep, embedding) = (token / 3, &self.embedding);
        let (return_to_go, rest) = episode.row(timestep).split_at(1);
        let (state, action) = rest.split_at(self.header.observation_size);
        let (linear, input) = match token % 3 {
            0 => (&embedding.return_to_go, return_to_go),
            1 => (&embedding.state, state),
            _ => (&embedding.action, action),
        };
        linear.apply::<L>(input, 1, x);
        embedding.finish::<L>(x, timestep);
    }
}

impl Embedding {
    /// Add the timestep's embedding to a token and normalise it.
    #[inline(always)]
    fn finish<L: Lanes>(&self, x: &mut [f32], timestep: u64) {
        let width = x.len();
        let known = self.timestep.len() / width;
        let row = timestep.min(known as u64 - 1) as usize;
        add_assign::<L>(x, &self.timestep[row * width..(row + 1) * width]);
        self.norm.apply::<L>(x);
    }
}
