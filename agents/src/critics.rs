//! A pair of critics: what an action is worth in a state.

use aaren_encoders::Gradients;
use aaren_format::Mlp;
use tch::{Device, Kind, Tensor, nn};

use crate::{AdamW, Error, Layers, Saved, Task, named_parameters};

/// Two critics Q(s, a) and a target of each that follows it slowly: clipped double Q-learning (Fujimoto et al. 2018,
/// arXiv 1802.09477, §4.2). Observations are normalised, actions tokens.
#[derive(Debug)]
pub struct Critics {
    store: nn::VarStore,
    critics: [Layers; 2],
    target_store: nn::VarStore,
    targets: [Layers; 2],
    optimizer: AdamW,
}

impl Critics {
    /// Critics with weights drawn from libtorch's generator on the CPU, then moved to `device`; the targets have the
    /// same.
    ///
    /// # Errors
    /// Where the shape is impossible.
    pub fn new(mlp: Mlp, task: &Task, device: Device) -> Result<Self, Error> {
        let inputs = (task.observation_size + task.action.size()) as i64;
        let pair = || {
            let store = nn::VarStore::new(Device::Cpu);
            let critic = |index: i64| Layers::new(&(store.root() / index), inputs, mlp, 1, 0.0);
            let critics = [critic(0)?, critic(1)?];
            Ok::<_, Error>((store, critics))
        };
        let ((mut store, critics), (mut target_store, targets)) = (pair()?, pair()?);
        follow(&target_store, &store, 1.0);
        target_store.freeze();
        store.set_device(device);
        target_store.set_device(device);
        let parameters = named_parameters(&store).into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(parameters, 0.0, f64::INFINITY);
        Ok(Self { store, critics, target_store, targets, optimizer })
    }

    /// The values `[rows]` that the first critic gives to actions `[rows, action size]` in `observations`
    /// `[rows, observation size]`.
    pub fn first(&self, observations: &Tensor, actions: &Tensor) -> Tensor {
        values(&self.critics[0], observations, actions)
    }

    /// The smaller one of what both targets give to them, `[rows]`.
    pub fn target(&self, observations: &Tensor, actions: &Tensor) -> Tensor {
        let [one, other] = self.targets.each_ref().map(|critic| values(critic, observations, actions));
        one.minimum(&other)
    }

    /// One update, after `update` others, towards `expected` returns `[rows]`; the mean squared errors of both critics
    /// before it, summed up.
    pub fn learn(
        &mut self,
        update: u64,
        observations: &Tensor,
        actions: &Tensor,
        expected: &Tensor,
        rate: f64,
    ) -> Tensor {
        let error = |critic| (values(critic, observations, actions) - expected).square().mean(None::<Kind>);
        let [one, other] = self.critics.each_ref().map(error);
        let loss = one + other;
        let gradients = Gradients::of_graph(&loss, &self.store.trainable_variables());
        let _ = self.optimizer.update(update, &gradients, rate);
        loss.detach()
    }

    /// Moves the targets by the share `polyak` of the way to the critics.
    pub fn follow(&mut self, polyak: f64) {
        follow(&self.target_store, &self.store, polyak);
    }

    /// Adds weights, targets and moments.
    pub fn save(&self, saved: &mut Saved) {
        saved.add("critic.", named_parameters(&self.store));
        saved.add("critic-target.", named_parameters(&self.target_store));
        saved.add("critic-optimizer.", self.optimizer.moments());
    }
}

fn values(critic: &Layers, observations: &Tensor, actions: &Tensor) -> Tensor {
    critic.forward(&Tensor::cat(&[observations, actions], 1), false).squeeze_dim(1)
}

/// Moves the weights of `target` by the share `polyak` of the way to those of `source`, which has the same names.
pub(crate) fn follow(target: &nn::VarStore, source: &nn::VarStore, polyak: f64) {
    let _guard = tch::no_grad_guard();
    for ((_, mut target), (_, source)) in named_parameters(target).into_iter().zip(named_parameters(source)) {
        let _ = target.lerp_(&source, polyak);
    }
}
