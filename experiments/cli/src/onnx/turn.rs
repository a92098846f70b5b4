//! The rotation of channels that tells timesteps.

use super::graph::{Graph, Value};
use super::proto::Number;

/// Cosine and sine of each channel, `[n, width]`.
pub(super) struct Turn {
    pub(super) cos: Value,
    pub(super) sin: Value,
    pub(super) width: i64,
}

impl Turn {
    /// `x` `[n, width]` turned on, or back.
    pub(super) fn apply(&self, graph: &mut Graph, x: &Value, on: bool) -> Value {
        let width = self.width;
        let sign = if on { 1.0 } else { -1.0 };
        let other: Vec<i64> = (0..width).map(|i| if i ^ 1 < width { i ^ 1 } else { i }).collect();
        let signs: Vec<f32> = (0..width).map(|i| if i % 2 == 0 { -sign } else { sign }).collect();
        let (other, signs) = (graph.ints(&other), graph.floats(&signs));
        let other = graph.op("Gather", &[x, &other], &[("axis", Number::Int(1))]);
        let other = graph.mul(&other, &signs);
        let (own, other) = (graph.mul(x, &self.cos), graph.mul(&other, &self.sin));
        graph.add(&own, &other)
    }
}
