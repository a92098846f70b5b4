//! Roll-outs of the decision agent on libtorch.

use std::collections::VecDeque;

use aaren_encoders::{Pass, State};
use aaren_format::Regime;
use tch::Tensor;

use super::{Batch, DecisionNetwork};
use crate::{Actor, Error, Network};

/// Rolls a model out on libtorch, one row for each environment; all rows are at the same timestep.
///
/// Each step costs one pass of the weights over the three tokens (previous action, return-to-go,
/// state), whatever has gone before; only [`Regime::Window`] recomputes its window, from an empty
/// state, as public Decision Transformers do.
#[derive(Debug)]
pub(super) struct DecisionActor<'m> {
    network: &'m DecisionNetwork,
    regime: Regime,
    timestep: i64,
    returns: Vec<f64>,
    state: State,
    /// (return-to-go, state, action) of the timesteps in the window; without a window, the last one.
    recent: VecDeque<[Tensor; 3]>,
}

impl<'m> DecisionActor<'m> {
    /// An actor at the start of an episode in every row, each with its target return.
    ///
    /// # Errors
    /// Where the encoder cannot act in that regime.
    pub fn new(network: &'m DecisionNetwork, regime: Regime, target_returns: &[f64]) -> Result<Self, Error> {
        network.check_regime(regime)?;
        Ok(Self {
            network,
            regime,
            timestep: 0,
            returns: target_returns.to_vec(),
            state: network.zero_state(target_returns.len() as i64),
            recent: VecDeque::new(),
        })
    }

    fn act_on_state(&mut self, returns: &Tensor, states: &Tensor) -> Tensor {
        let previous = self.recent.back().map(|[_, _, action]| action);
        let (head, state) = self.network.step(previous, returns, states, self.timestep, &self.state);
        self.state = state;
        head
    }

    fn act_on_window(&mut self, returns: &Tensor, states: &Tensor, length: usize) -> Tensor {
        let task = self.network.task();
        let rows = returns.size()[0];
        let steps = self.recent.len().min(length - 1) as i64 + 1;
        let with = |now: Tensor, which: usize| {
            let mut all: Vec<Tensor> = self.recent.iter().map(|step| step[which].shallow_clone()).collect();
            all.push(now);
            Tensor::cat(&all, 1)
        };
        let options = (tch::Kind::Int64, self.network.device());
        let first = self.timestep + 1 - steps;
        // The last action token comes after the last state token: what it holds does not matter.
        let no_action = Tensor::zeros([rows, 1, task.action.size() as i64], (tch::Kind::Float, options.1));
        let batch = Batch {
            returns: with(returns.shallow_clone(), 0),
            states: with(states.shallow_clone(), 1),
            actions: with(no_action, 2),
            timesteps: Tensor::arange_start(first, first + steps, options).expand([rows, steps], false),
            mask: Tensor::ones([rows, steps], (tch::Kind::Float, options.1)),
        };
        self.network.predict(&batch, None, Pass::Inference).0.select(1, steps - 1)
    }
}

impl Actor for DecisionActor<'_> {
    fn act(&mut self, observations: &[f32], rewards: &[f64]) -> Vec<Vec<f32>> {
        let _guard = tch::no_grad_guard();
        let (network, task) = (self.network, self.network.task());
        let rows = self.returns.len() as i64;
        if self.timestep > 0 {
            self.returns.iter_mut().zip(rewards).for_each(|(left, reward)| *left -= reward);
        }
        let returns: Vec<f32> = self.returns.iter().map(|r| (r / task.return_scale) as f32).collect();
        let states = task.normalised(observations);
        let tensor = |data: &[f32]| Tensor::from_slice(data).view([rows, 1, -1]).to_device(network.device());
        let (returns, states) = (tensor(&returns), tensor(&states));

        let head = match self.regime {
            Regime::Window(length) => self.act_on_window(&returns, &states, length),
            Regime::Unbounded => self.act_on_state(&returns, &states),
            Regime::Sliding(length) => {
                self.state = network.slide(&self.state, length);
                // Where only this timestep is kept, not even the action before it comes.
                if length == 1 {
                    self.recent.clear();
                }
                self.act_on_state(&returns, &states)
            }
            Regime::Reset(length) => {
                if self.timestep % length as i64 == 0 {
                    self.state = network.zero_state(rows);
                    self.recent.clear();
                }
                self.act_on_state(&returns, &states)
            }
        };
        let entries = task.action.size();
        let head = Vec::<f32>::try_from(head.contiguous().view([-1])).expect("a float vector");
        let actions: Vec<Vec<f32>> = head.chunks_exact(entries).map(|row| task.action.action(row)).collect();
        let mut tokens = Vec::with_capacity(head.len());
        actions.iter().for_each(|action| task.action.push_token(action, &mut tokens));
        self.recent.push_back([returns, states, tensor(&tokens)]);
        let keep = if let Regime::Window(length) = self.regime { length - 1 } else { 1 };
        while self.recent.len() > keep {
            self.recent.pop_front();
        }
        self.timestep += 1;
        actions
    }

    fn keep(&mut self, rows: &[usize]) {
        let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let index = Tensor::from_slice(&indices).to_device(self.network.device());
        self.returns = rows.iter().map(|&row| self.returns[row]).collect();
        self.state = self.state.select(&index);
        for step in &mut self.recent {
            *step = step.each_ref().map(|tensor| tensor.index_select(0, &index));
        }
    }

    fn state_bytes(&self) -> usize {
        match self.regime {
            Regime::Window(_) => self.recent.iter().flatten().map(|t| 4 * t.numel()).sum(),
            _ => self.state.bytes(),
        }
    }
}
