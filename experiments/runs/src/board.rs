//! TensorBoard's event files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::protobuf::Message;
use super::record::Record;

/// An event file that grows.
pub struct Board(File);

impl Board {
    /// A folder with one event file of `records`, in the place of those that were there.
    pub fn create(folder: &Path, records: &[Record]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // TensorBoard goes on reading a file it knows at the place where it was, so the name is a new one.
        let name = format!("events.out.tfevents.{:010}.{}", now() as u64, std::process::id());
        let path = folder.join(&name);
        let mut bytes = framed(&event(now()).bytes(3, "brain.Event:2"));
        for record in records {
            bytes.extend(scalars(record));
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
        self.0.write_all(&scalars(record))
    }
}

/// `tensorflow.Event` of `tensorflow/core/util/event.proto`, before it says what happened.
fn event(seconds: f64) -> Message {
    Message::new().double(1, seconds)
}

/// An event for each value of a record, framed.
fn scalars(record: &Record) -> Vec<u8> {
    let of_value = |(tag, value): &(String, f64)| framed(&scalar(now(), record.update, tag, *value));
    record.values.iter().flat_map(of_value).collect()
}

/// A `Summary` of one `Value`: its tag and number.
fn scalar(seconds: f64, update: u64, tag: &str, value: f64) -> Message {
    let value = Message::new().bytes(1, tag).float(2, value as f32);
    event(seconds).int(2, update as i64).bytes(5, Message::new().bytes(1, value))
}

/// As a record of a TFRecord file: length, checksum of the length, message, checksum of the message.
fn framed(message: &Message) -> Vec<u8> {
    let message = message.as_ref();
    let length = (message.len() as u64).to_le_bytes();
    [&length, &masked(&length)[..], message, &masked(message)].concat()
}

/// The CRC-32C (Castagnoli; RFC 3720) of these bytes, masked as TFRecord wants it.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), bit))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that the crate tensorboard-rs 0.5.9 wrote.
    #[test]
    fn a_record_is_the_one_that_another_writer_writes() {
        let expected = "20 00 00 00 00 00 00 00 29 ed a9 50 09 7b 3a b9 7a d1 c2 da 41 10 14 2a 13 0a 11 0a 0a 74 72 61 \
            69 6e 2f 6c 6f 73 73 15 90 d0 db 3e c1 ae ba 1e";
        let expected: Vec<u8> =
            expected.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let seconds = f64::from_le_bytes([0x7b, 0x3a, 0xb9, 0x7a, 0xd1, 0xc2, 0xda, 0x41]);
        let loss = f32::from_le_bytes([0x90, 0xd0, 0xdb, 0x3e]);
        assert_eq!(framed(&scalar(seconds, 20, "train/loss", loss.into())), expected);
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
