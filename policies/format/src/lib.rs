//! The words in which a policy is described, the header of its file, and the one check of both.
//!
//! Everything that trains, stores, reads or runs a policy uses these types: the YAML of an experiment, the
//! encoders on libtorch, the agents, and the streaming runtime. The crate needs only `alloc`.
//!
//! * A [`Header`] is what a policy file says of itself: where it comes from, what it acts in, and the
//!   [`Network`] it is.
//! * [`Model`] with [`Mixer`], [`EncoderKind`], [`Norm`], [`Positions`], [`Recency`]: the shape of a trajectory encoder.
//! * [`Layout`], [`ReturnIn`] and [`Bins`]: what a timestep's tokens hold, and where and how the return-to-go enters.
//! * [`AgentConfig`]: an agent as an experiment describes it, by its [`AgentSettings`], whose ranges are in
//!   [`values`].
//! * [`Context`] and [`Regime`]: how much of the past a policy sees, in training and when it acts.
//! * [`ActionSpace`], [`EnvSpec`], [`Precision`], [`Weights`].
//! * [`Invalid`]: which key holds what, and what was expected.

#![no_std]

extern crate alloc;

mod action;
mod bins;
mod config;
mod context;
mod device;
mod env;
mod error;
mod hash;
mod header;
mod iql;
mod layout;
mod model;
mod network;
mod target;
mod td3_bc;
pub mod values;
mod words;

pub use action::ActionSpace;
pub use bins::Bins;
pub use config::{
    AgentConfig, AgentSettings, CloningConfig, DecisionConfig, Optimisation, Schedule, Start, Variation,
};
pub use context::{Context, ContextLength, Regime};
pub use device::Device;
pub use env::{EnvSpec, OfData, PythonEnv, Spaces};
pub use error::{Error, Invalid};
pub use hash::fnv1a;
pub use header::{FORMAT, Header, VERSION, check_scale};
pub use iql::IqlConfig;
pub use layout::{Layout, ReturnIn};
pub use model::{
    AarenSettings, EncoderKind, GatedDeltaSettings, GruSettings, LstmSettings, MinGruSettings, Mixer, Model,
    Norm, Positions, Precision, Recency, Settings, TransformerSettings, Weights,
};
pub use network::{Decision, Mlp, Network};
pub use target::{Target, is_target, target_return, target_returns};
pub use td3_bc::Td3BcConfig;
