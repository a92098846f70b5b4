//! What is asked for, and the head that hears it.

use aaren_format::{Bins, Decision, Layout};
use anyhow::Result;

use super::graph::{Graph, Value, Weights, gelu};
use super::head::Heads;
use super::proto::{FLOAT, Number};

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
    pub(super) fn new(graph: &mut Graph, decision: &Decision, timestep: &Value) -> Asked {
        let bins = decision.bins();
        let Layout::Joint { rate, .. } = decision.layout else {
            return Asked { rate: None, one: None, bins };
        };
        let float = graph.op("Cast", &[timestep], &[("to", Number::Int(FLOAT.into()))]);
        let float = graph.unsqueeze(&float, 1);
        let whole = decision.max_timesteps as f32;
        let [none, whole, tenth, one] =
            [0.0, whole, whole / Layout::STEEPEST, 1.0].map(|x| graph.floats(&[x]));
        let rate = rate.then(|| {
            let left = graph.sub(&whole, &float);
            let left = graph.op("Max", &[&left, &tenth], &[]);
            graph.op("Div", &[&whole, &left], &[])
        });
        let nothing = graph.mul(&float, &none);
        Asked { rate, one: Some(graph.add(&nothing, &one)), bins }
    }

    /// `[n, asked size]` of a scaled return-to-go `[n, 1]`.
    pub(super) fn of(&self, graph: &mut Graph, scaled: &Value) -> Value {
        let mut asked = vec![scaled.clone()];
        asked.extend(self.rate.as_ref().map(|rate| graph.mul(scaled, rate)));
        asked.extend(self.one.clone());
        asked.extend((self.bins.count > 0).then(|| shares(graph, &self.bins, scaled)));
        graph.concat(&asked)
    }

    /// The head's outputs for the encoder's, `x` `[n, width]`, `return_to_go` `[n]` and the same scaled, `[n, 1]`.
    pub(super) fn read(
        &self,
        graph: &mut Graph,
        weights: &Weights,
        decision: &Decision,
        x: &Value,
        return_to_go: &Value,
        scaled: &Value,
    ) -> Result<Heads> {
        if !decision.layout.in_head() {
            return Ok(Heads { asked: graph.layer(x, weights, "head")?, free: None });
        }
        let most = graph.layer(x, weights, "most.hidden")?;
        let most = gelu(graph, &most);
        let most = graph.layer(&most, weights, "most")?;
        let infinite = graph.op("IsInf", &[return_to_go], &[]);
        let infinite = graph.unsqueeze(&infinite, 1);
        let scaled = graph.op("Where", &[&infinite, &most, scaled], &[]);
        let hidden = graph.layer(x, weights, "head.hidden")?;
        let asked = self.of(graph, &scaled);
        let heads = modulate(graph, weights, &hidden, &asked)?;
        if decision.guidance == 1.0 {
            return Ok(Heads { asked: heads, free: None });
        }
        // Nothing is asked for: as many zeros.
        let nothing = graph.floats(&[0.0]);
        let finite = self.of(graph, &most);
        let nothing = graph.mul(&finite, &nothing);
        let free = modulate(graph, weights, &hidden, &nothing)?;
        Ok(Heads { asked: heads, free: Some(free) })
    }
}

/// `[n, bins]`: the share of each bin in a scaled return-to-go `[n, 1]`; see [`Bins::tell`].
fn shares(graph: &mut Graph, bins: &Bins, scaled: &Value) -> Value {
    let points: Vec<f32> = (0..bins.count).map(|bin| bin as f32).collect();
    let [lowest, density, none, one, last] =
        [bins.lowest, bins.density, 0.0, 1.0, points[bins.count - 1]].map(|x| graph.floats(&[x]));
    let place = graph.sub(scaled, &lowest);
    let place = graph.mul(&place, &density);
    let place = graph.op("Max", &[&place, &none], &[]);
    let place = graph.op("Min", &[&place, &last], &[]);
    let points = graph.floats(&points);
    let away = graph.sub(&place, &points);
    let away = graph.op("Abs", &[&away], &[]);
    let share = graph.sub(&one, &away);
    graph.op("Max", &[&share, &none], &[])
}

/// The outputs for the units before they are scaled and shifted, where `asked` is asked for.
fn modulate(graph: &mut Graph, weights: &Weights, hidden: &Value, asked: &Value) -> Result<Value> {
    let film = graph.layer(asked, weights, "head.asked")?;
    let film = gelu(graph, &film);
    let film = graph.layer(&film, weights, "head.film")?;
    let film = graph.ops("Split", &[&film], &[("axis", Number::Int(1))], 2);
    let product = graph.mul(hidden, &film[0]);
    let units = graph.add(hidden, &product);
    let units = graph.add(&units, &film[1]);
    let units = gelu(graph, &units);
    graph.layer(&units, weights, "head")
}
