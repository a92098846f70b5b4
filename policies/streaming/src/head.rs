//! From what the encoder says of the last token to the numbers that an action is made of.

use aaren_format::{self as format, Bins, Layout};

use crate::Error;
use crate::episode::Episode;
use crate::file::File;
use crate::linear::Linear;
use crate::simd::Lanes;
use crate::vector::gelu;

/// The head of a decision agent.
#[expect(clippy::large_enum_variant, reason = "there is one for each policy")]
pub(crate) enum Head {
    /// A linear layer.
    Plain(Linear),
    /// It hears what return is asked for.
    Asked(Asked),
}

/// A perceptron of one hidden layer, which what is asked for scales and shifts (FiLM, Perez et al. 2018), and another
/// that predicts the most that can be had.
pub(crate) struct Asked {
    /// `[2 · width, width]`.
    hidden: Linear,
    /// `[width, asked size]`.
    asked: Linear,
    /// `[4 · width, width]`: a factor's excess over 1, then a summand, for each hidden unit.
    film: Linear,
    /// `[outputs, 2 · width]`.
    output: Linear,
    /// `[width, width]`.
    most_hidden: Linear,
    /// `[1, width]`.
    most: Linear,
    layout: Layout,
    bins: Bins,
    width: usize,
    max_timesteps: usize,
    return_scale: f64,
}

impl Head {
    pub(crate) fn read(file: &File<'_>, decision: &format::Decision, outputs: usize) -> Result<Head, Error> {
        let (layout, width) = (decision.layout, decision.model.width);
        if !layout.in_head() {
            return file.float_linear("head", outputs, width).map(Head::Plain);
        }
        Ok(Head::Asked(Asked {
            hidden: file.float_linear("head.hidden", 2 * width, width)?,
            asked: file.float_linear("head.asked", width, layout.asked_size())?,
            film: file.float_linear("head.film", 4 * width, width)?,
            output: file.float_linear("head", outputs, 2 * width)?,
            most_hidden: file.float_linear("most.hidden", width, width)?,
            most: file.float_linear("most", 1, width)?,
            layout,
            bins: decision.bins(),
            width,
            max_timesteps: decision.max_timesteps,
            return_scale: decision.return_scale,
        }))
    }

    /// Floats of working memory.
    pub(crate) fn scratch(&self) -> usize {
        match self {
            Head::Plain(_) => 0,
            Head::Asked(asked) => 9 * asked.width + asked.layout.asked_size(),
        }
    }

    /// The episode's outputs for the encoder's output `x` at its last token, and, where guidance needs them, those free
    /// of what is asked.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[f32], episode: &mut Episode, scratch: &mut [f32]) {
        match self {
            Head::Plain(linear) => linear.apply::<L>(x, 1, &mut episode.head),
            Head::Asked(head) => head.apply::<L>(x, episode, scratch),
        }
    }
}

impl Asked {
    #[inline(always)]
    fn apply<L: Lanes>(&self, x: &[f32], episode: &mut Episode, scratch: &mut [f32]) {
        let (hidden, rest) = scratch.split_at_mut(2 * self.width);
        let (rest, asked) = rest.split_at_mut(7 * self.width);
        let return_to_go = if episode.return_to_go.is_infinite() {
            let (branch, most) = (&mut rest[..self.width], &mut [0.0]);
            self.most_hidden.apply::<L>(x, 1, branch);
            gelu::<L>(branch);
            self.most.apply::<L>(branch, 1, most);
            most[0]
        } else {
            (episode.return_to_go / self.return_scale) as f32
        };
        self.hidden.apply::<L>(x, 1, hidden);
        self.layout.ask(return_to_go, episode.timestep, self.max_timesteps, &self.bins, asked);
        self.modulate::<L>(hidden, asked, rest, &mut episode.head);
        if episode.guidance != 1.0 {
            asked.fill(0.0);
            self.modulate::<L>(hidden, asked, rest, &mut episode.free);
        }
    }

    /// The outputs where `asked` is asked for.
    #[inline(always)]
    fn modulate<L: Lanes>(&self, hidden: &[f32], asked: &[f32], scratch: &mut [f32], outputs: &mut [f32]) {
        let width = self.width;
        let (branch, rest) = scratch.split_at_mut(width);
        let (film, units) = rest.split_at_mut(4 * width);
        let units = &mut units[..2 * width];
        self.asked.apply::<L>(asked, 1, branch);
        gelu::<L>(branch);
        self.film.apply::<L>(branch, 1, film);
        let (factors, summands) = film.split_at(2 * width);
        for ((unit, &z), (&factor, &summand)) in
            units.iter_mut().zip(hidden).zip(factors.iter().zip(summands))
        {
            *unit = z + z * factor + summand;
        }
        gelu::<L>(units);
        self.output.apply::<L>(units, 1, outputs);
    }
}

/// What a row of an episode's inputs holds where a timestep is one token: observation, what is asked for if the token
/// says it, and, where the past is seen, the reward and the action before it.
#[derive(Clone, Copy)]
pub(crate) struct Joint {
    layout: Layout,
    bins: Bins,
    /// Whether it sees the reward and the action before.
    pub(crate) past_actions: bool,
    max_timesteps: usize,
    return_scale: f64,
}

impl Joint {
    /// `None` where a timestep is several tokens.
    pub(crate) fn new(decision: &format::Decision) -> Option<Joint> {
        let format::Decision { model, layout, max_timesteps, return_scale, .. } = *decision;
        let joint = matches!(layout, Layout::Joint { .. });
        let (past_actions, bins) = (model.past_actions, decision.bins());
        joint.then_some(Joint { layout, bins, past_actions, max_timesteps, return_scale })
    }

    /// Numbers of a token, for so many of an observation and of an action.
    pub(crate) fn inputs(&self, observation: usize, actions: usize) -> usize {
        let asked = if self.layout.in_head() { 0 } else { self.layout.asked_size() };
        observation + asked + if self.past_actions { 1 + actions } else { 0 }
    }

    /// A reward as the network takes it: as a share of a return spread evenly over an episode.
    pub(crate) fn reward(&self, reward: f64) -> f32 {
        (reward * self.max_timesteps as f64 / self.return_scale) as f32
    }

    /// Writes what is asked for to the front of `to`, where the token says it.
    pub(crate) fn ask(&self, to: &mut [f32], return_to_go: f32, timestep: u64) {
        if !self.layout.in_head() {
            let to = &mut to[..self.layout.asked_size()];
            self.layout.ask(return_to_go, timestep, self.max_timesteps, &self.bins, to);
        }
    }
}
