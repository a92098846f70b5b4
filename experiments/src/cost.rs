//! Time and memory of acting, timestep by timestep of one episode.

use std::borrow::Cow;
use std::time::Instant;

use aaren_agents::{Actor, Network};
use aaren_format::Regime;
use aaren_streaming::{Policy, Stream};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::statistics::{growth_exponent, mean, percentile};

/// A policy that acts with some memory on some backend.
pub struct Subject<'m> {
    /// Its name in the experiment.
    pub policy: String,
    /// What it remembers.
    pub regime: Regime,
    backend: Backend<'m>,
    observation: Vec<f32>,
}

enum Backend<'m> {
    Streaming(Box<Stream>),
    Libtorch(Box<dyn Actor + 'm>, &'m dyn Network),
}

impl<'m> Subject<'m> {
    /// On the streaming runtime.
    pub fn streaming(name: &str, policy: &Policy, regime: Regime) -> Result<Self> {
        let backend = Backend::Streaming(Box::new(policy.stream_with(regime)?));
        Ok(Self { policy: name.into(), regime, backend, observation: vec![0.0; policy.observation_size()] })
    }

    /// On libtorch, where the network's weights are.
    pub fn libtorch(name: &str, network: &'m dyn Network, regime: Regime) -> Result<Self> {
        let backend = Backend::Libtorch(network.actor(regime, &[0.0])?, network);
        let observation = vec![0.0; network.task().observation_size];
        Ok(Self { policy: name.into(), regime, backend, observation })
    }

    fn backend(&self) -> &'static str {
        match self.backend {
            Backend::Streaming(_) => "streaming",
            Backend::Libtorch(..) => "libtorch",
        }
    }

    fn reset(&mut self) -> Result<()> {
        match &mut self.backend {
            Backend::Streaming(stream) => stream.reset(1000.0),
            Backend::Libtorch(actor, network) => *actor = network.actor(self.regime, &[1000.0])?,
        }
        Ok(())
    }

    fn act(&mut self) -> Result<()> {
        match &mut self.backend {
            Backend::Streaming(stream) => drop(stream.act(&self.observation, 1.0)?),
            Backend::Libtorch(actor, _) => drop(actor.act(&self.observation, &[1.0])),
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        match &self.backend {
            Backend::Streaming(stream) => stream.state_bytes(),
            Backend::Libtorch(actor, _) => actor.state_bytes(),
        }
    }
}

/// Time and memory of one [`Subject`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The policy.
    pub policy: String,
    /// `streaming` or `libtorch`.
    pub backend: Cow<'static, str>,
    /// Memory of the policy.
    pub regime: String,
    /// By timestep.
    pub points: Vec<CostPoint>,
    /// Median time of a step at the last timestep, in µs.
    pub step_us_p50: f64,
    /// 99th percentile there.
    pub step_us_p99: f64,
    /// Bytes kept of the episode there.
    pub state_bytes: usize,
    /// Fitted exponent p of bytes ∝ timestep^p: 0 is constant, 1 linear.
    pub memory_exponent: Option<f64>,
    /// Fitted exponent p of the episode's time ∝ timestep^p: 1 is linear, 2 quadratic.
    pub time_exponent: Option<f64>,
}

/// [`Cost`] at one timestep, counted from 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CostPoint {
    /// The timestep.
    pub timestep: usize,
    /// Median time of a step, in µs.
    pub step_us_p50: f64,
    /// 99th percentile, in µs.
    pub step_us_p99: f64,
    /// Time of the episode up to here, in ms.
    pub cumulative_ms: f64,
    /// Bytes kept of the episode.
    pub state_bytes: usize,
    /// By how much the process has grown since the episode's start; `None` where the system does not tell.
    pub resident_bytes: Option<usize>,
}

/// So many episodes of so many timesteps.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Timesteps of an episode.
    pub timesteps: usize,
    /// Episodes.
    pub episodes: usize,
}

/// What `aaren run` measures.
pub const SHORT: [Plan; 2] = [Plan { timesteps: 20, episodes: 20 }, Plan { timesteps: 1000, episodes: 5 }];
/// What `aaren compare` measures.
pub const LONG: [Plan; 3] = [
    Plan { timesteps: 20, episodes: 100 },
    Plan { timesteps: 1000, episodes: 5 },
    Plan { timesteps: 10_000, episodes: 1 },
];
/// Timesteps of interest.
pub const TIMESTEPS: [usize; 8] = [1, 10, 20, 100, 300, 1000, 3000, 10_000];

/// Growth is fitted from this timestep on: before it, fixed costs and a window that is still filling hide it.
pub const FIT_FROM: usize = 100;

/// Measures all subjects over episodes of fixed length, so that policies that fall early compare too.
///
/// The longest episode of each comes first and alone, when its memory is still untouched; then the
/// subjects take turns, so that a slower spell of the machine meets all of them.
pub fn measure(subjects: &mut [Subject], plans: &[Plan], timesteps: &[usize]) -> Result<Vec<Cost>> {
    let mut records: Vec<Record> = subjects.iter().map(|_| Record::default()).collect();
    let longest = plans.iter().max_by_key(|plan| plan.timesteps).map_or(0, |plan| plan.timesteps);
    for (subject, record) in subjects.iter_mut().zip(&mut records) {
        record.episode(subject, longest, timesteps)?;
    }
    for plan in plans {
        let left = plan.episodes - usize::from(plan.timesteps == longest);
        for _ in 0..left {
            for (subject, record) in subjects.iter_mut().zip(&mut records) {
                record.episode(subject, plan.timesteps, &[])?;
            }
        }
    }
    let kept: Vec<usize> = timesteps.iter().copied().filter(|&timestep| timestep <= longest).collect();
    Ok(subjects.iter().zip(&records).map(|(subject, record)| record.cost(subject, &kept)).collect())
}

/// Everything measured of one subject.
#[derive(Default)]
struct Record {
    /// Times in µs, by timestep, of all episodes that reached it.
    times: Vec<Vec<f64>>,
    state_bytes: Vec<usize>,
    /// At the timesteps of interest.
    resident: Vec<Option<usize>>,
}

impl Record {
    fn episode(&mut self, subject: &mut Subject, timesteps: usize, look: &[usize]) -> Result<()> {
        self.times.resize(self.times.len().max(timesteps), Vec::new());
        self.state_bytes.resize(self.times.len(), 0);
        subject.reset()?;
        if !look.is_empty() {
            release_freed_memory();
        }
        let before = resident_bytes();
        for timestep in 0..timesteps {
            let start = Instant::now();
            subject.act()?;
            self.times[timestep].push(start.elapsed().as_secs_f64() * 1e6);
            self.state_bytes[timestep] = subject.state_bytes();
            if look.contains(&(timestep + 1)) {
                let now = resident_bytes();
                self.resident.push(now.zip(before).map(|(now, before)| now.saturating_sub(before)));
            }
        }
        Ok(())
    }

    fn cost(&self, subject: &Subject, timesteps: &[usize]) -> Cost {
        let mut points = Vec::new();
        let (mut cumulative, mut from) = (0.0, 0);
        for (index, &timestep) in timesteps.iter().enumerate() {
            // A step's neighbours cost the same: they make its percentiles stable.
            let around = self.times[timestep * 9 / 10..timestep].concat();
            cumulative += self.times[from..timestep].iter().map(|step| mean(step)).sum::<f64>() / 1e3;
            from = timestep;
            points.push(CostPoint {
                timestep,
                step_us_p50: percentile(&around, 50.0),
                step_us_p99: percentile(&around, 99.0),
                cumulative_ms: cumulative,
                state_bytes: self.state_bytes[timestep - 1],
                resident_bytes: self.resident.get(index).copied().flatten(),
            });
        }
        let last = points.last().expect("there is a timestep of interest");
        let fit = |value: fn(&CostPoint) -> f64| {
            let far = points.iter().filter(|p| p.timestep >= FIT_FROM);
            growth_exponent(&far.map(|p| (p.timestep as f64, value(p))).collect::<Vec<_>>())
        };
        Cost {
            policy: subject.policy.clone(),
            backend: subject.backend().into(),
            regime: subject.regime.to_string(),
            step_us_p50: last.step_us_p50,
            step_us_p99: last.step_us_p99,
            state_bytes: last.state_bytes,
            memory_exponent: fit(|p| p.state_bytes as f64),
            time_exponent: fit(|p| p.cumulative_ms),
            points,
        }
    }
}

/// Resident memory of this process.
fn resident_bytes() -> Option<usize> {
    status("VmRSS:")
}

/// Forgets the process's peak of resident memory; what is resident now. `None` where the system cannot.
pub fn peak_reset() -> Option<usize> {
    // Linux: 5 resets the peak (proc(5), clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    resident_bytes()
}

/// By how much the peak of resident memory since [`peak_reset`] exceeds what was resident then.
pub fn grown(before: usize) -> Option<usize> {
    Some(status("VmHWM:")?.saturating_sub(before))
}

/// Gives back what earlier measurements left, which the next would otherwise fill unseen.
pub fn release_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim only returns free memory to the system.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn status(key: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<usize>().ok()? * 1024)
}
