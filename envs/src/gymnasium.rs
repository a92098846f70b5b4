//! Both ways between this crate and `gymnasium_rs`: its interface for our environments, and its
//! environments behind ours.

use gymnasium_rs::core::{Env, Info, Options, Reward, Space};
use ndarray::{Array1, Array3};
use serde_json::Value;

use crate::numpy::Generator;
use crate::{ActionSpace, Dynamics, EnvSpec, EnvState, Environment, Step};

/// So that it plugs in wherever a gymnasium-rs environment does. `info` says whether the step was
/// `unstable`; there are no reset options.
impl Env<Array1<f64>, Array1<f32>> for Environment {
    fn observation_space(&self) -> Space {
        let size = self.observation_size();
        Space::Box {
            low: Array1::from_elem(size, f32::NEG_INFINITY),
            high: Array1::from_elem(size, f32::INFINITY),
        }
    }

    fn action_space(&self) -> Space {
        match Environment::action_space(self) {
            ActionSpace::Discrete { choices } => Space::Discrete(*choices as i32),
            // gymnasium-rs has no such space: the bounds of the indices.
            ActionSpace::MultiDiscrete { choices } => Space::Box {
                low: Array1::zeros(choices.len()),
                high: choices.iter().map(|&choices| choices as f32 - 1.0).collect(),
            },
            ActionSpace::Continuous { low, high } => {
                Space::Box { low: Array1::from_vec(low.clone()), high: Array1::from_vec(high.clone()) }
            }
        }
    }

    fn reset(&mut self, seed: Option<i32>, _options: Options) -> (Array1<f64>, Info) {
        let mut observation = vec![0.0; self.observation_size()];
        match seed {
            Some(seed) => Environment::reset(self, seed as u64, &mut observation),
            None => self.reset_unseeded(&mut observation),
        }
        (observation.into(), Info::new())
    }

    fn step(&mut self, action: Array1<f32>) -> (Array1<f64>, Reward, bool, bool, Info) {
        let mut observation = vec![0.0; self.observation_size()];
        let step = Environment::step(self, &action.to_vec(), &mut observation);
        let info = Info::from([("unstable".to_owned(), Value::Bool(step.unstable))]);
        (observation.into(), step.reward as f32, step.terminated || step.unstable, step.truncated, info)
    }

    fn render(&self) -> Option<Array3<u8>> {
        None
    }

    fn close(&mut self) {}
}

/// A gymnasium-rs environment with what it last observed.
struct Foreign<E, O, F> {
    env: E,
    action_space: ActionSpace,
    convert: F,
    observation: Vec<f64>,
    marker: std::marker::PhantomData<fn() -> O>,
}

impl Environment {
    /// Takes in any gymnasium-rs environment whose observation is a sequence of numbers; `action` turns
    /// our form of an action (a discrete one is a single entry, its index) into that environment's.
    /// With [`register`](crate::register) it can be named in an [`EnvSpec`] too.
    ///
    /// ```
    /// # use aaren_envs::{EnvSpec, Environment};
    /// use gymnasium_rs::envs::cartpole::CartPole;
    /// let spec = EnvSpec::new("TheirCartPole");
    /// let mut theirs = Environment::from_gymnasium(spec, CartPole::new(), 500, |action| action[0] as i32);
    /// let mut observation = [0.0; 4];
    /// theirs.reset(0, &mut observation);
    /// assert!(!theirs.step(&[1.0], &mut observation).done());
    /// ```
    pub fn from_gymnasium<E, O, A>(
        spec: EnvSpec,
        mut env: E,
        max_episode_steps: usize,
        action: impl Fn(&[f32]) -> A + Send + 'static,
    ) -> Self
    where
        E: Env<O, A> + Send + 'static,
        O: IntoIterator<Item: Into<f64>> + 'static,
        A: 'static,
    {
        let action_space = match env.action_space() {
            Space::Discrete(choices) => ActionSpace::Discrete { choices: choices.max(0) as usize },
            Space::Box { low, high } => ActionSpace::Continuous { low: low.to_vec(), high: high.to_vec() },
        };
        let observation = env.reset_seed(0).0.into_iter().map(Into::into).collect();
        let foreign = Foreign {
            env,
            action_space,
            convert: action,
            observation,
            marker: std::marker::PhantomData::<fn() -> O>,
        };
        Environment::new(spec, Box::new(foreign), Some(max_episode_steps))
    }
}

impl<E, O, F> Foreign<E, O, F>
where
    O: IntoIterator<Item: Into<f64>>,
{
    fn remember(&mut self, observation: O) {
        self.observation.clear();
        self.observation.extend(observation.into_iter().map(Into::into));
    }
}

impl<E, O, A, F> Dynamics for Foreign<E, O, F>
where
    E: Env<O, A> + Send,
    O: IntoIterator<Item: Into<f64>>,
    F: Fn(&[f32]) -> A + Send,
{
    fn observation_size(&self) -> usize {
        self.observation.len()
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn reset(&mut self, random: &mut Generator) {
        let (observation, _) = self.env.reset_seed(random.next_u32() as i32);
        self.remember(observation);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        let (observation, reward, terminated, truncated, _) = self.env.step((self.convert)(action));
        self.remember(observation);
        let unstable = self.observation.iter().any(|x| !x.is_finite());
        Step { reward: reward.into(), terminated, truncated, unstable }
    }

    fn observe(&self, observation: &mut [f64]) {
        observation.copy_from_slice(&self.observation);
    }

    fn set_state(&mut self, _state: &EnvState) -> Result<(), String> {
        Err("the state of a gymnasium-rs environment cannot be set".into())
    }
}
