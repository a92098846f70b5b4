//! From what the encoder says to actions.

use aaren_encoders::linear;
use aaren_format::Layout;
use tch::{Kind, Tensor, nn, nn::Module};

/// The expectile of the returns-to-go that the head predicts as the most that can be had (Reinformer, Zhuang et al.
/// 2024, arXiv 2405.08740).
const EXPECTILE: f64 = 0.99;

/// The head of a decision agent.
#[derive(Debug)]
pub(super) enum Head {
    /// A linear layer.
    Plain(nn::Linear),
    /// A perceptron with one hidden layer, whose units what is asked for scales and shifts before their GELU (FiLM,
    /// Perez et al. 2018, arXiv 1709.07871; the last return only, as in the Decoupled Decision Transformer); beside it
    /// a perceptron that predicts the most that can be had, and teaches the encoder nothing.
    Asked {
        /// From the width to twice as many units.
        hidden: nn::Linear,
        /// From what is asked for to the width.
        asked: nn::Linear,
        /// From there to a factor, less 1, and a summand for each unit.
        film: nn::Linear,
        /// From the units to the action.
        output: nn::Linear,
        /// From the width to as many units.
        most_hidden: nn::Linear,
        /// From there to a scaled return-to-go.
        most: nn::Linear,
    },
}

impl Head {
    /// A head with weights drawn from libtorch's generator.
    pub fn new(root: &nn::Path, layout: Layout, width: i64, actions: i64) -> Self {
        let (head, most) = (root / "head", root / "most");
        if !layout.in_head() {
            return Head::Plain(linear(head, width, actions));
        }
        Head::Asked {
            hidden: linear(&head / "hidden", width, 2 * width),
            asked: linear(&head / "asked", layout.asked_size() as i64, width),
            film: linear(&head / "film", width, 4 * width),
            output: linear(&head, 2 * width, actions),
            most_hidden: linear(&most / "hidden", width, width),
            most: linear(&most, width, 1),
        }
    }

    /// Its outputs `[rows, timesteps, action size]` for the encoder's `[rows, timesteps, width]` and what is asked for,
    /// `[rows, timesteps, asked size]`.
    pub fn forward(&self, outputs: &Tensor, asked_for: &Tensor) -> Tensor {
        match self {
            Head::Plain(linear) => linear.forward(outputs),
            Head::Asked { hidden, asked, film, output, .. } => {
                let film = film.forward(&asked.forward(asked_for).gelu("none"));
                let film = film.chunk(2, -1);
                let units: Tensor = hidden.forward(outputs) * (&film[0] + 1.0) + &film[1];
                output.forward(&units.gelu("none"))
            }
        }
    }

    /// Expectile errors of the most that can be had, against scaled `returns` `[rows, timesteps, 1]`, as large; `None`
    /// where it is not predicted. No gradient flows into `outputs`.
    pub fn most_errors(&self, outputs: &Tensor, returns: &Tensor) -> Option<Tensor> {
        let Head::Asked { most_hidden, most, .. } = self else { return None };
        let predicted = most.forward(&most_hidden.forward(&outputs.detach()).gelu("none"));
        let above = returns - predicted;
        // |τ − 1[u < 0]| u²
        let weight = (above.lt(0.0).to_kind(Kind::Float) - EXPECTILE).abs();
        Some(weight * above.square())
    }
}
