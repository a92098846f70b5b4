//! Episodes that are filmed while they are played.

use std::path::Path;

use aaren_envs::Picture;
use aaren_streaming::Policy;
use anyhow::Result;
use indicatif::ProgressBar;

use super::Film;
use aaren_runs::evaluation::Evaluation;
use aaren_runs::evaluation::Playing;
use aaren_spec::EpisodeResult;

/// What is filmed, and how.
pub(crate) struct Recording<'r> {
    /// The policies, side by side in one environment.
    pub(crate) parts: Vec<Part<'r>>,
    /// Index of the episode among those of its evaluation.
    pub(crate) episode: u64,
    /// Timesteps at most.
    pub(crate) steps: u64,
    /// Timesteps between two pictures.
    pub(crate) every: u64,
    /// Width and height of each policy's picture, in pixels.
    pub(crate) size: usize,
    /// Pictures a second.
    pub(crate) fps: u32,
}

/// A policy and how it acts: in the episode of its evaluation, at the first of its target returns.
pub(crate) struct Part<'r> {
    pub(crate) policy: &'r Policy,
    pub(crate) evaluation: Evaluation<'r>,
}

/// What came of a recording.
pub(crate) struct Recorded {
    /// By policy, as far as they were played.
    pub(crate) results: Vec<EpisodeResult>,
    pub(crate) pictures: u64,
    pub(crate) bytes: u64,
}

impl Recording<'_> {
    /// Plays the episodes and writes the film. A policy whose episode is over keeps its last picture until all are.
    ///
    /// # Errors
    /// Where the environment, the policies, the pictures or the file fail.
    pub(crate) fn film(&self, path: &Path, bar: &ProgressBar) -> Result<Recorded> {
        let begin =
            |part: &Part| part.evaluation.filmed(part.policy, part.evaluation.targets[0], self.episode);
        let mut episodes = self.parts.iter().map(begin).collect::<Result<Vec<_>, aaren_runs::Error>>()?;
        let mut camera = episodes[0].camera(self.size, self.size)?;
        let mut film = Film::begin(path, [self.size * episodes.len(), self.size], self.fps)?;
        let mut last: Vec<Option<Picture>> = vec![None; episodes.len()];
        for timestep in 0.. {
            let over = timestep >= self.steps || episodes.iter().all(Playing::over);
            if timestep % self.every == 0 || over {
                for ((episode, part), last) in episodes.iter_mut().zip(&self.parts).zip(&mut last) {
                    // What an unstable simulation has become is no state to draw.
                    if !episode.result().unstable || last.is_none() {
                        let mut picture = episode.picture(&mut camera)?;
                        picture.write(&words(part, episode.result()));
                        *last = Some(picture);
                    }
                }
                film.add(&Picture::beside(&last.iter().flatten().cloned().collect::<Vec<_>>()))?;
            }
            if over {
                break;
            }
            for episode in episodes.iter_mut().filter(|episode| !episode.over()) {
                episode.step()?;
            }
            bar.inc(1);
        }
        let (pictures, bytes) = film.finish()?;
        let results = episodes.iter().map(|episode| episode.result().clone()).collect();
        Ok(Recorded { results, pictures, bytes })
    }
}

/// What is written above a picture.
fn words(part: &Part, result: &EpisodeResult) -> Vec<String> {
    let EpisodeResult { target_return, total_return, length, .. } = result;
    let asked = match part.policy.header().decision() {
        Some(_) => format!("  return-to-go {:.1}", target_return - total_return),
        // Behaviour cloning is asked for nothing.
        None => String::new(),
    };
    vec![
        format!("{}  {}", part.policy.name(), part.evaluation.env.id),
        format!("timestep {length}"),
        format!("return {total_return:.1}{asked}"),
    ]
}
