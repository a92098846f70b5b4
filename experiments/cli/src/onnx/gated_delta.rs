//! The recurrence of the gated delta rule.

use aaren_format::GatedDeltaSettings;
use anyhow::Result;

use super::graph::{Graph, Value};
use super::turn::Turns;

/// As `policies/streaming/src/mixer/gated_delta.rs` documents it.
pub(super) struct GatedDelta<'g> {
    graph: &'g Graph,
    /// Queries, keys and values, `[n, tokens, width]` each.
    projected: [Value; 3],
    /// α and β, `[n, tokens, heads]` each.
    gates: [Value; 2],
    turns: Turns<'g>,
    /// `[−1, heads, 1, width of a head]`, `[−1, heads, width of a head, 1]`, `[−1, heads, width of a head, width of a head]`
    /// and `[0, −1]`.
    shapes: [Value; 4],
}

impl<'g> GatedDelta<'g> {
    pub(super) fn new(
        graph: &'g Graph,
        (width, GatedDeltaSettings { heads, .. }): (usize, GatedDeltaSettings),
        block: &str,
        x: &Value,
        turns: Turns<'g>,
    ) -> Result<Self> {
        let layer = |part: &str| graph.layer(x, &format!("{block}.attention.{part}"));
        let projected = [layer("query")?, layer("key")?, layer("value")?];
        let (decay, rate) = (layer("decay")?, layer("rate")?);
        let decay = graph.op("Neg", &[&decay]);
        let [keep, rate] = [&decay, &rate].map(|x| graph.op("Sigmoid", &[x]));
        let gates = [keep, graph.mul(&rate, &graph.floats(&[2.0]))];
        let (heads, size) = (heads as i64, (width / heads) as i64);
        let shapes = [&[-1, heads, 1, size][..], &[-1, heads, size, 1], &[-1, heads, size, size], &[0, -1]];
        Ok(Self { graph, projected, gates, turns, shapes: shapes.map(|shape| graph.ints(shape)) })
    }

    pub(super) fn token(&self, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let graph = self.graph;
        let [row, column, square, flat] = &self.shapes;
        let [query, key, value] = self.projected.each_ref().map(|x| graph.row(x, t));
        let [query, key] = [query, key].map(|x| {
            let x = graph.mul(&x, &graph.op("Sigmoid", &[&x]));
            let x = graph.op("Reshape", &[&x, row]);
            let (squares, last, least) = (graph.mul(&x, &x), graph.ints(&[3]), graph.floats(&[1e-6]));
            let length = graph.add(&graph.op("ReduceSum", &[&squares, &last]), &least);
            let x = graph.op("Div", &[&x, &graph.op("Sqrt", &[&length])]);
            if self.turns.of_tokens.is_empty() {
                return x;
            }
            let x = self.turns.apply(t, graph.op("Reshape", &[&x, flat]), true);
            graph.op("Reshape", &[&x, row])
        });
        let [keep, rate] =
            self.gates.each_ref().map(|gate| graph.unsqueeze(&graph.unsqueeze(&graph.row(gate, t), 2), 3));
        let value = graph.op("Reshape", &[&value, row]);
        let memory = graph.op("Reshape", &[&state[0], square]);
        let memory = graph.mul(&memory, &keep);
        let held = graph.op("MatMul", &[&key, &memory]);
        let change = graph.mul(&graph.sub(&value, &held), &rate);
        let column = graph.op("Reshape", &[&key, column]);
        let memory = graph.add(&memory, &graph.op("MatMul", &[&column, &change]));
        let seen = graph.op("MatMul", &[&query, &memory]);
        let [seen, memory] = [&seen, &memory].map(|x| graph.op("Reshape", &[x, flat]));
        (seen, vec![memory])
    }
}
