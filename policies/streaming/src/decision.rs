//! The decision agent: the trajectory as tokens, an encoder over them, and the head at the state token.

use core::ops::Range;

use aaren_format::{self as format, Header, Layout, Positions, Precision, Regime};

use crate::Error;
use crate::block::Encoder;
use crate::episode::Episode;
use crate::file::File;
use crate::head::{Head, Joint};
use crate::linear::Linear;
use crate::matrix::Weight;
use crate::norm::LayerNorm;
use crate::simd::{InstructionSet, Kernel, Lanes};
use crate::state::Scratch;
use crate::vector::add_assign;

/// Timesteps of a window that pass through the encoder together: enough to reuse each panel of
/// weights from the first-level cache, few enough for their activations to stay there too.
const CHUNK: usize = 20;

/// Embedding, encoder and head.
pub(crate) struct Decision {
    embedding: Embedding,
    pub(crate) encoder: Encoder,
    head: Head,
    layout: Layout,
    /// What a timestep's token holds, where it is one.
    pub(crate) joint: Option<Joint>,
    /// Returns-to-go are divided by this.
    pub(crate) return_scale: f64,
    pub(crate) constant_state: bool,
    /// Whether a timestep's tokens hold the action before it.
    pub(crate) past_actions: bool,
    /// Tokens of a timestep: return-to-go, state and, unless the past goes without, action; or one.
    tokens_each: u64,
}

/// From a timestep's inputs to its tokens.
struct Embedding {
    inputs: Inputs,
    /// `[max_timesteps, width]`; `None` where timesteps are not told.
    timestep: Option<Weight>,
    max_timesteps: usize,
    norm: LayerNorm,
}

/// The linear layers of the tokens.
#[allow(clippy::large_enum_variant, reason = "there is one in each policy")]
enum Inputs {
    /// A token each.
    Separate {
        return_to_go: Linear,
        state: Linear,
        /// `None` where the actions of the past are no tokens.
        action: Option<Linear>,
        observation_size: usize,
    },
    /// One token of so many inputs.
    Joint { token: Linear, inputs: usize },
}

impl Decision {
    pub(crate) fn read(
        file: &File<'_>,
        header: &Header,
        agent: &format::Decision,
        precision: Precision,
    ) -> Result<Decision, Error> {
        let (observation_size, actions) = (header.observation_size, header.action.size());
        let width = agent.model.width;
        let linear = |name, inputs| file.float_linear(name, width, inputs);
        let max_timesteps = agent.max_timesteps;
        let joint = Joint::new(agent);
        let inputs = match &joint {
            None => Inputs::Separate {
                return_to_go: linear("embed.return", 1)?,
                state: linear("embed.state", observation_size)?,
                action: agent.model.past_actions.then(|| linear("embed.action", actions)).transpose()?,
                observation_size,
            },
            Some(joint) => {
                let inputs = joint.inputs(observation_size, actions);
                Inputs::Joint { token: linear("embed.token", inputs)?, inputs }
            }
        };
        let embedding = Embedding {
            inputs,
            timestep: match agent.model.positions {
                Positions::Timestep => {
                    Some(file.table("embed.timestep.weight", "embed.timestep.scale", max_timesteps, width)?)
                }
                Positions::None | Positions::Rotary | Positions::Alibi => None,
            },
            max_timesteps,
            norm: file.norm("embed.norm", width)?,
        };
        let tokens_each = agent.layout.tokens(agent.model.past_actions);
        let encoder = Encoder::read(file, &agent.model, tokens_each, precision)?;
        let head = Head::read(file, agent, actions)?;
        let constant_state = agent.model.encoder().constant_state();
        Ok(Decision {
            embedding,
            encoder,
            head,
            layout: agent.layout,
            joint,
            return_scale: agent.return_scale,
            constant_state,
            past_actions: agent.model.past_actions,
            tokens_each: tokens_each as u64,
        })
    }

    /// Tokens of a timestep up to the one at which its action is read.
    #[inline(always)]
    fn tokens_to_act(&self) -> u64 {
        self.layout.read_at() as u64 + 1
    }

    /// The tokens that an episode's state still lacks, up to this timestep's state. They are numbered from
    /// the episode's start, timestep by timestep in the order of `tokens_each`.
    fn tokens_to_come(&self, episode: &Episode, regime: Regime) -> Range<u64> {
        let first = match regime {
            Regime::Unbounded => 0,
            Regime::Window(length) => (episode.timestep + 1).saturating_sub(length as u64),
            Regime::Reset(length) => episode.timestep - episode.timestep % length as u64,
            // Its state counts the episode's tokens, those dropped too.
            Regime::Sliding(_) => 0,
        };
        let each = self.tokens_each;
        each * first + episode.state.tokens..each * episode.timestep + self.tokens_to_act()
    }

    /// Drops what slides out of an episode's state when its timestep comes.
    fn slide(&self, episode: &mut Episode, regime: Regime) {
        let Regime::Sliding(length) = regime else { return };
        let first = self.tokens_each * (episode.timestep + 1).saturating_sub(length as u64);
        // Where only this timestep is kept, not even the action before it comes.
        episode.state.tokens = episode.state.tokens.max(first);
        let kept = episode.state.tokens - first;
        episode.state.layers.iter_mut().for_each(|memory| memory.cache.keep_last(kept as usize));
    }

    /// Tokens in the state that is kept after so many timesteps; `None` beyond all numbers.
    pub(crate) fn tokens(&self, regime: Regime, timestep: u64) -> Option<u64> {
        let since = match regime {
            Regime::Window(_) => 0,
            Regime::Unbounded | Regime::Sliding(_) => timestep,
            Regime::Reset(length) if timestep > 0 => (timestep - 1) % length as u64 + 1,
            Regime::Reset(_) => 0,
        };
        // The last timestep's action, if it is a token, comes with the next one.
        let each = self.tokens_each;
        since.checked_mul(each).map(|tokens| tokens.saturating_sub(each - self.tokens_to_act()))
    }

    /// Those of them that are held in caches.
    pub(crate) fn held(&self, regime: Regime, tokens: u64) -> u64 {
        match regime {
            Regime::Sliding(length) => {
                let each = self.tokens_each;
                let most = each.saturating_mul(length as u64);
                tokens.min(most.saturating_sub(each - self.tokens_to_act()))
            }
            Regime::Unbounded | Regime::Window(_) | Regime::Reset(_) => tokens,
        }
    }

    /// Working memory for so many episodes at once.
    pub(crate) fn scratch(&self, regime: Regime, episodes: usize) -> Scratch {
        let timesteps = match regime {
            Regime::Window(timesteps) => timesteps.min(CHUNK),
            Regime::Unbounded | Regime::Sliding(_) | Regime::Reset(_) => episodes,
        };
        let mut scratch = self.encoder.scratch(self.tokens_each as usize * timesteps);
        scratch.head = alloc::vec![0.0; self.head.scratch()];
        scratch
    }

    /// Push each episode's new tokens, in a window all of its timesteps', and read the head at the last
    /// one's state token.
    pub(crate) fn push(
        &self,
        instructions: InstructionSet,
        regime: Regime,
        episodes: &mut [Episode],
        scratch: &mut Scratch,
    ) {
        instructions.run(Push { decision: self, regime, episodes, scratch });
    }

    /// The embedding of an episode's token, numbered as in [`tokens_to_come`](Self::tokens_to_come).
    #[inline(always)]
    fn embed<L: Lanes>(&self, episode: &Episode, token: u64, x: &mut [f32]) {
        let (embedding, each) = (&self.embedding, self.tokens_each);
        let timestep = token / each;
        let row = episode.row(timestep);
        let (linear, input) = match &embedding.inputs {
            Inputs::Joint { token, inputs } => (token, &row[..*inputs]),
            Inputs::Separate { return_to_go, state, action, observation_size } => {
                let (returns, rest) = row.split_at(1);
                let (states, actions) = rest.split_at(*observation_size);
                match (token % each, action) {
                    (0, _) => (return_to_go, returns),
                    (2, Some(linear)) => (linear, actions),
                    _ => (state, states),
                }
            }
        };
        linear.apply::<L>(input, 1, x);
        embedding.finish::<L>(x, timestep);
    }
}

/// [`Decision::push`] for every set of instructions.
struct Push<'a> {
    decision: &'a Decision,
    regime: Regime,
    episodes: &'a mut [Episode],
    scratch: &'a mut Scratch,
}

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Push { decision, regime, episodes, scratch } = self;
        let (width, encoder) = (decision.encoder.width, &decision.encoder);
        // The timesteps of a window share a pass already.
        let together = if matches!(regime, Regime::Window(_)) { 1 } else { episodes.len().max(1) };
        for group in episodes.chunks_mut(together) {
            group.iter_mut().for_each(|episode| decision.slide(episode, regime));
            loop {
                let (mut row, mut complete) = (0, true);
                for episode in &mut *group {
                    let tokens = decision.tokens_to_come(episode, regime);
                    let end = tokens.end.min(tokens.start + decision.tokens_each * CHUNK as u64);
                    complete &= end == tokens.end;
                    episode.state.incoming = (end - tokens.start) as usize;
                    for token in tokens.start..end {
                        let x = &mut scratch.x[row * width..(row + 1) * width];
                        decision.embed::<L>(episode, token, x);
                        row += 1;
                    }
                }
                encoder.forward::<L>(scratch, group, complete);
                if complete {
                    break;
                }
            }
            let Scratch { x, head, .. } = &mut *scratch;
            for (x, episode) in x.chunks_exact(width).zip(group) {
                decision.head.apply::<L>(x, episode, head);
            }
        }
    }
}

impl Embedding {
    /// Add the timestep's embedding to a token, where there is one, and normalise it.
    #[inline(always)]
    fn finish<L: Lanes>(&self, x: &mut [f32], timestep: u64) {
        let width = x.len();
        let row = timestep.min(self.max_timesteps as u64 - 1) as usize;
        let span = row * width..(row + 1) * width;
        match &self.timestep {
            None => {}
            Some(Weight::Float32(table)) => add_assign::<L>(x, &table[span]),
            Some(Weight::Int8(table)) => {
                let scale = table.scales[row];
                x.iter_mut().zip(&table.codes[span]).for_each(|(x, &code)| *x += scale * f32::from(code));
            }
        }
        self.norm.apply::<L>(x);
    }
}
