use std::path::Path;

use aaren_agents::file;
use aaren_format::EncoderKind;
use anyhow::Result;
use serde_json::{Value, json};

use super::Compared;
use super::claims::{self, Claim};
use super::training::{BATCH, TrainingCost};
use crate::cost::{Cost, CostPoint};
use crate::plot::{Axis, Figure, Series};

/// The files of a comparison.
pub struct Report {
    json: Value,
    markdown: String,
    summary: String,
    figures: Vec<(&'static str, String)>,
}

impl Report {
    pub fn new(compared: &Compared, costs: &[Cost], training: &[TrainingCost]) -> Self {
        let claims = claims::check(compared, costs, training);
        let summary = summary(costs, &claims);
        let colour = |policy: &str| {
            compared.policies.iter().position(|file| file.header.policy == policy).unwrap_or_default()
        };
        let over_time = |label: &str, value: fn(&CostPoint) -> f64| {
            let series = costs.iter().filter(|cost| cost.backend == "streaming").map(|cost| Series {
                name: name(cost),
                points: cost.points.iter().map(|p| (p.timestep as f64, value(p))).collect(),
                band: None,
                colour: colour(&cost.policy),
                reference: false,
            });
            let (x, y) = (Axis::log("Timestep of the episode"), Axis::log(label));
            Figure { title: None, x, y, series: series.collect(), levels: Vec::new() }.to_svg()
        };
        let update = {
            let series = compared.policies.iter().enumerate().map(|(colour, file)| Series {
                name: file.header.policy.clone(),
                points: training
                    .iter()
                    .filter(|cost| cost.policy == file.header.policy)
                    .map(|cost| (cost.context as f64, cost.update_ms))
                    .collect(),
                band: None,
                colour,
                reference: false,
            });
            let (x, y) = (Axis::log("Timesteps of a training window"), Axis::log("ms per update"));
            Figure { title: None, x, y, series: series.collect(), levels: Vec::new() }.to_svg()
        };
        let figures = vec![
            ("memory.svg", over_time("Bytes kept of the episode", |p| p.state_bytes as f64)),
            ("latency.svg", over_time("µs per environment step", |p| p.step_us_p50)),
            ("cumulative_time.svg", over_time("ms since the episode's start", |p| p.cumulative_ms)),
            ("training_cost.svg", update),
        ];
        let markdown = markdown(compared, costs, training, &claims);
        Self { json: to_json(compared, costs, training, &claims), markdown, summary, figures }
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.json)? + "\n";
        file::write(&folder.join("compare.json"), json.as_bytes())?;
        file::write(&folder.join("compare.md"), self.markdown.as_bytes())?;
        for (name, svg) in &self.figures {
            file::write(&folder.join(name), svg.as_bytes())?;
        }
        Ok(())
    }

    pub fn json(&self) -> String {
        self.json.to_string()
    }

    pub fn summary(&self) -> &str {
        &self.summary
    }
}

fn name(cost: &Cost) -> String {
    match cost.regime.as_str() {
        "unbounded" => cost.policy.clone(),
        regime => format!("{}, {regime}", cost.policy),
    }
}

fn to_json(compared: &Compared, costs: &[Cost], training: &[TrainingCost], claims: &[Claim]) -> Value {
    let rows: Vec<Value> = costs
        .iter()
        .flat_map(|cost| {
            cost.points.iter().map(move |p| {
                json!({
                    "policy": cost.policy, "backend": cost.backend, "regime": cost.regime, "timestep": p.timestep,
                    "step_us_p50": p.step_us_p50, "step_us_p99": p.step_us_p99, "cumulative_ms": p.cumulative_ms,
                    "state_bytes": p.state_bytes, "resident_bytes": p.resident_bytes,
                })
            })
        })
        .collect();
    let exponents: serde_json::Map<String, Value> = costs
        .iter()
        .map(|cost| {
            let key = format!("{}, {}, {}", cost.policy, cost.regime, cost.backend);
            (key, json!({ "memory": cost.memory_exponent, "cumulative_time": cost.time_exponent }))
        })
        .collect();
    json!({
        "name": compared.name, "rows": rows, "exponents": exponents, "training": training, "claims": claims,
        "protocol": {
            "env": compared.env, "trained": compared.trained, "threads": 1, "training_batch": BATCH,
            "aaren": env!("CARGO_PKG_VERSION"), "commit": env!("AAREN_COMMIT"),
        },
    })
}

fn summary(costs: &[Cost], claims: &[Claim]) -> String {
    let mut text = table(costs);
    text.push('\n');
    text += &claims_table(claims);
    text
}

/// Every policy at the last timestep, with its exponents.
fn table(costs: &[Cost]) -> String {
    let Some(last) = costs.first().and_then(|cost| cost.points.last()) else { return String::new() };
    let mut text = format!(
        "| policy | backend | roll-out | µs/step at {0} | p99 | episode of {0} | state bytes | grown by | memory ∝ t^ | time ∝ t^ |\n\
         |---|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        last.timestep
    );
    for cost in costs {
        let Some(last) = cost.points.last() else { continue };
        let exponent = |e: Option<f64>| e.map_or("–".into(), |e| format!("{e:.2}"));
        text += &format!(
            "| {} | {} | {} | {:.1} | {:.1} | {:.2} s | {} | {} | {} | {} |\n",
            cost.policy,
            cost.backend,
            cost.regime,
            last.step_us_p50,
            last.step_us_p99,
            last.cumulative_ms / 1e3,
            last.state_bytes,
            last.resident_bytes.map_or("–".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6)),
            exponent(cost.memory_exponent),
            exponent(cost.time_exponent),
        );
    }
    text
}

fn claims_table(claims: &[Claim]) -> String {
    let mut text = "| claim | here | measured |\n|---|---|---|\n".to_owned();
    for claim in claims {
        let holds = match claim.holds {
            Some(true) => "holds",
            Some(false) => "does not hold here",
            None => "not measured",
        };
        text += &format!("| {} | {holds} | {} |\n", claim.statement, claim.measured);
    }
    text
}

fn markdown(compared: &Compared, costs: &[Cost], training: &[TrainingCost], claims: &[Claim]) -> String {
    let weights = if compared.trained {
        "The policies are trained."
    } else {
        "The policies have their initial weights, which changes no cost."
    };
    let mut text = format!(
        "# {}: memory and time\n\n{weights} One thread; a step is one environment step (three tokens). Percentiles are \
         over the steps just before the timestep, of several episodes in turns; exponents are fitted from timestep {} on.\n\n",
        compared.name,
        crate::cost::FIT_FROM,
    );
    text += &table(costs);
    text += "\n## The paper's claims\n\n";
    text += &claims_table(claims);
    text += "\n## By timestep\n\n| policy | backend | roll-out | timestep | µs/step | p99 | cumulative ms | state bytes | grown by (bytes) |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n";
    for cost in costs {
        for p in &cost.points {
            text += &format!(
                "| {} | {} | {} | {} | {:.1} | {:.1} | {:.2} | {} | {} |\n",
                cost.policy,
                cost.backend,
                cost.regime,
                p.timestep,
                p.step_us_p50,
                p.step_us_p99,
                p.cumulative_ms,
                p.state_bytes,
                p.resident_bytes.map_or("–".into(), |b| b.to_string()),
            );
        }
    }
    text += &format!(
        "\n## Training\n\nOne update of {BATCH} windows in float32.\n\n| policy | timesteps | ms/update | peak memory |\n|---|---:|---:|---:|\n"
    );
    for cost in training {
        text += &format!(
            "| {} | {} | {:.1} | {} |\n",
            cost.policy,
            cost.context,
            cost.update_ms,
            cost.peak_bytes.map_or("–".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6)),
        );
    }
    text += "\n![Memory](memory.svg) ![Latency](latency.svg)\n\n![Cumulative time](cumulative_time.svg) ![Training cost](training_cost.svg)\n";
    if compared.with(EncoderKind::Transformer).and(compared.with(EncoderKind::Aaren)).is_some() {
        text += "\nA window that is recomputed costs the same at every timestep: over short episodes it is the \
                 Transformer's cheaper form, and it forgets what lies before it.\n";
    }
    text
}
