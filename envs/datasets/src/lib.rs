//! Offline datasets: episodes of observations, actions and rewards.
//!
//! [`Dataset::load`] reads D4RL's HDF5 files and their like, Minari's folders (HDF5, Arrow, Parquet), NumPy's `.npz`
//! (OGBench's too), CSV, Parquet and LeRobot's folders; [`Dataset::write_d4rl`] and its like
//! write each of them, Minari's in its HDF5 form.
//! A [`recipe`] makes a dataset from nothing, with the trained policies of [`behaviour`] or by a script.

mod actions;
pub mod behaviour;
mod column;
mod csv;
mod d4rl;
mod dataset;
mod difficulty;
mod episode;
mod error;
mod fetch;
mod file;
mod findings;
mod flat;
mod forms;
mod hdf5;
mod ids;
mod labels;
mod least_squares;
mod lerobot;
mod locate;
mod minari;
mod npz;
mod offers;
mod parquet;
mod reading;
pub mod recipe;
mod record_batch;
mod said;
mod signature;
mod space;
mod statistics;
mod summary;
mod tree;

pub use dataset::{Dataset, Transitions};
pub use difficulty::{Difficulty, Histogram};
pub use episode::{End, Episode};
pub use error::Error;
pub use fetch::fetch;
pub use file::{folder_whole, write_whole};
pub use ids::{is_minari_id, minari_root};
pub use locate::{Missing, locate};
pub use reading::{Actions, Columns, Reading};
pub use space::Space;
pub use summary::DatasetSummary;
