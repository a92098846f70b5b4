//! Time of one environment step of a policy: what the algorithm gives, and what the runtime gives.

use std::time::Instant;

use aaren_format::{AgentConfig, EncoderKind, Precision, Regime};
use aaren_streaming::{Options, Policy, Stream};
use anyhow::Result;
use serde_json::json;

use super::Row;
use super::python::{Policies, Python};
use aaren_runs::stand_in::{hopper, policy};
use aaren_statistics::percentile;

/// Timestep of the comparisons.
const AT: usize = 1000;
/// Other timesteps of interest.
const EARLY: usize = 10;
const LATE: usize = 100_000;
const ROUNDS: usize = 10;
/// Steps of each contender in a round.
const STEPS: usize = 50;
/// Bytes written between two steps so that the processor's caches are cold: more than any of them holds.
const FLUSH: usize = 64 << 20;

/// What PyTorch calls the same memory.
const KINDS: [(EncoderKind, Regime, &str); 4] = [
    (EncoderKind::Aaren, Regime::Unbounded, "recurrent"),
    (EncoderKind::Transformer, Regime::Window(20), "window"),
    (EncoderKind::Transformer, Regime::Sliding(20), "sliding"),
    (EncoderKind::Transformer, Regime::Unbounded, "cache"),
];

/// One policy with one memory in one precision, in the streaming runtime and, where PyTorch knows it, there.
struct Contender {
    encoder: EncoderKind,
    regime: Regime,
    theirs_called: Option<&'static str>,
    precision: Precision,
    stream: Stream,
    /// Times in µs, with warm and with cold caches.
    ours: [Vec<f64>; 2],
    theirs: [Vec<f64>; 2],
    /// Bytes of state and of scratch at [`AT`].
    memory: Option<[usize; 2]>,
    /// Beside those at [`AT`].
    elsewhere: Vec<(usize, Vec<f64>)>,
}

/// Steps on one core, all contenders in turns, on observations that differ from step to step.
pub fn measure(python: &Python) -> Result<Vec<Row>> {
    let mut contenders = Vec::new();
    for precision in [Precision::Float32, Precision::Bfloat16] {
        let ours_alone = (EncoderKind::Gru, Regime::Unbounded, None);
        let both = KINDS.map(|(encoder, regime, called)| (encoder, regime, Some(called)));
        for (encoder, regime, theirs_called) in both.into_iter().chain([ours_alone]) {
            let (agent, task) = hopper(encoder, 1);
            let bytes = policy(encoder.name(), &AgentConfig::new(&agent), &task)?.to_bytes();
            let policy = Policy::from_bytes_with(&bytes, Options { precision, ..Options::default() })?;
            contenders.push(Contender {
                encoder,
                regime,
                theirs_called,
                precision,
                stream: policy.stream_with(regime)?,
                ours: Default::default(),
                theirs: Default::default(),
                memory: None,
                elsewhere: Vec::new(),
            });
        }
    }
    let inputs = Inputs::new(11);
    let mut flush = vec![0u8; FLUSH];
    let mut pytorch = python.policies()?;
    for contender in &mut contenders {
        contender.elsewhere(&inputs)?;
    }
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.round(&inputs, &mut flush)?;
            if let Some(pytorch) = &mut pytorch {
                contender.ask(pytorch)?;
            }
        }
    }
    let mut rows = Vec::new();
    for contender in &contenders {
        rows.extend(contender.rows());
        if contender.encoder == EncoderKind::Aaren {
            rows.extend(against_transformers(contender, &contenders));
        }
    }
    Ok(rows)
}

/// Observations of many timesteps.
struct Inputs {
    size: usize,
    waves: Vec<f32>,
}

impl Inputs {
    fn new(size: usize) -> Self {
        Self { size, waves: (0..size * 1009).map(|i| (i as f32 * 0.37).sin()).collect() }
    }

    fn of(&self, timestep: usize) -> &[f32] {
        let row = timestep % (self.waves.len() / self.size);
        &self.waves[row * self.size..(row + 1) * self.size]
    }
}

impl Contender {
    /// The time of a step, in µs.
    fn step(&mut self, inputs: &Inputs) -> Result<f64> {
        let observation = inputs.of(self.stream.timestep() as usize);
        let start = Instant::now();
        self.stream.act(observation, 1.0)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    }

    /// Steps at [`AT`], first with warm caches, then with cold ones.
    fn round(&mut self, inputs: &Inputs, flush: &mut [u8]) -> Result<()> {
        self.stream.reset(1000.0);
        for _ in 0..AT - STEPS {
            self.step(inputs)?;
        }
        for _ in 0..STEPS {
            let time = self.step(inputs)?;
            self.ours[0].push(time);
        }
        self.memory = Some([self.stream.state_bytes(), self.stream.scratch_bytes()]);
        for _ in 0..STEPS {
            flush.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            let time = self.step(inputs)?;
            self.ours[1].push(time);
        }
        Ok(())
    }

    /// Steps around [`EARLY`], and around [`LATE`] where the state has one size.
    fn elsewhere(&mut self, inputs: &Inputs) -> Result<()> {
        let mut early = Vec::new();
        for _ in 0..20 * ROUNDS {
            self.stream.reset(1000.0);
            for _ in 0..EARLY - 1 {
                self.step(inputs)?;
            }
            early.push(self.step(inputs)?);
        }
        self.elsewhere.push((EARLY, early));
        if self.encoder.constant_state() {
            for _ in EARLY..LATE - 10 * STEPS {
                self.step(inputs)?;
            }
            let late = (0..10 * STEPS).map(|_| self.step(inputs)).collect::<Result<_>>()?;
            self.elsewhere.push((LATE, late));
        }
        Ok(())
    }

    fn ask(&mut self, pytorch: &mut Policies) -> Result<()> {
        let Some(memory) = self.theirs_called else { return Ok(()) };
        for (cold, theirs) in [false, true].into_iter().zip(&mut self.theirs) {
            let precision = self.precision.name();
            let question = json!({
                "what": "step", "memory": memory, "precision": precision, "at": AT, "steps": STEPS, "cold": cold,
            });
            let seconds = pytorch.seconds(&question)?.unwrap_or_default();
            theirs.extend(seconds.into_iter().map(|seconds| seconds * 1e6));
        }
        Ok(())
    }

    fn row(&self, at: usize, caches: &'static str, times: &[f64]) -> Row {
        let memory = self.memory.filter(|_| at == AT);
        Row {
            what: "step",
            policy: self.encoder.to_string(),
            backend: Some("streaming"),
            precision: Some(self.precision.name()),
            context: Some(self.regime.to_string()),
            at: Some(at),
            caches: Some(caches),
            value: percentile(times, 50.0),
            unit: "µs",
            p99: Some(percentile(times, 99.0)),
            state_bytes: memory.map(|[state, _]| state),
            scratch_bytes: memory.map(|[_, scratch]| scratch),
            ..Row::default()
        }
    }

    /// Its times, and what the runtime gives: those of PyTorch with the same algorithm in the same precision.
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.elsewhere.iter().map(|(at, times)| self.row(*at, "warm", times)).collect();
        for (caches, (ours, theirs)) in CACHES.into_iter().zip(self.ours.iter().zip(&self.theirs)) {
            let row = self.row(AT, caches, ours);
            rows.push(match self.theirs_called {
                Some(memory) => {
                    let theirs = (!theirs.is_empty()).then(|| percentile(theirs, 50.0));
                    let against = format!("PyTorch, {}, {memory}", self.encoder);
                    Row { gives: Some("runtime"), ..row.time_against(against, theirs) }
                }
                None => row,
            });
        }
        rows
    }
}

const CACHES: [&str; 2] = ["warm", "cold"];

/// What the algorithm gives: an Aaren beside Transformers of the same precision in the same runtime.
fn against_transformers(aaren: &Contender, all: &[Contender]) -> Vec<Row> {
    let same =
        |other: &&Contender| other.encoder == EncoderKind::Transformer && other.precision == aaren.precision;
    let rows = all.iter().filter(same).flat_map(|other| {
        CACHES.into_iter().zip(aaren.ours.iter().zip(&other.ours)).map(|(caches, (ours, theirs))| {
            let against = format!("transformer, {}, here", other.regime);
            let row = aaren.row(AT, caches, ours).time_against(against, Some(percentile(theirs, 50.0)));
            Row { gives: Some("algorithm"), ..row }
        })
    });
    rows.collect()
}
