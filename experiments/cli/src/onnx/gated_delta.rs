//! The recurrence of the gated delta rule.

use aaren_format::GatedDeltaSettings;
use anyhow::Result;

use super::graph::{Graph, Value, Weights};
use super::turn::Turn;

/// As `policies/streaming/src/mixer/gated_delta.rs` documents it.
pub(super) struct GatedDelta {
    /// Queries, keys and values, `[n, tokens, width]` each.
    projected: [Value; 3],
    /// α and β, `[n, tokens, heads]` each.
    gates: [Value; 2],
    /// One for each token where heads turn.
    turns: Vec<Turn>,
    /// `[−1, heads, 1, width of a head]`, `[−1, heads, width of a head, 1]`, `[−1, heads, width of a head, width of a head]`
    /// and `[0, −1]`.
    shapes: [Value; 4],
}

impl GatedDelta {
    pub(super) fn new(
        graph: &mut Graph,
        weights: &Weights,
        (width, GatedDeltaSettings { heads, .. }): (usize, GatedDeltaSettings),
        block: &str,
        x: &Value,
        turns: Vec<Turn>,
    ) -> Result<Self> {
        let mut layer = |part: &str| graph.layer(x, weights, &format!("{block}.attention.{part}"));
        let projected = [layer("query")?, layer("key")?, layer("value")?];
        let (decay, rate) = (layer("decay")?, layer("rate")?);
        let decay = graph.op("Neg", &[&decay], &[]);
        let [keep, rate] = [&decay, &rate].map(|x| graph.op("Sigmoid", &[x], &[]));
        let two = graph.floats(&[2.0]);
        let gates = [keep, graph.mul(&rate, &two)];
        let (heads, size) = (heads as i64, (width / heads) as i64);
        let shapes = [&[-1, heads, 1, size][..], &[-1, heads, size, 1], &[-1, heads, size, size], &[0, -1]];
        Ok(Self { projected, gates, turns, shapes: shapes.map(|shape| graph.ints(shape)) })
    }

    pub(super) fn token(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let [row, column, square, flat] = &self.shapes;
        let [query, key, value] = self.projected.each_ref().map(|x| graph.row(x, t));
        let [query, key] = [query, key].map(|x| {
            let share = graph.op("Sigmoid", &[&x], &[]);
            let x = graph.mul(&x, &share);
            let x = graph.op("Reshape", &[&x, row], &[]);
            let (squares, last, least) = (graph.mul(&x, &x), graph.ints(&[3]), graph.floats(&[1e-6]));
            let length = graph.op("ReduceSum", &[&squares, &last], &[]);
            let length = graph.add(&length, &least);
            let length = graph.op("Sqrt", &[&length], &[]);
            let x = graph.op("Div", &[&x, &length], &[]);
            let Some(turn) = self.turns.get(t) else { return x };
            let x = graph.op("Reshape", &[&x, flat], &[]);
            let x = turn.apply(graph, &x, true);
            graph.op("Reshape", &[&x, row], &[])
        });
        let [keep, rate] = self.gates.each_ref().map(|gate| {
            let gate = graph.row(gate, t);
            let gate = graph.unsqueeze(&gate, 2);
            graph.unsqueeze(&gate, 3)
        });
        let value = graph.op("Reshape", &[&value, row], &[]);
        let memory = graph.op("Reshape", &[&state[0], square], &[]);
        let memory = graph.mul(&memory, &keep);
        let held = graph.op("MatMul", &[&key, &memory], &[]);
        let change = graph.sub(&value, &held);
        let change = graph.mul(&change, &rate);
        let column = graph.op("Reshape", &[&key, column], &[]);
        let added = graph.op("MatMul", &[&column, &change], &[]);
        let memory = graph.add(&memory, &added);
        let seen = graph.op("MatMul", &[&query, &memory], &[]);
        let [seen, memory] = [&seen, &memory].map(|x| graph.op("Reshape", &[x, flat], &[]));
        (seen, vec![memory])
    }
}
