//! One episode of a policy.

use alloc::vec::Vec;

use crate::block::{Scratch, State};
use crate::header::{ActionSpace, Regime};
use crate::linear::Linear;
use crate::policy::Weights;
use crate::simd::{Kernel, Lanes};
use crate::vector::add_assign;
use crate::{Error, Policy};

/// Timesteps of a window that pass through the encoder together: enough to reuse each panel of
/// weights from the first-level cache, few enough for their activations to stay there too.
const CHUNK: usize = 20;

/// The state of one episode.
///
/// Streams of one policy are independent of each other and can be stepped by different threads.
pub struct Stream {
    pub(crate) policy: Policy,
    pub(crate) regime: Regime,
    pub(crate) episode: Episode,
    pub(crate) state: State,
    scratch: Scratch,
    /// The head's output: an action in [−1, 1] before tanh, or logits.
    head: Vec<f32>,
    action: Vec<f32>,
}

/// What the policy was told and what it answered.
pub(crate) struct Episode {
    /// Timesteps acted in.
    pub(crate) timestep: u64,
    pub(crate) return_to_go: f64,
    /// A ring of rows, one per timestep: return-to-go, observation, action; all as the embedding
    /// takes them. Timestep t is in row t mod `rows`.
    pub(crate) inputs: Vec<f32>,
    pub(crate) rows: u64,
    pub(crate) row_length: usize,
}

impl Episode {
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
}

impl Stream {
    pub(crate) fn new(policy: Policy, regime: Regime) -> Stream {
        let weights = policy.weights();
        let (observation, actions) = (weights.header.observation_size, weights.header.action.size());
        let row_length = 1 + observation + actions;
        // Outside a window only this timestep and the last one's action are wanted.
        let rows = match regime {
            Regime::Window(timesteps) => timesteps.max(2),
            Regime::Unbounded | Regime::Reset(_) => 2,
        };
        // A header may ask for any window, and its sizes multiply: provide for what is plausible,
        // the rest grows with the timesteps that really come.
        let expected = rows.min(weights.header.max_timesteps.max(2)).saturating_mul(row_length).min(1 << 20);
        let tokens = match regime {
            Regime::Window(timesteps) => 3 * timesteps.min(CHUNK),
            Regime::Unbounded | Regime::Reset(_) => 3,
        };
        let episode = Episode {
            timestep: 0,
            return_to_go: 0.0,
            inputs: Vec::with_capacity(expected),
            rows: rows as u64,
            row_length,
        };
        let action = match weights.header.action {
            ActionSpace::Continuous { .. } => actions,
            ActionSpace::Discrete { .. } => 1,
        };
        Stream {
            regime,
            episode,
            state: weights.encoder.zero_state(),
            scratch: weights.encoder.scratch(tokens),
            head: alloc::vec![0.0; actions],
            action: alloc::vec![0.0; action],
            policy,
        }
    }

    /// Begin an episode, asking for `target_return`.
    ///
    /// A new stream asks for a return of 0.
    pub fn reset(&mut self, target_return: f64) {
        self.episode.timestep = 0;
        self.episode.return_to_go = target_return;
        self.policy.weights().encoder.clear(&mut self.state);
    }

    /// The action for `observation`, in the environment's units: one entry per dimension, or a
    /// single entry, the index of the choice. `previous_reward` is what the previous action
    /// earned; the first call after [`reset`](Self::reset) ignores it.
    ///
    /// # Errors
    ///
    /// If the observation has the wrong length, or a number in it, the reward or the result is
    /// infinite or not a number. A refused observation or reward leaves the stream as it was.
    pub fn act<T: Copy + Into<f64>>(
        &mut self,
        observation: &[T],
        previous_reward: f64,
    ) -> Result<&[f32], Error> {
        let policy = self.policy.weights();
        let (header, embedding) = (&policy.header, &policy.embedding);
        if observation.len() != header.observation_size {
            return Err(Error::ObservationSize {
                found: observation.len(),
                expected: header.observation_size,
            });
        }
        if let Some(found) = observation.iter().map(|&x| x.into()).find(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what: "an entry of the observation", found });
        }
        let episode = &mut self.episode;
        let return_to_go = episode.return_to_go - if episode.timestep > 0 { previous_reward } else { 0.0 };
        if !return_to_go.is_finite() {
            return Err(Error::NotFinite {
                what: "the return to go (target return less rewards)",
                found: return_to_go,
            });
        }
        episode.return_to_go = return_to_go;
        let row = episode.next_row();
        row[0] = (return_to_go / header.return_scale) as f32;
        for (i, (to, &x)) in row[1..].iter_mut().zip(observation).enumerate() {
            *to = ((x.into() - f64::from(embedding.mean[i])) / f64::from(embedding.std[i])) as f32;
        }
        self.push()
    }

    /// Runs the timestep whose return-to-go and state stand in the episode's next row. Not generic: the
    /// kernels are compiled once, here, and not in every crate that calls [`Stream::act`].
    fn push(&mut self) -> Result<&[f32], Error> {
        let policy = self.policy.weights();
        let timestep = self.episode.timestep;
        let (first, begin_with_action) = match self.regime {
            Regime::Unbounded => (timestep, timestep > 0),
            Regime::Window(length) => {
                policy.encoder.clear(&mut self.state);
                ((timestep + 1).saturating_sub(length as u64), false)
            }
            Regime::Reset(length) => {
                let fresh = timestep.is_multiple_of(length as u64);
                if fresh {
                    policy.encoder.clear(&mut self.state);
                }
                (timestep, !fresh)
            }
        };
        policy.instructions.run(Push {
            policy,
            episode: &self.episode,
            first,
            begin_with_action,
            state: &mut self.state,
            scratch: &mut self.scratch,
            head: &mut self.head,
        });
        if let Some(&found) = self.head.iter().find(|x| !x.is_finite()) {
            return Err(Error::NotFinite { what: "an output of the policy", found: found.into() });
        }
        self.answer();
        self.episode.timestep += 1;
        Ok(&self.action)
    }

    /// Turn the head's output into an action, and remember it as the next step's action token.
    fn answer(&mut self) {
        let policy = self.policy.weights();
        let token_start = 1 + policy.header.observation_size;
        let token = &mut self.episode.next_row()[token_start..];
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

    /// What the head said at the last step, before the action was made of it: values whose tanh is
    /// the action scaled to [−1, 1], or one logit per choice.
    pub fn head_output(&self) -> &[f32] {
        &self.head
    }

    /// The policy this stream follows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The regime it was made for.
    pub fn regime(&self) -> Regime {
        self.regime
    }

    /// Timesteps acted in since the last reset.
    pub fn timestep(&self) -> u64 {
        self.episode.timestep
    }

    /// The return still to earn, in the environment's units.
    pub fn return_to_go(&self) -> f64 {
        self.episode.return_to_go
    }

    /// Bytes of what the encoder remembers of the episode: Aaren's (m, u, w) of every layer, always
    /// `layers × (2·heads + width) × 4`; the Transformer's keys and values,
    /// `layers × 2 × width × tokens × 4`. In a window, the timesteps it is recomputed from come on
    /// top: `(1 + observation size + action size) × 4` for each.
    pub fn state_bytes(&self) -> usize {
        let window = match self.regime {
            Regime::Window(_) => {
                self.episode.timestep.min(self.episode.rows) as usize
                    * self.episode.row_length
                    * size_of::<f32>()
            }
            Regime::Unbounded | Regime::Reset(_) => 0,
        };
        self.policy.weights().encoder.state_bytes(&self.state) + window
    }
}

impl core::fmt::Debug for Stream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stream")
            .field("policy", &self.policy.name())
            .field("regime", &self.regime)
            .field("timestep", &self.episode.timestep)
            .field("return_to_go", &self.episode.return_to_go)
            .finish_non_exhaustive()
    }
}

/// Push the tokens of timesteps `first..=episode.timestep` and read the head at the last one's
/// state token.
struct Push<'a> {
    policy: &'a Weights,
    episode: &'a Episode,
    first: u64,
    /// Whether the action token of the timestep before `first` comes first.
    begin_with_action: bool,
    state: &'a mut State,
    scratch: &'a mut Scratch,
    head: &'a mut [f32],
}

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let encoder = &self.policy.encoder;
        let width = encoder.width;
        let last = self.episode.timestep;
        let observation = self.policy.header.observation_size;
        let mut timestep = self.first;
        loop {
            let end = last.min(timestep + (CHUNK as u64 - 1));
            let mut tokens = 0;
            let mut push = |linear: &Linear, input: &[f32], timestep: u64| {
                let x = &mut self.scratch.x[tokens * width..(tokens + 1) * width];
                linear.apply::<L>(input, 1, x);
                self.policy.embedding.finish::<L>(x, timestep);
                tokens += 1;
            };
            let embedding = &self.policy.embedding;
            if self.begin_with_action {
                push(&embedding.action, &self.episode.row(timestep - 1)[1 + observation..], timestep - 1);
            }
            for t in timestep..=end {
                let row = self.episode.row(t);
                push(&embedding.return_to_go, &row[..1], t);
                push(&embedding.state, &row[1..1 + observation], t);
                if t < last {
                    push(&embedding.action, &row[1 + observation..], t);
                }
            }
            encoder.forward::<L>(self.scratch, tokens, self.state, end == last);
            if end == last {
                let output = &self.scratch.x[(tokens - 1) * width..tokens * width];
                self.policy.head.apply::<L>(output, 1, self.head);
                return;
            }
            timestep = end + 1;
        }
    }
}

impl crate::policy::Embedding {
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
