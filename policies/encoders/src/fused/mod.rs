//! Training on a processor without a graph: forward and backward passes written out.
//!
//! libtorch multiplies the matrices. Norms with their residuals and dropout, attention and recurrences are here one pass
//! over memory each, where libtorch's graph takes three to ten: those that `examples/ablation.rs` found to be worth 1.15 ×
//! of an update (`results/reference/ablation`). Every operation returns what it computed and,
//! as a closure, how gradients flow back through it. Values are what [`crate::Encoder::forward`] computes with a graph, but
//! for rounding; tests hold the two together, gradients too. On a GPU there is only the graph.

mod attention;
mod back;
mod element;
mod gru;
mod linear;
mod norm;
#[cfg(feature = "ablation")]
mod plain;
mod scan;
mod sight;

use tch::{Kind, Tensor};

pub(crate) use attention::attention;
pub(crate) use back::Back;
pub(crate) use gru::gru;
pub(crate) use linear::{gelu, layer, linear};
pub(crate) use norm::{norm, residual, residual_norm};
pub(crate) use scan::scan;
pub(crate) use sight::Sight;

/// Leaves a kernel to libtorch where the ablation switches it off.
macro_rules! ablated {
    ($kernel:ident, $plain:expr) => {
        #[cfg(feature = "ablation")]
        if crate::ablation::off(crate::ablation::Kernel::$kernel) {
            return $plain;
        }
    };
}
pub(crate) use ablated;

/// Gradients of parameters.
#[derive(Debug, Default)]
pub struct Gradients(Vec<(Tensor, Tensor)>);

impl Gradients {
    /// Of what a graph ends in, for all the parameters that it knows.
    pub fn of_graph(end: &Tensor, parameters: &[Tensor]) -> Self {
        let mut gradients = Self::default();
        gradients.add_graph(end, parameters.iter());
        gradients
    }

    /// Adds those of what a graph ends in.
    pub fn add_graph<'p>(&mut self, end: &Tensor, parameters: impl IntoIterator<Item = &'p Tensor>) {
        let learned = |parameter: &&Tensor| parameter.requires_grad();
        let parameters: Vec<&Tensor> = parameters.into_iter().filter(learned).collect();
        let found = Tensor::run_backward(&[end], &parameters, false, false);
        for (parameter, gradient) in parameters.into_iter().zip(found) {
            if gradient.defined() {
                self.add(parameter, gradient);
            }
        }
    }

    /// Adds those that flow from `gradient` of `output` through its graph.
    pub fn add_flow<'p>(
        &mut self,
        output: &Tensor,
        gradient: &Tensor,
        parameters: impl IntoIterator<Item = &'p Tensor>,
    ) {
        self.add_graph(&(output * gradient).sum(None::<Kind>), parameters);
    }

    /// Adds the gradients of another part of the batch, of the same parameters.
    pub fn add_part(&mut self, part: &Gradients) {
        for (parameter, gradient) in &mut self.0 {
            if let Some(other) = part.get(parameter) {
                *gradient += other;
            }
        }
    }

    /// Adds the gradient of a parameter, which has no other yet.
    pub(crate) fn add(&mut self, parameter: &Tensor, gradient: Tensor) {
        self.0.push((parameter.shallow_clone(), gradient));
    }

    /// Takes out the gradient of what is no parameter.
    ///
    /// # Panics
    /// If it has none.
    pub fn take(&mut self, tensor: &Tensor) -> Tensor {
        let storage = tensor.data_ptr();
        let place = self.0.iter().position(|(known, _)| known.data_ptr() == storage);
        self.0.swap_remove(place.expect("it was asked for")).1
    }

    /// The gradient of a parameter, where there is one.
    pub fn get(&self, parameter: &Tensor) -> Option<&Tensor> {
        let storage = parameter.data_ptr();
        self.0.iter().find(|(known, _)| known.data_ptr() == storage).map(|(_, gradient)| gradient)
    }
}
