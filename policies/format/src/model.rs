//! The shape of a trajectory encoder.

use alloc::format;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// How past tokens reach the present one: the part in which encoders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderKind {
    /// Attention as an RNN (arXiv 2405.13956): a learned query, a state of constant size.
    Aaren,
    /// Causal multi-head attention with a key/value cache.
    Transformer,
    /// A gated recurrent unit (Cho et al. 2014) in the place of attention: the recurrent baseline.
    Gru,
}

impl EncoderKind {
    /// Every kind there is.
    pub const ALL: [EncoderKind; 3] = [EncoderKind::Aaren, EncoderKind::Transformer, EncoderKind::Gru];

    /// Its name in YAML and JSON.
    pub fn name(self) -> &'static str {
        match self {
            EncoderKind::Aaren => "aaren",
            EncoderKind::Transformer => "transformer",
            EncoderKind::Gru => "gru",
        }
    }

    /// Whether its state has one size however long the episode: then it can be carried from chunk to chunk in
    /// training, and acts `unbounded` unless told otherwise.
    pub fn constant_state(self) -> bool {
        match self {
            EncoderKind::Aaren | EncoderKind::Gru => true,
            EncoderKind::Transformer => false,
        }
    }

    /// Whether `recency` means something for it.
    pub fn takes_recency(self) -> bool {
        self == EncoderKind::Aaren
    }
}

impl fmt::Display for EncoderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a block normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// After each residual sum, as in the paper's code.
    #[default]
    Post,
    /// Before attention and MLP, and once after the last block, as in GPT-2.
    Pre,
}

/// Whether an Aaren head forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recency {
    /// The paper's form: every token of the past keeps its weight.
    #[default]
    None,
    /// A learned decay per head and token: prefix n weighs token i by e^{s_i − λ(n−i)}. It begins with time
    /// constants of 20 tokens and less.
    Learned,
    /// The same, beginning with time constants spread over the heads from a few tokens to a whole episode, as
    /// RetNet's (arXiv 2307.08621) and ALiBi's (arXiv 2108.12409) slopes are.
    Spread,
    /// A decay that the input decides: token t decays all before it by λ_t = softplus(w_h·x_t + b_h), the gate of
    /// the Forgetting Transformer (arXiv 2503.02130). It begins as `spread`.
    Gated,
}

impl Recency {
    /// Every form there is.
    pub const ALL: [Recency; 4] = [Recency::None, Recency::Learned, Recency::Spread, Recency::Gated];

    /// Its name in YAML and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Recency::None => "none",
            Recency::Learned => "learned",
            Recency::Spread => "spread",
            Recency::Gated => "gated",
        }
    }
}

impl fmt::Display for Recency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How numbers are kept: in training the arithmetic of an encoder, whose weights stay float32; in the
/// streaming runtime its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Throughout.
    #[default]
    Float32,
    /// In training activations and matrix products, in the runtime the matrices.
    Bfloat16,
}

impl Precision {
    /// Its name in YAML and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Bfloat16 => "bfloat16",
        }
    }
}

/// How a policy file holds its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// As they were trained.
    #[default]
    Float32,
    /// Signed bytes from −127 to 127, and one float32 scale for each row. Norms, heads, biases, scores and the
    /// projections of observation, action and return-to-go stay float32. Only the streaming runtime reads it.
    Int8,
}

impl Weights {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Float32 => "float32",
            Weights::Int8 => "int8",
        }
    }

    pub(crate) fn are_float32(&self) -> bool {
        *self == Weights::Float32
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The shape of a trajectory encoder: a stack of blocks, each an attention (or what stands for it) and an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The attention.
    pub encoder: EncoderKind,
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads in a block; a GRU has none, and ignores the number.
    pub heads: usize,
    /// Place of the LayerNorms.
    pub norm: Norm,
    /// Aaren's recency.
    pub recency: Recency,
    /// Whether the actions of the past are tokens: without them a timestep is a return-to-go and a state.
    #[serde(default = "past_actions", skip_serializing_if = "is_true")]
    pub past_actions: bool,
}

/// Files from before it could be said have them.
fn past_actions() -> bool {
    true
}

fn is_true(it: &bool) -> bool {
    *it
}

impl Model {
    /// The largest width.
    pub const WIDEST: usize = 65_536;
    /// The most layers.
    pub const DEEPEST: usize = 1024;

    /// Units of a GRU's hidden state: ⅔ of the width, rounded. With its projection it then has the 4 width²
    /// weights of attention, and a block as many parameters as an Aaren's to within 5 % from a width of 5 on.
    pub fn units(&self) -> usize {
        (2 * self.width + 1) / 3
    }

    /// Whether such an encoder can be.
    ///
    /// # Errors
    /// The first key that makes it impossible.
    pub fn check(&self) -> Result<(), Invalid> {
        let Model { encoder, width, layers, heads, recency, .. } = *self;
        for (key, size, most) in [
            ("model.width", width, Self::WIDEST),
            ("model.layers", layers, Self::DEEPEST),
            ("model.heads", heads, Self::WIDEST),
        ] {
            Invalid::unless(
                (1..=most).contains(&size),
                key,
                size,
                format!("a whole number from 1 to {most}"),
            )?;
        }
        if width % heads != 0 {
            let divisors = (1..=width).filter(|divisor| width % divisor == 0);
            let nearest = divisors.min_by_key(|divisor| divisor.abs_diff(heads));
            return Err(Invalid {
                key: "model.heads",
                found: format!("{heads} heads with width {width}"),
                expected: "a number of heads that divides the width".into(),
                cure: nearest.map(|heads| format!("nearest: {heads} heads")),
            });
        }
        if recency != Recency::None && !encoder.takes_recency() {
            return Err(Invalid {
                key: "model.recency",
                found: format!("{recency} with encoder {encoder}"),
                expected: "none, as recency decays an Aaren's state".into(),
                cure: Some("remove it, or set `encoder: aaren`".into()),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_past_actions_is_written_as_before_there_were_others() {
        let written = r#"{"encoder":"gru","width":8,"layers":1,"heads":2,"norm":"post","recency":"none"}"#;
        let model: Model = serde_json::from_str(written).unwrap();
        assert!(model.past_actions);
        assert_eq!(serde_json::to_string(&model).unwrap(), written);
        let without = serde_json::to_string(&Model { past_actions: false, ..model }).unwrap();
        assert!(without.ends_with(r#","past_actions":false}"#), "{without}");
        assert!(!serde_json::from_str::<Model>(&without).unwrap().past_actions);
    }
}
