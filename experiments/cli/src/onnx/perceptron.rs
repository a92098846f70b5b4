//! The perceptron: no state at all.

use aaren_agents::Task;
use aaren_format::Mlp;
use anyhow::Result;

use super::graph::{Graph, Weights};
use super::head::{self, Heads};

/// `observation` → `action`.
pub(super) fn step(graph: &mut Graph, weights: &Weights, mlp: &Mlp, task: &Task) -> Result<()> {
    let mut x = head::observation(graph, task);
    for layer in 0..mlp.layers {
        x = graph.layer(&x, weights, &format!("mlp.{layer}"))?;
        x = graph.op("Relu", &[&x], &[]);
    }
    let out = graph.layer(&x, weights, "head")?;
    head::action(graph, task, &Heads { asked: out, free: None }, 1.0);
    Ok(())
}
