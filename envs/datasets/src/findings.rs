//! What a person should know of a dataset before training on it: how it was read, and what looks wrong in it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use aaren_envs::ActionSpace;

use crate::Dataset;

/// An action is outside of bounds from this share of their width on: what rounding leaves is none.
const MARGIN: f32 = 1e-4;

impl Dataset {
    /// What is remarkable, a line each: how the file was read where that is not plain; entries of observations that never
    /// move; actions outside of the bounds of `space`; rewards that are all 0; a single episode; episodes that repeat one
    /// another.
    pub fn findings(&self, space: Option<&ActionSpace>) -> Vec<String> {
        let mut found = self.said.notes.clone();
        found.extend(self.still());
        let unknown = space.is_none() && self.said.action_space.is_none();
        let own;
        let space = match space {
            Some(space) => space,
            None => {
                own = self.action_space();
                &own
            }
        };
        found.extend(self.outside(space));
        found.extend(unknown.then(|| self.unbounded()).flatten());
        found.extend(self.unrewarded());
        found.extend(self.one_episode());
        found.extend(self.repeated());
        found
    }

    /// The entries of observations that never move.
    fn still(&self) -> Option<String> {
        let moves = self.moving_entries();
        let still: Vec<usize> = (0..moves.len()).filter(|&entry| !moves[entry]).collect();
        let (first, all) = (still.first()?, still.len() == moves.len());
        let value = self.observations.get(*first)?;
        let names = match still.len() {
            1 => format!("entry {first} of the observations is {value} throughout"),
            _ if all => "no entry of the observations ever moves".into(),
            count => format!("{count} entries of the observations never move ({})", ranges(&still)),
        };
        Some(format!(
            "{names}: left out of the normalisation, so that a policy does not see {}",
            if still.len() == 1 { "it" } else { "them" }
        ))
    }

    fn outside(&self, space: &ActionSpace) -> Option<String> {
        let ActionSpace::Continuous { low, high } = space else { return None };
        if low.len() != self.action_size {
            return None;
        }
        let beyond = |row: &[f32]| {
            row.iter().zip(low.iter().zip(high)).any(|(&x, (&low, &high))| {
                let margin = MARGIN * (high - low);
                x < low - margin || x > high + margin
            })
        };
        let count = self.actions.chunks_exact(self.action_size).filter(|row| beyond(row)).count();
        let largest = self.actions.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        (count > 0).then(|| {
            format!(
                "{} of the actions are outside the bounds (up to {largest} in size): a policy cannot give them, and learns \
                 the nearest that it can",
                share(count, self.transitions())
            )
        })
    }

    /// Actions that a robot hardly takes, where nobody says the bounds.
    fn unbounded(&self) -> Option<String> {
        let largest = self.actions.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        (!self.discrete && largest > 1.0 + MARGIN).then(|| {
            format!("actions are up to {largest} in size: `--env ID` counts those outside of an environment's bounds")
        })
    }

    fn unrewarded(&self) -> Option<String> {
        let none = self.rewards.iter().all(|&reward| reward == 0.0);
        none.then(|| "every reward is 0: all returns are alike, and none can be asked for".into())
    }

    /// What a recording looks like whose episodes nobody told apart.
    fn one_episode(&self) -> Option<String> {
        let [episode] = self.episodes.as_slice() else { return None };
        Some(format!(
            "all {} timesteps are one episode: if they are several, `terminals` and `timeouts` (in a table `episode`) say \
             where each ends",
            episode.length
        ))
    }

    fn repeated(&self) -> Option<String> {
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut count = 0;
        for episode in &self.episodes {
            let rows = episode.start..episode.start + episode.length;
            let mut hasher = DefaultHasher::new();
            let columns = [
                (&self.observations, self.observation_size),
                (&self.actions, self.action_size),
                (&self.rewards, 1),
            ];
            for (data, size) in columns {
                data[rows.start * size..rows.end * size].iter().for_each(|x| x.to_bits().hash(&mut hasher));
            }
            let times = seen.entry(hasher.finish()).or_default();
            count += usize::from(*times > 0);
            *times += 1;
        }
        (count > 0).then(|| {
            format!(
                "{} of the episodes repeat an earlier one, bit for bit",
                share(count, self.episodes.len())
            )
        })
    }
}

/// `0, 3 to 5`.
fn ranges(sorted: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &entry in sorted {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == entry => *last = entry,
            _ => runs.push((entry, entry)),
        }
    }
    let shown = runs.iter().take(8).map(|(first, last)| match last - first {
        0 => first.to_string(),
        _ => format!("{first} to {last}"),
    });
    shown.collect::<Vec<_>>().join(", ") + if runs.len() > 8 { ", …" } else { "" }
}

fn share(count: usize, of: usize) -> String {
    let share = 100.0 * count as f64 / of as f64;
    if share < 0.05 { format!("{count}") } else { format!("{share:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transitions;

    type Change = fn(&mut Transitions);

    /// Each of them in data that have it, and none in data that have none.
    #[test]
    fn what_looks_wrong_is_noted() {
        let data = |change: Change| {
            let wave =
                |count: usize| (0..count).map(|index| (index as f32 * 0.7).sin()).collect::<Vec<f32>>();
            let mut transitions = Transitions {
                observations: wave(24),
                actions: wave(12),
                rewards: wave(12),
                terminals: vec![false; 12],
                timeouts: (0..12).map(|index| index % 4 == 3).collect(),
            };
            change(&mut transitions);
            let bounds = ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] };
            Dataset::new("toy", transitions, 2, 1, false).findings(Some(&bounds))
        };
        assert_eq!(data(|_| ()), Vec::<String>::new());
        let cases: [(Change, &str); 6] = [
            (
                |it| it.observations.iter_mut().step_by(2).for_each(|x| *x = 7.0),
                "entry 0 of the observations is 7 throughout",
            ),
            (|it| it.observations.fill(7.0), "no entry of the observations ever moves"),
            (
                |it| it.actions[..3].fill(-2.0),
                "25.0 % of the actions are outside the bounds (up to 2 in size)",
            ),
            (|it| it.rewards.fill(0.0), "every reward is 0"),
            (|it| it.timeouts[..11].fill(false), "all 12 timesteps are one episode"),
            (
                |it| {
                    it.observations.copy_within(..8, 16);
                    it.actions.copy_within(..4, 8);
                    it.rewards.copy_within(..4, 8);
                },
                "33.3 % of the episodes repeat an earlier one",
            ),
        ];
        for (change, expected) in cases {
            let found = data(change);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }
}
