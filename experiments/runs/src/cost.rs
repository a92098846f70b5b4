//! Time and memory of acting, timestep by timestep of one episode.

use std::time::Instant;

use aaren_format::Regime;
use aaren_spec::{Cost, CostPoint, Costs, ExperimentFolder, write_if_new};
use aaren_statistics::{mean, percentile};
use aaren_streaming::{Policy, Stream};

use crate::Result;

/// A policy that acts with some memory.
pub struct Subject {
    /// Its name in the experiment.
    pub policy: String,
    /// What it remembers.
    pub regime: Regime,
    stream: Stream,
    observation: Vec<f32>,
}

impl Subject {
    /// A policy in the streaming runtime.
    pub fn new(name: &str, policy: &Policy, regime: Regime) -> Result<Self> {
        let stream = policy.stream_with(regime)?;
        Ok(Self { policy: name.into(), regime, stream, observation: vec![0.0; policy.observation_size()] })
    }
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

/// What it costs to act with the policies of an experiment that are trained: as each acts and, where that is in a
/// window, with a cache that slides and with all of the episode. Kept in the experiment's folder, and measured anew
/// only where something is missing there.
///
/// # Errors
/// Where a policy cannot be read or cannot act, or the costs cannot be written.
///
/// # Panics
/// Never: costs are plain JSON.
pub fn of_policies(policies: &[String], seeds: &[u64], folder: &ExperimentFolder) -> Result<Vec<Cost>> {
    let mut wanted = Vec::new();
    for policy in policies {
        let mut files = seeds.iter().map(|&seed| folder.run(policy, seed).policy());
        let Some(path) = files.find(|path| path.is_file()) else { continue };
        let file = Policy::from_file(&path)?;
        let regime = file.header().regime();
        let mut regimes = vec![regime];
        if let Regime::Window(timesteps) = regime {
            let others = [Regime::Sliding(timesteps), Regime::Unbounded];
            regimes.extend(others.into_iter().filter(|&other| file.header().check_regime(other).is_ok()));
        }
        wanted.push((policy.as_str(), file, regimes));
    }
    let measured: Vec<_> = wanted
        .iter()
        .map(|(name, file, _)| ((*name).to_owned(), file.header().fingerprint.clone()))
        .collect();
    let names = wanted.iter().flat_map(|(name, _, regimes)| regimes.iter().map(|&regime| (*name, regime)));
    if let Some(known) = Costs::read(&folder.costs())?
        && known.measured == measured
        && names.eq(known.costs.iter().map(|cost| (cost.policy.as_str(), cost.regime)))
        && known.costs.iter().all(|cost| cost.scratch_bytes.is_some())
    {
        return Ok(known.costs);
    }
    let mut subjects = Vec::new();
    for (name, file, regimes) in &wanted {
        for &regime in regimes {
            subjects.push(Subject::new(name, file, regime)?);
        }
    }
    let costs = measure(&mut subjects, &SHORT, &TIMESTEPS)?;
    let costs = Costs { measured, costs };
    let text = serde_json::to_string(&costs).expect("costs are plain JSON") + "\n";
    write_if_new(&folder.costs(), &text)?;
    Ok(costs.costs)
}

/// Everything measured of one subject.
#[derive(Default)]
struct Record {
    /// Times in µs, by timestep, of all episodes that reached it.
    times: Vec<Vec<f64>>,
    state_bytes: Vec<usize>,
    scratch_bytes: Vec<usize>,
    /// At the timesteps of interest.
    resident: Vec<Option<usize>>,
}

impl Record {
    fn episode(&mut self, subject: &mut Subject, timesteps: usize, look: &[usize]) -> Result<()> {
        self.times.resize(self.times.len().max(timesteps), Vec::new());
        self.state_bytes.resize(self.times.len(), 0);
        self.scratch_bytes.resize(self.times.len(), 0);
        subject.stream.reset(1000.0);
        if !look.is_empty() {
            release_freed_memory();
        }
        let before = resident_bytes();
        for timestep in 0..timesteps {
            let start = Instant::now();
            subject.stream.act(&subject.observation, 1.0)?;
            self.times[timestep].push(start.elapsed().as_secs_f64() * 1e6);
            self.state_bytes[timestep] = subject.stream.state_bytes();
            self.scratch_bytes[timestep] = subject.stream.scratch_bytes();
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
                scratch_bytes: Some(self.scratch_bytes[timestep - 1]),
                resident_bytes: self.resident.get(index).copied().flatten(),
            });
        }
        let last = points.last().expect("there is a timestep of interest");
        Cost {
            policy: subject.policy.clone(),
            backend: "streaming".into(),
            regime: subject.regime,
            step_us_p50: last.step_us_p50,
            step_us_p99: last.step_us_p99,
            state_bytes: last.state_bytes,
            scratch_bytes: last.scratch_bytes,
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
