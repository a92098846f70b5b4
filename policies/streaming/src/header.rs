//! The JSON header of a policy file.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use crate::{Error, error::one_line};

/// The format's name and the version this crate reads.
const FORMAT: &str = "aaren-policy";
const VERSION: u64 = 1;

/// How much of the episode the encoder sees at a roll-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// Everything since the episode began.
    Unbounded,
    /// The last so many timesteps, recomputed from an empty state at every step.
    Window(usize),
    /// Everything since the last multiple of so many timesteps.
    Reset(usize),
}

impl Regime {
    /// Itself, unless it holds no timestep.
    pub(crate) fn checked(self) -> Result<Regime, Error> {
        match self {
            Regime::Window(0) | Regime::Reset(0) => Err(Error::EmptyContext),
            _ => Ok(self),
        }
    }
}

/// How the head's output becomes an action.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ActionSpace {
    /// A vector inside a box; `low < high` entry by entry.
    Continuous {
        /// Lower bounds.
        low: Vec<f32>,
        /// Upper bounds.
        high: Vec<f32>,
    },
    /// One of so many choices.
    Discrete {
        /// How many.
        choices: usize,
    },
}

impl ActionSpace {
    /// Dimensions, or choices: the outputs of the policy's head.
    pub fn size(&self) -> usize {
        match self {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { choices } => *choices,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncoderKind {
    Aaren,
    Transformer,
}

/// Where a block normalises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Norm {
    Post,
    Pre,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Recency {
    None,
    Learned,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) encoder: EncoderKind,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) norm: Norm,
    pub(crate) recency: Recency,
}

#[derive(Debug, Deserialize)]
struct Context {
    rollout: Regime,
}

#[derive(Deserialize)]
struct Version {
    format: String,
    version: u64,
}

/// What the runtime uses of the header; keys it does not know are left to other readers.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) policy: String,
    pub(crate) model: Model,
    pub(crate) observation_size: usize,
    pub(crate) max_timesteps: usize,
    pub(crate) action: ActionSpace,
    context: Context,
    pub(crate) return_scale: f64,
    pub(crate) target_returns: Vec<f64>,
}

impl Header {
    /// Parse and validate; sizes are still to be held against the tensors.
    pub(crate) fn parse(json: &str) -> Result<Header, Error> {
        let Version { format, version } = parse(json)?;
        check("format", format == FORMAT, &format, FORMAT)?;
        check("version", version == VERSION, version, "1, the version this build reads")?;

        let header: Header = parse(json)?;
        let Model { width, layers, heads, encoder, recency, .. } = header.model;
        check("model.width", width > 0, width, "at least 1")?;
        check("model.layers", layers > 0, layers, "at least 1")?;
        check(
            "model.heads",
            heads > 0 && width % heads == 0,
            heads,
            format!("a divisor of the width {width}"),
        )?;
        let recency_fits = encoder == EncoderKind::Aaren || recency == Recency::None;
        check("model.recency", recency_fits, "learned", "none, as the encoder is a transformer")?;
        check("observation_size", header.observation_size > 0, header.observation_size, "at least 1")?;
        check("max_timesteps", header.max_timesteps > 0, header.max_timesteps, "at least 1")?;
        let scale = header.return_scale;
        check("return_scale", scale.is_finite() && scale > 0.0, scale, "a positive number")?;
        if let Some(target) = header.target_returns.iter().find(|target| !target.is_finite()) {
            check("target_returns", false, target, "finite numbers")?;
        }
        match &header.action {
            ActionSpace::Discrete { choices } => {
                check("action.choices", *choices > 0, choices, "at least 1")?
            }
            ActionSpace::Continuous { low, high } => {
                check("action.low", !low.is_empty(), "no entries", "one per action dimension")?;
                check(
                    "action.high",
                    low.len() == high.len(),
                    high.len(),
                    format!("{} entries, as in `action.low`", low.len()),
                )?;
                for (l, h) in low.iter().zip(high) {
                    let usable = l.is_finite() && h.is_finite() && l < h && (h - l).is_finite();
                    check("action", usable, format!("bounds [{l}, {h}]"), "finite bounds, low < high")?;
                }
            }
        }
        match header.context.rollout {
            Regime::Window(0) | Regime::Reset(0) => {
                check("context.rollout", false, 0, "at least 1 timestep")?
            }
            _ => {}
        }
        Ok(header)
    }

    pub(crate) fn regime(&self) -> Regime {
        self.context.rollout
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::Header(one_line(&error)))
}

fn check(key: &'static str, holds: bool, found: impl ToString, expected: impl ToString) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::Value { key, found: one_line(&found), expected: expected.to_string() })
    }
}
