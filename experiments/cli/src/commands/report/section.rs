//! `aaren report --html`: what one experiment adds to the page.

use std::path::Path;

use aaren_reports::{Film, Section, Summary};
use aaren_spec::{ExperimentFolder, ExperimentResult};
use anyhow::{Context, Result};

use crate::commands::paths::inside;
use crate::commands::up_to_date::run_at;

/// Larger films are not put into the page.
const LARGEST_FILM: u64 = 16 << 20;

/// The experiment whose summary lies in `folder`, or the run, under the `name` that tables call it by.
pub fn section(folder: &ExperimentFolder, name: String) -> Result<Section> {
    let yaml = std::fs::read_to_string(folder.spec()).ok();
    let made = match run_at(folder.path()) {
        Some(run) => Summary::new(&ExperimentResult::read_run(&run)?)?,
        // Where only the report was kept, there are no runs to draw.
        None if yaml.is_none() => None,
        None => Summary::new(&ExperimentResult::read(folder)?)?,
    };
    let (summary, pictures) = match made {
        Some((summary, pictures)) => (summary, Some(pictures)),
        None => (Summary::read(&folder.summary())?, None),
    };
    Ok(Section { name, summary, pictures, yaml, films: films(folder.path())? })
}

/// The films in an experiment's folder and in those of its runs.
fn films(folder: &Path) -> Result<Vec<Film>> {
    let inside = |folder: &Path| inside(folder).with_context(|| folder.display().to_string());
    let mut films = Vec::new();
    for path in inside(folder)? {
        let paths = if path.is_dir() { inside(&path)? } else { vec![path] };
        for path in paths {
            let media_type = match path.extension().and_then(|ending| ending.to_str()) {
                Some("gif") => "image/gif",
                Some("mp4") => "video/mp4",
                _ => continue,
            };
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            if bytes.len() as u64 <= LARGEST_FILM {
                films.push(Film { name, media_type, bytes });
            }
        }
    }
    Ok(films)
}
