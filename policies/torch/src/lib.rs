//! Trajectory encoders on libtorch.
//!
//! Two encoders that are the same in everything but the attention stand side by side:
//!
//! * **Aaren** (*Attention as an RNN*, arXiv 2405.13956): a learned, input-independent query, so that
//!   all prefix outputs come from a parallel prefix scan and one more token costs constant time and
//!   constant memory.
//! * **Transformer**: causal multi-head attention with a key/value cache.
//!
//! Both are an [`Encoder`] with one contract, after the RNN trait of tch and candle:
//! [`Encoder::zero_state`], [`Encoder::step`], [`Encoder::seq`] and [`State::bytes`].

mod aaren;
mod block;
mod device;
mod dropout;
mod encoder;
mod error;
mod linear;
pub mod scan;
mod transformer;

pub use aaren::Aaren;
pub use device::open_device;
pub use encoder::{Encoder, Rows, State};
pub use error::Error;
pub use linear::{Pass, linear};
pub use transformer::{CausalAttention, KeyValueCache};
