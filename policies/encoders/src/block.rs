//! A block: a mixer and a feed-forward network.

use aaren_format::{Model, Norm};
use tch::{Tensor, nn, nn::Module};

use crate::dropout::Dropout;
use crate::fused::{self, Back, Gradients};
use crate::linear::{linear, x_linear};
use crate::mixer::{Mixed, Mixer, mixer};
use crate::rotation::Place;
use crate::wanted::Wanted;

/// A [`Mixer`] and a feed-forward network, each with its residual and LayerNorm.
///
/// `norm: post` is x ← LN(x + dropout(mixer(x))); x ← LN(x + dropout(MLP(x))), as in the public
/// minimal Decision Transformer; `norm: pre` is the order of GPT-2.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) mixer: Box<dyn Mixer>,
    norm1: nn::LayerNorm,
    norm2: nn::LayerNorm,
    up: nn::Linear,
    down: nn::Linear,
    order: Norm,
}

impl Block {
    pub(crate) fn new(path: &nn::Path, model: &Model, longest: usize) -> Self {
        let width = model.width as i64;
        Self {
            mixer: mixer(path, model, longest),
            norm1: nn::layer_norm(path / "norm1", vec![width], Default::default()),
            norm2: nn::layer_norm(path / "norm2", vec![width], Default::default()),
            up: linear(path / "mlp" / "up", width, 4 * width),
            down: linear(path / "mlp" / "down", 4 * width, width),
            order: model.norm,
        }
    }

    pub(crate) fn width(&self) -> i64 {
        self.up.ws.size()[1]
    }

    pub(crate) fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
        dropout: &Dropout,
    ) -> (Tensor, Vec<Tensor>) {
        let (mixed, state) = match self.order {
            Norm::Post => self.mixer.seq(x, place, state, wanted),
            Norm::Pre => self.mixer.seq(&self.norm1.forward(x), place, state, wanted),
        };
        (self.residual(&wanted.of(x, 1), &mixed, dropout), state)
    }

    fn mix<'a>(&'a self, x: &Tensor, place: Place, state: Option<&[Tensor]>, wanted: Wanted) -> Mixed<'a> {
        fused::ablated!(Mixer, crate::mixer::by_graph(&*self.mixer, x, place, state, wanted));
        self.mixer.train(x, place, state, wanted)
    }

    /// [`Block::seq`] in training, without a graph.
    pub(crate) fn train<'a>(
        &'a self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
        dropout: &Dropout,
    ) -> (Tensor, Vec<Tensor>, Back<'a>) {
        let own = wanted.of(x, 1).contiguous();
        let mlp = |x: &Tensor| {
            let (up, up_back) = fused::layer(x, &self.up);
            let (active, active_back) = fused::gelu(&up);
            let (down, down_back) = fused::layer(&active, &self.down);
            let back = move |dy, gradients: &mut Gradients| {
                let active = down_back(dy, gradients);
                let up = active_back(active, gradients);
                up_back(up, gradients)
            };
            (down, back)
        };
        // Adds what flows to the wanted tokens to what flows to all of them.
        let add_own = move |all: Tensor, own: Tensor| {
            let mut there = wanted.of(&all, 1);
            there += own;
            all
        };
        match self.order {
            Norm::Post => {
                let Mixed { outputs, state, back: mixed_back } = self.mix(x, place, state, wanted);
                let (y, first_back) =
                    fused::residual_norm(&own, &outputs, dropout.mask(&outputs).as_ref(), &self.norm1);
                let (branch, mlp_back) = mlp(&y);
                let (y, second_back) =
                    fused::residual_norm(&y, &branch, dropout.mask(&branch).as_ref(), &self.norm2);
                let back = move |dy: Tensor, gradients: &mut Gradients| {
                    let (dy, branch) = second_back(&[&dy], gradients);
                    let branch = mlp_back(branch, gradients);
                    let (own, mixed) = first_back(&[&dy, &branch], gradients);
                    add_own(mixed_back(mixed, gradients), own)
                };
                (y, state, Box::new(back))
            }
            Norm::Pre => {
                let (normal, normal_back) = fused::norm(x, &self.norm1);
                let Mixed { outputs, state, back: mixed_back } = self.mix(&normal, place, state, wanted);
                let (middle, first_back) = fused::residual(&own, &outputs, dropout.mask(&outputs).as_ref());
                let (normal, second_back) = fused::norm(&middle, &self.norm2);
                let (branch, mlp_back) = mlp(&normal);
                let (y, last_back) = fused::residual(&middle, &branch, dropout.mask(&branch).as_ref());
                let back = move |dy: Tensor, gradients: &mut Gradients| {
                    let (dy, branch) = last_back(&[&dy], gradients);
                    let branch = second_back(mlp_back(branch, gradients), gradients);
                    let (own, mixed) = first_back(&[&dy, &branch], gradients);
                    add_own(normal_back(mixed_back(mixed, gradients), gradients), own)
                };
                (y, state, Box::new(back))
            }
        }
    }

    /// [`Mixer::weights`] of what [`Block::seq`] mixes.
    pub(crate) fn weights(&self, x: &Tensor, place: Place, at: &[i64]) -> Option<Tensor> {
        match self.order {
            Norm::Post => self.mixer.weights(x, place, at),
            Norm::Pre => self.mixer.weights(&self.norm1.forward(x), place, at),
        }
    }

    fn residual(&self, x: &Tensor, mixed: &Tensor, dropout: &Dropout) -> Tensor {
        let x = x + dropout.apply(mixed);
        let mlp = |x: &Tensor| dropout.apply(&x_linear(&x_linear(x, &self.up).gelu("none"), &self.down));
        match self.order {
            Norm::Post => {
                let x = self.norm1.forward(&x);
                self.norm2.forward(&(&x + mlp(&x)))
            }
            Norm::Pre => &x + mlp(&self.norm2.forward(&x)),
        }
    }
}
