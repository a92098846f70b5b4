//! The nearest valid word to a misspelt one.

/// The candidate with the smallest edit distance (insertions, deletions, substitutions, swaps of neighbours), if it is
/// near enough to be what was meant. Case, and `-` or `_`, make no difference.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody meant a word of more letters; a file may hold one of millions.
    let plain = |word: &str| word.to_lowercase().replace('-', "_").chars().take(64).collect::<String>();
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &plain(candidate)), candidate))
        .min_by_key(|&(distance, _)| distance)
        .filter(|&(distance, candidate)| distance <= 1 + word.chars().count().max(candidate.len()) / 3)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_word_is_found_by_its_letters_or_not_at_all() {
        for (word, expected) in [
            ("wdith", Some("width")),
            ("Learning-Rate", Some("learning_rate")),
            ("batches", Some("batch")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["learning_rate", "width", "batch"]), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), ["width"]), None);
        assert_eq!(nearest("width", []), None);
    }
}
