//! Acting: what an episode takes in, the timestep that continues some of them, and the actions.

use alloc::vec::Vec;

use aaren_format::{ActionSpace, Layout, Regime};

use crate::Error;
use crate::episode::Episode;
use crate::policy::Weights;
use crate::state::{Scratch, touch};

/// Timesteps that an episode provides for: it grows where a window is longer.
const USUAL: usize = 1000;

impl Episode {
    pub(crate) fn new(policy: &Weights, regime: Regime) -> Episode {
        let actions = policy.header.action.size();
        let row_length = policy.network.inputs(&policy.header) + actions;
        let (rows, _) = policy.network.kept(regime);
        // A header may ask for any window, and its sizes multiply: provide for what is plausible,
        // the rest grows with the timesteps that really come.
        let expected = rows.min(USUAL).saturating_mul(row_length).min(1 << 20);
        let action = policy.header.action.entries();
        Episode {
            timestep: 0,
            return_to_go: 0.0,
            guidance: policy.header.decision().map_or(1.0, |decision| decision.guidance),
            inputs: Vec::with_capacity(expected),
            rows: rows as u64,
            row_length,
            state: policy.network.zero_state(),
            head: alloc::vec![0.0; actions],
            free: alloc::vec![0.0; actions],
            action: alloc::vec![0.0; action],
        }
    }

    pub(crate) fn reset(&mut self, policy: &Weights, target_return: f64) {
        self.timestep = 0;
        self.return_to_go = target_return;
        policy.network.clear(&mut self.state);
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
        let overflows = |(entry, &x): (usize, &T)| !normalised(policy, entry, x).is_finite();
        if let Some((entry, &found)) = observation.iter().enumerate().find(|&it| overflows(it)) {
            return Err(Error::Observation { stream: None, entry, found: found.into() });
        }
        let reward = if self.timestep > 0 { previous_reward } else { 0.0 };
        let return_to_go = self.return_to_go - reward;
        let usable = return_to_go.is_finite()
            || (reward.is_finite() && policy.header.check_target(return_to_go).is_ok());
        let reward_input = policy.network.joint().map_or(0.0, |joint| joint.reward(reward));
        let return_input = Layout::STEEPEST * policy.network.return_input(return_to_go);
        if !usable || !reward_input.is_finite() || !return_input.is_finite() {
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
        previous_reward: f64,
        return_to_go: f64,
    ) {
        self.return_to_go = return_to_go;
        let (timestep, asked) = (self.timestep, policy.network.return_input(return_to_go));
        let Some(joint) = policy.network.joint() else {
            let row = self.next_row();
            row[0] = asked;
            normalise(policy, observation, &mut row[1..]);
            return;
        };
        let row = self.next_row();
        normalise(policy, observation, row);
        joint.ask(&mut row[observation.len()..], asked, timestep);
        if joint.past_actions {
            let (inputs, actions) = (policy.network.inputs(&policy.header), self.free.len());
            let to = self.start(timestep) + inputs - actions;
            let (reward, from) = match timestep.checked_sub(1) {
                None => (0.0, None),
                Some(before) => (joint.reward(previous_reward), Some(self.start(before) + inputs)),
            };
            self.inputs[to - 1] = reward;
            match from {
                None => self.inputs[to..to + actions].fill(0.0),
                Some(from) => self.inputs.copy_within(from..from + actions, to),
            }
        }
    }

    /// Replaces the action of the last timestep by one that was taken instead.
    pub(crate) fn took(&mut self, policy: &Weights, action: &[f32]) {
        let space = &policy.header.action;
        let Some(last) = self.timestep.checked_sub(1).filter(|_| space.takes(action)) else { return };
        let mut token = Vec::with_capacity(space.size());
        space.push_token(action, &mut token);
        let start = self.start(last) + policy.network.inputs(&policy.header);
        self.inputs[start..start + token.len()].copy_from_slice(&token);
        self.action.copy_from_slice(action);
    }

    /// Turn the head's output into an action, and remember it as the next step's action token.
    fn answer(&mut self, policy: &Weights) {
        let start = self.start(self.timestep);
        let token_start = start + policy.network.inputs(&policy.header);
        let token = &mut self.inputs[token_start..start + self.row_length];
        let guidance = self.guidance as f32;
        let guided = |free: f32, asked: f32| free + guidance * (asked - free);
        match &policy.header.action {
            ActionSpace::Continuous { low, high } => {
                for (i, (token, action)) in token.iter_mut().zip(&mut self.action).enumerate() {
                    let (centre, half) = (0.5 * low[i] + 0.5 * high[i], 0.5 * (high[i] - low[i]));
                    *token = libm::tanhf(self.head[i]);
                    if guidance != 1.0 {
                        *token = guided(libm::tanhf(self.free[i]), *token).clamp(-1.0, 1.0);
                    }
                    *action = (centre + half * *token).clamp(low[i], high[i]);
                }
            }
            space @ (ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. }) => {
                let logit = |i: usize| match guidance {
                    1.0 => self.head[i],
                    _ => guided(self.free[i], self.head[i]),
                };
                token.fill(0.0);
                let mut first = 0;
                for (&choices, action) in space.choices().iter().zip(&mut self.action) {
                    let mut best = first;
                    for i in first..first + choices {
                        if logit(i) > logit(best) {
                            best = i;
                        }
                    }
                    token[best] = 1.0;
                    *action = (best - first) as f32;
                    first += choices;
                }
            }
        }
    }
}

/// An observation as the network takes it.
#[inline(always)]
fn normalise<T: Copy + Into<f64>>(policy: &Weights, observation: &[T], to: &mut [f32]) {
    for (i, (to, &x)) in to.iter_mut().zip(observation).enumerate() {
        *to = normalised(policy, i, x);
    }
}

/// An entry of an observation as the network takes it.
#[inline(always)]
fn normalised<T: Into<f64>>(policy: &Weights, entry: usize, x: T) -> f32 {
    ((x.into() - f64::from(policy.mean[entry])) / f64::from(policy.std[entry])) as f32
}

/// Runs the timestep whose return-to-go and state stand in each episode's next row; the actions stand
/// in the episodes afterwards. Not generic: the kernels are compiled once, here, and not in every
/// crate that acts.
pub(crate) fn act(
    policy: &Weights,
    regime: Regime,
    episodes: &mut [Episode],
    scratch: &mut Scratch,
) -> Result<(), Error> {
    for episode in &mut *episodes {
        let empty = match regime {
            Regime::Unbounded | Regime::Sliding(_) => false,
            Regime::Window(_) => true,
            Regime::Reset(length) => episode.timestep.is_multiple_of(length as u64),
        };
        if empty {
            policy.network.clear(&mut episode.state);
        }
    }
    policy.network.run(policy.instructions, regime, episodes, scratch);
    let mut lost = None;
    for episode in episodes {
        let free = if episode.guidance == 1.0 { &[] } else { &*episode.free };
        lost = lost.or(episode.head.iter().chain(free).copied().find(|x| !x.is_finite()));
        episode.answer(policy);
        episode.timestep += 1;
    }
    match lost {
        Some(found) => Err(Error::NotFinite { what: "an output of the policy", found: found.into() }),
        None => Ok(()),
    }
}

/// Takes a few steps in a made-up episode and forgets them, so that the steps to come find their memory, stack and code
/// in pages that are there. A Transformer's cache is left as it is: it grows in any case.
pub(crate) fn rehearse(policy: &Weights, regime: Regime, episodes: &mut [Episode], scratch: &mut Scratch) {
    // The third and fourth have as many tokens, of a window too, as every way through a matrix takes.
    const STEPS: usize = 4;
    if !policy.network.constant_state() {
        return;
    }
    scratch.touch();
    for episode in &mut *episodes {
        touch(episode.inputs.spare_capacity_mut());
    }
    for _ in 0..STEPS {
        for episode in &mut *episodes {
            let row = episode.next_row();
            row.fill(0.0);
        }
        // What large weights make of it is of no interest.
        let _ = act(policy, regime, episodes, scratch);
    }
    for episode in episodes {
        episode.reset(policy, 0.0);
        episode.head.fill(0.0);
        episode.action.fill(0.0);
    }
}
