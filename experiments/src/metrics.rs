//! What a run writes while it trains: `metrics.jsonl` and TensorBoard's event files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use aaren_agents::file;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tensorboard_rs::summary_writer::SummaryWriter;

/// One line of `metrics.jsonl`: scalars by name after so many updates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Updates done.
    pub update: u64,
    /// Values by their TensorBoard tag.
    pub values: Vec<(String, f64)>,
}

/// Writes both files, of which TensorBoard's is derived: it is written anew from `metrics.jsonl` when a
/// run continues, so that neither holds a record twice or one that was made after the checkpoint.
pub struct Metrics {
    lines: File,
    path: PathBuf,
    board: SummaryWriter,
}

impl Metrics {
    /// Opens the files in `folder`, keeping what was written up to `update`.
    pub fn open(folder: &Path, update: u64) -> Result<Self> {
        let path = folder.join("metrics.jsonl");
        let kept: Vec<Record> = fs::read_to_string(&path)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|record: &Record| record.update <= update)
            .collect();
        let mut text = String::new();
        for record in &kept {
            text += &serde_json::to_string(record)?;
            text.push('\n');
        }
        file::write(&path, text.as_bytes())?;
        let events = folder.join("tensorboard");
        if events.exists() {
            fs::remove_dir_all(&events).with_context(|| events.display().to_string())?;
        }
        // The writer panics where it cannot write, so the folder is made here.
        fs::create_dir_all(&events).with_context(|| events.display().to_string())?;
        let mut board = SummaryWriter::new(&events);
        kept.iter().for_each(|record| show(&mut board, record));
        let lines =
            OpenOptions::new().append(true).open(&path).with_context(|| path.display().to_string())?;
        Ok(Self { lines, path, board })
    }

    /// Adds one record to both.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let line = serde_json::to_string(record)? + "\n";
        self.lines.write_all(line.as_bytes()).with_context(|| self.path.display().to_string())?;
        show(&mut self.board, record);
        self.board.flush();
        Ok(())
    }
}

fn show(board: &mut SummaryWriter, record: &Record) {
    for (tag, value) in &record.values {
        board.add_scalar(tag, *value as f32, record.update as usize);
    }
}
