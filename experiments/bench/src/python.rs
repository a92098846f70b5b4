//! What the figures are measured against: PyTorch and Python Gymnasium.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aaren_runs::output;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

const POLICIES: &str = include_str!("../../../oracle/policies.py");
const RIVALS: &str = include_str!("../../../oracle/rivals.py");
const ENV_STEPS: &str = include_str!("../../../oracle/env_steps.py");
const VECTOR_STEPS: &str = include_str!("../../../oracle/vector_steps.py");

/// The interpreter that the references run in.
pub struct Python {
    path: PathBuf,
}

impl Python {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub fn found(&self) -> bool {
        self.path.is_file()
    }

    /// Processes that run the same policies in PyTorch, and other people's; `None` without an interpreter.
    pub fn rivals(&self) -> Result<Option<Rivals>> {
        let (policies, libraries) = (self.spawn(POLICIES)?, self.spawn(RIVALS)?);
        Ok(policies.zip(libraries).map(|(policies, libraries)| Rivals { policies, libraries }))
    }

    /// A process that measures the environment `ID SECONDS` of Gymnasium; `None` without an interpreter.
    pub fn env_steps(&self) -> Result<Option<Answers>> {
        self.spawn(ENV_STEPS)
    }

    /// A process that measures `ID COUNT SECONDS` in Gymnasium's `AsyncVectorEnv`; `None` without an interpreter.
    pub fn vector_steps(&self) -> Result<Option<Answers>> {
        self.spawn(VECTOR_STEPS)
    }

    /// The interpreter itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn spawn(&self, script: &str) -> Result<Option<Answers>> {
        if !self.found() {
            return Ok(None);
        }
        let mut child = Command::new(&self.path)
            .args(["-c", script])
            // The allocator as we set ours.
            .envs([("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "1073741824")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| self.path.display().to_string())?;
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Some(Answers { child, questions, answers }))
    }
}

/// A process that answers a line with a line.
pub struct Answers {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Answers {
    fn ask(&mut self, question: &str) -> Result<String> {
        writeln!(self.questions, "{question}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "{question}: Python gave no answer; `make bench` installs what it needs");
        Ok(answer)
    }

    /// Steps per second of what `question` names, over about as many seconds as it says.
    pub fn rate(&mut self, question: &str) -> Result<f64> {
        let answer = self.ask(question)?;
        answer.trim().parse().with_context(|| format!("{question}: Python Gymnasium answered {answer:?}"))
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // It ends by itself when its input does; nothing is lost by not waiting.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Other people's Decision Transformers: what they are called, and the name of the Python package.
pub const LIBRARIES: [(&str, &str); 3] =
    [("Hugging Face", "transformers"), ("torchrl", "torchrl"), ("d3rlpy", "d3rlpy")];

/// What a user would run instead.
pub struct Rival {
    /// The reference's name in a row.
    pub called: String,
    /// What is asked for it; see `oracle/policies.py` and, where it names a `library`, `oracle/rivals.py`.
    pub question: Value,
    /// Its times so far, with warm and with cold caches.
    pub times: [Vec<f64>; 2],
}

impl Rival {
    pub fn new(called: String, question: Value) -> Self {
        Self { called, question, times: Default::default() }
    }
}

/// The rivals, asked for a few steps or updates at a time.
pub struct Rivals {
    policies: Answers,
    libraries: Answers,
}

impl Rivals {
    /// Times in seconds of what `question` asks for; `None` where it cannot be done.
    pub fn seconds(&mut self, question: &Value) -> Result<Option<Vec<f64>>> {
        let who = if question["library"].is_string() { &mut self.libraries } else { &mut self.policies };
        let answer: Value = serde_json::from_str(&who.ask(&question.to_string())?)?;
        if let Some(error) = answer["error"].as_str() {
            output::note(format_args!("{question}: {error}"));
            return Ok(None);
        }
        Ok(Some(serde_json::from_value(answer["seconds"].clone())?))
    }
}
