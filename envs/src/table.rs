//! The environments of this crate: what there is to know of each, in one row.

use serde_json::{Map, Value};

use crate::classic_control::{Acrobot, CartPole, MountainCar, Pendulum};
use crate::dynamics::Dynamics;
use crate::kwargs::{NoKwargs, parse};
use crate::mujoco::{
    Version, ant, half_cheetah, hopper, humanoid, humanoid_standup, inverted_double_pendulum,
    inverted_pendulum, pusher, reacher, swimmer, walker2d,
};
use crate::popgym::{Autoencode, CountRecall, Level, PositionOnly, Repeat};
use crate::rate_t_maze::RateTMaze;
use crate::t_maze::TMaze;
use crate::{Error, ReferenceScores};

/// An environment of this crate.
pub(crate) struct Entry {
    /// Gymnasium's id, or that of the package it is from.
    pub(crate) id: &'static str,
    /// From the id, for messages, and the keyword arguments.
    pub(crate) make: fn(&str, Map<String, Value>) -> Result<Made, Error>,
    /// D4RL's (`d4rl/infos.py`).
    pub(crate) references: Option<ReferenceScores>,
}

/// The dynamics, and the time limit of the wrapper that `gymnasium.make` puts around them, where it does.
pub(crate) type Made = (Box<dyn Dynamics>, Option<usize>);

const fn row(id: &'static str, make: fn(&str, Map<String, Value>) -> Result<Made, Error>) -> Entry {
    Entry { id, make, references: None }
}

impl Entry {
    const fn scored(self, references: ReferenceScores) -> Entry {
        Entry { references: Some(references), ..self }
    }
}

const ANT: ReferenceScores = ReferenceScores { random: -325.6, expert: 3879.7 };
const HALF_CHEETAH: ReferenceScores = ReferenceScores { random: -280.178953, expert: 12135.0 };
const HOPPER: ReferenceScores = ReferenceScores { random: -20.272305, expert: 3234.3 };
const WALKER2D: ReferenceScores = ReferenceScores { random: 1.629008, expert: 4592.3 };

fn limited(dynamics: impl Dynamics + 'static, limit: usize) -> Result<Made, Error> {
    Ok((Box::new(dynamics), Some(limit)))
}

/// An environment that ends by itself.
fn ending(dynamics: impl Dynamics + 'static) -> Result<Made, Error> {
    Ok((Box::new(dynamics), None))
}

/// One of POPGym's, which take no arguments.
fn popgym(id: &str, kwargs: Map<String, Value>, game: impl Dynamics + 'static) -> Result<Made, Error> {
    let NoKwargs {} = parse(id, kwargs, &NoKwargs {}, |name| name != "observe")?;
    ending(game)
}

fn t_maze(id: &str, kwargs: Map<String, Value>) -> Result<Made, Error> {
    let maze = TMaze::new(id, kwargs)?;
    let limit = maze.time_limit();
    limited(maze, limit)
}

use Level::{Easy, Hard, Medium};
use Version::{V4, V5};

pub(crate) static ENTRIES: &[Entry] = &[
    row("Acrobot-v1", |id, kwargs| limited(Acrobot::new(id, kwargs)?, 500)),
    row("Ant-v4", |id, kwargs| limited(ant(id, V4, kwargs)?, 1000)).scored(ANT),
    row("Ant-v5", |id, kwargs| limited(ant(id, V5, kwargs)?, 1000)).scored(ANT),
    row("CartPole-v1", |id, kwargs| limited(CartPole::new(id, kwargs)?, 500)),
    row("HalfCheetah-v4", |id, kwargs| limited(half_cheetah(id, V4, kwargs)?, 1000)).scored(HALF_CHEETAH),
    row("HalfCheetah-v5", |id, kwargs| limited(half_cheetah(id, V5, kwargs)?, 1000)).scored(HALF_CHEETAH),
    row("Hopper-v4", |id, kwargs| limited(hopper(id, V4, kwargs)?, 1000)).scored(HOPPER),
    row("Hopper-v5", |id, kwargs| limited(hopper(id, V5, kwargs)?, 1000)).scored(HOPPER),
    row("Humanoid-v4", |id, kwargs| limited(humanoid(id, V4, kwargs)?, 1000)),
    row("Humanoid-v5", |id, kwargs| limited(humanoid(id, V5, kwargs)?, 1000)),
    row("HumanoidStandup-v4", |id, kwargs| limited(humanoid_standup(id, V4, kwargs)?, 1000)),
    row("HumanoidStandup-v5", |id, kwargs| limited(humanoid_standup(id, V5, kwargs)?, 1000)),
    row("InvertedDoublePendulum-v4", |id, kwargs| limited(inverted_double_pendulum(id, V4, kwargs)?, 1000)),
    row("InvertedDoublePendulum-v5", |id, kwargs| limited(inverted_double_pendulum(id, V5, kwargs)?, 1000)),
    row("InvertedPendulum-v4", |id, kwargs| limited(inverted_pendulum(id, V4, kwargs)?, 1000)),
    row("InvertedPendulum-v5", |id, kwargs| limited(inverted_pendulum(id, V5, kwargs)?, 1000)),
    row("MountainCar-v0", |id, kwargs| limited(MountainCar::discrete(id, kwargs)?, 200)),
    row("MountainCarContinuous-v0", |id, kwargs| limited(MountainCar::continuous(id, kwargs)?, 999)),
    row("Pendulum-v1", |id, kwargs| limited(Pendulum::new(id, kwargs)?, 200)),
    row("Pusher-v5", |id, kwargs| limited(pusher(id, kwargs)?, 100)),
    row("RateTMaze-v0", |id, kwargs| ending(RateTMaze::new(id, kwargs)?)),
    row("Reacher-v4", |id, kwargs| limited(reacher(id, V4, kwargs)?, 50)),
    row("Reacher-v5", |id, kwargs| limited(reacher(id, V5, kwargs)?, 50)),
    row("Swimmer-v4", |id, kwargs| limited(swimmer(id, V4, kwargs)?, 1000)),
    row("Swimmer-v5", |id, kwargs| limited(swimmer(id, V5, kwargs)?, 1000)),
    row("TMaze-v0", t_maze),
    row("Walker2d-v4", |id, kwargs| limited(walker2d(id, V4, kwargs)?, 1000)).scored(WALKER2D),
    row("Walker2d-v5", |id, kwargs| limited(walker2d(id, V5, kwargs)?, 1000)).scored(WALKER2D),
    row("popgym-AutoencodeEasy-v0", |id, kwargs| popgym(id, kwargs, Autoencode::new(Easy))),
    row("popgym-AutoencodeMedium-v0", |id, kwargs| popgym(id, kwargs, Autoencode::new(Medium))),
    row("popgym-AutoencodeHard-v0", |id, kwargs| popgym(id, kwargs, Autoencode::new(Hard))),
    row("popgym-CountRecallEasy-v0", |id, kwargs| popgym(id, kwargs, CountRecall::new(Easy))),
    row("popgym-CountRecallMedium-v0", |id, kwargs| popgym(id, kwargs, CountRecall::new(Medium))),
    row("popgym-CountRecallHard-v0", |id, kwargs| popgym(id, kwargs, CountRecall::new(Hard))),
    row("popgym-PositionOnlyCartPoleEasy-v0", |id, kwargs| popgym(id, kwargs, PositionOnly::cart_pole(Easy))),
    row("popgym-PositionOnlyCartPoleMedium-v0", |id, kwargs| {
        popgym(id, kwargs, PositionOnly::cart_pole(Medium))
    }),
    row("popgym-PositionOnlyCartPoleHard-v0", |id, kwargs| popgym(id, kwargs, PositionOnly::cart_pole(Hard))),
    row("popgym-PositionOnlyPendulumEasy-v0", |id, kwargs| popgym(id, kwargs, PositionOnly::pendulum(Easy))),
    row("popgym-PositionOnlyPendulumMedium-v0", |id, kwargs| {
        popgym(id, kwargs, PositionOnly::pendulum(Medium))
    }),
    row("popgym-PositionOnlyPendulumHard-v0", |id, kwargs| popgym(id, kwargs, PositionOnly::pendulum(Hard))),
    row("popgym-RepeatFirstEasy-v0", |id, kwargs| popgym(id, kwargs, Repeat::first(Easy))),
    row("popgym-RepeatFirstMedium-v0", |id, kwargs| popgym(id, kwargs, Repeat::first(Medium))),
    row("popgym-RepeatFirstHard-v0", |id, kwargs| popgym(id, kwargs, Repeat::first(Hard))),
    row("popgym-RepeatPreviousEasy-v0", |id, kwargs| popgym(id, kwargs, Repeat::previous(Easy))),
    row("popgym-RepeatPreviousMedium-v0", |id, kwargs| popgym(id, kwargs, Repeat::previous(Medium))),
    row("popgym-RepeatPreviousHard-v0", |id, kwargs| popgym(id, kwargs, Repeat::previous(Hard))),
];

/// The environment of that id, or that a D4RL dataset of that name was made in, which is now called v4: such a name is a
/// robot, a quality, and D4RL's version or none.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    let id = match d4rl(name) {
        Some("ant") => "Ant-v4",
        Some("halfcheetah") => "HalfCheetah-v4",
        Some("hopper") => "Hopper-v4",
        Some("walker2d") => "Walker2d-v4",
        _ => name,
    };
    ENTRIES.iter().find(|entry| entry.id == id)
}

/// The robot of a name such as `hopper-medium-v2`.
pub(crate) fn d4rl(name: &str) -> Option<&str> {
    const QUALITIES: [&str; 7] =
        ["random", "medium", "expert", "mixed", "medium-replay", "medium-expert", "full-replay"];
    let name = ["-v0", "-v1", "-v2"].iter().find_map(|version| name.strip_suffix(version)).unwrap_or(name);
    let (robot, quality) = name.split_once('-')?;
    QUALITIES.contains(&quality).then_some(robot)
}
