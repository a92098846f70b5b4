//! How fast a trainer is: the one timer of updates.

use std::time::{Duration, Instant};

use aaren_agents::Trainer;

use crate::Result;

/// Seconds of each of so many updates, or of as many as begin within a time. The loss of each is read, so that it has
/// been computed on a GPU too.
///
/// # Errors
/// Where an update cannot be done.
pub fn updates(trainer: &mut Trainer, most: usize, within: Duration) -> Result<Vec<f64>> {
    let (begun, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < most && begun.elapsed() < within {
        let start = Instant::now();
        trainer.update()?.loss.double_value(&[]);
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
