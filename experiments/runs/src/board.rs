//! TensorBoard's event files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use protobuf::Message;
use tensorboard_proto::event::Event;
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use super::record::Record;

/// An event file that grows.
///
/// `tensorboard_rs::SummaryWriter` would write from a thread of its own that panics where the disk is full:
/// here its records go to a file whose errors come back.
pub struct Board(File);

impl Board {
    /// A folder with one event file of `records`, in the place of those that were there.
    pub fn create(folder: &Path, records: &[Record]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // TensorBoard goes on reading a file it knows at the place where it was, so the name is a new one.
        let name = format!("events.out.tfevents.{:010}.{}", now() as u64, std::process::id());
        let path = folder.join(&name);
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".into());
        let mut bytes = Vec::new();
        for event in std::iter::once(version).chain(records.iter().flat_map(scalars)) {
            write(&mut bytes, event)?;
        }
        aaren_datasets::write_whole(&path, &bytes)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name() != name.as_str() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(fs::OpenOptions::new().append(true).open(path)?))
    }

    /// Adds a record.
    pub fn add(&mut self, record: &Record) -> io::Result<()> {
        scalars(record).try_for_each(|event| write(&mut self.0, event))
    }
}

/// An event for each value.
fn scalars(record: &Record) -> impl Iterator<Item = Event> {
    record.values.iter().map(|(tag, value)| {
        let mut event = Event::new();
        event.set_step(record.update as i64);
        event.set_summary(scalar(tag, *value as f32));
        event
    })
}

fn write(file: &mut impl Write, mut event: Event) -> io::Result<()> {
    event.set_wall_time(now());
    RecordWriter::new(file).write(&event.write_to_bytes()?)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
