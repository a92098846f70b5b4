//! What each kernel of `fused/` is worth: updates with and without it, measured in turns in one process.
//!
//! ```text
//! cargo run --release -p aaren-encoders --features ablation --example ablation -- ROUNDS [ENCODER…]
//! ```
//!
//! An update is the forward and backward pass of an encoder of three blocks, dropout 0.1, on one thread: batches of
//! 64 windows × 20 timesteps, and of 2 episodes × 1000 timesteps, three tokens each, of which the middle one is read.
//! Embeddings, head and optimiser are left out. A number is the median, over rounds, of the time without a kernel over that
//! with all in the same round; 1.15 is what a kernel must be worth to stay. With `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
//! MKL_ENABLE_INSTRUCTIONS=AVX2` libtorch computes as on a processor without AVX-512.

use std::time::Instant;

use aaren_encoders::ablation::{Kernel, without};
use aaren_encoders::{Encoder, Gradients, Pass, Wanted};
use aaren_format::{EncoderKind, Mixer, Model, Norm, Positions, Precision, Recency, Settings};
use tch::{Device, Kind, Tensor, nn};

/// What is switched off: a name, the kernels, and whether the whole update goes through libtorch's graph.
const VARIANTS: [(&str, &[Kernel], bool); 7] = [
    ("all kernels, ms", &[], false),
    ("mixer's backward", &[Kernel::Mixer], false),
    ("scan", &[Kernel::Scan], false),
    ("attention", &[Kernel::Attention], false),
    ("norm", &[Kernel::Norm], false),
    ("dropout", &[Kernel::Dropout], false),
    ("all but dropout", &[], true),
];

struct Setting {
    name: &'static str,
    encoder: EncoderKind,
    recency: Recency,
    width: usize,
    precision: Precision,
    rows: i64,
    timesteps: i64,
}

fn main() {
    tch::set_num_threads(1);
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(9, |rounds| rounds.parse().expect("a number of rounds"));
    let only: Vec<String> = arguments.collect();
    // There is no bfloat16 in AVX2.
    let narrow = std::env::var("ATEN_CPU_CAPABILITY").is_ok_and(|name| name == "avx2");
    println!("| encoder | width | batch | precision | {} |", VARIANTS.map(|(name, ..)| name).join(" | "));
    println!("|---|---:|---|---|{}", "---:|".repeat(VARIANTS.len()));
    let encoders = [
        ("aaren", EncoderKind::Aaren, Recency::None),
        ("aaren-gated", EncoderKind::Aaren, Recency::Gated),
        ("transformer", EncoderKind::Transformer, Recency::None),
        ("gru", EncoderKind::Gru, Recency::None),
    ];
    let precisions =
        if narrow { &[Precision::Float32][..] } else { &[Precision::Float32, Precision::Bfloat16] };
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    for (name, encoder, recency) in encoders.into_iter().filter(|(name, ..)| wanted(name)) {
        for (rows, timesteps) in [(64, 20), (2, 1000)] {
            if timesteps > 20 && encoder == EncoderKind::Transformer {
                continue;
            }
            for width in [64, 128] {
                for &precision in precisions {
                    Setting { name, encoder, recency, width, precision, rows, timesteps }.print(rounds);
                }
            }
        }
    }
}

impl Setting {
    /// Whether a kernel is one of this encoder's.
    fn has(&self, kernels: &[Kernel]) -> bool {
        match kernels.first() {
            Some(Kernel::Scan) => self.encoder == EncoderKind::Aaren,
            Some(Kernel::Attention) => self.encoder == EncoderKind::Transformer,
            _ => true,
        }
    }

    fn print(&self, rounds: usize) {
        tch::manual_seed(0);
        let store = nn::VarStore::new(Device::Cpu);
        let model = Model {
            width: self.width,
            layers: 3,
            norm: Norm::Post,
            past_actions: true,
            positions: Positions::Timestep,
            mixer: Mixer::new(
                self.encoder,
                Settings { heads: 4, recency: self.recency, ..Settings::default() },
            ),
        };
        let encoder = Encoder::new(&store.root(), &model, 0.1, 1000).expect("a possible model");
        let parameters = store.trainable_variables();
        let tokens = 3 * self.timesteps;
        let x = Tensor::randn([self.rows, tokens, self.width as i64], (Kind::Float, Device::Cpu));
        let flow = Tensor::randn([self.rows, self.timesteps, self.width as i64], (Kind::Float, Device::Cpu));
        let wanted = Wanted::Every { stride: 3, offset: 1 };
        let update = |graph: bool| {
            let begin = Instant::now();
            if graph {
                let x = x.set_requires_grad(true);
                let (y, _) = encoder.forward(&x, None, None, wanted, Pass::Training(self.precision));
                Gradients::of_graph(&(&y * &flow).sum(None::<Kind>), &parameters);
            } else {
                let dropout = encoder.draw(self.rows * tokens, self.precision);
                let x = x.detach();
                let (_, _, back) = encoder.train(&x, None, None, wanted, self.precision, &dropout);
                let _ = back(&flow, &mut Gradients::default());
            }
            begin.elapsed()
        };
        let mut times = vec![Vec::new(); VARIANTS.len()];
        // The first round warms up. Each begins with another variant.
        for round in 0..=rounds {
            for turn in 0..VARIANTS.len() {
                let index = (turn + round) % VARIANTS.len();
                let (_, kernels, graph) = VARIANTS[index];
                if self.has(kernels) {
                    without(kernels);
                    let time = update(graph).as_secs_f64();
                    if round > 0 {
                        times[index].push(time);
                    }
                }
            }
        }
        let all = times.remove(0);
        let ratios = times.iter().map(|times| {
            let ratios = times.iter().zip(&all).map(|(time, all)| time / all);
            median(ratios.collect()).map_or(String::new(), |ratio| format!("{ratio:.2}"))
        });
        let ratios = ratios.collect::<Vec<_>>().join(" | ");
        println!(
            "| {} | {} | {} × {} | {} | {:.1} | {} |",
            self.name,
            self.width,
            self.rows,
            self.timesteps,
            self.precision.name(),
            median(all).unwrap_or(f64::NAN) * 1e3,
            ratios
        );
    }
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}
