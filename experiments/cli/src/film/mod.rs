//! Films of policies at work: an episode's pictures as an animated GIF, or through ffmpeg as an MP4.

mod gif;
mod mp4;
mod recording;

use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use aaren_envs::Picture;
use anyhow::{Context, Result};

pub(crate) use mp4::ffmpeg_starts;
pub(crate) use recording::{Part, Recording};

/// Pictures of a whole episode, unless somebody asks for another number.
pub(crate) const PICTURES: u64 = 250;

/// A film that is being written; its file appears when it is [finished](Film::finish).
pub(crate) struct Film {
    path: PathBuf,
    pictures: u64,
    writer: Writer,
}

enum Writer {
    Gif(gif::Gif),
    Mp4(mp4::Mp4),
}

/// What a film's name ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gif,
    Mp4,
}

impl Format {
    /// Of a file's name.
    ///
    /// # Errors
    /// Where it ends with neither `.gif` nor `.mp4`.
    pub(crate) fn of(path: &Path) -> Result<Self, Refusal> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match ending.as_str() {
            "gif" => Ok(Format::Gif),
            "mp4" => Ok(Format::Mp4),
            _ => Err(Refusal(format!(
                "{}: found a name that ends with {ending:?}, expected .gif or .mp4",
                path.display()
            ))),
        }
    }
}

impl Film {
    /// Begins one of `width` × `height` pixels, with so many pictures a second.
    ///
    /// # Errors
    /// Where the name ends with neither `.gif` nor `.mp4`, or ffmpeg is needed and cannot be started.
    pub(crate) fn begin(path: &Path, [width, height]: [usize; 2], fps: u32) -> Result<Self> {
        let writer = match Format::of(path)? {
            Format::Gif => Writer::Gif(gif::Gif::begin(width, height, fps)?),
            Format::Mp4 => Writer::Mp4(mp4::Mp4::begin(path, width, height, fps)?),
        };
        Ok(Self { path: path.to_owned(), pictures: 0, writer })
    }

    /// Adds a picture of the film's size.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn add(&mut self, picture: &Picture) -> Result<()> {
        self.pictures += 1;
        match &mut self.writer {
            Writer::Gif(gif) => gif.add(picture),
            Writer::Mp4(mp4) => mp4.add(picture),
        }
        .with_context(|| self.path.display().to_string())
    }

    /// Writes the file; how many pictures it holds, and its bytes.
    ///
    /// # Errors
    /// Where it cannot be written; whatever stood there before is then unharmed.
    pub(crate) fn finish(self) -> Result<(u64, u64)> {
        match self.writer {
            Writer::Gif(gif) => gif.finish(&self.path)?,
            Writer::Mp4(mp4) => mp4.finish(&self.path).with_context(|| self.path.display().to_string())?,
        }
        Ok((
            self.pictures,
            std::fs::metadata(&self.path).with_context(|| self.path.display().to_string())?.len(),
        ))
    }
}
