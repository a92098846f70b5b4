//! What an environment is made of.

use std::sync::Arc;

use mujoco_rs::wrappers::MjModel;

use crate::drawing::Drawing;
use crate::numpy::Generator;
use crate::{ActionSpace, EnvState};

/// What one step brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Reward.
    pub reward: f64,
    /// The task ended the episode.
    pub terminated: bool,
    /// The time limit ended the episode.
    pub truncated: bool,
    /// The simulation blew up (a MuJoCo warning; a state, observation or reward that is no number); this ends the
    /// episode too.
    pub unstable: bool,
}

impl Step {
    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated || self.unstable
    }
}

/// The physics and the task of one environment. [`Environment`](crate::Environment) adds the generator, the time limit and
/// the checks of lengths, and [`register`](crate::register) gives it an id, so that a YAML may name it.
///
/// ```
/// use aaren_envs::{ActionSpace, Dynamics, EnvSpec, Environment, Generator, Step, make, register};
///
/// /// A point on a line, in m, that a force keeps near 0.
/// struct Point {
///     at: f64,
///     action_space: ActionSpace,
/// }
///
/// impl Dynamics for Point {
///     fn observation_size(&self) -> usize {
///         1
///     }
///     fn action_space(&self) -> &ActionSpace {
///         &self.action_space
///     }
///     fn reset(&mut self, random: &mut Generator) {
///         self.at = random.uniform(-0.1, 0.1);
///     }
///     fn step(&mut self, action: &[f32], random: &mut Generator) -> Step {
///         self.at += 0.1 * f64::from(action[0]) + 0.01 * random.standard_normal();
///         Step { reward: 1.0 - self.at.abs(), terminated: self.at.abs() > 1.0, ..Step::default() }
///     }
///     fn observe(&self, observation: &mut [f64]) {
///         observation[0] = self.at;
///     }
/// }
///
/// register("Point-v0", |spec| {
///     let action_space = ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] };
///     Ok(Environment::new(spec.clone(), Box::new(Point { at: 0.0, action_space }), Some(200)))
/// });
/// let mut point = make(&EnvSpec::new("Point-v0"))?;
/// let mut observation = [0.0];
/// point.reset(7, &mut observation);
/// assert!(!point.step(&[0.5], &mut observation).done());
/// # Ok::<(), aaren_envs::Error>(())
/// ```
pub trait Dynamics: Send {
    /// Entries of an observation: always the same number, at least one.
    fn observation_size(&self) -> usize;

    /// The entries of an observation that `observe: positions` leaves, as they tell of no velocities, increasing; none
    /// where it hides nothing.
    fn positions(&self) -> Option<Vec<usize>> {
        None
    }

    /// The actions that [`step`](Self::step) takes.
    fn action_space(&self) -> &ActionSpace;

    /// The most steps before an episode ends by itself, where it does.
    fn longest_episode(&self) -> Option<usize> {
        None
    }

    /// The least and the most that an episode of at most `steps` steps returns, where that is known.
    fn return_range(&self, steps: usize) -> Option<(f64, f64)> {
        let _ = steps;
        None
    }

    /// Starts an episode. All that is random comes from `random`, so that a seed decides the episode; nothing of the
    /// episode before is left.
    fn reset(&mut self, random: &mut Generator);

    /// One step. `action` is one of [`action_space`](Self::action_space): an entry for each dimension, not clipped to the
    /// bounds, or the index of a choice. The time limit is not the dynamics' affair. After an episode's end it may be
    /// called again, and must not panic.
    fn step(&mut self, action: &[f32], random: &mut Generator) -> Step;

    /// Writes the current observation, of [`observation_size`](Self::observation_size) entries.
    fn observe(&self, observation: &mut [f64]);

    /// What the episode goes on from, where there is more to say than its seed.
    fn state(&self) -> Option<EnvState> {
        None
    }

    /// Starts an episode in `state`.
    ///
    /// # Errors
    /// What does not fit about it, with what is expected: the reason of an [`Error::State`](crate::Error::State).
    fn set_state(&mut self, state: &EnvState) -> Result<(), String> {
        let _ = state;
        Err("its seed decides its episodes; found a state, expected {\"seed\": n}".into())
    }

    /// MuJoCo's model and where it is seen from. [`state`](Self::state) is then an [`EnvState::Mujoco`] of that model.
    fn scene(&self) -> Option<Scene> {
        None
    }

    /// What it looks like; without a scene or a drawing, the entries of its observation are shown.
    fn drawing(&self) -> Option<Drawing> {
        None
    }
}

/// What MuJoCo's renderer draws. A model's camera `track` sees it, as it stays with the robot; without one a free camera
/// does, which looks at the middle of the geoms from as far as the model is large, unless another place is said.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The model.
    pub model: Arc<MjModel>,
    /// The free camera's distance from what it looks at, in m.
    pub distance: Option<f64>,
    /// What the free camera looks at: x, y and z in m.
    pub lookat: Option<[f64; 3]>,
}
