//! `model:` the architecture that the policies share, and what an entry of `policies` overrides.

use aaren_format::{Model, Norm, Positions, Recency, ReturnIn};
use serde::Deserialize;

use super::values::{bins, not_negative, probability, share, some_whole, whole};

const WIDEST: u64 = Model::WIDEST as u64;
const KEYS: u64 = Model::KEYS as u64;
const DEEPEST: u64 = Model::DEEPEST as u64;

/// The section as written, with its defaults.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct ModelSection {
    /// Size of a token's embedding.
    #[serde(deserialize_with = "whole::<_, _, 1, WIDEST>")]
    pub width: usize,
    /// Number of blocks.
    #[serde(deserialize_with = "whole::<_, _, 1, DEEPEST>")]
    pub layers: usize,
    /// Attention heads of a block; must divide the width. 4 unless given, and 1 where 4 do not.
    #[serde(deserialize_with = "some_whole::<_, _, 1, WIDEST>")]
    pub heads: Option<usize>,
    /// Dropout probability in training, after attention and after the MLP.
    #[serde(deserialize_with = "probability")]
    pub dropout: f64,
    /// Where a block normalises: after each residual sum, as in the paper's code, or before attention and MLP, as in
    /// GPT-2.
    pub norm: Norm,
    /// How an Aaren's heads forget: `none`, never (the paper's form); `learned`, the default, by a learned decay; `spread`,
    /// by one that begins with many time constants; or `gated`, by one that each token decides.
    pub recency: Option<Recency>,
    /// Whether a policy sees its past actions, and with `tokens: 1` past rewards too; false by default, and true with
    /// `tokens: 3`.
    pub past_actions: Option<bool>,
    /// Tokens of a timestep: 1 (all that the policy sees), the default; 3 (return-to-go, observation, action), as the
    /// Decision Transformer has them; or 2 (the same without the action).
    #[serde(deserialize_with = "some_whole::<_, _, 1, 3>")]
    pub tokens: Option<usize>,
    /// Where the return-to-go enters: the `head`, the default with `tokens: 1` and possible there only, or a `token`.
    #[serde(rename = "return")]
    pub return_in: Option<ReturnIn>,
    /// Whether the return for each remaining timestep is told beside the return-to-go; true by default with `tokens: 1`, and
    /// possible there only.
    pub return_rate: Option<bool>,
    /// Bins from the lowest to the highest return-to-go of the data, each with an embedding, between which the return-to-go is
    /// told by interpolation beside the number itself, with `tokens: 1` only; 0, the default, for none.
    #[serde(deserialize_with = "bins")]
    pub return_bins: usize,
    /// Share of the training windows that ask for no return, from 0, the default, to below 1; with `tokens: 1` only.
    #[serde(deserialize_with = "probability")]
    pub return_dropout: f64,
    /// Standard deviation of the noise on normalised observations, and with `tokens: 1` on past actions and rewards, in
    /// training: 0, the default, or more.
    #[serde(deserialize_with = "not_negative")]
    pub history_noise: f64,
    /// How a policy knows when something was: `none`, the default with `tokens: 1`; `timestep`, the default with 2 or 3, an
    /// embedding for each timestep of an episode; `rotary`, channels of an Aaren, a Transformer or a gated delta that turn
    /// with time; or `alibi`, a Transformer's scores that fall with time.
    pub positions: Option<Positions>,
    /// With `positions: rotary` the share of heads that turn, above 0 and at most 1 (default); the others keep what they
    /// hold as it was.
    #[serde(deserialize_with = "share")]
    pub rotate: f64,
    /// Entries of each head's key and query in an Aaren: 1 (default), the paper's form without them, to 1024. A state then
    /// holds that many weighted sums of values, which a query reads.
    #[serde(deserialize_with = "whole::<_, _, 1, KEYS>")]
    pub keys: usize,
    /// Whether an Aaren's scores are zero and stay so: with `keys: 1` each head is then a mean of values that only forgets, a
    /// control for what scores add to that; false by default.
    pub frozen_scores: bool,
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            width: 128,
            layers: 3,
            heads: None,
            dropout: 0.1,
            norm: Norm::Post,
            recency: None,
            past_actions: None,
            tokens: None,
            return_in: None,
            return_rate: None,
            return_bins: 0,
            return_dropout: 0.0,
            history_noise: 0.0,
            positions: None,
            rotate: 1.0,
            keys: 1,
            frozen_scores: false,
        }
    }
}
