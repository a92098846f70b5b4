//! One environment: its dynamics, its generator and its time limit.

use std::cell::RefCell;

use crate::dynamics::{Dynamics, Step};
use crate::numpy::Generator;
use crate::{ActionSpace, EnvSpec, EnvState, Error};

/// An environment that behaves as Gymnasium's of the same id.
pub struct Environment {
    spec: EnvSpec,
    pub(crate) dynamics: Box<dyn Dynamics>,
    time_limit: Option<usize>,
    elapsed: usize,
    /// Gymnasium's `np_random`.
    random: Generator,
    seen: Option<Seen>,
}

/// What `observe: positions` leaves of an observation.
struct Seen {
    entries: Vec<usize>,
    whole: RefCell<Vec<f64>>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({}, step {})", self.spec.id, self.elapsed)
    }
}

impl Environment {
    /// `spec` is what it is made of, for [`spec`](Self::spec) and for messages. After `time_limit` steps an episode is
    /// truncated, as by the wrapper that `gymnasium.make` puts around an environment; `None` leaves its end to the dynamics.
    /// Where `spec` says `observe: positions`, those of [`Dynamics::positions`] are left of an observation.
    pub fn new(spec: EnvSpec, dynamics: Box<dyn Dynamics>, time_limit: Option<usize>) -> Self {
        let hides = spec.kwargs.get("observe").is_some_and(|what| what == "positions");
        let seen = dynamics.positions().filter(|_| hides).map(|entries| {
            let whole = RefCell::new(vec![0.0; dynamics.observation_size()]);
            Seen { entries, whole }
        });
        Self { spec, dynamics, time_limit, elapsed: 0, random: Generator::new(0), seen }
    }

    /// What made it.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.seen.as_ref().map_or_else(|| self.dynamics.observation_size(), |seen| seen.entries.len())
    }

    /// Where `observe: positions` hides entries of the observation, those that are left of it.
    pub fn observed(&self) -> Option<Vec<usize>> {
        self.seen.as_ref().map(|seen| seen.entries.clone())
    }

    /// The actions it takes.
    pub fn action_space(&self) -> &ActionSpace {
        self.dynamics.action_space()
    }

    /// The most steps of an episode: its time limit, or where it ends by itself.
    pub fn max_episode_steps(&self) -> usize {
        let ends = self.time_limit.into_iter().chain(self.dynamics.longest_episode());
        ends.min().unwrap_or(usize::MAX)
    }

    /// The least and the most that an episode can return, where that is known.
    pub fn return_range(&self) -> Option<(f64, f64)> {
        self.dynamics.return_range(self.max_episode_steps())
    }

    /// Starts an episode. The same seed gives the same episode, bit for bit, whatever went before: the one that
    /// Python's `env.reset(seed=seed)` starts. Seeds are taken as they are, and all draws are NumPy's, from
    /// `Generator(PCG64(SeedSequence(seed)))`. So episode i of an evaluation, whose row names its seed, is what a
    /// Python loop plays from that seed.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn reset(&mut self, seed: u64, observation: &mut [f64]) {
        self.random = Generator::new(seed);
        self.reset_unseeded(observation);
    }

    /// Starts an episode with the generator as the last one left it: Python's `env.reset()` without a seed. Before
    /// any [`reset`](Self::reset) it is that of seed 0.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn reset_unseeded(&mut self, observation: &mut [f64]) {
        self.dynamics.reset(&mut self.random);
        self.elapsed = 0;
        self.observe(observation);
    }

    /// One step. A continuous `action` has [`ActionSpace::size`] entries; a discrete one is its index.
    ///
    /// # Panics
    /// If `action` or `observation` has another length than the environment's, or there is no choice of
    /// that index.
    pub fn step(&mut self, action: &[f32], observation: &mut [f64]) -> Step {
        let space = self.dynamics.action_space();
        assert!(space.takes(action), "{}: {action:?} is no action of {space:?}", self.spec.id);
        let step = self.dynamics.step(action, &mut self.random);
        self.elapsed += 1;
        self.observe(observation);
        Step {
            truncated: step.truncated || self.time_limit.is_some_and(|limit| self.elapsed >= limit),
            unstable: step.unstable
                || !step.reward.is_finite()
                || observation.iter().any(|entry| !entry.is_finite()),
            ..step
        }
    }

    /// The observation of the current state, as the last reset or step wrote it.
    ///
    /// # Panics
    /// If `observation` has not [`observation_size`](Self::observation_size) entries.
    pub fn observe(&self, observation: &mut [f64]) {
        let (found, expected) = (observation.len(), self.observation_size());
        assert_eq!(found, expected, "{}: entries of the observation", self.spec.id);
        let Some(Seen { entries, whole }) = &self.seen else { return self.dynamics.observe(observation) };
        let mut whole = whole.borrow_mut();
        self.dynamics.observe(&mut whole);
        observation.iter_mut().zip(entries).for_each(|(out, &entry)| *out = whole[entry]);
    }

    /// The current state; `None` from a foreign environment, and from those whose episodes their seed decides
    /// (POPGym's, RATE's T-maze).
    pub fn state(&self) -> Option<EnvState> {
        self.dynamics.state()
    }

    /// Starts an episode in `state` instead of in a random one.
    ///
    /// # Errors
    /// [`Error::State`] where the state is not one of this environment.
    pub fn set_state(&mut self, state: &EnvState) -> Result<(), Error> {
        self.elapsed = 0;
        let id = &self.spec.id;
        self.dynamics.set_state(state).map_err(|reason| Error::State { id: id.clone(), reason })
    }
}
