//! Animated GIFs.

use std::collections::HashSet;
use std::path::Path;

use aaren_envs::Picture;
use anyhow::Result;
use gif::{Encoder, Frame, Repeat};

/// How long the last picture stays, in hundredths of a second.
const LAST: u16 = 100;
/// Of 1, the best palettes, to 30, the fastest ones.
const SPEED: i32 = 10;

/// A GIF that is being written, in memory.
pub(super) struct Gif {
    encoder: Encoder<Vec<u8>>,
    fps: u32,
    /// Pictures that are written.
    written: u64,
    /// The last one, whose time is not known before there is another.
    last: Option<Frame<'static>>,
}

impl Gif {
    pub(super) fn begin(width: usize, height: usize, fps: u32) -> Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), u16::try_from(width)?, u16::try_from(height)?, &[])?;
        encoder.set_repeat(Repeat::Infinite)?;
        Ok(Self { encoder, fps, written: 0, last: None })
    }

    pub(super) fn add(&mut self, picture: &Picture) -> Result<()> {
        let (width, height) = (u16::try_from(picture.width())?, u16::try_from(picture.height())?);
        let frame = Frame::from_rgb_speed(width, height, &coarse(picture.rgb()), SPEED);
        if let Some(mut last) = self.last.replace(frame) {
            // In whole hundredths, without falling behind.
            let until = |picture: u64| picture * 100 / u64::from(self.fps);
            last.delay = (until(self.written + 1) - until(self.written)) as u16;
            self.written += 1;
            self.encoder.write_frame(&last)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, path: &Path) -> Result<()> {
        if let Some(mut last) = self.last.take() {
            last.delay = LAST;
            self.encoder.write_frame(&last)?;
        }
        Ok(aaren_spec::write(path, &self.encoder.into_inner()?)?)
    }
}

/// The pixels as they are where they have no more colours than a GIF's picture can, else with 32 shades of red, green and
/// blue: nearly always few enough that every picture keeps its colours exactly, so that nothing flickers, and two thirds
/// of the bytes.
fn coarse(rgb: &[u8]) -> Vec<u8> {
    let mut colours = HashSet::new();
    let mut pixels = rgb.chunks_exact(3);
    let few = pixels.all(|pixel| {
        colours.insert(pixel);
        colours.len() <= 256
    });
    if few {
        return rgb.to_vec();
    }
    rgb.iter().map(|&shade| (u16::from(shade >> 3) * 255 / 31) as u8).collect()
}
