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

use aaren_envs::{ActionSpace, EnvSpec};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Behaviour, Recipe, Uniform};

/// Share of random actions of the control tasks' experts.
const EXPERT_RANDOM: f64 = 0.01;

const TASKS: [(&str, Task); 6] = [
    ("autoencode", Task::Autoencode),
    ("count-recall", Task::CountRecall),
    ("position-only-cart-pole", Task::CartPole),
    ("position-only-pendulum", Task::Pendulum),
    ("repeat-first", Task::RepeatFirst),
    ("repeat-previous", Task::RepeatPrevious),
];

const LEVELS: [&str; 3] = ["easy", "medium", "hard"];

const QUALITIES: [&str; 3] = ["random", "mixed", "expert"];

#[derive(Clone, Copy)]
enum Task {
    Autoencode,
    CountRecall,
    CartPole,
    Pendulum,
    RepeatFirst,
    RepeatPrevious,
}

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
    task: Task,
    level: usize,
    quality: &'static str,
}

pub(super) fn find(name: &str) -> Option<Popgym> {
    let rest = name.strip_prefix("popgym-")?;
    let (name, task) = TASKS.into_iter().find(|(name, _)| rest.starts_with(&format!("{name}-")))?;
    let (level, quality) = rest[name.len() + 1..].split_once('-')?;
    let level = LEVELS.iter().position(|&known| known == level)?;
    let quality = QUALITIES.into_iter().find(|&known| known == quality)?;
    Some(Popgym { task, level, quality })
}

impl Recipe for Popgym {
    fn env(&self) -> EnvSpec {
        let task = match self.task {
            Task::Autoencode => "Autoencode",
            Task::CountRecall => "CountRecall",
            Task::CartPole => "PositionOnlyCartPole",
            Task::Pendulum => "PositionOnlyPendulum",
            Task::RepeatFirst => "RepeatFirst",
            Task::RepeatPrevious => "RepeatPrevious",
        };
        let level = ["Easy", "Medium", "Hard"][self.level];
        EnvSpec::new(format!("popgym-{task}{level}-v0"))
    }

    fn behaviour(&self, _: usize) -> Box<dyn Behaviour> {
        let control = matches!(self.task, Task::CartPole | Task::Pendulum);
        let random = match self.quality {
            "random" => return Box::new(Uniform),
            "mixed" => None,
            _ => Some(if control { EXPERT_RANDOM } else { 0.0 }),
        };
        let script: Box<dyn Behaviour> = match self.task {
            Task::Autoencode => Box::new(cards::Autoencode::default()),
            Task::CountRecall => Box::new(cards::CountRecall::default()),
            Task::CartPole => Box::new(control::CartPole::default()),
            Task::Pendulum => Box::new(control::Pendulum::default()),
            Task::RepeatFirst => Box::new(cards::RepeatFirst::default()),
            Task::RepeatPrevious => Box::new(cards::RepeatPrevious::new([4, 32, 64][self.level])),
        };
        Box::new(Mixed { script, random })
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

/// A script with a share of random actions, which it takes note of.
struct Mixed {
    script: Box<dyn Behaviour>,
    /// That share, once it is known.
    random: Option<f64>,
}

impl Behaviour for Mixed {
    fn act(&mut self, observation: &[f32], space: &ActionSpace, random: &mut ChaCha8Rng, action: &mut [f32]) {
        let share = *self.random.get_or_insert_with(|| random.random());
        self.script.act(observation, space, random, action);
        if random.random::<f64>() < share {
            Uniform.act(observation, space, random, action);
        }
    }
}
