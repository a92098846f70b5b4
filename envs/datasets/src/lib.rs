//! Offline datasets: episodes of observations, actions and rewards.
//!
//! [`Dataset::load`] reads D4RL's HDF5 files and Minari's folders (HDF5 and Arrow form);
//! [`Dataset::write_d4rl`] and [`Dataset::write_minari`] write the former and the HDF5 form of the latter.
//! A [`recipe`] makes a dataset from nothing, with the trained policies of [`behaviour`] or by a script.

pub mod behaviour;
mod column;
mod d4rl;
mod dataset;
mod difficulty;
mod error;
mod file;
mod hdf5;
mod least_squares;
mod minari;
pub mod recipe;
mod summary;

pub use dataset::{Dataset, End, Episode, Transitions};
pub use difficulty::{Difficulty, Histogram};
pub use error::Error;
pub use file::{folder_whole, write_whole};
pub use summary::DatasetSummary;
