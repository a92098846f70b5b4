//! `popgym-TASK-LEVEL-QUALITY`: POPGym's tasks, played by scripts that remember what has to be remembered.
//!
//! * `expert` answers right wherever a memory can; in the two control tasks, where an imitator has to see the way
//!   back, an action out of [`EXPERT_RANDOM`] is random.
//! * `mixed` acts as that script with a share of random actions, drawn anew for each episode from none to all.
//! * `random` acts uniformly.
//!
//! The cards need no other actions than the answers, so that a return is what the memory is worth. POPGym's own
//! baselines and the published scores of offline agents come from other data: from policies trained with PPO.

mod cards;
mod control;

use aaren_envs::EnvSpec;
use rand::RngExt;

use super::{Behaviour, Recipe, uniform};

/// Share of random actions of the control tasks' experts.
const EXPERT_RANDOM: f64 = 0.01;

/// Answers to observations, of one episode.
type Script = Box<dyn FnMut(&[f32]) -> f32>;

/// Each task's name here, and in the ids of its environments.
const TASKS: [(&str, &str); 6] = [
    ("autoencode", "Autoencode"),
    ("count-recall", "CountRecall"),
    ("position-only-cart-pole", "PositionOnlyCartPole"),
    ("position-only-pendulum", "PositionOnlyPendulum"),
    ("repeat-first", "RepeatFirst"),
    ("repeat-previous", "RepeatPrevious"),
];

const LEVELS: [&str; 3] = ["easy", "medium", "hard"];

const QUALITIES: [&str; 3] = ["random", "mixed", "expert"];

/// Each name.
pub(super) fn names() -> impl Iterator<Item = String> {
    let levels = || LEVELS.iter().flat_map(|level| QUALITIES.map(|quality| format!("{level}-{quality}")));
    TASKS.iter().flat_map(move |(task, _)| levels().map(move |rest| format!("popgym-{task}-{rest}")))
}

/// The names.
pub(super) fn known() -> String {
    let tasks = TASKS.map(|(name, _)| name).join(", ");
    format!("popgym-TASK-LEVEL-QUALITY with {tasks}; {}; {}", LEVELS.join(", "), QUALITIES.join(", "))
}

/// A task of POPGym and who plays it.
pub(super) struct Popgym {
    task: &'static str,
    id: &'static str,
    level: usize,
    quality: &'static str,
}

pub(super) fn find(name: &str) -> Option<Popgym> {
    let rest = name.strip_prefix("popgym-")?;
    let (task, id) = TASKS.into_iter().find(|(task, _)| rest.starts_with(&format!("{task}-")))?;
    let (level, quality) = rest[task.len() + 1..].split_once('-')?;
    let level = LEVELS.iter().position(|&known| known == level)?;
    let quality = QUALITIES.into_iter().find(|&known| known == quality)?;
    Some(Popgym { task, id, level, quality })
}

impl Recipe for Popgym {
    fn env(&self) -> EnvSpec {
        let level = ["Easy", "Medium", "Hard"][self.level];
        EnvSpec::new(format!("popgym-{}{level}-v0", self.id))
    }

    fn behaviour(&self, _: usize) -> Behaviour<'_> {
        let control = self.task.starts_with("position-only-");
        // The share of random actions, once it is known.
        let mut share = match self.quality {
            "random" => return Box::new(uniform),
            "mixed" => None,
            _ => Some(if control { EXPERT_RANDOM } else { 0.0 }),
        };
        let mut script = match self.task {
            "autoencode" => cards::autoencode(),
            "count-recall" => cards::count_recall(),
            "position-only-cart-pole" => control::cart_pole(),
            "position-only-pendulum" => control::pendulum(),
            "repeat-first" => cards::repeat_first(),
            _ => cards::repeat_previous([4, 32, 64][self.level]),
        };
        Box::new(move |observation, space, random, action| {
            let share = *share.get_or_insert_with(|| random.random());
            // It takes note of what it sees in any case.
            action[0] = script(observation);
            if random.random::<f64>() < share {
                uniform(observation, space, random, action);
            }
        })
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let algorithm = match self.quality {
            "random" => "uniformly random actions".to_owned(),
            "mixed" => {
                "a script with memory; in each episode a share of its actions, drawn from 0 to 1, is random"
                    .into()
            }
            _ => format!("a script with memory; in control tasks {EXPERT_RANDOM} of its actions are random"),
        };
        vec![("algorithm", algorithm)]
    }
}
