//! Scores that peers published for D4RL's locomotion datasets.

/// Decision Transformer (Chen et al. 2021) and Decision Mamba, both as RATE copied them (arXiv 2306.09459, Table 3).
const SCORES: [(&str, [f64; 2]); 9] = [
    ("halfcheetah-medium-v2", [42.6, 42.8]),
    ("hopper-medium-v2", [67.6, 83.5]),
    ("walker2d-medium-v2", [74.0, 78.2]),
    ("halfcheetah-medium-replay-v2", [36.6, 39.6]),
    ("hopper-medium-replay-v2", [82.7, 82.6]),
    ("walker2d-medium-replay-v2", [66.6, 70.9]),
    ("halfcheetah-medium-expert-v2", [86.8, 91.9]),
    ("hopper-medium-expert-v2", [107.6, 111.1]),
    ("walker2d-medium-expert-v2", [108.1, 108.3]),
];

/// Whose scores they are.
pub const METHODS: [&str; 2] = ["Decision Transformer", "Decision Mamba"];

/// Where they stand.
pub const SOURCE: &str = "Published for the same datasets, under other protocols: both as copied in RATE (arXiv 2306.09459, \
                          Table 3).";

/// The scores for a dataset of D4RL; `None` for any other, however similar.
pub fn published(dataset: &str) -> Option<[f64; 2]> {
    SCORES.iter().find(|(name, _)| *name == dataset).map(|&(_, scores)| scores)
}
