//! A tiny experiment in a folder of its own, and the program that runs it.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aaren_datasets::Dataset;
use aaren_datasets::Transitions;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::Value;
use tempfile::TempDir;

/// Two policies, 60 updates, a checkpoint with every fifth.
pub const YAML: &str = "\
name: tiny
env: {id: Pendulum-v1, kwargs: {max_episode_steps: 30}}
dataset: pendulum.hdf5
policies: [aaren, transformer]
model: {width: 8, layers: 1, recency: learned}
context: {train: 5}
train: {updates: 60, batch: 4, learning_rate: 1.0e-3, warmup: 5, threads: 1}
evaluate: {every: 5, episodes: 2, target_returns: [-200], keep: all, return_scale: 100}
";

pub const RUNS: [&str; 2] = ["aaren-seed0", "transformer-seed0"];

pub struct Experiment {
    folder: TempDir,
}

impl Experiment {
    pub fn new(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tiny.yaml"), yaml).unwrap();
        toy(120, 3, 1).write_d4rl(&folder.path().join("pendulum.hdf5"), &[]).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of a run under `results`.
    pub fn file(&self, results: &str, run: &str, name: &str) -> PathBuf {
        self.path(results).join("tiny").join(run).join(name)
    }

    /// A JSON file of the experiment.
    pub fn json(&self, results: &str, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(results).join("tiny").join(name)).unwrap()).unwrap()
    }

    /// `aaren run` of the experiment into the folder `results`.
    pub fn command(&self, results: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
        command.current_dir(self.folder.path()).args(["run", "tiny.yaml", "--results", results]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `aaren …` in its folder: exit code, standard output, standard error.
    pub fn aaren(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
        let output = command.current_dir(self.folder.path()).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Runs it to its end: exit code and standard error.
    pub fn run(&self, results: &str, arguments: &[&str]) -> (Option<i32>, String) {
        outcome(self.command(results, arguments).output().unwrap())
    }

    /// Runs it to an end that must be a good one.
    pub fn finish(&self, results: &str) {
        let (code, message) = self.run(results, &[]);
        assert_eq!(code, Some(0), "{message}");
    }

    /// What each run left, less what a clock measured.
    pub fn outcome(&self, results: &str) -> Vec<Outcome> {
        self.outcome_of(results, &RUNS)
    }

    /// The same of these runs.
    pub fn outcome_of(&self, results: &str, runs: &[&'static str]) -> Vec<Outcome> {
        let of_run = |run: &&'static str| {
            let read = |name: &str| fs::read(self.file(results, run, name)).unwrap();
            let mut metrics = lines(&self.file(results, run, "metrics.jsonl"));
            for record in &mut metrics {
                let values = record["values"].as_array_mut().unwrap();
                values.retain(|value| value[0] != "train/updates_per_second");
            }
            Outcome {
                run,
                policy: read("policy.safetensors"),
                kept: kept(&self.file(results, run, "policies")),
                metrics,
                events: events(&self.file(results, run, "tensorboard")),
                evaluations: String::from_utf8(read("evaluations.csv")).unwrap(),
            }
        };
        runs.iter().map(of_run).collect()
    }
}

/// What one run left.
pub struct Outcome {
    run: &'static str,
    policy: Vec<u8>,
    /// The policies of its evaluations, by name.
    kept: Vec<(PathBuf, Vec<u8>)>,
    metrics: Vec<Value>,
    /// TensorBoard's records: update, tag and value.
    events: Vec<(u64, String, f32)>,
    evaluations: String,
}

/// Panics with the first difference.
pub fn assert_same(found: &[Outcome], expected: &[Outcome]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let run = expected.run;
        assert!(found.policy == expected.policy, "{run}: policy.safetensors differs");
        assert!(found.kept == expected.kept, "{run}: the policies of its evaluations differ");
        assert_eq!(found.metrics, expected.metrics, "{run}: metrics.jsonl");
        assert_eq!(found.events, expected.events, "{run}: TensorBoard's records");
        assert_eq!(found.evaluations, expected.evaluations, "{run}: evaluations.csv");
    }
}

/// The files of a folder, by name.
fn kept(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

/// The scalars of the one event file of a folder, less what a clock measured. Each record is a length, a checksum, so many
/// bytes and a checksum; the bytes are an `Event` of `tensorflow/core/util/event.proto`.
fn events(folder: &Path) -> Vec<(u64, String, f32)> {
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = fs::read(&files[0]).unwrap();
    let (mut at, mut events) = (0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let event = fields(&bytes[at + 12..at + 12 + length]);
        at += 16 + length;
        let step = event.iter().find(|(field, _)| *field == 2).map_or(0, |(_, value)| value.number());
        for (_, summary) in event.iter().filter(|(field, _)| *field == 5) {
            for (_, value) in fields(summary.bytes()) {
                let value = fields(value.bytes());
                let of = |wanted: u64| &value.iter().find(|(field, _)| *field == wanted).unwrap().1;
                let tag = String::from_utf8(of(1).bytes().to_vec()).unwrap();
                if tag != "train/updates_per_second" {
                    events.push((step, tag, f32::from_le_bytes(of(2).bytes().try_into().unwrap())));
                }
            }
        }
    }
    assert_eq!(at, bytes.len());
    assert!(!events.is_empty(), "{files:?}");
    events
}

/// A field of a message of Protocol Buffers.
enum Wire<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Wire<'b> {
    fn number(&self) -> u64 {
        let Wire::Number(number) = self else { panic!("no number") };
        *number
    }

    fn bytes(&self) -> &'b [u8] {
        let Wire::Bytes(bytes) = self else { panic!("no bytes") };
        bytes
    }
}

/// The fields of a message, by their numbers.
fn fields(mut message: &[u8]) -> Vec<(u64, Wire<'_>)> {
    fn number(message: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = message[0];
            *message = &message[1..];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, Wire::Number(number(&mut message))));
                continue;
            }
            1 => 8,
            2 => number(&mut message) as usize,
            5 => 4,
            kind => panic!("kind {kind} of field {}", key >> 3),
        };
        let (bytes, rest) = message.split_at(length);
        found.push((key >> 3, Wire::Bytes(bytes)));
        message = rest;
    }
    found
}

pub fn outcome(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

pub fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until `there` holds; false if the process ends before.
pub fn wait_until(child: &mut Child, there: impl Fn() -> bool) -> bool {
    while !there() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    true
}

pub fn send(child: &Child, signal: i32) {
    // SAFETY: a signal to a child that has not been waited for, so that the number still is its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// What a checkpoint says of itself.
pub fn header(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    SafeTensors::read_metadata(&bytes).unwrap().1.metadata().as_ref().unwrap()["aaren"].clone()
}

/// Changes the float32 tensors of a checkpoint and keeps its checksum right.
pub fn edit_checkpoint(path: &Path, edit: impl Fn(&str, &mut [f32])) {
    rewrite(path, edit, |_| ());
}

/// Changes a checkpoint's header.
pub fn edit_header(path: &Path, edit: impl Fn(&mut Value)) {
    rewrite(path, |_, _| (), edit);
}

fn rewrite(path: &Path, edit: impl Fn(&str, &mut [f32]), edit_header: impl Fn(&mut Value)) {
    let bytes = fs::read(path).unwrap();
    let mut header: Value = serde_json::from_str(&header(path)).unwrap();
    edit_header(&mut header);
    let header = header.to_string();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let floats = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            let mut floats: Vec<f32> = floats.collect();
            edit(&name, &mut floats);
            (name, view.shape().to_vec(), floats.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    tensors.sort();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(header.as_bytes());
    for (name, shape, bytes) in &tensors {
        checksum.update(format!("{name}{shape:?}").as_bytes());
        checksum.update(bytes);
    }
    let checksum = format!("{:08x}", checksum.finalize());
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let metadata = HashMap::from([("aaren".to_owned(), header), ("checksum".to_owned(), checksum)]);
    fs::write(path, serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// Episodes of 40 timesteps of an invented task.
pub fn toy(transitions: usize, observation_size: usize, action_size: usize) -> Dataset {
    let wave = |entries: usize, by: f32| (0..transitions * entries).map(|i| (i as f32 * by).sin()).collect();
    let columns = Transitions {
        observations: wave(observation_size, 0.7),
        actions: wave(action_size, 0.9),
        rewards: wave(1, 0.4),
        terminals: vec![false; transitions],
        timeouts: (0..transitions).map(|i| i % 40 == 39).collect(),
    };
    Dataset::new("toy", columns, observation_size, action_size, false)
}
