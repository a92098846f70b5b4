//! The encoders beyond reinforcement learning: forecasting a multivariate series (§4.3 of *Attention as an RNN*,
//! arXiv 2405.13956), in the protocol of the electricity transformer benchmark.
//!
//! ```text
//! OMP_NUM_THREADS=1 cargo run --release -p aaren-encoders --example forecasting -- ETTh1.csv
//! ```
//!
//! From 96 hours of all channels the next 336 are predicted; 12 months (of 30 days) train, 4 choose the epoch, 4
//! test. Channels are standardised by the training part, and each window again by its own mean and standard
//! deviation (instance normalisation, Kim et al. 2022). Errors are means over all windows and channels of the
//! test part, of the standardised series.

#![allow(clippy::print_stderr, reason = "an example without the framework")]

use std::process::ExitCode;

use aaren_encoders::{Encoder, Pass, Wanted, linear};
use aaren_format::{EncoderKind, Mixer, Model, Norm, Positions};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, IndexOp, Kind, Reduction, Tensor};

/// Hours that a forecast sees.
const INPUT: i64 = 96;
/// Hours that it tells.
const HORIZON: i64 = 336;
/// Hours of a month of the benchmark.
const MONTH: i64 = 30 * 24;
/// The paper's row for ETTh1 and 336 hours: mean squared and mean absolute error, both encoders.
const PAPER: (f64, f64) = (0.65, 0.55);
const SEEDS: [i64; 3] = [0, 1, 2];

/// How long a training is, and how large what it trains.
#[derive(Clone, Copy)]
struct Settings {
    input: i64,
    horizon: i64,
    width: usize,
    layers: usize,
    dropout: f64,
    batch: i64,
    learning_rate: f64,
    epochs: usize,
    /// Epochs without a lower validation error after which it ends.
    patience: usize,
}

const BENCHMARK: Settings = Settings {
    input: INPUT,
    horizon: HORIZON,
    width: 64,
    layers: 2,
    dropout: 0.1,
    batch: 32,
    learning_rate: 3e-4,
    epochs: 10,
    patience: 3,
};

/// Rows of training, validation and test part, one after the other from the beginning.
type Split = [i64; 3];

/// The parts of a series, `[rows, channels]`, standardised by the training part. Validation and test begin an
/// input earlier than their first forecast.
struct Series {
    training: Tensor,
    validation: Tensor,
    test: Tensor,
}

impl Series {
    /// # Errors
    /// Where there are fewer rows than the split asks for.
    fn new(rows: &Tensor, split: Split, input: i64) -> Result<Self, String> {
        let [training, validation, test] = split;
        let (found, expected) = (rows.size()[0], split.iter().sum());
        if found < expected {
            return Err(format!("found {found} rows, expected {expected} for training, validation and test"));
        }
        let known = rows.i(..training);
        let (mean, std) = (known.mean_dim(0, true, Kind::Float), known.std_dim(0, false, true));
        let rows = (rows - mean) / std.clamp_min(1e-6);
        let from = |start: i64, length: i64| rows.narrow(0, start - input, length + input);
        Ok(Self {
            training: rows.i(..training),
            validation: from(training, validation),
            test: from(training + validation, test),
        })
    }
}

/// The numbers of a CSV whose first column is a date and whose first line names the columns: `[rows, channels]`.
///
/// # Errors
/// The first line that holds something else.
fn parse(text: &str) -> Result<Tensor, String> {
    let mut lines = text.lines().enumerate();
    let columns = lines.next().map_or(0, |(_, head)| head.split(',').count());
    if columns < 2 {
        return Err("line 1: found fewer than two columns, expected a date and at least one channel".into());
    }
    let mut numbers: Vec<f32> = Vec::new();
    for (index, line) in lines {
        let before = numbers.len();
        for field in line.split(',').skip(1) {
            let number = field.trim().parse().ok().filter(|x: &f32| x.is_finite());
            numbers.push(
                number.ok_or_else(|| {
                    format!("line {}: found {field:?}, expected a finite number", index + 1)
                })?,
            );
        }
        if numbers.len() - before != columns - 1 {
            let found = numbers.len() - before + 1;
            return Err(format!("line {}: found {found} columns, expected {columns}", index + 1));
        }
    }
    Ok(Tensor::from_slice(&numbers).view([-1, columns as i64 - 1]))
}

/// Hours as tokens, an encoder over them, and the forecast read at the last one.
struct Forecaster {
    embed: nn::Linear,
    position: Tensor,
    norm: nn::LayerNorm,
    encoder: Encoder,
    head: nn::Linear,
    settings: Settings,
}

impl Forecaster {
    fn new(path: &nn::Path, kind: EncoderKind, channels: i64, settings: Settings) -> Self {
        let width = settings.width as i64;
        let model = Model {
            width: settings.width,
            layers: settings.layers,
            norm: Norm::Post,
            past_actions: true,
            positions: Positions::Timestep,
            mixer: Mixer::new(kind, aaren_format::Settings { heads: 4, ..Default::default() }),
        };
        let small = nn::Init::Randn { mean: 0.0, stdev: 0.02 };
        Self {
            embed: linear(path / "embed", channels, width),
            position: path.var("position", &[settings.input, width], small),
            norm: nn::layer_norm(path / "norm_in", vec![width], Default::default()),
            encoder: Encoder::new(path, &model, settings.dropout, 1000).expect("a possible model"),
            head: linear(path / "head", width, settings.horizon * channels),
            settings,
        }
    }

    /// The forecast `[batch, horizon, channels]` for `x` `[batch, input, channels]`.
    fn forecast(&self, x: &Tensor, pass: Pass) -> Tensor {
        let (batch, input, channels) = x.size3().expect("[batch, input, channels]");
        let mean = x.mean_dim(1, true, Kind::Float);
        let std = (x.var_dim(1, false, true) + 1e-5).sqrt();
        let tokens = self.embed.forward(&((x - &mean) / &std)) + &self.position;
        let last = Wanted::Every { stride: input, offset: input - 1 };
        let (outputs, _) = self.encoder.forward(&self.norm.forward(&tokens), None, None, last, pass);
        let forecast = self.head.forward(&outputs).view([batch, self.settings.horizon, channels]);
        forecast * std + mean
    }
}

/// Inputs `[starts, input, channels]` and what follows them `[starts, horizon, channels]`.
fn windows(part: &Tensor, starts: &Tensor, settings: Settings) -> (Tensor, Tensor) {
    let Settings { input, horizon, .. } = settings;
    let steps = Tensor::arange(input + horizon, (Kind::Int64, Device::Cpu));
    let rows = (starts.unsqueeze(1) + steps).view([-1]);
    let window = part.index_select(0, &rows).view([-1, input + horizon, part.size()[1]]);
    (window.narrow(1, 0, input), window.narrow(1, input, horizon))
}

/// How many windows a part has.
fn count(part: &Tensor, settings: Settings) -> i64 {
    part.size()[0] - settings.input - settings.horizon + 1
}

/// Mean squared and mean absolute error over all windows of a part.
fn errors(forecaster: &Forecaster, part: &Tensor) -> (f64, f64) {
    let _guard = tch::no_grad_guard();
    let (mut squared, mut absolute, settings) = (0.0, 0.0, forecaster.settings);
    let starts = Tensor::arange(count(part, settings), (Kind::Int64, Device::Cpu));
    for starts in starts.split(256, 0) {
        let (x, y) = windows(part, &starts, settings);
        let off = forecaster.forecast(&x, Pass::Inference) - y;
        squared += off.square().sum(Kind::Double).double_value(&[]);
        absolute += off.abs().sum(Kind::Double).double_value(&[]);
    }
    let numbers = (count(part, settings) * settings.horizon * part.size()[1]) as f64;
    (squared / numbers, absolute / numbers)
}

/// Trains on the training part; the errors on the test part after the epoch with the least squared error on the
/// validation part.
fn train(series: &Series, kind: EncoderKind, seed: i64, settings: Settings) -> (f64, f64) {
    tch::manual_seed(seed);
    let store = nn::VarStore::new(Device::Cpu);
    let forecaster = Forecaster::new(&store.root(), kind, series.training.size()[1], settings);
    let mut optimizer = nn::AdamW::default().build(&store, settings.learning_rate).expect("an optimiser");
    let (mut best, mut tested, mut since) = (f64::INFINITY, (f64::NAN, f64::NAN), 0);
    let pass = Pass::Training(aaren_format::Precision::Float32);
    for epoch in 1..=settings.epochs {
        let order = Tensor::randperm(count(&series.training, settings), (Kind::Int64, Device::Cpu));
        for starts in order.split(settings.batch, 0) {
            let (x, y) = windows(&series.training, &starts, settings);
            let loss = forecaster.forecast(&x, pass).mse_loss(&y, Reduction::Mean);
            optimizer.backward_step_clip_norm(&loss, 1.0);
        }
        let validation = errors(&forecaster, &series.validation).0;
        eprintln!("{kind} seed {seed} epoch {epoch}: validation {validation:.4}");
        if validation < best {
            (best, tested, since) = (validation, errors(&forecaster, &series.test), 0);
        } else {
            since += 1;
            if since == settings.patience {
                break;
            }
        }
    }
    tested
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: forecasting SERIES.csv   (date, channels …; hourly, as ETTh1.csv)");
        return ExitCode::from(2);
    };
    let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    let series = read
        .and_then(|text| parse(&text))
        .and_then(|rows| Series::new(&rows, [12 * MONTH, 4 * MONTH, 4 * MONTH], INPUT));
    let series = match series {
        Ok(series) => series,
        Err(error) => {
            eprintln!("error: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "| encoder | MSE | MAE | MSE of the seeds | the paper's MSE | MAE |\n|---|---:|---:|---|---:|---:|"
    );
    for kind in [EncoderKind::Aaren, EncoderKind::Transformer] {
        let found = SEEDS.map(|seed| train(&series, kind, seed, BENCHMARK));
        let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let seeds = found.map(|(squared, _)| format!("{squared:.3}")).join(", ");
        let (squared, absolute) = (mean(|errors| errors.0), mean(|errors| errors.1));
        println!("| {kind} | {squared:.3} | {absolute:.3} | {seeds} | {} | {} |", PAPER.0, PAPER.1);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of two periods each, with a drift that windows must be normalised for.
    fn synthetic(rows: usize) -> String {
        let mut csv = String::from("date,a,b\n");
        for t in 0..rows {
            let at = |period: f64| (std::f64::consts::TAU * t as f64 / period).sin();
            let (a, b) = (at(24.0) + 0.002 * t as f64, 3.0 * at(12.0) - at(24.0) + 40.0);
            csv += &format!("2016-07-01 {t:02},{a},{b}\n");
        }
        csv
    }

    const SMALL: Settings = Settings {
        input: 24,
        horizon: 36,
        width: 16,
        layers: 1,
        dropout: 0.0,
        batch: 16,
        learning_rate: 3e-3,
        epochs: 12,
        patience: 12,
    };

    fn small() -> Series {
        Series::new(&parse(&synthetic(700)).unwrap(), [400, 150, 150], SMALL.input).unwrap()
    }

    /// Both learn the periods: far better than a forecast of the mean, whose squared error is near 1, or of the
    /// last value.
    #[test]
    fn both_encoders_learn_to_forecast() {
        // Two wait for each other where other work runs beside them.
        tch::set_num_threads(1);
        let series = small();
        let last_value = {
            let starts = Tensor::arange(count(&series.test, SMALL), (Kind::Int64, Device::Cpu));
            let (x, y) = windows(&series.test, &starts, SMALL);
            (x.narrow(1, SMALL.input - 1, 1) - y).square().mean(Kind::Double).double_value(&[])
        };
        assert!(last_value > 0.5, "{last_value}");
        for kind in [EncoderKind::Aaren, EncoderKind::Transformer] {
            let (squared, absolute) = train(&series, kind, 0, SMALL);
            assert!(squared < 0.1 && absolute < 0.3, "{kind}: {squared}, {absolute}");
        }
    }

    /// Element by element from the numbers of the file, standardised in float64.
    #[test]
    fn parts_are_standardised_by_the_training_part_and_cut_where_the_benchmark_cuts() {
        let rows = parse(&synthetic(700)).unwrap();
        let values = Vec::<Vec<f64>>::try_from(&rows).unwrap();
        let series = small();
        for channel in 0..2 {
            let known: Vec<f64> = values[..400].iter().map(|row| row[channel]).collect();
            let mean = known.iter().sum::<f64>() / 400.0;
            let std = (known.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
            for (part, start) in [(&series.training, 0), (&series.validation, 376), (&series.test, 526)] {
                for row in [0, 100] {
                    let found = part.double_value(&[row, channel as i64]);
                    let expected = (values[start + row as usize][channel] - mean) / std;
                    assert!((found - expected).abs() < 1e-4, "{start} {row} {channel}: {found}, {expected}");
                }
            }
        }
        assert_eq!(
            [&series.training, &series.validation, &series.test].map(|p| p.size()[0]),
            [400, 174, 174]
        );
    }

    #[test]
    fn windows_are_what_follows_what() {
        let part = Tensor::arange(200, (Kind::Float, Device::Cpu)).view([100, 2]);
        let (x, y) = windows(&part, &Tensor::from_slice(&[0i64, 40]), SMALL);
        assert_eq!((x.size(), y.size()), (vec![2, 24, 2], vec![2, 36, 2]));
        for (row, start) in [(0, 0), (1, 40)] {
            assert_eq!(x.double_value(&[row, 5, 1]), 2.0 * (start + 5) as f64 + 1.0);
            assert_eq!(y.double_value(&[row, 35, 0]), 2.0 * (start + 24 + 35) as f64);
        }
        assert_eq!(count(&part, SMALL), 41);
    }

    /// Scaled and shifted input gives the same forecast, scaled and shifted.
    #[test]
    fn a_forecast_is_normalised_by_its_own_window() {
        tch::manual_seed(0);
        let store = nn::VarStore::new(Device::Cpu);
        let forecaster = Forecaster::new(&store.root(), EncoderKind::Aaren, 2, SMALL);
        let x = Tensor::randn([3, 24, 2], (Kind::Float, Device::Cpu));
        let forecast = forecaster.forecast(&x, Pass::Inference);
        let other = forecaster.forecast(&(&x * 5.0 + 7.0), Pass::Inference);
        assert!((other - (forecast * 5.0 + 7.0)).abs().max().double_value(&[]) < 1e-3);
    }

    #[test]
    fn other_files_are_refused_with_their_line() {
        for (text, sentence) in [
            ("", "line 1: found fewer than two columns"),
            ("date\n1", "line 1: found fewer than two columns"),
            ("date,a\nx,1\nx,one", "line 3: found \"one\", expected a finite number"),
            ("date,a\nx,NaN", "line 2: found \"NaN\""),
            ("date,a,b\nx,1", "line 2: found 2 columns, expected 3"),
            ("date,a\nx,1,2", "line 2: found 3 columns, expected 2"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(sentence), "{text:?}: {error}");
        }
        let short = Series::new(&parse(&synthetic(10)).unwrap(), [400, 150, 150], 24).err();
        assert_eq!(short.as_deref(), Some("found 10 rows, expected 700 for training, validation and test"));
    }
}
