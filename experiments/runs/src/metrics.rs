//! What a run writes while it trains: `metrics.jsonl` and TensorBoard's event files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use aaren_spec::{RunFolder, write};

use super::board::Board;
use super::record::Record;
use crate::{Error, Result, output};

/// Writes both files, of which TensorBoard's is derived: it is written anew from `metrics.jsonl` when a
/// run continues, so that neither holds a record twice or one that was made after the checkpoint.
pub struct Metrics {
    lines: File,
    path: PathBuf,
    records: usize,
    board: Board,
    board_path: PathBuf,
}

impl Metrics {
    /// Opens the files in `folder`, keeping the first `records` that were written up to `update`.
    pub fn open(folder: &RunFolder, update: u64, records: Option<usize>) -> Result<Self> {
        let path = folder.metrics();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.map_err(Error::at(path.display()))?,
        };
        let kept: Vec<Record> = String::from_utf8_lossy(&bytes)
            .lines()
            .take(records.unwrap_or(usize::MAX))
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|record: &Record| record.update <= update)
            .collect();
        if let Some(lost) = records.and_then(|records| records.checked_sub(kept.len())).filter(|&n| n > 0) {
            output::note(format_args!(
                "{}: {lost} of the records before the checkpoint are lost",
                path.display()
            ));
        }
        let mut text = String::new();
        for record in &kept {
            text += &line(record);
        }
        write(&path, text.as_bytes())?;
        let lines = OpenOptions::new().append(true).open(&path).map_err(Error::at(path.display()))?;
        let board_path = folder.tensorboard();
        let board = Board::create(&board_path, &kept).map_err(Error::at(board_path.display()))?;
        Ok(Self { lines, path, records: kept.len(), board, board_path })
    }

    /// How many records the files hold.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Adds one record to both.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        self.lines.write_all(line(record).as_bytes()).map_err(Error::at(self.path.display()))?;
        self.board.add(record).map_err(Error::at(self.board_path.display()))?;
        self.records += 1;
        Ok(())
    }

    /// Flushes `metrics.jsonl` to the disk, so that no checkpoint is ahead of it.
    pub fn sync(&self) -> Result<()> {
        self.lines.sync_all().map_err(Error::at(self.path.display()))
    }
}

/// The updates after which the last record of a run's `metrics.jsonl` was written; none where there is none.
pub fn last_update(folder: &RunFolder) -> Option<u64> {
    const TAIL: u64 = 4096;
    let mut file = File::open(folder.metrics()).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The last line may be in the middle of being written.
    text.lines().rev().find_map(|line| Some(serde_json::from_str::<Record>(line).ok()?.update))
}

/// All that a run's `metrics.jsonl` holds.
pub fn records(folder: &RunFolder) -> Result<Vec<Record>> {
    let path = folder.metrics();
    let text = fs::read_to_string(&path).map_err(Error::at(path.display()))?;
    let read = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            Error::Refused(format!(
                "{}:{}: it is damaged ({error}); remove the line and run the command again",
                path.display(),
                index + 1
            ))
        })
    };
    text.lines().enumerate().map(read).collect()
}

/// A record as its line.
fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("a record is plain JSON") + "\n"
}

/// The values of one tag in a run's `metrics.jsonl`: (update, value), in order.
pub fn values(folder: &RunFolder, tag: &str) -> Result<Vec<(u64, f64)>> {
    let mut values = Vec::new();
    for record in records(folder)? {
        let found = record.values.into_iter().filter(|(name, _)| name == tag);
        values.extend(found.map(|(_, value)| (record.update, value)));
    }
    Ok(values)
}
