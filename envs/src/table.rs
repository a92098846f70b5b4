//! The environments of this crate: what there is to know of each, in one row.

use crate::classic_control::{Acrobot, CartPole, MountainCar, Pendulum};
use crate::dynamics::Dynamics;
use crate::kwargs::{Arguments, NoKwargs, parse};
use crate::mujoco::{
    ant, half_cheetah, hopper, humanoid, humanoid_standup, inverted_double_pendulum, inverted_pendulum,
    pusher, reacher, swimmer, walker2d,
};
use crate::popgym::{Autoencode, CountRecall, LEVELS, Level, PositionOnly, Repeat};
use crate::rate_t_maze::RateTMaze;
use crate::t_maze::TMaze;
use crate::{Error, ReferenceScores};

/// An environment of this crate, in all its versions or levels.
pub(crate) struct Entry {
    /// Gymnasium's, or that of the package it is from.
    name: &'static str,
    /// What stands behind the name in each id.
    variants: &'static [&'static str],
    /// From the id, which says the variant, and the keyword arguments.
    pub(crate) make: fn(&str, Arguments) -> Result<Made, Error>,
    /// D4RL's (`d4rl/infos.py`).
    pub(crate) references: Option<ReferenceScores>,
}

/// The dynamics, and the time limit of the wrapper that `gymnasium.make` puts around them, where it does.
pub(crate) type Made = (Box<dyn Dynamics>, Option<usize>);

const fn row(
    name: &'static str,
    variants: &'static [&'static str],
    make: fn(&str, Arguments) -> Result<Made, Error>,
) -> Entry {
    Entry { name, variants, make, references: None }
}

impl Entry {
    const fn scored(self, references: ReferenceScores) -> Entry {
        Entry { references: Some(references), ..self }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        self.variants.iter().map(|variant| format!("{}{variant}", self.name))
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
fn popgym<D: Dynamics + 'static>(id: &str, kwargs: Arguments, game: fn(Level) -> D) -> Result<Made, Error> {
    let NoKwargs {} = parse(id, kwargs, &NoKwargs {}, |name| name != "observe")?;
    ending(game(Level::of_id(id)))
}

fn t_maze(id: &str, kwargs: Arguments) -> Result<Made, Error> {
    let maze = TMaze::new(id, kwargs)?;
    let limit = maze.time_limit();
    limited(maze, limit)
}

/// Of a robot.
const V4_V5: &[&str] = &["-v4", "-v5"];
/// Of what is there once.
const ONE: &[&str] = &[""];

pub(crate) static ENTRIES: &[Entry] = &[
    row("Acrobot-v1", ONE, |id, kwargs| limited(Acrobot::new(id, kwargs)?, 500)),
    row("Ant", V4_V5, |id, kwargs| limited(ant(id, kwargs)?, 1000)).scored(ANT),
    row("CartPole-v1", ONE, |id, kwargs| limited(CartPole::new(id, kwargs)?, 500)),
    row("HalfCheetah", V4_V5, |id, kwargs| limited(half_cheetah(id, kwargs)?, 1000)).scored(HALF_CHEETAH),
    row("Hopper", V4_V5, |id, kwargs| limited(hopper(id, kwargs)?, 1000)).scored(HOPPER),
    row("Humanoid", V4_V5, |id, kwargs| limited(humanoid(id, kwargs)?, 1000)),
    row("HumanoidStandup", V4_V5, |id, kwargs| limited(humanoid_standup(id, kwargs)?, 1000)),
    row("InvertedDoublePendulum", V4_V5, |id, kwargs| limited(inverted_double_pendulum(id, kwargs)?, 1000)),
    row("InvertedPendulum", V4_V5, |id, kwargs| limited(inverted_pendulum(id, kwargs)?, 1000)),
    row("MountainCar-v0", ONE, |id, kwargs| limited(MountainCar::discrete(id, kwargs)?, 200)),
    row("MountainCarContinuous-v0", ONE, |id, kwargs| limited(MountainCar::continuous(id, kwargs)?, 999)),
    row("Pendulum-v1", ONE, |id, kwargs| limited(Pendulum::new(id, kwargs)?, 200)),
    row("Pusher-v5", ONE, |id, kwargs| limited(pusher(id, kwargs)?, 100)),
    row("RateTMaze-v0", ONE, |id, kwargs| ending(RateTMaze::new(id, kwargs)?)),
    row("Reacher", V4_V5, |id, kwargs| limited(reacher(id, kwargs)?, 50)),
    row("Swimmer", V4_V5, |id, kwargs| limited(swimmer(id, kwargs)?, 1000)),
    row("TMaze-v0", ONE, t_maze),
    row("Walker2d", V4_V5, |id, kwargs| limited(walker2d(id, kwargs)?, 1000)).scored(WALKER2D),
    row("popgym-Autoencode", LEVELS, |id, kwargs| popgym(id, kwargs, Autoencode::new)),
    row("popgym-CountRecall", LEVELS, |id, kwargs| popgym(id, kwargs, CountRecall::new)),
    row("popgym-PositionOnlyCartPole", LEVELS, |id, kwargs| popgym(id, kwargs, PositionOnly::cart_pole)),
    row("popgym-PositionOnlyPendulum", LEVELS, |id, kwargs| popgym(id, kwargs, PositionOnly::pendulum)),
    row("popgym-RepeatFirst", LEVELS, |id, kwargs| popgym(id, kwargs, Repeat::first)),
    row("popgym-RepeatPrevious", LEVELS, |id, kwargs| popgym(id, kwargs, Repeat::previous)),
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
    let is = |entry: &&Entry| id.strip_prefix(entry.name).is_some_and(|rest| entry.variants.contains(&rest));
    ENTRIES.iter().find(is)
}

/// The robot of a name such as `hopper-medium-v2`.
pub(crate) fn d4rl(name: &str) -> Option<&str> {
    const QUALITIES: [&str; 7] =
        ["random", "medium", "expert", "mixed", "medium-replay", "medium-expert", "full-replay"];
    let name = ["-v0", "-v1", "-v2"].iter().find_map(|version| name.strip_suffix(version)).unwrap_or(name);
    let (robot, quality) = name.split_once('-')?;
    QUALITIES.contains(&quality).then_some(robot)
}
