//! Trajectory encoders on libtorch.
//!
//! Encoders that are the same in everything but how past tokens reach the present one stand side by side:
//!
//! * **Aaren** (*Attention as an RNN*, arXiv 2405.13956): a learned, input-independent query, so that
//!   all prefix outputs come from a parallel prefix scan and one more token costs constant time and
//!   constant memory.
//! * **Transformer**: causal multi-head attention with a key/value cache.
//!
//! Each is an [`Encoder`] with one contract, after the RNN trait of tch and candle:
//! [`Encoder::zero_state`], [`Encoder::seq`] and [`State::bytes`].

#[cfg(feature = "ablation")]
pub mod ablation;
mod block;
mod device;
mod dropout;
mod encoder;
mod error;
mod fused;
mod linear;
mod mixer;
mod rotation;
pub mod scan;
#[cfg(test)]
mod train_tests;
mod wanted;

pub use device::open_device;
pub use dropout::Dropout;
pub use encoder::{Encoder, State};
pub use error::Error;
pub use fused::Gradients;
pub use linear::{Pass, linear};
pub use wanted::Wanted;

/// Held by a test while it draws from libtorch's generator, which is one for all threads.
#[cfg(test)]
static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
