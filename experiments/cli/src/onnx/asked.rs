//! What is asked for, and the head that hears it.

use aaren_format::{Bins, Decision, Layout};
use anyhow::Result;

use super::graph::{Graph, Value};
use super::head::Heads;
use super::proto::FLOAT;

/// What the timestep adds to what is asked for.
pub(super) struct Asked {
    /// `[n, 1]`: the factor from the scaled return-to-go to that for each remaining timestep; `None` where it is not
    /// told.
    rate: Option<Value>,
    /// `[n, 1]`, all 1; `None` where nobody hears whether a return is asked for.
    one: Option<Value>,
    bins: Bins,
}

impl Asked {
    pub(super) fn new(graph: &Graph, decision: &Decision, timestep: &Value) -> Asked {
        let bins = decision.bins();
        let Layout::Joint { rate, .. } = decision.layout else {
            return Asked { rate: None, one: None, bins };
        };
        let float = graph.unsqueeze(&graph.cast(timestep, FLOAT), 1);
        let whole = decision.max_timesteps as f32;
        let [none, whole, tenth, one] =
            [0.0, whole, whole / Layout::STEEPEST, 1.0].map(|x| graph.floats(&[x]));
        let rate = rate.then(|| {
            let left = graph.op("Max", &[&graph.sub(&whole, &float), &tenth]);
            graph.op("Div", &[&whole, &left])
        });
        Asked { rate, one: Some(graph.add(&graph.mul(&float, &none), &one)), bins }
    }

    /// `[n, asked size]` of a scaled return-to-go `[n, 1]`.
    pub(super) fn of(&self, graph: &Graph, scaled: &Value) -> Value {
        let mut asked = vec![scaled.clone()];
        asked.extend(self.rate.as_ref().map(|rate| graph.mul(scaled, rate)));
        asked.extend(self.one.clone());
        asked.extend((self.bins.count > 0).then(|| shares(graph, &self.bins, scaled)));
        graph.concat(&asked)
    }

    /// The head's outputs for the encoder's, `x` `[n, width]`, `return_to_go` `[n]` and the same scaled, `[n, 1]`.
    pub(super) fn read(
        &self,
        graph: &Graph,
        decision: &Decision,
        x: &Value,
        return_to_go: &Value,
        scaled: &Value,
    ) -> Result<Heads> {
        if !decision.layout.in_head() {
            return Ok(Heads { asked: graph.layer(x, "head")?, free: None });
        }
        let most = graph.layer(&graph.gelu(&graph.layer(x, "most.hidden")?), "most")?;
        let infinite = graph.unsqueeze(&graph.op("IsInf", &[return_to_go]), 1);
        let scaled = graph.op("Where", &[&infinite, &most, scaled]);
        let hidden = graph.layer(x, "head.hidden")?;
        let heads = modulate(graph, &hidden, &self.of(graph, &scaled))?;
        if decision.guidance == 1.0 {
            return Ok(Heads { asked: heads, free: None });
        }
        // Nothing is asked for: as many zeros.
        let nothing = graph.floats(&[0.0]);
        let nothing = graph.mul(&self.of(graph, &most), &nothing);
        let free = modulate(graph, &hidden, &nothing)?;
        Ok(Heads { asked: heads, free: Some(free) })
    }
}

/// `[n, bins]`: the share of each bin in a scaled return-to-go `[n, 1]`; see [`Bins::tell`].
fn shares(graph: &Graph, bins: &Bins, scaled: &Value) -> Value {
    let points: Vec<f32> = (0..bins.count).map(|bin| bin as f32).collect();
    let [lowest, density, none, one, last] =
        [bins.lowest, bins.density, 0.0, 1.0, points[bins.count - 1]].map(|x| graph.floats(&[x]));
    let place = graph.mul(&graph.sub(scaled, &lowest), &density);
    let place = graph.op("Max", &[&place, &none]);
    let place = graph.op("Min", &[&place, &last]);
    let away = graph.op("Abs", &[&graph.sub(&place, &graph.floats(&points))]);
    graph.op("Max", &[&graph.sub(&one, &away), &none])
}

/// The outputs for the units before they are scaled and shifted, where `asked` is asked for.
fn modulate(graph: &Graph, hidden: &Value, asked: &Value) -> Result<Value> {
    let film = graph.gelu(&graph.layer(asked, "head.asked")?);
    let film = graph.split(&graph.layer(&film, "head.film")?, 2);
    let scaled = graph.add(hidden, &graph.mul(hidden, &film[0]));
    graph.layer(&graph.gelu(&graph.add(&scaled, &film[1])), "head")
}
