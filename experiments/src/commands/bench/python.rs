//! What the figures are measured against: PyTorch and Python Gymnasium.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../../oracle/decision_transformer.py");
const ENV_STEPS: &str = include_str!("../../../../oracle/env_steps.py");

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

    /// The JSON that the PyTorch Decision Transformer prints; `None` without an interpreter.
    pub fn decision_transformer(&self, arguments: &[String]) -> Result<Option<Value>> {
        if !self.found() {
            return Ok(None);
        }
        let output = Command::new(&self.path)
            .args(["-c", REFERENCE])
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| self.path.display().to_string())?;
        if !output.status.success() {
            bail!(
                "{}: the reference ended with {}; `make bench` installs what it needs",
                self.path.display(),
                output.status
            );
        }
        Ok(Some(serde_json::from_slice(&output.stdout)?))
    }

    /// A process that measures Gymnasium's environments; `None` without an interpreter.
    pub fn env_steps(&self) -> Result<Option<EnvSteps>> {
        if !self.found() {
            return Ok(None);
        }
        let mut child = Command::new(&self.path)
            .args(["-c", ENV_STEPS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| self.path.display().to_string())?;
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Some(EnvSteps { child, questions, answers }))
    }
}

/// Python Gymnasium, asked for one environment at a time.
pub struct EnvSteps {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl EnvSteps {
    /// Steps per second over about so many seconds.
    pub fn rate(&mut self, id: &str, seconds: f64) -> Result<f64> {
        writeln!(self.questions, "{id} {seconds}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        answer.trim().parse().with_context(|| {
            format!("{id}: Python Gymnasium gave no answer; `make bench` installs what it needs")
        })
    }
}

impl Drop for EnvSteps {
    fn drop(&mut self) {
        // It ends by itself when its input does; nothing is lost by not waiting.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
