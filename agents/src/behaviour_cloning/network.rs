//! The network of behaviour cloning, and its roll-out on libtorch.

use aaren_encoders::linear;
use aaren_format::Regime;
use tch::{Device, Tensor, nn, nn::Module};

use super::CloningConfig;
use crate::{Actor, Error, Network, Task};

/// Hidden layers with ReLU between the normalised observation and the head.
#[derive(Debug)]
pub struct CloningNetwork {
    task: Task,
    store: nn::VarStore,
    hidden: Vec<nn::Linear>,
    head: nn::Linear,
    dropout: f64,
}

impl CloningNetwork {
    /// A network with weights drawn from libtorch's generator on the CPU, then moved to `device`.
    ///
    /// # Errors
    /// Where its sizes are impossible.
    pub fn new(config: &CloningConfig, task: Task, device: Device) -> Result<Self, Error> {
        config.mlp.check().map_err(aaren_encoders::Error::Model)?;
        let mut store = nn::VarStore::new(Device::Cpu);
        let (root, width) = (store.root(), config.mlp.width as i64);
        let mlp = &root / "mlp";
        let mut inputs = task.observation_size as i64;
        let hidden = (0..config.mlp.layers)
            .map(|layer| linear(&mlp / layer as i64, std::mem::replace(&mut inputs, width), width))
            .collect();
        let head = linear(&root / "head", width, task.action.size() as i64);
        store.set_device(device);
        Ok(Self { task, store, hidden, head, dropout: config.dropout })
    }

    /// Predicted actions `[rows, action size]` for normalised observations `[rows, observation size]`: entries
    /// before tanh for continuous ones, else logits.
    pub(super) fn forward(&self, observations: &Tensor, training: bool) -> Tensor {
        let mut x = observations.shallow_clone();
        for layer in &self.hidden {
            x = layer.forward(&x).relu().dropout(self.dropout, training);
        }
        self.head.forward(&x)
    }
}

impl Network for CloningNetwork {
    fn store(&self) -> &nn::VarStore {
        &self.store
    }

    fn task(&self) -> &Task {
        &self.task
    }

    /// It remembers nothing: every regime is the same.
    fn actor<'n>(&'n self, _regime: Regime, _target_returns: &[f64]) -> Result<Box<dyn Actor + 'n>, Error> {
        Ok(Box::new(CloningActor(self)))
    }
}

struct CloningActor<'n>(&'n CloningNetwork);

impl Actor for CloningActor<'_> {
    fn act(&mut self, observations: &[f32], _rewards: &[f64]) -> Vec<Vec<f32>> {
        let _guard = tch::no_grad_guard();
        let (network, task) = (self.0, &self.0.task);
        let states = task.normalised(observations);
        let states = Tensor::from_slice(&states).view([-1, task.observation_size as i64]);
        let head = task.action_tokens(&network.forward(&states.to_device(network.device()), false));
        let head = Vec::<f32>::try_from(head.contiguous().view([-1])).expect("a float vector");
        head.chunks_exact(task.action.size()).map(|row| task.action.action(row)).collect()
    }

    fn keep(&mut self, _rows: &[usize]) {}

    fn state_bytes(&self) -> usize {
        0
    }
}
