//! `evaluations.csv`: every episode that was played, beside how.

use aaren_envs::{ReferenceScores, seeds};
use aaren_spec::{EpisodeResult, Evaluated};
use serde::Serialize;

/// An episode's row: every score beside how it was played.
#[derive(Serialize)]
struct Row {
    update: u64,
    target_return: String,
    episode: u64,
    seed: u64,
    #[serde(rename = "return")]
    total_return: String,
    normalised_score: Option<String>,
    length: usize,
    terminated: bool,
    unstable: bool,
    checksum: String,
    rollout: String,
}

/// The table of a run's evaluations.
pub fn evaluations_csv(evaluations: &[Evaluated], seed: u64, scores: Option<ReferenceScores>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for Evaluated { update, protocol, episodes, .. } in evaluations {
        for episode in episodes {
            let EpisodeResult { target_return, total_return, length, terminated, unstable, .. } = *episode;
            let row = Row {
                update: *update,
                target_return: target_return.to_string(),
                episode: episode.episode,
                seed: seeds::evaluation(seed, episode.episode),
                total_return: total_return.to_string(),
                normalised_score: scores.map(|scores| scores.normalised(total_return).to_string()),
                length,
                terminated,
                unstable,
                checksum: format!("{:08x}", episode.checksum),
                rollout: protocol.rollout.to_string(),
            };
            writer.serialize(row).expect("a row of plain values");
        }
    }
    String::from_utf8(writer.into_inner().expect("it is in memory")).expect("numbers and words")
}
