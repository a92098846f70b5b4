//! The recurrences of recurrent units.

use anyhow::Result;
use tch::Tensor;

use super::graph::{Graph, Value, Weights, weight};
use super::proto::Number;

/// The gates of PyTorch's `nn.GRU` and `nn.LSTM`.
pub(super) struct Gates {
    /// What they get of the inputs, `[n, tokens, gates · units]`.
    of_input: Value,
    hidden: [Tensor; 2],
}

impl Gates {
    /// Of a block's `gru` or `lstm`.
    pub(super) fn new(
        graph: &mut Graph,
        weights: &Weights,
        block: &str,
        unit: &str,
        x: &Value,
    ) -> Result<Self> {
        let part = |name: &str| weight(weights, &format!("{block}.{unit}.{name}"));
        let of_input = graph.linear(x, part("weight_ih")?, part("bias_ih")?);
        let hidden = [part("weight_hh")?.shallow_clone(), part("bias_hh")?.shallow_clone()];
        Ok(Self { of_input, hidden })
    }

    /// A token of a GRU.
    pub(super) fn gru(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let (h, [weight, bias]) = (&state[0], &self.hidden);
        let of_input = graph.row(&self.of_input, t);
        let of_hidden = graph.linear(h, weight, bias);
        let [input, hidden] =
            [of_input, of_hidden].map(|gates| graph.ops("Split", &[&gates], &[("axis", Number::Int(1))], 3));
        let [r, z] = [0, 1].map(|gate| {
            let sum = graph.add(&input[gate], &hidden[gate]);
            graph.op("Sigmoid", &[&sum], &[])
        });
        let reset = graph.mul(&r, &hidden[2]);
        let new = graph.add(&input[2], &reset);
        let new = graph.op("Tanh", &[&new], &[]);
        let left = graph.sub(h, &new);
        let left = graph.mul(&z, &left);
        let h = graph.add(&new, &left);
        (h.clone(), vec![h])
    }

    /// A token of an LSTM.
    pub(super) fn lstm(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let (h, cell, [weight, bias]) = (&state[0], &state[1], &self.hidden);
        let of_input = graph.row(&self.of_input, t);
        let of_hidden = graph.linear(h, weight, bias);
        let gates = graph.add(&of_input, &of_hidden);
        let gates = graph.ops("Split", &[&gates], &[("axis", Number::Int(1))], 4);
        let [enter, keep, show] = [0, 1, 3].map(|gate: usize| graph.op("Sigmoid", &[&gates[gate]], &[]));
        let new = graph.op("Tanh", &[&gates[2]], &[]);
        let (kept, added) = (graph.mul(&keep, cell), graph.mul(&enter, &new));
        let cell = graph.add(&kept, &added);
        let shown = graph.op("Tanh", &[&cell], &[]);
        let h = graph.mul(&show, &shown);
        (h.clone(), vec![h, cell])
    }
}

/// h ← h + σ(z) (max(c, 0) + σ(min(c, 0)) − h).
pub(super) struct MinGru {
    /// z and c, `[n, tokens, 2 · units]`.
    gates: Value,
}

impl MinGru {
    pub(super) fn new(graph: &mut Graph, weights: &Weights, block: &str, x: &Value) -> Result<Self> {
        Ok(Self { gates: graph.layer(x, weights, &format!("{block}.mingru.input"))? })
    }

    pub(super) fn token(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let gates = graph.row(&self.gates, t);
        let gates = graph.ops("Split", &[&gates], &[("axis", Number::Int(1))], 2);
        let zero = graph.floats(&[0.0]);
        let below = graph.op("Min", &[&gates[1], &zero], &[]);
        let below = graph.op("Sigmoid", &[&below], &[]);
        let above = graph.op("Relu", &[&gates[1]], &[]);
        let candidate = graph.add(&above, &below);
        let z = graph.op("Sigmoid", &[&gates[0]], &[]);
        let left = graph.sub(&candidate, &state[0]);
        let left = graph.mul(&z, &left);
        let h = graph.add(&state[0], &left);
        (h.clone(), vec![h])
    }
}
