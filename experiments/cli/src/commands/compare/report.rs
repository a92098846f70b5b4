//! The files of a comparison.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::Compared;
use super::training::{BATCH, TrainingCost};
use aaren_reports::plot::{Axis, Figure, Look, Series};
use aaren_reports::{Table, cost_name, kind_of_file, looks, over_time};
use aaren_runs::provenance;
use aaren_spec::{Cost, CostPoint};

/// The files of a comparison.
pub struct Report {
    pub json: Value,
    markdown: String,
    pub summary: String,
    figures: Vec<(&'static str, String)>,
}

impl Report {
    pub fn new(compared: &Compared, costs: &[Cost], training: &[TrainingCost]) -> Self {
        let kinds: Vec<_> = compared.policies.iter().map(|file| kind_of_file(&file.header)).collect();
        let looks = looks(&kinds);
        // A policy's own memory is the first that its costs are of.
        let place = |cost: &Cost| {
            let policy = compared.policies.iter().position(|file| file.header.policy == cost.policy);
            let memories = costs.iter().filter(|it| it.policy == cost.policy);
            let memory = memories.into_iter().position(|it| it.regime == cost.regime);
            (policy.unwrap_or_default(), memory.unwrap_or_default())
        };
        let look = |cost: &Cost| {
            let (policy, memory) = place(cost);
            Look { dash: looks[policy].dash + memory, ..looks[policy] }
        };
        let name = |cost: &Cost| {
            let (policy, memory) = place(cost);
            cost_name(cost, kinds[policy], memory == 0)
        };
        let over_time = |label: &str, value: fn(&CostPoint) -> f64| {
            let lines = costs.iter().map(|cost| (look(cost), name(cost), cost));
            over_time(lines, label, value).to_svg()
        };
        let update = {
            let series = compared.policies.iter().zip(&looks).map(|(file, &look)| {
                let policy = &file.header.policy;
                let costs = training.iter().filter(|cost| cost.policy == *policy);
                Series::new(policy, costs.map(|cost| (cost.context as f64, cost.update_ms)).collect(), look)
            });
            let (x, y) = (Axis::log("Timesteps of a training window"), Axis::log("ms per update"));
            Figure::new(x, y, series.collect()).to_svg()
        };
        let figures = vec![
            ("memory.svg", over_time("Bytes kept of the episode", |p| p.state_bytes as f64)),
            ("latency.svg", over_time("µs per environment step", |p| p.step_us_p50)),
            ("cumulative_time.svg", over_time("ms since the episode's start", |p| p.cumulative_ms)),
            ("training_cost.svg", update),
        ];
        let markdown = markdown(compared, costs, training);
        Self { json: to_json(compared, costs, training), markdown, summary: table(costs), figures }
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.json)? + "\n";
        aaren_spec::write(&folder.join("compare.json"), json.as_bytes())?;
        aaren_spec::write(&folder.join("compare.md"), self.markdown.as_bytes())?;
        for (name, svg) in &self.figures {
            aaren_spec::write(&folder.join(name), svg.as_bytes())?;
        }
        Ok(())
    }
}

fn to_json(compared: &Compared, costs: &[Cost], training: &[TrainingCost]) -> Value {
    let rows: Vec<Value> = costs
        .iter()
        .flat_map(|cost| {
            cost.points.iter().map(move |p| {
                json!({
                    "policy": cost.policy, "backend": cost.backend, "regime": cost.regime, "timestep": p.timestep,
                    "step_us_p50": p.step_us_p50, "step_us_p99": p.step_us_p99, "cumulative_ms": p.cumulative_ms,
                    "state_bytes": p.state_bytes, "scratch_bytes": p.scratch_bytes, "resident_bytes": p.resident_bytes,
                })
            })
        })
        .collect();
    json!({
        "name": compared.name, "rows": rows, "scores": compared.summary.as_ref().map(|it| &it.comparison), "training": training,
        "protocol": provenance::within(json!({
            "env": compared.env, "trained": compared.trained, "threads": 1, "training_batch": BATCH,
        })),
    })
}

/// Every policy at the last timestep.
fn table(costs: &[Cost]) -> String {
    let Some(last) = costs.first().and_then(|cost| cost.points.last()) else { return String::new() };
    let (step, episode) = (format!("µs/step at {}", last.timestep), format!("episode of {}", last.timestep));
    let heads =
        ["policy", "backend", "roll-out", &step, "p99", &episode, "state bytes", "scratch bytes", "grown by"];
    let mut table = Table::new(3, heads);
    for cost in costs {
        let Some(last) = cost.points.last() else { continue };
        table.row([
            cost.policy.clone(),
            cost.backend.to_string(),
            cost.regime.to_string(),
            format!("{:.1}", last.step_us_p50),
            format!("{:.1}", last.step_us_p99),
            format!("{:.2} s", last.cumulative_ms / 1e3),
            last.state_bytes.to_string(),
            counted(last.scratch_bytes),
            megabytes(last.resident_bytes, 1),
        ]);
    }
    table.to_markdown()
}

fn counted(bytes: Option<usize>) -> String {
    bytes.map_or("–".into(), |bytes| bytes.to_string())
}

fn megabytes(bytes: Option<usize>, decimals: usize) -> String {
    bytes.map_or("–".into(), |bytes| format!("{:.decimals$} MB", bytes as f64 / 1e6))
}

/// Every policy at every timestep of interest.
fn by_timestep(costs: &[Cost]) -> String {
    let heads = ["policy", "backend", "roll-out", "timestep", "µs/step", "p99", "cumulative ms"];
    let mut table =
        Table::new(3, heads.into_iter().chain(["state bytes", "scratch bytes", "grown by (bytes)"]));
    for cost in costs {
        for p in &cost.points {
            table.row([
                cost.policy.clone(),
                cost.backend.to_string(),
                cost.regime.to_string(),
                p.timestep.to_string(),
                format!("{:.1}", p.step_us_p50),
                format!("{:.1}", p.step_us_p99),
                format!("{:.2}", p.cumulative_ms),
                p.state_bytes.to_string(),
                counted(p.scratch_bytes),
                counted(p.resident_bytes),
            ]);
        }
    }
    table.to_markdown()
}

fn training_table(training: &[TrainingCost]) -> String {
    let mut table = Table::new(1, ["policy", "timesteps", "ms/update", "peak memory"]);
    for cost in training {
        table.row([
            cost.policy.clone(),
            cost.context.to_string(),
            format!("{:.1}", cost.update_ms),
            megabytes(cost.peak_bytes, 0),
        ]);
    }
    table.to_markdown()
}

fn markdown(compared: &Compared, costs: &[Cost], training: &[TrainingCost]) -> String {
    let weights = if compared.trained {
        "The policies are trained."
    } else {
        "The policies have their initial weights, which changes no cost."
    };
    let mut text = format!(
        "# {}: memory and time\n\n{weights} One thread; a step is one environment step. Percentiles are \
         over the steps just before the timestep, of several episodes in turns. State bytes must be kept from step to step; \
         scratch bytes are a step's working memory, of which the next needs nothing.\n\n",
        compared.name,
    );
    text += &table(costs);
    text += &format!("\n## By timestep\n\n{}", by_timestep(costs));
    text += "\n## Training\n\n";
    text += &format!("One update of {BATCH} windows in float32.\n\n{}", training_table(training));
    text += "\n![Memory](memory.svg) ![Latency](latency.svg)\n\n![Cumulative time](cumulative_time.svg) ![Training cost](training_cost.svg)\n";
    text
}
