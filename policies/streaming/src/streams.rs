//! Several episodes of a policy, step by step together.

use alloc::vec::Vec;

use crate::act::{act, rehearse};
use crate::episode::Episode;
use crate::state::{Scratch, touch};
use crate::{Error, Policy};
use aaren_format::Regime;

/// The states of several episodes, which share each pass over the weights.
///
/// Each acts, bit for bit, as a [`Stream`](crate::Stream) would, whatever the others are told; they
/// need not be at the same timestep. What they save is the weights' way from memory, once for all of
/// them instead of once for each; a window's timesteps share it already, so windows save nothing. In real time they
/// are as good as a [`Stream`](crate::Stream).
pub struct Streams {
    pub(crate) policy: Policy,
    pub(crate) regime: Regime,
    pub(crate) episodes: Vec<Episode>,
    scratch: Scratch,
    actions: Vec<f32>,
}

impl Policy {
    /// `count` streams that are stepped together, in the regime the file names.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] where the system does not grant the memory of so many.
    pub fn streams(&self, count: usize) -> Result<Streams, Error> {
        Streams::new(self.clone(), self.regime(), count)
    }

    /// `count` streams that are stepped together, in a regime of one's own choice.
    ///
    /// # Errors
    ///
    /// As [`streams`](Self::streams), and if the regime holds no timestep, or slides where the state has one size.
    pub fn streams_with(&self, regime: Regime, count: usize) -> Result<Streams, Error> {
        self.header().check_regime(regime)?;
        Streams::new(self.clone(), regime, count)
    }
}

impl Streams {
    fn new(policy: Policy, regime: Regime, count: usize) -> Result<Streams, Error> {
        let episode = || Episode::new(policy.weights(), regime);
        let scratch = |count| policy.weights().network.scratch(regime, count);
        let one = episode();
        has_room(count, one.bytes() + size_of_val(&*one.action) + scratch(1).bytes())?;
        let mut episodes: Vec<_> = (0..count).map(|_| episode()).collect();
        let mut scratch = scratch(count);
        rehearse(policy.weights(), regime, &mut episodes, &mut scratch);
        let mut actions = Vec::with_capacity(episodes.iter().map(|episode| episode.action.len()).sum());
        touch(actions.spare_capacity_mut());
        Ok(Streams { regime, scratch, actions, episodes, policy })
    }

    /// The policy they follow.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.episodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }

    /// Begin an episode in stream `index`, asking for `target_return`; see [`Stream::reset`](crate::Stream::reset).
    ///
    /// New streams ask for a return of 0.
    ///
    /// # Panics
    ///
    /// If there is no such stream.
    pub fn reset(&mut self, index: usize, target_return: f64) {
        self.episodes[index].reset(self.policy.weights(), target_return);
    }

    /// [`Stream::set_guidance`](crate::Stream::set_guidance) for all of them.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_guidance(&mut self, guidance: f64) -> Result<(), Error> {
        let guidance = self.policy.guidance(guidance)?;
        self.episodes.iter_mut().for_each(|episode| episode.guidance = guidance);
        Ok(())
    }

    /// Go on with some of the streams only, given by their indices, in this order.
    ///
    /// # Panics
    ///
    /// If an index is no stream's, or the indices do not increase.
    pub fn keep(&mut self, indices: &[usize]) {
        assert!(indices.is_sorted_by(|a, b| a < b) && indices.last().is_none_or(|&last| last < self.len()));
        let (mut index, mut kept) = (0, indices.iter().peekable());
        self.episodes.retain(|_| {
            index += 1;
            kept.next_if(|&&keep| keep == index - 1).is_some()
        });
    }

    /// The actions of all streams, one after the other, each as [`Stream::act`](crate::Stream::act) gives
    /// it: `[streams, entries]` for `observations` `[streams, observation size]`.
    ///
    /// # Errors
    ///
    /// As [`Stream::act`](crate::Stream::act), and if there are not as many observations or rewards as streams. Refused
    /// observations or rewards leave all streams as they were.
    pub fn act<T: Copy + Into<f64>>(
        &mut self,
        observations: &[T],
        previous_rewards: &[f64],
    ) -> Result<&[f32], Error> {
        let policy = self.policy.weights();
        let (count, size) = (self.episodes.len(), policy.header.observation_size);
        if previous_rewards.len() != count {
            return Err(Error::Rewards { found: previous_rewards.len(), expected: count });
        }
        if observations.len() != count * size {
            return Err(Error::ObservationSize { found: observations.len(), expected: count * size });
        }
        let inputs = || observations.chunks_exact(size).zip(previous_rewards);
        for (index, (episode, (observation, &reward))) in self.episodes.iter().zip(inputs()).enumerate() {
            episode.check(policy, observation, reward).map_err(|error| match error {
                Error::Observation { entry, found, .. } => {
                    Error::Observation { stream: Some(index), entry, found }
                }
                error => error,
            })?;
        }
        for (episode, (observation, &reward)) in self.episodes.iter_mut().zip(inputs()) {
            let return_to_go = episode.check(policy, observation, reward)?;
            episode.observe(policy, observation, reward, return_to_go);
        }
        act(policy, self.regime, &mut self.episodes, &mut self.scratch)?;
        self.actions.clear();
        self.episodes.iter().for_each(|episode| self.actions.extend_from_slice(&episode.action));
        Ok(&self.actions)
    }
}

/// Asks the system for all of it at once: an allocation that fails later ends the process.
fn has_room(count: usize, each: usize) -> Result<(), Error> {
    let granted = |bytes| {
        let mut room = Vec::<u8>::new();
        let granted = room.try_reserve_exact(bytes).is_ok();
        // Without a use the compiler may leave the allocation out.
        core::hint::black_box(room);
        granted
    };
    if count.checked_mul(each).is_some_and(granted) {
        return Ok(());
    }
    Err(Error::Memory { count, bytes: count as u128 * each as u128 })
}

impl core::fmt::Debug for Streams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Streams")
            .field("policy", &self.policy.name())
            .field("regime", &self.regime)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
