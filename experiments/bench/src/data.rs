//! Loading data, and drawing batches from them.

use std::time::Instant;

use aaren_agents::decision::Windows;
use aaren_datasets::Dataset;
use aaren_format::EncoderKind;
use anyhow::{Context, Result};
use tch::Device;

use super::Row;
use aaren_runs::cost::{grown, peak_reset, release_freed_memory};
use aaren_runs::stand_in::{dataset, hopper};
use aaren_statistics::percentile;

/// Loading of a D4RL file of one million transitions of Hopper, and drawing a batch of 64 × 20 from it.
pub fn measure() -> Result<Vec<Row>> {
    let folder = std::env::temp_dir().join(format!("aaren-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("million.hdf5");
    let (_, task) = hopper(EncoderKind::Aaren, 1);
    let written = dataset(&task, 1000).write_d4rl(&path, &[]);
    let measured = written.map_err(anyhow::Error::from).and_then(|()| {
        release_freed_memory();
        let before = peak_reset();
        let start = Instant::now();
        let dataset = Dataset::load(&path)?;
        Ok((start.elapsed().as_secs_f64(), before.and_then(grown), dataset))
    });
    let _ = std::fs::remove_dir_all(&folder);
    let (seconds, bytes, dataset) = measured?;
    let windows = Windows::new(&dataset, &task, 20, 0)?;
    let times: Vec<f64> = (0..200)
        .map(|update| {
            let start = Instant::now();
            windows.batch(update, 64, Device::Cpu);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let row = |policy: &str, value, unit| Row {
        what: "data",
        policy: policy.into(),
        value,
        unit,
        ..Row::default()
    };
    let mut rows = vec![row("load 1 M transitions", seconds, "s")];
    if let Some(bytes) = bytes {
        rows.push(row("peak memory while loading", bytes as f64 / 1e6, "MB"));
    }
    rows.push(row("batch of 64 × 20", percentile(&times, 50.0), "ms"));
    Ok(rows)
}
