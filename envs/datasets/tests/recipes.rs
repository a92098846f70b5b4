//! Datasets from recipes.

use aaren_datasets::Dataset;
use aaren_datasets::recipe;

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

/// Means, smallest and largest of the returns.
fn returns(name: &str, transitions: usize) -> (f64, f64, f64) {
    let dataset = recipe::make(name, transitions, 0, |_| {}).unwrap();
    let returns: Vec<f64> = dataset.episodes().iter().map(|e| e.total_return).collect();
    let mean = returns.iter().sum::<f64>() / returns.len() as f64;
    let (smallest, largest) = (f64::min, f64::max);
    (
        mean,
        returns.iter().copied().reduce(smallest).unwrap(),
        returns.iter().copied().reduce(largest).unwrap(),
    )
}

/// Right answers are worth 1 in all, wrong ones −1 (where one is asked for).
#[test]
fn experts_of_card_games_are_always_right() {
    for task in ["autoencode", "count-recall", "repeat-first", "repeat-previous"] {
        for level in ["easy", "medium", "hard"] {
            let name = format!("popgym-{task}-{level}-expert");
            let (_, worst, best) = returns(&name, 2000);
            assert!((worst - 1.0).abs() < 1e-4 && (best - 1.0).abs() < 1e-4, "{name}: {worst} to {best}");
            let (random, ..) = returns(&format!("popgym-{task}-{level}-random"), 4000);
            assert!(random < -0.4, "{task}-{level}-random: {random}");
        }
        let (mean, worst, best) = returns(&format!("popgym-{task}-easy-mixed"), 20_000);
        assert!(worst < -0.5 && best > 0.9 && (-0.1..0.4).contains(&mean), "{task}: {worst} {mean} {best}");
    }
}

/// What POPGym's memoryless baselines are far from; the pendulum's best possible mean is 0.913.
#[test]
fn experts_of_control_tasks_hold_their_poles() {
    for (name, least) in [
        ("popgym-position-only-cart-pole-easy-expert", 0.999),
        ("popgym-position-only-cart-pole-hard-expert", 0.999),
        ("popgym-position-only-pendulum-easy-expert", 0.90),
        ("popgym-position-only-pendulum-hard-expert", 0.80),
    ] {
        let (mean, ..) = returns(name, 20_000);
        assert!((least..=1.0 + 1e-4).contains(&mean), "{name}: {mean}");
    }
    let (mean, worst, _) = returns("popgym-position-only-pendulum-easy-mixed", 20_000);
    assert!(worst < 0.3 && (0.4..0.8).contains(&mean), "{worst}, {mean}");
}

#[test]
fn every_episode_of_rates_t_maze_is_won_within_its_time() {
    let lengths = |dataset: &Dataset| {
        let lengths: Vec<usize> = dataset.episodes().iter().map(|e| e.length).collect();
        (lengths.iter().copied().min().unwrap(), lengths.iter().copied().max().unwrap())
    };
    let dataset = recipe::make("rate-t-maze-30", 30_000, 0, |_| {}).unwrap();
    assert!(dataset.episodes().iter().all(|episode| episode.total_return == 1.0));
    // One step less than the time limit, which starts at 3.
    assert_eq!(lengths(&dataset), (2, 29));
    let up = dataset.episodes().iter().filter(|e| dataset.observations()[4 * e.start + 1] == 1.0).count();
    assert!((0.4..0.6).contains(&(up as f64 / dataset.episodes().len() as f64)), "{up} up");
    let dataset = recipe::make("rate-t-maze-50-50", 2000, 0, |_| {}).unwrap();
    assert_eq!(lengths(&dataset), (49, 49));
    for wrong in ["rate-t-maze-2", "rate-t-maze-9-8", "popgym-repeat-first-easy", "popgym-repeat-easy-expert"]
    {
        let message = recipe::make(wrong, 10, 0, |_| {}).unwrap_err().to_string();
        assert!(
            message.contains("rate-t-maze-S-T") && message.contains("popgym-TASK-LEVEL-QUALITY"),
            "{message}"
        );
    }
}
