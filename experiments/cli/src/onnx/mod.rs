//! One step of a policy as an ONNX model: state in, state out.
//!
//! The graph is written from the weights alone, in operators of opset 17 that every runtime has; no operator loops, for a
//! step is one to three tokens. The batch is a dimension of any size.

mod aaren;
mod asked;
mod decision;
mod gated_delta;
mod graph;
mod head;
mod mixer;
mod proto;
mod recurrent;
mod turn;

use std::path::Path;

use aaren_agents::{PolicyFile, Task};
use aaren_format::{Mlp, Network};
use anyhow::Result;
use tch::Device;

use self::graph::Graph;
use self::head::Heads;
pub use self::proto::Port;

/// The version of ONNX's operators that a model asks for.
pub const OPSET: i64 = 17;

/// A policy's step.
pub struct Step {
    /// The bytes of the model.
    pub model: Vec<u8>,
    /// What goes in: names, element types and shapes, `n` being the batch.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
}

/// The step of a policy. `path` names its file in errors.
///
/// # Errors
/// [`Refusal`](crate::Refusal) where a step of it has no form of constant size, and where the file lacks a tensor.
pub fn step(file: &PolicyFile, path: &Path) -> Result<Step> {
    let (task, network) = (file.task(path)?, file.network(path, Device::Cpu)?);
    let graph = Graph::new(network.named_parameters().into_iter().collect());
    match &file.header.network {
        Network::Decision(decision) => decision::step(&graph, decision, &task)?,
        Network::Perceptron(mlp) => perceptron(&graph, mlp, &task)?,
    }
    Ok(graph.finish(&file.header))
}

/// `observation` → `action`, without a state.
fn perceptron(graph: &Graph, mlp: &Mlp, task: &Task) -> Result<()> {
    let mut x = head::observation(graph, task);
    for layer in 0..mlp.layers {
        x = graph.op("Relu", &[&graph.layer(&x, &format!("mlp.{layer}"))?]);
    }
    let out = graph.layer(&x, "head")?;
    head::action(graph, task, &Heads { asked: out, free: None }, 1.0);
    Ok(())
}
