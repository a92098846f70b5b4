//! The recurrences of recurrent units.

use anyhow::Result;
use tch::Tensor;

use super::graph::{Graph, Value};

/// The gates of PyTorch's `nn.GRU` and `nn.LSTM`.
pub(super) struct Gates<'g> {
    graph: &'g Graph,
    /// What they get of the inputs, `[n, tokens, gates · units]`.
    of_input: Value,
    hidden: [&'g Tensor; 2],
}

impl<'g> Gates<'g> {
    /// Of a block's `gru` or `lstm`.
    pub(super) fn new(graph: &'g Graph, block: &str, unit: &str, x: &Value) -> Result<Self> {
        let part = |name: &str| graph.weight(&format!("{block}.{unit}.{name}"));
        let of_input = graph.linear(x, part("weight_ih")?, part("bias_ih")?);
        Ok(Self { graph, of_input, hidden: [part("weight_hh")?, part("bias_hh")?] })
    }

    /// What they get of a token's input, and of the state before it.
    fn sums(&self, h: &Value, t: usize) -> [Value; 2] {
        let [weight, bias] = self.hidden;
        [self.graph.row(&self.of_input, t), self.graph.linear(h, weight, bias)]
    }

    /// A token of a GRU.
    pub(super) fn gru(&self, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let (graph, h) = (self.graph, &state[0]);
        let [input, hidden] = self.sums(h, t).map(|gates| graph.split(&gates, 3));
        let [r, z] = [0, 1].map(|gate| graph.op("Sigmoid", &[&graph.add(&input[gate], &hidden[gate])]));
        let new = graph.add(&input[2], &graph.mul(&r, &hidden[2]));
        let new = graph.op("Tanh", &[&new]);
        let h = graph.add(&new, &graph.mul(&z, &graph.sub(h, &new)));
        (h.clone(), vec![h])
    }

    /// A token of an LSTM.
    pub(super) fn lstm(&self, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let graph = self.graph;
        let [of_input, of_hidden] = self.sums(&state[0], t);
        let gates = graph.split(&graph.add(&of_input, &of_hidden), 4);
        let [enter, keep, show] = [0, 1, 3].map(|gate: usize| graph.op("Sigmoid", &[&gates[gate]]));
        let new = graph.op("Tanh", &[&gates[2]]);
        let cell = graph.add(&graph.mul(&keep, &state[1]), &graph.mul(&enter, &new));
        let h = graph.mul(&show, &graph.op("Tanh", &[&cell]));
        (h.clone(), vec![h, cell])
    }
}

/// A token of a minGRU whose gates z and c are `[n, tokens, 2 · units]`: h ← h + σ(z) (max(c, 0) + σ(min(c, 0)) − h).
pub(super) fn min_gru(graph: &Graph, gates: &Value, state: &[Value], t: usize) -> (Value, Vec<Value>) {
    let gates = graph.split(&graph.row(gates, t), 2);
    let below = graph.op("Min", &[&gates[1], &graph.floats(&[0.0])]);
    let below = graph.op("Sigmoid", &[&below]);
    let candidate = graph.add(&graph.op("Relu", &[&gates[1]]), &below);
    let z = graph.op("Sigmoid", &[&gates[0]]);
    let h = graph.add(&state[0], &graph.mul(&z, &graph.sub(&candidate, &state[0])));
    (h.clone(), vec![h])
}
