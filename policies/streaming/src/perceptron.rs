//! The perceptron: from the current observation to an action.

use alloc::{format, vec::Vec};

use aaren_format::{Header, Mlp, Precision};

use crate::Error;
use crate::episode::Episode;
use crate::file::File;
use crate::linear::Linear;
use crate::simd::{InstructionSet, Kernel, Lanes};
use crate::state::Scratch;

/// Hidden layers with ReLU, and the head. It remembers nothing: every regime is the same to it.
pub(crate) struct Perceptron {
    layers: Vec<Linear>,
    head: Linear,
    observation_size: usize,
    width: usize,
}

impl Perceptron {
    /// `mlp.0` … and `head`.
    pub(crate) fn read(
        file: &File<'_>,
        header: &Header,
        mlp: &Mlp,
        precision: Precision,
    ) -> Result<Perceptron, Error> {
        let (width, observation_size) = (mlp.width, header.observation_size);
        let mut layers = Vec::new();
        let mut inputs = observation_size;
        for n in 0..mlp.layers {
            layers.push(file.linear(&format!("mlp.{n}"), width, inputs, precision)?);
            inputs = width;
        }
        let head = file.float_linear("head", header.action.size(), width)?;
        Ok(Perceptron { layers, head, observation_size, width })
    }

    /// Bytes of the hidden layers' weights.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(Linear::bytes).sum()
    }

    /// Working memory for so many episodes at once.
    pub(crate) fn scratch(&self, episodes: usize) -> Scratch {
        Scratch::pair(episodes * self.width.max(self.observation_size))
    }

    /// The head's outputs for every episode's observation.
    pub(crate) fn map(&self, instructions: InstructionSet, episodes: &mut [Episode], scratch: &mut Scratch) {
        instructions.run(Map { perceptron: self, episodes, scratch });
    }
}

struct Map<'a> {
    perceptron: &'a Perceptron,
    episodes: &'a mut [Episode],
    scratch: &'a mut Scratch,
}

impl Kernel for Map<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Map { perceptron: Perceptron { layers, head, observation_size, width }, episodes, scratch } =
            self;
        let count = episodes.len();
        for (x, episode) in scratch.x.chunks_exact_mut(*observation_size).zip(&*episodes) {
            x.copy_from_slice(&episode.row(episode.timestep)[1..1 + observation_size]);
        }
        let mut inputs = *observation_size;
        for layer in layers {
            let y = &mut scratch.branch[..count * width];
            layer.apply::<L>(&scratch.x[..count * inputs], count, y);
            // What is no number stays none, and is found in the head's output.
            y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            core::mem::swap(&mut scratch.x, &mut scratch.branch);
            inputs = *width;
        }
        for (x, episode) in scratch.x.chunks_exact(*width).zip(episodes) {
            head.apply::<L>(x, 1, &mut episode.head);
        }
    }
}
