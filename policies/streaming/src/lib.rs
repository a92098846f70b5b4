//! Streams a trained policy of the project `aaren`: no libtorch, no Python, no allocation per step.
//!
//! A [`Policy`] holds the weights of a `policy.safetensors`; a [`Stream`] holds one episode,
//! [`Streams`] several that are stepped together.
//!
//! ```no_run
//! # fn step(_: &[f32]) -> (Vec<f64>, f64) { (vec![], 0.0) }
//! # fn main() -> Result<(), aaren_streaming::Error> {
//! let policy = aaren_streaming::Policy::from_file("policy.safetensors")?;
//! let mut stream = policy.stream();
//! stream.reset(3600.0);
//! let (mut observation, mut reward) = (vec![0.0; policy.observation_size()], 0.0);
//! loop {
//!     let action = stream.act(&observation, reward)?;
//!     (observation, reward) = step(action);
//! }
//! # }
//! ```
//!
//! A policy is a decision agent, whose encoder reads the episode as tokens, or behaviour cloning, a perceptron
//! that sees the current observation. The encoders share everything but how past tokens reach the present one:
//! **Aaren** (arXiv 2405.13956), **GRU**, **LSTM**, **minGRU** and the **gated delta rule**, whose state has one size
//! however long the episode, and a **Transformer** with a growing key/value cache. The kernels are compiled for several instruction sets and
//! one is chosen when a policy is loaded. Without the default feature `std` the crate needs only `alloc`.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod act;
mod block;
mod c_file;
mod cache;
mod decision;
mod episode;
mod error;
mod file;
mod head;
mod linear;
mod matrix;
mod mixer;
mod network;
mod norm;
mod perceptron;
mod policy;
mod quantise;
mod rotation;
mod saved;
mod simd;
mod state;
mod stream;
mod streams;
mod vector;

pub use aaren_format::{ActionSpace, Header, Precision, Regime, Weights};
pub use c_file::{CFile, c_file};
pub use error::Error;
pub use policy::{Options, Policy};
pub use quantise::{Quantised, Rounding, quantise};
pub use simd::InstructionSet;
pub use stream::Stream;
pub use streams::Streams;
