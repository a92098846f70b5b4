//! How long a step takes: 1, 16 and 64 episodes at once, caches warm and cold, this process alone and beside a load; the
//! median, the 99th percentile and the longest of many steps. Random weights of Hopper's sizes. One core acts; run it on
//! an idle machine.
//!
//! ```text
//! cargo run --release -p aaren-streaming --example latency -- [--steps 100000] [--cold-steps 1000] [--width 128]
//!     [--layers 3] [--batches 1,16,64] [--only aaren] [--out FOLDER]
//! ```
//!
//! `--policies FOLDER` writes the policies of constant state as files instead, for other runtimes to act from. With
//! `--out` it writes `latency-WIDTH.md`, `.csv` and `.svg`, a picture of µs over episodes. Warm caches hold what
//! the steps before left there. Before a cold step 64 MB are written, more than any cache holds; it takes
//! milliseconds, so that there are fewer of them. The load writes 64 MB again and again on every core.

#![allow(clippy::print_stderr, reason = "a program of its own")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aaren_streaming::{Options, Policy, Precision, Regime, quantise};
use common::{Cloning, Config, Random};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const FLUSH: usize = 64 << 20;
/// Timesteps of an episode, as in Hopper: a growing cache has 3000 tokens at its end.
const EPISODE: usize = 1000;
/// No row is measured for longer, with one episode and with several; a row says how many steps it has.
const LONGEST: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(4)];

struct Plan {
    steps: usize,
    cold_steps: usize,
    width: usize,
    layers: usize,
    batches: Vec<usize>,
    only: Option<String>,
    out: Option<std::path::PathBuf>,
    policies: Option<std::path::PathBuf>,
}

impl Plan {
    fn from_args() -> Outcome<Plan> {
        let mut plan = Plan {
            steps: 100_000,
            cold_steps: 1000,
            width: 128,
            layers: 3,
            batches: vec![1, 16, 64],
            only: None,
            out: None,
            policies: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} takes a value"))?;
            match arg.as_str() {
                "--steps" => plan.steps = value.parse()?,
                "--cold-steps" => plan.cold_steps = value.parse()?,
                "--width" => plan.width = value.parse()?,
                "--layers" => plan.layers = value.parse()?,
                "--batches" => plan.batches = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--only" => plan.only = Some(value),
                "--out" => plan.out = Some(value.into()),
                "--policies" => plan.policies = Some(value.into()),
                _ => return Err(format!("found {arg}, expected an option that `latency.rs` names").into()),
            }
        }
        Ok(plan)
    }
}

/// A policy with its memory.
struct Contender {
    name: &'static str,
    weights: &'static str,
    policy: Policy,
    regime: Regime,
}

fn contenders(plan: &Plan) -> Outcome<Vec<Contender>> {
    let of = |encoder| Config::new(encoder, plan.width, plan.layers, 4).fixture(0).bytes();
    let cloning =
        Cloning { width: plan.width, layers: plan.layers, observation: 11, actions: 3, discrete: false };
    let keyed = |keys| {
        let positions = "rotary";
        Config { recency: "gated", positions, keys, ..Config::new("aaren", plan.width, plan.layers, 4) }
    };
    let policies = [
        ("aaren", of("aaren"), Regime::Unbounded),
        ("aaren, gated, rotary", keyed(1).fixture(0).bytes(), Regime::Unbounded),
        ("aaren, gated, rotary, 16 keys", keyed(16).fixture(0).bytes(), Regime::Unbounded),
        ("gru", of("gru"), Regime::Unbounded),
        ("lstm", of("lstm"), Regime::Unbounded),
        ("mingru", of("mingru"), Regime::Unbounded),
        ("gated-delta", of("gated-delta"), Regime::Unbounded),
        ("transformer, sliding 20", of("transformer"), Regime::Sliding(20)),
        ("transformer, growing", of("transformer"), Regime::Unbounded),
        ("perceptron", cloning.fixture(0).bytes(), Regime::Unbounded),
    ];
    let mut all = Vec::new();
    for (name, bytes, regime) in policies {
        if plan.only.as_ref().is_some_and(|only| !name.starts_with(only.as_str())) {
            continue;
        }
        let bfloat16 = Options { precision: Precision::Bfloat16, ..Options::default() };
        for (weights, policy) in [
            ("float32", Policy::from_bytes(&bytes)?),
            ("bfloat16", Policy::from_bytes_with(&bytes, bfloat16)?),
            ("int8", Policy::from_bytes(&quantise(&bytes)?.bytes)?),
        ] {
            all.push(Contender { name, weights, policy, regime });
        }
    }
    Ok(all)
}

struct Row {
    name: &'static str,
    weights: &'static str,
    kilobytes: f64,
    batch: usize,
    caches: &'static str,
    machine: &'static str,
    steps: usize,
    /// In µs: median, 99th percentile, longest.
    times: [f64; 3],
}

fn main() -> Outcome<()> {
    let plan = Plan::from_args()?;
    let cores = std::thread::available_parallelism()?.get();
    if let Some(folder) = &plan.policies {
        std::fs::create_dir_all(folder)?;
        for encoder in ["aaren", "gru"] {
            let bytes = Config::new(encoder, plan.width, plan.layers, 4).fixture(0).bytes();
            std::fs::write(folder.join(format!("{encoder}.safetensors")), bytes)?;
        }
        return Ok(());
    }
    let contenders = contenders(&plan)?;
    let mut rows = Vec::new();
    for machine in ["alone", "loaded"] {
        let stop = AtomicBool::new(machine == "alone");
        std::thread::scope(|scope| -> Outcome<()> {
            for _ in 0..cores {
                scope.spawn(|| {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let mut memory = vec![0u8; FLUSH];
                    let mut n = 0u8;
                    while !stop.load(Relaxed) {
                        n = n.wrapping_add(1);
                        std::hint::black_box(&mut memory).fill(n);
                    }
                });
            }
            let measured = all(&plan, &contenders, machine, &mut rows);
            stop.store(true, Relaxed);
            measured
        })?;
    }
    let title = format!(
        "One step of {} layers of width {}, Hopper's 11 observations and 3 actions, on {} ({}): µs by episodes at once, \
         caches and load. Written by `--example latency`.",
        plan.layers,
        plan.width,
        processor(),
        contenders.first().map_or(String::new(), |c| format!("{:?}, {cores} cores", c.policy.instructions())),
    );
    let table = table(&title, &rows);
    print!("{table}");
    if let Some(folder) = &plan.out {
        std::fs::create_dir_all(folder)?;
        let to = |extension: &str| folder.join(format!("latency-{}.{extension}", plan.width));
        std::fs::write(to("md"), table)?;
        std::fs::write(to("csv"), csv(&rows))?;
        std::fs::write(to("svg"), picture(&plan, &rows))?;
    }
    Ok(())
}

fn all(plan: &Plan, contenders: &[Contender], machine: &'static str, rows: &mut Vec<Row>) -> Outcome<()> {
    let mut flush = vec![0u8; FLUSH];
    for contender in contenders {
        for &batch in &plan.batches {
            for (caches, steps) in [("warm", plan.steps), ("cold", plan.cold_steps)] {
                let mut times = times(contender, batch, steps, (caches == "cold").then_some(&mut flush))?;
                times.sort_by(f64::total_cmp);
                let at = |quantile: f64| times[((times.len() - 1) as f64 * quantile) as usize];
                rows.push(Row {
                    name: contender.name,
                    weights: contender.weights,
                    kilobytes: contender.policy.encoder_bytes() as f64 / 1000.0,
                    batch,
                    caches,
                    machine,
                    steps: times.len(),
                    times: [at(0.5), at(0.99), at(1.0)],
                });
                eprintln!("{} {} {batch} {caches} {machine}", contender.name, contender.weights);
            }
        }
    }
    Ok(())
}

/// Microseconds of steps of whole episodes; the first of each episode counts too.
fn times(
    contender: &Contender,
    batch: usize,
    steps: usize,
    mut flush: Option<&mut Vec<u8>>,
) -> Outcome<Vec<f64>> {
    let mut streams = contender.policy.streams_with(contender.regime, batch)?;
    let size = contender.policy.observation_size();
    let mut random = Random(1);
    // Made beforehand, so that nothing of it is in the caches' way.
    let observations: Vec<Vec<f64>> =
        (0..64).map(|_| (0..batch * size).map(|_| random.uniform()).collect()).collect();
    let rewards = vec![1.0; batch];
    let mut times = Vec::with_capacity(steps);
    // What is cold is few: it begins in the middle of an episode's length.
    let mut t = if flush.is_some() { EPISODE / 2 } else { 0 };
    for _ in 0..t {
        streams.act(&observations[0], &rewards)?;
    }
    let begun = Instant::now();
    while times.len() < steps && begun.elapsed() < LONGEST[usize::from(batch > 1)] {
        if t == EPISODE {
            (0..batch).for_each(|i| streams.reset(i, 3600.0));
            t = 0;
        }
        if let Some(flush) = &mut flush {
            std::hint::black_box(&mut **flush).fill(t as u8);
        }
        let start = Instant::now();
        streams.act(&observations[t % observations.len()], &rewards)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        t += 1;
    }
    Ok(times)
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())
}

fn table(title: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{title}\n\n| policy | weights | kB | episodes | caches | machine | p50, µs | p99, µs | longest, µs | steps |\n\
         |--------|---------|---:|---------:|--------|---------|--------:|--------:|------------:|------:|\n"
    );
    for row in rows {
        let Row { name, weights, kilobytes, batch, caches, machine, steps, times: [p50, p99, longest] } = row;
        let _ = writeln!(
            text,
            "| {name} | {weights} | {kilobytes:.0} | {batch} | {caches} | {machine} | {p50:.1} | {p99:.1} | \
             {longest:.0} | {steps} |"
        );
    }
    text
}

fn csv(rows: &[Row]) -> String {
    let mut text =
        "policy,weights,kilobytes,episodes,caches,machine,p50_us,p99_us,longest_us,steps\n".to_owned();
    for Row { name, weights, kilobytes, batch, caches, machine, steps, times: [p50, p99, longest] } in rows {
        let _ = writeln!(
            text,
            "\"{name}\",{weights},{kilobytes},{batch},{caches},{machine},{p50},{p99},{longest},{steps}"
        );
    }
    text
}

/// Medians alone on the machine, warm on the left and cold on the right: µs over episodes, both logarithmic. A policy
/// is a colour, a precision a dash.
fn picture(plan: &Plan, rows: &[Row]) -> String {
    const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"];
    let (wide, high, left, top) = (320.0, 300.0, 60.0, 40.0);
    let shown: Vec<&Row> = rows.iter().filter(|row| row.machine == "alone").collect();
    let range = |of: &dyn Fn(&Row) -> f64| {
        shown.iter().map(|row| of(row).ln()).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)))
    };
    let ((x0, x1), (y0, y1)) = (range(&|row| row.batch as f64), range(&|row| row.times[0]));
    let place = |row: &Row, panel: usize| {
        let x = (((row.batch as f64).ln() - x0) / (x1 - x0).max(1e-9)) * wide;
        let y = high - ((row.times[0].ln() - y0) / (y1 - y0).max(1e-9)) * high;
        (left + panel as f64 * (wide + 40.0) + x, top + y)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"420\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"960\" height=\"420\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"16\" font-size=\"14\">Median time of a step, µs, over episodes at once (width {})</text>\n",
        plan.width
    );
    let mut names: Vec<&str> = Vec::new();
    for row in &shown {
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    for (panel, caches) in ["warm", "cold"].into_iter().enumerate() {
        let at = left + panel as f64 * (wide + 40.0);
        let _ = writeln!(
            svg,
            "<text x=\"{at}\" y=\"34\">{caches} caches</text><rect x=\"{at}\" y=\"{top}\" width=\"{wide}\" \
             height=\"{high}\" fill=\"none\" stroke=\"#999\"/>"
        );
        for &batch in &plan.batches {
            let x = at + (((batch as f64).ln() - x0) / (x1 - x0).max(1e-9)) * wide;
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{batch}</text>",
                top + high + 18.0
            );
        }
        for exponent in 0..7 {
            for (step, label) in [(1.0, true), (2.0, false), (5.0, false)] {
                let us = step * 10f64.powi(exponent);
                if !(y0..=y1).contains(&us.ln()) {
                    continue;
                }
                let y = top + high - ((us.ln() - y0) / (y1 - y0).max(1e-9)) * high;
                let _ = writeln!(
                    svg,
                    "<line x1=\"{at}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#eee\"/>",
                    at + wide
                );
                if panel == 0 && (label || y1 - y0 < 4.0) {
                    let _ = writeln!(
                        svg,
                        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{us}</text>",
                        at - 6.0,
                        y + 4.0
                    );
                }
            }
        }
        for (name, colour) in names.iter().zip(COLOURS) {
            for (weights, dash) in [("float32", ""), ("bfloat16", "6 3"), ("int8", "2 3")] {
                let line: Vec<String> = shown
                    .iter()
                    .filter(|row| row.name == *name && row.weights == weights && row.caches == caches)
                    .map(|row| place(row, panel))
                    .map(|(x, y)| format!("{x:.1},{y:.1}"))
                    .collect();
                let _ = writeln!(
                    svg,
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
                     stroke-dasharray=\"{dash}\"/>",
                    line.join(" ")
                );
            }
        }
    }
    for (i, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
        let y = top + 20.0 * i as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"790\" x2=\"814\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"820\" \
             y=\"{}\">{name}</text>",
            y + 4.0
        );
    }
    for (i, (weights, dash)) in
        [("float32", ""), ("bfloat16", "6 3"), ("int8", "2 3")].into_iter().enumerate()
    {
        let y = top + 20.0 * (names.len() + 1 + i) as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"790\" x2=\"814\" y1=\"{y}\" y2=\"{y}\" stroke=\"#333\" stroke-width=\"2\" \
             stroke-dasharray=\"{dash}\"/><text x=\"820\" y=\"{}\">{weights}</text>",
            y + 4.0
        );
    }
    svg + "</svg>\n"
}
