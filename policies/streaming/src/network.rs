//! The networks that can act, and the only place that tells them apart.

use aaren_format::{self as format, Header, Precision, Regime};

use crate::Error;
use crate::decision::Decision;
use crate::episode::Episode;
use crate::file::File;
use crate::head::Joint;
use crate::perceptron::Perceptron;
use crate::simd::InstructionSet;
use crate::state::{Scratch, State};

/// What makes an action of what an episode holds.
#[expect(clippy::large_enum_variant, reason = "there is one for each policy")]
pub(crate) enum Network {
    Decision(Decision),
    Perceptron(Perceptron),
}

impl Network {
    pub(crate) fn read(file: &File<'_>, header: &Header, precision: Precision) -> Result<Network, Error> {
        match &header.network {
            format::Network::Decision(decision) => {
                Decision::read(file, header, decision, precision).map(Network::Decision)
            }
            format::Network::Perceptron(mlp) => {
                Perceptron::read(file, header, mlp, precision).map(Network::Perceptron)
            }
        }
    }

    /// Bytes of the weights that one step reads.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Network::Decision(decision) => decision.encoder.bytes(),
            Network::Perceptron(perceptron) => perceptron.bytes(),
        }
    }

    fn decision(&self) -> Option<&Decision> {
        match self {
            Network::Decision(decision) => Some(decision),
            Network::Perceptron(_) => None,
        }
    }

    /// Whether its state has one size however long the episode.
    pub(crate) fn constant_state(&self) -> bool {
        self.decision().is_none_or(|decision| decision.constant_state)
    }

    /// The state before an episode.
    pub(crate) fn zero_state(&self) -> State {
        self.decision().map_or_else(State::default, |decision| decision.encoder.zero_state())
    }

    /// Make `state` that before an episode.
    pub(crate) fn clear(&self, state: &mut State) {
        if let Some(decision) = self.decision() {
            decision.encoder.clear(state);
        }
    }

    /// A return-to-go as its input.
    pub(crate) fn return_input(&self, return_to_go: f64) -> f32 {
        match self.decision() {
            // The most that can be had is known to the head alone.
            Some(_) if return_to_go == f64::INFINITY => 0.0,
            Some(decision) => (return_to_go / decision.return_scale) as f32,
            None => 0.0,
        }
    }

    /// What a timestep's token holds, where it is one.
    pub(crate) fn joint(&self) -> Option<Joint> {
        self.decision().and_then(|decision| decision.joint)
    }

    /// Numbers of an episode's row before its action.
    pub(crate) fn inputs(&self, header: &Header) -> usize {
        let (observation, actions) = (header.observation_size, header.action.size());
        self.joint().map_or(1 + observation, |joint| joint.inputs(observation, actions))
    }

    /// Timesteps whose inputs an episode keeps while it acts, and those that a saved one must hold.
    pub(crate) fn kept(&self, regime: Regime) -> (usize, usize) {
        match (self, regime) {
            (Network::Decision(_), Regime::Window(timesteps)) => (timesteps.max(2), timesteps),
            // This one, and the action of the one before it.
            (Network::Decision(_), Regime::Unbounded | Regime::Sliding(_) | Regime::Reset(_)) => (2, 1),
            (Network::Perceptron(_), _) => (1, 0),
        }
    }

    /// Whether the last action is told at the next timestep.
    pub(crate) fn past_actions(&self) -> bool {
        self.decision().is_some_and(|decision| decision.past_actions)
    }

    /// Whether it computes its state anew at every timestep, from the inputs of a window.
    pub(crate) fn recomputes(&self, regime: Regime) -> bool {
        matches!((self, regime), (Network::Decision(_), Regime::Window(_)))
    }

    /// Tokens in the state that is kept after so many timesteps; `None` beyond all numbers.
    pub(crate) fn tokens(&self, regime: Regime, timestep: u64) -> Option<u64> {
        self.decision().map_or(Some(0), |decision| decision.tokens(regime, timestep))
    }

    /// Those of them that a state's caches hold.
    pub(crate) fn held(&self, regime: Regime, tokens: u64) -> u64 {
        self.decision().map_or(tokens, |decision| decision.held(regime, tokens))
    }

    /// Working memory for so many episodes at once.
    pub(crate) fn scratch(&self, regime: Regime, episodes: usize) -> Scratch {
        match self {
            Network::Decision(decision) => decision.scratch(regime, episodes),
            Network::Perceptron(perceptron) => perceptron.scratch(episodes),
        }
    }

    /// The head's outputs for the inputs in each episode's current row.
    pub(crate) fn run(
        &self,
        instructions: InstructionSet,
        regime: Regime,
        episodes: &mut [Episode],
        scratch: &mut Scratch,
    ) {
        match self {
            Network::Decision(decision) => decision.push(instructions, regime, episodes, scratch),
            Network::Perceptron(perceptron) => perceptron.map(instructions, episodes, scratch),
        }
    }
}
