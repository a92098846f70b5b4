//! Datasets from recipes.

use aaren_agents::recipe;

/// Whoever knows only the cue, or only the return, must not know the turn.
#[test]
fn in_the_t_maze_half_of_the_turns_are_wrong_whatever_the_cue() {
    let dataset = recipe::make("t-maze-2-30", 20_000, 0, |_| {}).unwrap();
    let mut counts = [[0; 2]; 2];
    for episode in dataset.episodes() {
        assert!((3..=31).contains(&episode.length));
        let cue = dataset.observations()[2 * episode.start];
        let last = episode.start + episode.length - 1;
        assert!(dataset.actions()[episode.start..last].iter().all(|&action| action == 0.0));
        let right = (cue < 0.0) == (dataset.actions()[last] == 1.0);
        assert_eq!(episode.total_return, f64::from(right));
        counts[usize::from(cue > 0.0)][usize::from(right)] += 1;
    }
    let all: usize = counts.iter().flatten().sum();
    assert!(counts.iter().flatten().all(|&count| 5 * count > all), "{counts:?}");
    for wrong in ["t-maze-", "t-maze-1-2-3", "t-maze-x", "hopper-best"] {
        assert!(
            recipe::make(wrong, 10, 0, |_| {}).unwrap_err().to_string().contains("t-maze-L-M"),
            "{wrong}"
        );
    }
}
