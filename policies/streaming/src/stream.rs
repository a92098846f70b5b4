//! One episode of a policy.

use crate::act::{act, rehearse};
use crate::episode::Episode;
use crate::state::Scratch;
use crate::{Error, Policy};
use aaren_format::Regime;

/// The state of one episode.
///
/// Streams of one policy are independent of each other and can be stepped by different threads.
/// One thread that steps several has less to read from memory with [`Streams`](crate::Streams).
///
/// # Real time
///
/// Once a stream of an Aaren, a GRU or a perceptron is made, its steps allocate nothing, take no lock, call nothing of
/// the system and touch no page for the first time: making it takes four steps in a made-up episode, so that memory,
/// stack and code are there. Each step does the same amount of work, but for a `window` that is still filling. What
/// is left is what the system does to every process: lock its pages (`mlockall`) where they may be taken away, and
/// keep other threads off its core. Not promised: windows of more than 1000 timesteps, whose inputs grow with the
/// timesteps that come, and a Transformer, whose cache grows by blocks of 256 tokens.
pub struct Stream {
    pub(crate) policy: Policy,
    pub(crate) regime: Regime,
    pub(crate) episode: Episode,
    scratch: Scratch,
}

impl Policy {
    /// A stream for one episode at a time, in the regime the file names.
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone(), self.regime())
    }

    /// A stream in a regime of one's own choice.
    ///
    /// # Errors
    ///
    /// If the regime holds no timestep, or slides where the state has one size.
    pub fn stream_with(&self, regime: Regime) -> Result<Stream, Error> {
        self.header().check_regime(regime)?;
        Ok(Stream::new(self.clone(), regime))
    }
}

impl Stream {
    fn new(policy: Policy, regime: Regime) -> Stream {
        let mut episode = Episode::new(policy.weights(), regime);
        let mut scratch = policy.weights().network.scratch(regime, 1);
        rehearse(policy.weights(), regime, core::slice::from_mut(&mut episode), &mut scratch);
        Stream { regime, episode, scratch, policy }
    }

    /// Begin an episode, asking for `target_return`; infinity asks for the most that can be had from each timestep on,
    /// which a policy trained with `return: head` predicts.
    ///
    /// A new stream asks for a return of 0.
    pub fn reset(&mut self, target_return: f64) {
        self.episode.reset(self.policy.weights(), target_return);
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
        let return_to_go = self.episode.check(policy, observation, previous_reward)?;
        self.episode.observe(policy, observation, previous_reward, return_to_go);
        let episodes = core::slice::from_mut(&mut self.episode);
        act(policy, self.regime, episodes, &mut self.scratch)?;
        Ok(&self.episode.action)
    }

    /// Tells that another action was taken at the last step than the one it gave: the next step's past holds that one.
    /// Nothing where it has not acted yet, or where `action` is none of the policy's.
    pub fn took(&mut self, action: &[f32]) {
        self.episode.took(self.policy.weights(), action);
    }

    /// How much what is asked for counts, from the next step on: g in a_free + g (a_asked − a_free), on actions scaled to
    /// [−1, 1] or on logits. A new stream has that of its file, usually 1.
    ///
    /// # Errors
    ///
    /// If it is no finite number, or not 1 for a policy that never acted free of returns in training.
    pub fn set_guidance(&mut self, guidance: f64) -> Result<(), Error> {
        self.episode.guidance = self.policy.guidance(guidance)?;
        Ok(())
    }

    /// What the head said at the last step, before guidance and before the action was made of it: values whose tanh is
    /// the action scaled to [−1, 1], or one logit per choice.
    pub fn head_output(&self) -> &[f32] {
        &self.episode.head
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

    /// Bytes that it must keep of the episode between two steps, those of the numbers that [`save`](Self::save) cannot do
    /// without. Aaren: (m, u, w) of every layer, always `layers × (2·heads + width) × 4`; GRU and minGRU: `layers × units × 4`, LSTM
    /// twice that, the gated delta rule `layers × width² / heads × 4`, as constant; Transformer: keys and values, `layers × 2 × width × tokens × 4`; each with the last action,
    /// `action size × 4`, where the next step is told of it. In a window it is the inputs and the action of its timesteps,
    /// where these are several tokens `(1 + observation size + action size) × 4` for each, whatever the encoder: all else is computed from them anew
    /// ([`scratch_bytes`](Self::scratch_bytes)). Behaviour cloning keeps nothing.
    pub fn state_bytes(&self) -> usize {
        let network = &self.policy.weights().network;
        if network.recomputes(self.regime) {
            let (_, kept) = network.kept(self.regime);
            let timesteps = self.episode.timestep.min(kept as u64) as usize;
            return timesteps * self.episode.row_length * size_of::<f32>();
        }
        let action = network.past_actions() && self.episode.timestep > 0;
        let action = if action { self.policy.header().action.size() } else { 0 };
        self.episode.state.bytes() + action * size_of::<f32>()
    }

    /// Bytes of working memory: what a step writes and the next need not find. The buffers of a forward pass, and in a
    /// window the state of the encoder (of a Transformer the keys and values of all of its tokens), which is computed anew
    /// at every step.
    pub fn scratch_bytes(&self) -> usize {
        let recomputed = self.policy.weights().network.recomputes(self.regime);
        self.scratch.bytes() + if recomputed { self.episode.state.bytes() } else { 0 }
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
