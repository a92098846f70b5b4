//! Time of one environment step of a policy: what the algorithm gives, and what the runtime gives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use aaren_format::{AgentConfig, EncoderKind, Precision, Regime};
use aaren_streaming::{Options, Policy, Stream, Streams};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Row;
use super::python::{LIBRARIES, Python, Rival, Rivals};
use aaren_runs::output;
use aaren_runs::stand_in::{hopper, policy};
use aaren_statistics::percentile;

/// Timesteps of interest beside those of the comparisons.
const EARLY: usize = 10;
const LATE: usize = 100_000;
const ROUNDS: usize = 10;
/// Bytes written between two steps so that the processor's caches are cold: more than any of them holds.
const FLUSH: usize = 64 << 20;

/// How steps are compared.
#[derive(Clone, Copy)]
struct Setting {
    /// That are stepped together.
    episodes: usize,
    precision: Precision,
    /// Timestep of the comparison.
    at: usize,
    /// Steps of each contender in a round.
    steps: usize,
}

/// Several episodes at once are compared earlier, or the windows and caches of all of them would take half an hour.
const SETTINGS: [Setting; 4] = [
    Setting { episodes: 1, precision: Precision::Float32, at: 1000, steps: 50 },
    Setting { episodes: 1, precision: Precision::Bfloat16, at: 1000, steps: 50 },
    Setting { episodes: 16, precision: Precision::Float32, at: 100, steps: 20 },
    Setting { episodes: 64, precision: Precision::Float32, at: 100, steps: 20 },
];

/// The policies with their memories, and what PyTorch calls the same memory.
const KINDS: [(EncoderKind, Regime, Option<&str>); 5] = [
    (EncoderKind::Aaren, Regime::Unbounded, Some("recurrent")),
    (EncoderKind::Transformer, Regime::Window(20), Some("window")),
    (EncoderKind::Transformer, Regime::Sliding(20), Some("sliding")),
    (EncoderKind::Transformer, Regime::Unbounded, Some("cache")),
    (EncoderKind::Gru, Regime::Unbounded, None),
];

/// One policy with one memory, in the streaming runtime, and what a user would run instead.
struct Contender {
    encoder: EncoderKind,
    regime: Regime,
    setting: Setting,
    player: Player,
    /// Times in µs, with warm and with cold caches.
    ours: [Vec<f64>; 2],
    rivals: Vec<Rival>,
    /// Bytes of state and of scratch at the comparison's timestep.
    memory: Option<[usize; 2]>,
    /// Beside those at the comparison's timestep.
    elsewhere: Vec<(usize, Vec<f64>)>,
}

/// The runtime with one episode, or with several at once.
enum Player {
    One(Box<Stream>),
    Many(Box<Streams>),
}

/// Steps on one core, all contenders in turns, on observations that differ from step to step.
pub fn measure(python: &Python) -> Result<Vec<Row>> {
    let folder = std::env::temp_dir().join(format!("aaren-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let rows = in_turns(python, &folder);
    std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    rows
}

fn in_turns(python: &Python, folder: &Path) -> Result<Vec<Row>> {
    let untrained = KINDS.map(|(encoder, regime, called)| Untrained::new(encoder, regime, called, folder));
    let untrained = untrained.into_iter().collect::<Result<Vec<_>>>()?;
    let mut contenders = Vec::new();
    for setting in SETTINGS {
        for policy in &untrained {
            contenders.push(Contender::new(policy, setting)?);
        }
    }
    let inputs = Inputs::new(11);
    let mut flush = vec![0u8; FLUSH];
    let mut rivals = python.rivals()?;
    for contender in &mut contenders {
        contender.elsewhere(&inputs)?;
    }
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.round(&inputs, &mut flush)?;
            if let Some(rivals) = &mut rivals {
                contender.ask(rivals)?;
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

    /// Those of so many episodes: other rows of the waves.
    fn of(&self, timestep: usize, episodes: usize) -> &[f32] {
        let row = timestep % (self.waves.len() / self.size - episodes);
        &self.waves[row * self.size..(row + episodes) * self.size]
    }
}

/// A policy with one memory, before it meets a setting.
struct Untrained {
    encoder: EncoderKind,
    regime: Regime,
    /// What PyTorch calls the memory.
    called: Option<&'static str>,
    bytes: Vec<u8>,
    /// Its exported step, where it has one.
    step: Option<PathBuf>,
}

impl Untrained {
    fn new(
        encoder: EncoderKind,
        regime: Regime,
        called: Option<&'static str>,
        folder: &Path,
    ) -> Result<Self> {
        let (agent, task) = hopper(encoder, 1);
        let bytes = policy(encoder.name(), &AgentConfig::new(&agent), &task)?.to_bytes();
        let step = if encoder.constant_state() { exported(encoder, &bytes, folder)? } else { None };
        Ok(Self { encoder, regime, called, bytes, step })
    }
}

impl Contender {
    fn new(untrained: &Untrained, setting: Setting) -> Result<Self> {
        let Setting { episodes, precision, .. } = setting;
        let &Untrained { encoder, regime, called, ref bytes, ref step } = untrained;
        let policy = Policy::from_bytes_with(bytes, Options { precision, ..Options::default() })?;
        let player = match episodes {
            1 => Player::One(Box::new(policy.stream_with(regime)?)),
            _ => Player::Many(Box::new(policy.streams_with(regime, episodes)?)),
        };
        let mut rivals = Vec::new();
        if let Some(memory) = called {
            rivals.extend(setting.pytorch(encoder, memory));
        }
        if precision == Precision::Float32 {
            if let Regime::Window(_) = regime {
                rivals.extend(setting.libraries());
            }
            if let Some(model) = step {
                rivals.push(setting.onnx(encoder, model));
            }
        }
        let (ours, memory, elsewhere) = Default::default();
        Ok(Self { encoder, regime, setting, player, ours, rivals, memory, elsewhere })
    }

    /// The time of a step, in µs.
    fn step(&mut self, inputs: &Inputs, timestep: usize) -> Result<f64> {
        let episodes = self.setting.episodes;
        let (observations, rewards) = (inputs.of(timestep, episodes), [1.0; 64]);
        let start = Instant::now();
        match &mut self.player {
            Player::One(stream) => {
                stream.act(observations, 1.0)?;
            }
            Player::Many(streams) => {
                streams.act(observations, &rewards[..episodes])?;
            }
        }
        Ok(start.elapsed().as_secs_f64() * 1e6)
    }

    /// The times of these timesteps.
    fn steps(&mut self, inputs: &Inputs, timesteps: std::ops::Range<usize>) -> Result<Vec<f64>> {
        timesteps.map(|timestep| self.step(inputs, timestep)).collect()
    }

    fn reset(&mut self) {
        match &mut self.player {
            Player::One(stream) => stream.reset(1000.0),
            Player::Many(streams) => (0..streams.len()).for_each(|index| streams.reset(index, 1000.0)),
        }
    }

    /// Steps at the comparison's timestep, first with warm caches, then, with one episode, with cold ones.
    fn round(&mut self, inputs: &Inputs, flush: &mut [u8]) -> Result<()> {
        let Setting { at, steps, .. } = self.setting;
        self.reset();
        self.steps(inputs, 0..at - steps)?;
        let warm = self.steps(inputs, at - steps..at)?;
        self.ours[0].extend(warm);
        if let Player::One(stream) = &self.player {
            self.memory = Some([stream.state_bytes(), stream.scratch_bytes()]);
            for timestep in at..at + steps {
                flush.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                let time = self.step(inputs, timestep)?;
                self.ours[1].push(time);
            }
        }
        Ok(())
    }

    /// One episode's steps around [`EARLY`], and around [`LATE`] where the state has one size.
    fn elsewhere(&mut self, inputs: &Inputs) -> Result<()> {
        if let Player::Many(_) = self.player {
            return Ok(());
        }
        let mut early = Vec::new();
        for _ in 0..20 * ROUNDS {
            self.reset();
            self.steps(inputs, 0..EARLY - 1)?;
            early.push(self.step(inputs, EARLY - 1)?);
        }
        self.elsewhere.push((EARLY, early));
        if self.encoder.constant_state() {
            let last = LATE - 10 * self.setting.steps;
            self.steps(inputs, EARLY..last)?;
            let late = self.steps(inputs, last..LATE)?;
            self.elsewhere.push((LATE, late));
        }
        Ok(())
    }

    fn ask(&mut self, rivals: &mut Rivals) -> Result<()> {
        for rival in &mut self.rivals {
            for cold in [false, true].into_iter().take(if self.setting.episodes == 1 { 2 } else { 1 }) {
                rival.question["cold"] = cold.into();
                let seconds = rivals.seconds(&rival.question)?.unwrap_or_default();
                rival.times[usize::from(cold)].extend(seconds.into_iter().map(|seconds| seconds * 1e6));
            }
        }
        Ok(())
    }

    fn row(&self, at: usize, caches: &'static str, times: &[f64]) -> Row {
        let memory = self.memory.filter(|_| at == self.setting.at);
        Row {
            what: "step",
            policy: self.encoder.to_string(),
            backend: Some("streaming"),
            precision: Some(self.setting.precision.name()),
            context: Some(self.regime.to_string()),
            at: Some(at),
            episodes: Some(self.setting.episodes),
            caches: Some(caches),
            value: percentile(times, 50.0),
            unit: "µs",
            p99: Some(percentile(times, 99.0)),
            state_bytes: memory.map(|[state, _]| state),
            scratch_bytes: memory.map(|[_, scratch]| scratch),
            ..Row::default()
        }
    }

    /// Its times, and what the runtime gives: those of the rivals with the same algorithm in the same precision.
    fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.elsewhere.iter().map(|(at, times)| self.row(*at, "warm", times)).collect();
        for (index, (caches, ours)) in CACHES.into_iter().zip(&self.ours).enumerate() {
            if ours.is_empty() {
                continue;
            }
            let row = self.row(self.setting.at, caches, ours);
            if self.rivals.is_empty() {
                rows.push(row.clone());
            }
            rows.extend(self.rivals.iter().map(|rival| {
                let theirs = &rival.times[index];
                let theirs = (!theirs.is_empty()).then(|| percentile(theirs, 50.0));
                Row { gives: Some("runtime"), ..row.clone().time_against(&rival.called, theirs) }
            }));
        }
        rows
    }
}

const CACHES: [&str; 2] = ["warm", "cold"];

/// What the algorithm gives: an Aaren beside Transformers in the same setting and runtime.
fn against_transformers(aaren: &Contender, all: &[Contender]) -> Vec<Row> {
    let same = |other: &&Contender| {
        other.encoder == EncoderKind::Transformer
            && other.setting.precision == aaren.setting.precision
            && other.setting.episodes == aaren.setting.episodes
    };
    let mut rows = Vec::new();
    for other in all.iter().filter(same) {
        for (caches, (ours, theirs)) in CACHES.into_iter().zip(aaren.ours.iter().zip(&other.ours)) {
            if ours.is_empty() {
                continue;
            }
            let against = format!("transformer, {}, here", other.regime);
            let row = aaren.row(aaren.setting.at, caches, ours);
            let row = row.time_against(against, Some(percentile(theirs, 50.0)));
            rows.push(Row { gives: Some("algorithm"), ..row });
        }
    }
    rows
}

impl Setting {
    /// The same memory in plain PyTorch; also as TorchScript, where a step is one graph.
    fn pytorch(self, encoder: EncoderKind, memory: &str) -> Vec<Rival> {
        let forms: &[_] = match memory {
            "recurrent" | "window" => &[("PyTorch", false), ("TorchScript", true)],
            _ => &[("PyTorch", false)],
        };
        let rival = |&(form, script): &(&str, bool)| {
            let called = format!("{form}, {encoder}, {memory}");
            let question = json!({
                "what": "step", "memory": memory, "precision": self.precision.name(), "episodes": self.episodes,
                "at": self.at, "steps": self.steps, "script": script,
            });
            Rival::new(called, question)
        };
        forms.iter().map(rival).collect()
    }

    /// Other people's Decision Transformers.
    fn libraries(self) -> Vec<Rival> {
        let mut rivals = Vec::new();
        for (called, library) in LIBRARIES {
            // It acts in one episode at a time.
            if library != "d3rlpy" || self.episodes == 1 {
                rivals.push(self.library(format!("{called}, transformer, window"), library, None));
            }
        }
        rivals
    }

    /// The exported step in ONNX Runtime.
    fn onnx(self, encoder: EncoderKind, model: &Path) -> Rival {
        self.library(format!("ONNX Runtime, {encoder}"), "onnxruntime", Some(model))
    }

    fn library(self, called: String, library: &str, model: Option<&Path>) -> Rival {
        let question = json!({
            "what": "step", "library": library, "model": model, "episodes": self.episodes, "at": self.at,
            "steps": self.steps,
        });
        Rival::new(called, question)
    }
}

/// The policy's step as `aaren export --onnx` writes it; `None` where that command was not built beside this one.
fn exported(encoder: EncoderKind, policy: &[u8], folder: &Path) -> Result<Option<PathBuf>> {
    let aaren = std::env::current_exe()?.with_file_name("aaren");
    let path = |extension: &str| folder.join(format!("{encoder}.{extension}"));
    if !aaren.is_file() {
        output::note(format_args!(
            "{}: not found, so ONNX Runtime has no step to run; `make bench` builds it",
            aaren.display()
        ));
        return Ok(None);
    }
    let (from, to) = (path("safetensors"), path("onnx"));
    aaren_spec::write(&from, policy)?;
    let said = Command::new(aaren).args(["export", "--onnx"]).arg(&from).arg("--out").arg(&to).output()?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr).trim());
    Ok(Some(to))
}
