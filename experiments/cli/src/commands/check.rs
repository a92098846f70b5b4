//! `aaren check`: whether a device computes what the CPU does, and how fast; a table to paste into an issue.

use std::path::Path;
use std::time::Duration;

use aaren_agents::{AgentConfig, Checkpoint, DecisionConfig, Task, Trainer};
use aaren_datasets::Dataset;
use aaren_encoders::open_device;
use aaren_encoders::scan::{Prefix, chunked, hillis_steele, recurrence};
use aaren_format::{EncoderKind, Mixer, Positions, Precision, Recency, Settings};
use aaren_reports::Table;
use aaren_runs::stand_in::{dataset, hopper, trainer};
use aaren_runs::{measure, output, provenance};
use aaren_spec::Provenance;
use anyhow::{Context, Result, bail};
use tch::{Device, Kind, Tensor};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren check --device cuda
  aaren check --device cpu

Prints Markdown. Exit status 1: a difference is larger than allowed; 2: there
is no such device. `--device cpu` compares the CPU with itself; the first lines
say which libtorch and MuJoCo are used.")]
pub struct Args {
    /// The device to check: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cuda")]
    pub device: aaren_format::Device,
}

/// How much is computed.
struct Sizes {
    width: usize,
    batch: usize,
    /// Tokens of a scan: a last chunk that is not full.
    tokens: i64,
    /// Of measuring each speed.
    seconds: f64,
}

const SIZES: Sizes = Sizes { width: 128, batch: 64, tokens: 200, seconds: 1.0 };

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let (device, compared) = match open_device(args.device)? {
        Device::Cpu => {
            (Device::Cpu, "The CPU is compared with itself: a second run with the first.".to_owned())
        }
        device => (device, format!("{device:?} is compared with the CPU.")),
    };
    let gpus = gpus(Path::new("/proc/driver/nvidia/gpus"));
    let report = report(device, &SIZES)?;
    let Provenance { aaren, commit, mujoco, machine, .. } = provenance::here();
    let processor = machine.map_or_else(|| std::env::consts::ARCH.into(), |machine| machine.processor);
    output::print(format_args!(
        "`aaren check --device {}`: aaren {aaren}, commit {commit}, libtorch {}, MuJoCo {mujoco}, {processor}, {} threads, {}\n\n\
         {compared}\n\n{}\n{}",
        args.device,
        provenance::LIBTORCH,
        tch::get_num_threads(),
        if gpus.is_empty() { "no NVIDIA GPU".into() } else { gpus.join(", ") },
        report.differences.to_markdown(),
        report.speeds.to_markdown()
    ))?;
    if report.failed > 0 {
        bail!("{} of the differences are larger than allowed", report.failed);
    }
    Ok(())
}

/// The models that NVIDIA's driver lists.
fn gpus(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let model =
        |text: String| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned());
    entries
        .filter_map(|entry| model(std::fs::read_to_string(entry.path().join("information")).ok()?))
        .collect()
}

struct Report {
    differences: Table,
    speeds: Table,
    failed: usize,
}

impl Report {
    fn new() -> Self {
        let differences = Table::new(2, ["check", "compared", "largest difference", "allowed", "verdict"]);
        Self { differences, speeds: Table::new(1, ["updates/s", "CPU", "device", "ratio"]), failed: 0 }
    }

    /// `difference` is relative to the largest number there is.
    fn add(&mut self, what: &str, compared: &str, difference: f64, allowed: f64) {
        let fine = difference <= allowed;
        self.failed += usize::from(!fine);
        let numbers = [format!("{difference:.1e}"), format!("{allowed:.0e}")];
        let verdict = if fine { "ok" } else { "TOO LARGE" };
        let [difference, allowed] = numbers;
        self.differences.row([what.to_owned(), compared.to_owned(), difference, allowed, verdict.to_owned()]);
    }
}

fn report(device: Device, sizes: &Sizes) -> Result<Report> {
    let mut report = Report::new();
    scans(device, sizes, &mut report);
    let (agents, task) = agents(sizes);
    let data = dataset(&task, 4);
    for (name, agent) in &agents {
        losses(name, agent, &task, &data, device, &mut report)?;
    }
    for (name, agent) in &agents {
        resumed(name, agent, &task, &data, device, &mut report)?;
    }
    for (name, agent) in agents.iter().filter(|(name, _)| ["aaren", "transformer", "gru"].contains(name)) {
        for precision in [Precision::Float32, Precision::Bfloat16] {
            let [cpu, device] = [Device::Cpu, device].map(|device| {
                speed(
                    &mut trainer(&AgentConfig::new(agent), &task, &data, sizes.batch, precision, device)?,
                    sizes,
                )
            });
            let (cpu, device) = (cpu?, device?);
            let what = format!("{name}, {}", precision.name());
            report.speeds.row([
                what,
                format!("{cpu:.1}"),
                format!("{device:.1}"),
                format!("{:.1}", device / cpu),
            ]);
        }
    }
    Ok(report)
}

/// Every encoder, every way an Aaren forgets, and every way to tell timesteps.
fn agents(sizes: &Sizes) -> (Vec<(&'static str, DecisionConfig)>, Task) {
    let aaren = [
        ("aaren", Recency::None),
        ("aaren, learned", Recency::Learned),
        ("aaren, spread", Recency::Spread),
        ("aaren, gated", Recency::Gated),
    ];
    let others = EncoderKind::ALL
        .into_iter()
        .filter(|&kind| kind != EncoderKind::Aaren)
        .map(|kind| (kind.name(), kind));
    let agent = |encoder, recency| {
        let (mut agent, _) = hopper(encoder, 1);
        agent.model.width = sizes.width;
        agent.model.mixer = Mixer::new(encoder, Settings { heads: 4, recency, ..Settings::default() });
        agent
    };
    let mut keyed = agent(EncoderKind::Aaren, Recency::Gated);
    let settings = Settings { keys: 16, ..keyed.model.mixer.settings() };
    (keyed.model.positions, keyed.model.mixer) =
        (Positions::Rotary, Mixer::new(EncoderKind::Aaren, settings));
    let mut banded = agent(EncoderKind::Transformer, Recency::None);
    banded.variation.band = 5;
    let agents = (aaren.iter().map(|&(name, recency)| (name, agent(EncoderKind::Aaren, recency))))
        .chain(others.map(|(name, encoder)| (name, agent(encoder, Recency::None))))
        .chain(
            [
                ("aaren, gated, rotary", Positions::Rotary, agent(EncoderKind::Aaren, Recency::Gated)),
                ("transformer, rotary", Positions::Rotary, agent(EncoderKind::Transformer, Recency::None)),
                ("transformer, alibi", Positions::Alibi, agent(EncoderKind::Transformer, Recency::None)),
                ("gated-delta, rotary", Positions::Rotary, agent(EncoderKind::GatedDelta, Recency::None)),
            ]
            .map(|(name, positions, mut agent)| {
                agent.model.positions = positions;
                (name, agent)
            }),
        )
        .chain([("aaren, gated, 16 keys, rotary", keyed), ("transformer, band 5", banded)]);
    (agents.collect(), hopper(EncoderKind::Aaren, 1).1)
}

/// The largest difference, relative to the largest number expected; NaN where there is one.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    let plain = |x: &Tensor| x.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    let (found, expected) = (plain(found), plain(expected));
    let largest = expected.abs().max().double_value(&[]).max(f64::MIN_POSITIVE);
    (found - expected).abs().max().double_value(&[]) / largest
}

/// The largest of some differences, NaN if one is.
fn largest(differences: impl IntoIterator<Item = f64>) -> f64 {
    differences.into_iter().fold(0.0, |most, x| if x.is_nan() || x > most { x } else { most })
}

/// Outputs, and gradients of scores, values and decays.
fn scans(device: Device, sizes: &Sizes, report: &mut Report) {
    type Scan = fn(&Tensor, &Tensor, Option<&Tensor>, &Prefix) -> Tensor;
    let forms: [(&str, Scan); 3] = [
        ("hillis_steele", |s, v, decay, state| hillis_steele(s, v, decay, state).0),
        ("chunked", |s, v, decay, state| chunked(s, v, decay, Some(state)).0),
        ("recurrence", |s, v, decay, state| {
            let length = s.size()[2];
            let first = |x: &Tensor| x.shallow_clone();
            let mut prefix =
                Prefix { max: first(&state.max), weight: first(&state.weight), value: first(&state.value) };
            let outputs: Vec<Tensor> = (0..length)
                .map(|token| {
                    let decay = decay.map(|decay| {
                        if decay.dim() == 2 { decay.squeeze_dim(-1) } else { decay.select(2, token) }
                    });
                    prefix = recurrence(&s.select(2, token), &v.select(2, token), decay.as_ref(), &prefix);
                    prefix.output()
                })
                .collect();
            Tensor::stack(&outputs, 2)
        }),
    ];
    tch::manual_seed(0);
    let (batch, heads, width, cpu) = (4, 4, 32, (Kind::Float, Device::Cpu));
    let scores = Tensor::randn([batch, heads, sizes.tokens], cpu) * 4.0;
    let values = Tensor::randn([batch, heads, sizes.tokens, width], cpu);
    let weights = values.randn_like();
    let decays = [
        None,
        Some(Tensor::rand([heads, 1], cpu)),
        Some((Tensor::randn([batch, heads, sizes.tokens], cpu) - 2.0).exp()),
    ];
    let compute = |scan: Scan, decay: Option<&Tensor>, device: Device| {
        let leaf = |x: &Tensor| x.to_device(device).copy().detach().set_requires_grad(true);
        let (scores, values, decay) = (leaf(&scores), leaf(&values), decay.map(leaf));
        let state = Prefix::empty(batch, heads, width, (Kind::Float, device));
        let outputs = scan(&scores, &values, decay.as_ref(), &state);
        (&outputs * weights.to_device(device)).sum(Kind::Float).backward();
        let gradients: Vec<Tensor> =
            [Some(scores), Some(values), decay].iter().flatten().map(Tensor::grad).collect();
        (outputs, gradients)
    };
    for (name, scan) in forms {
        let both = decays.iter().map(|decay| {
            let (expected, slopes) = compute(scan, decay.as_ref(), Device::Cpu);
            let (found, theirs) = compute(scan, decay.as_ref(), device);
            let slopes = theirs.iter().zip(&slopes).map(|(found, expected)| difference(found, expected));
            (difference(&found, &expected), largest(slopes))
        });
        let (outputs, gradients): (Vec<f64>, Vec<f64>) = both.unzip();
        report.add(
            &format!("scan: {name}"),
            "outputs with no, equal and each token's decay",
            largest(outputs),
            1e-4,
        );
        report.add(
            &format!("scan: {name}"),
            "gradients of scores, values and decays",
            largest(gradients),
            1e-3,
        );
    }
}

/// Rows of a batch where nothing is timed.
const FEW: usize = 8;
const UPDATES: usize = 3;

/// Losses and norms of the gradient of the first updates, from the same weights on the same batches.
fn losses(
    name: &str,
    agent: &DecisionConfig,
    task: &Task,
    data: &Dataset,
    device: Device,
    report: &mut Report,
) -> Result<()> {
    // Each device draws its own dropout.
    let still = AgentConfig::new(&DecisionConfig { dropout: 0.0, ..*agent });
    let make = |precision, device| trainer(&still, task, data, FEW, precision, device);
    let mut first = make(Precision::Float32, Device::Cpu)?;
    let weights = first.checkpoint("check", serde_json::Value::Null)?;
    let mut second = make(Precision::Float32, device)?;
    second.restore(&weights)?;
    let mut short = make(Precision::Bfloat16, device)?;
    short.restore(&weights)?;
    let half = short.update()?.loss;
    let mut differences = Vec::new();
    for update in 0..UPDATES {
        let (expected, found) = (first.update()?, second.update()?);
        differences.push(difference(&found.loss, &expected.loss));
        let others = found.others.iter().zip(&expected.others);
        differences.extend(others.map(|((_, found), (_, expected))| difference(found, expected)));
        if update == 0 {
            report.add(
                &format!("{name}, bfloat16"),
                "loss, with float32 on the CPU",
                difference(&half, &expected.loss),
                3e-2,
            );
        }
    }
    report.add(
        &format!("{name}, float32"),
        "loss and norm of the gradient, 3 updates",
        largest(differences),
        1e-3,
    );
    Ok(())
}

/// The update after a checkpoint, with the one of the run that was not interrupted; dropout and moments included.
fn resumed(
    name: &str,
    agent: &DecisionConfig,
    task: &Task,
    data: &Dataset,
    device: Device,
    report: &mut Report,
) -> Result<()> {
    let agent = AgentConfig::new(agent);
    let make = || trainer(&agent, task, data, FEW, Precision::Float32, device);
    let mut whole = make()?;
    (0..2).try_for_each(|_| whole.update().map(drop))?;
    let file = std::env::temp_dir().join(format!("aaren-check-{}.safetensors", std::process::id()));
    whole.checkpoint("check", serde_json::Value::Null)?.save(&file)?;
    let checkpoint = Checkpoint::load(&file, "check");
    std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
    let mut again: Trainer = make()?;
    again.restore(&checkpoint?)?;
    let (expected, found) = (whole.update()?, again.update()?);
    let parameters = [&again, &whole].map(|trainer| trainer.network().named_parameters());
    let of_weights = parameters[0].iter().zip(&parameters[1]).map(|((_, a), (_, b))| difference(a, b));
    let all = largest(of_weights.chain([difference(&found.loss, &expected.loss)]));
    report.add(
        &format!("{name}, resumed"),
        "loss and weights, with the run that went on, on the device",
        all,
        1e-5,
    );
    Ok(())
}

/// Updates per second.
fn speed(trainer: &mut Trainer, sizes: &Sizes) -> Result<f64> {
    measure::updates(trainer, 2, Duration::MAX)?;
    let seconds = measure::updates(trainer, usize::MAX, Duration::from_secs_f64(sizes.seconds))?;
    Ok(seconds.len() as f64 / seconds.iter().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Sizes = Sizes { width: 8, batch: 4, tokens: 70, seconds: 0.01 };

    /// The CPU computes what it computed before, resumes to the last bit, and bfloat16 is near float32.
    #[test]
    fn the_cpu_is_equal_to_itself() {
        let report = report(Device::Cpu, &SMALL).unwrap();
        let table = report.differences.to_markdown();
        assert_eq!(report.failed, 0, "{table}");
        let rows: Vec<&str> = table.lines().skip(2).collect();
        // Scans: three forms; fifteen agents: two precisions and a resumed update.
        assert_eq!(rows.len(), 3 * 2 + 15 * 3, "{table}");
        let mut rounded = 0;
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            if row.contains("bfloat16") {
                rounded += usize::from(cells[3] != "0.0e0");
            } else {
                assert_eq!(cells[3], "0.0e0", "{row}");
            }
        }
        assert!(rounded >= 14, "bfloat16 does round: {table}");
        assert_eq!(report.speeds.to_markdown().lines().count(), 2 + 6);
    }

    #[test]
    fn what_differs_is_found() {
        let (mut report, ones) = (Report::new(), Tensor::ones([3], (Kind::Float, Device::Cpu)));
        let nearly = &ones + Tensor::from_slice(&[0.0_f32, 2e-3, 0.0]);
        assert!((difference(&nearly, &ones) - 2e-3).abs() < 1e-6);
        assert!(difference(&(&nearly * f64::NAN), &ones).is_nan());
        assert!(largest([0.0, f64::NAN, 1.0]).is_nan() && largest([0.0, 2.0, 1.0]) == 2.0);
        for (number, failed) in [(1e-4, 0), (1e-2, 1), (f64::NAN, 2)] {
            report.add("x", "y", number, 1e-3);
            assert_eq!(report.failed, failed);
        }
        assert!(report.differences.to_markdown().contains("TOO LARGE"));
    }

    #[test]
    fn the_driver_names_its_gpus() {
        let folder = tempfile::tempdir().unwrap();
        assert!(gpus(&folder.path().join("none")).is_empty());
        let gpu = folder.path().join("0000:01:00.0");
        std::fs::create_dir(&gpu).unwrap();
        std::fs::write(gpu.join("information"), "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   18\n").unwrap();
        assert_eq!(gpus(folder.path()), ["NVIDIA H100 80GB HBM3"]);
    }
}
