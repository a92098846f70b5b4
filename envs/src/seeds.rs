//! Which seeds the episodes of evaluations and of datasets start from: two ranges that never meet, so that no
//! policy is evaluated on an episode that it learnt from.

/// Set in every seed of a dataset's episodes, and in none of an evaluation's.
const DATA: u64 = 1 << 63;

/// Neighbouring seeds have their episodes far apart.
const STRIDE: u64 = 1_000_003;

/// The seed that an episode of an evaluation starts from. Those of the following episodes follow it.
pub fn evaluation(seed: u64, episode: u64) -> u64 {
    // Room for 2^62 episodes above the largest first one.
    (seed.wrapping_mul(STRIDE) & ((1 << 62) - 1)) + (episode & ((1 << 62) - 1))
}

/// The seed that an episode of a dataset made here starts from.
pub fn data(seed: u64, episode: u64) -> u64 {
    seed.wrapping_mul(STRIDE).wrapping_add(episode) | DATA
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn evaluations_and_datasets_share_no_seed(seed: u64, episode: u64, of_data: (u64, u64)) {
            prop_assert!(evaluation(seed, episode) < data(of_data.0, of_data.1));
        }

        /// As a `VectorEnv` counts up from the first.
        #[test]
        fn the_seeds_of_an_evaluation_follow_each_other(seed: u64, episode in 0u64..1 << 62) {
            prop_assert_eq!(evaluation(seed, episode), evaluation(seed, 0) + episode);
        }
    }

    #[test]
    fn the_largest_of_all_keep_apart() {
        for seed in [0, 1, u64::MAX / 1_000_003, u64::MAX - 1, u64::MAX] {
            assert!(evaluation(seed, u64::MAX) < data(seed, 0));
            assert_ne!(data(seed, 0), data(seed, 1));
        }
    }
}
