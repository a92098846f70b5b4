//! MP4 films, made by ffmpeg from the pictures' bytes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aaren_envs::Picture;
use anyhow::{Context, Result, bail};

/// The ffmpeg to start: that of the environment variable AAREN_FFMPEG, else the one on the PATH.
fn ffmpeg() -> OsString {
    std::env::var_os("AAREN_FFMPEG").unwrap_or_else(|| "ffmpeg".into())
}

/// Whether there is an ffmpeg that starts.
pub(crate) fn ffmpeg_starts() -> bool {
    let mut command = Command::new(ffmpeg());
    let quiet = command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// An MP4 that ffmpeg is writing, under a temporary name.
pub(super) struct Mp4 {
    ffmpeg: Child,
    temporary: PathBuf,
}

impl Mp4 {
    pub(super) fn begin(path: &Path, width: usize, height: usize, fps: u32) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let temporary = path.with_file_name(name);
        let mut command = Command::new(ffmpeg());
        command.args(["-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}"), "-r", &fps.to_string(), "-i", "pipe:0"]);
        // What browsers play: even sides, half the colours' resolution, the index before the pictures.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]);
        command.args(["-movflags", "+faststart", "-f", "mp4"]).arg(&temporary);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let ffmpeg = command.spawn().map_err(|error| {
            let program = ffmpeg();
            anyhow::anyhow!(
                "{} cannot be started, which makes .mp4 of pictures ({error}); install it (`apt install ffmpeg`), name one in AAREN_FFMPEG, or write a .gif",
                program.display()
            )
        })?;
        Ok(Self { ffmpeg, temporary })
    }

    pub(super) fn add(&mut self, picture: &Picture) -> Result<()> {
        let Some(pipe) = &mut self.ffmpeg.stdin else { bail!("ffmpeg has no standard input") };
        match pipe.write_all(picture.rgb()) {
            Ok(()) => Ok(()),
            // It ended early: what it says is more than a closed pipe.
            Err(error) => self.end().and(Err(error.into())),
        }
    }

    pub(super) fn finish(mut self, path: &Path) -> Result<()> {
        self.end()?;
        File::open(&self.temporary).and_then(|file| file.sync_all()).context("flushing it")?;
        fs::rename(&self.temporary, path).context("renaming it")
    }

    /// Waits until ffmpeg is done.
    fn end(&mut self) -> Result<()> {
        drop(self.ffmpeg.stdin.take());
        let mut said = String::new();
        if let Some(pipe) = &mut self.ffmpeg.stderr {
            let _ = pipe.read_to_string(&mut said);
        }
        let status = self.ffmpeg.wait().context("ffmpeg")?;
        let first = said.lines().next().unwrap_or("it does not say why");
        if !status.success() {
            bail!("ffmpeg failed ({status}): {first}");
        }
        Ok(())
    }
}

impl Drop for Mp4 {
    fn drop(&mut self) {
        // Where it ended well, ffmpeg is gone and the file has its name.
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
        let _ = fs::remove_file(&self.temporary);
    }
}
