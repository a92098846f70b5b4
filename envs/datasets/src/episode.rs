//! Where episodes begin and end.

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The task ended it.
    Terminated,
    /// A time limit ended it.
    Truncated,
    /// The data stop before it ends.
    Unfinished,
}

/// One episode: a range of transitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Index of its first transition.
    pub start: usize,
    /// Number of transitions.
    pub length: usize,
    /// How it ended.
    pub end: End,
    /// Sum of its rewards.
    pub total_return: f64,
}

/// An episode ends at a terminal or a timeout; a trailing unfinished one is kept.
pub(crate) fn split(rewards: &[f32], terminals: &[bool], timeouts: &[bool]) -> Vec<Episode> {
    let mut episodes = Vec::new();
    let (mut start, mut total_return) = (0, 0.0);
    for (index, &reward) in rewards.iter().enumerate() {
        total_return += f64::from(reward);
        let end = match (terminals[index], timeouts[index]) {
            (true, _) => End::Terminated,
            (false, true) => End::Truncated,
            (false, false) if index + 1 == rewards.len() => End::Unfinished,
            (false, false) => continue,
        };
        episodes.push(Episode { start, length: index + 1 - start, end, total_return });
        (start, total_return) = (index + 1, 0.0);
    }
    episodes
}
