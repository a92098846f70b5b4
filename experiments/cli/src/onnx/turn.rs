//! The rotation of channels that tells timesteps.

use super::graph::{Graph, Value};

/// How the tokens of a step turn.
pub(super) struct Turns<'g> {
    pub(super) graph: &'g Graph,
    pub(super) width: i64,
    /// Channels of a head: the first two turn with each other, then the next two; one that is left over does not.
    pub(super) head_width: i64,
    /// Cosine and sine of each channel, `[n, width]`, token by token; nothing where none turns.
    pub(super) of_tokens: Vec<[Value; 2]>,
}

impl Turns<'_> {
    /// `x` `[n, width]` turned on, or back, as a token turns.
    pub(super) fn apply(&self, t: usize, x: Value, on: bool) -> Value {
        let Some([cos, sin]) = self.of_tokens.get(t) else { return x };
        let (graph, width) = (self.graph, self.width);
        let sign = if on { 1.0 } else { -1.0 };
        let even = |i: i64| i % self.head_width % 2 == 0;
        let other = |i: i64| if even(i) { (i + 1).min(width - 1) } else { i - 1 };
        let other: Vec<i64> = (0..width).map(other).collect();
        let signs: Vec<f32> = (0..width).map(|i| if even(i) { -sign } else { sign }).collect();
        let (other, signs) = (graph.ints(&other), graph.floats(&signs));
        let other = graph.mul(&graph.columns(&x, &other), &signs);
        graph.add(&graph.mul(&x, cos), &graph.mul(&other, sin))
    }
}
