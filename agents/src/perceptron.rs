//! The multi-layer perceptron: what acts on the current observation alone.

use aaren_encoders::linear;
use aaren_format::{self as format, Mlp};
use tch::{Device, Tensor, nn, nn::Module};

use crate::{Error, Network, Task};

/// Hidden layers with ReLU and dropout, and a linear head.
#[derive(Debug)]
pub struct Layers {
    hidden: Vec<nn::Linear>,
    head: nn::Linear,
    dropout: f64,
}

impl Layers {
    /// Layers from `inputs` to `outputs` entries, called `mlp.0` … and `head` below `path`, with weights drawn from
    /// libtorch's generator.
    ///
    /// # Errors
    /// Where the shape is impossible.
    pub fn new(path: &nn::Path, inputs: i64, mlp: Mlp, outputs: i64, dropout: f64) -> Result<Self, Error> {
        mlp.check()?;
        let (width, hidden) = (mlp.width as i64, path / "mlp");
        let mut from = inputs;
        let hidden = (0..mlp.layers)
            .map(|layer| linear(&hidden / layer as i64, std::mem::replace(&mut from, width), width))
            .collect();
        let head = linear(path / "head", width, outputs);
        Ok(Self { hidden, head, dropout })
    }

    /// The head's outputs `[rows, outputs]` for `[rows, inputs]`.
    pub fn forward(&self, inputs: &Tensor, training: bool) -> Tensor {
        let mut x = inputs.shallow_clone();
        for layer in &self.hidden {
            x = layer.forward(&x).relu().dropout(self.dropout, training);
        }
        self.head.forward(&x)
    }
}

/// A policy that maps the normalised observation to an action: entries before tanh for continuous ones, else logits.
#[derive(Debug)]
pub struct Perceptron {
    mlp: Mlp,
    task: Task,
    store: nn::VarStore,
    layers: Layers,
}

impl Perceptron {
    /// A network with weights drawn from libtorch's generator on the CPU, then moved to `device`.
    ///
    /// # Errors
    /// Where its sizes are impossible.
    pub fn new(mlp: Mlp, dropout: f64, task: Task, device: Device) -> Result<Self, Error> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let (inputs, outputs) = (task.observation_size as i64, task.action.size() as i64);
        let layers = Layers::new(&store.root(), inputs, mlp, outputs, dropout)?;
        store.set_device(device);
        Ok(Self { mlp, task, store, layers })
    }

    /// The head's output `[rows, action size]` for normalised observations `[rows, observation size]`.
    pub fn forward(&self, observations: &Tensor, training: bool) -> Tensor {
        self.layers.forward(observations, training)
    }
}

impl Network for Perceptron {
    fn store(&self) -> &nn::VarStore {
        &self.store
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn describe(&self) -> format::Network {
        format::Network::Perceptron(self.mlp)
    }
}
