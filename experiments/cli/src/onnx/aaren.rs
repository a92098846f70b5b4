//! The recurrence of an Aaren.

use aaren_format::{AarenSettings, Recency};
use anyhow::Result;
use tch::Kind;

use super::graph::{Graph, Value};
use super::turn::Turns;

/// Attention as an RNN, as `policies/streaming/src/mixer/aaren.rs` documents it.
pub(super) struct Aaren<'g> {
    graph: &'g Graph,
    /// `[n, tokens, width]`.
    values: Value,
    /// `[n, tokens, heads]`.
    scores: Value,
    decay: Decay,
    turns: Turns<'g>,
    /// Keys and queries of all heads, `[n, tokens, heads · keys]` each, where there are such.
    addresses: Option<[Value; 2]>,
    /// `[−1, heads, width of a head]` and `[−1, all entries]`.
    shapes: [Value; 2],
    /// `[−1, heads, keys]` and `[−1, heads, keys, width of a head]`.
    keyed: [Value; 2],
}

/// What falls off the logarithm of all weights with a token.
enum Decay {
    None,
    /// λ of every head, `[heads]`.
    Fixed(Value),
    /// `[n, tokens, heads]`.
    Gated(Value),
}

impl<'g> Aaren<'g> {
    pub(super) fn new(
        graph: &'g Graph,
        (width, AarenSettings { heads, recency, keys: entries, .. }): (usize, AarenSettings),
        block: &str,
        x: &Value,
        turns: Turns<'g>,
    ) -> Result<Self> {
        let (heads, width, entries) = (heads as i64, width as i64, entries as i64);
        let part = |part: &str| format!("{block}.attention.{part}");
        let double = |name: &str| graph.weight(&part(name)).map(|it| it.detach().to_kind(Kind::Double));
        let query = double("query.weight")?.mv(&double("query_token")?) + double("query.bias")?;
        let keys = double("key.weight")?.view([heads, width / heads, width]);
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let scores = (keys * query.view([heads, -1, 1])).sum_dim_intlist(1, false, None) * scale;
        let scores = graph.tensor(&scores.tr());
        let decay = match recency {
            Recency::None => Decay::None,
            Recency::Learned | Recency::Spread => Decay::Fixed(graph.tensor(&double("recency")?.softplus())),
            Recency::Gated => Decay::Gated(graph.op("Softplus", &[&graph.layer(x, &part("gate"))?])),
        };
        let addresses = if entries > 1 {
            let keys = graph.layer(x, &part("token_key"))?;
            let scale = graph.floats(&[1.0 / (entries as f32).sqrt()]);
            Some([graph.mul(&keys, &scale), graph.layer(x, &part("token_query"))?])
        } else {
            None
        };
        Ok(Self {
            graph,
            values: graph.layer(x, &part("value"))?,
            scores: graph.op("MatMul", &[x, &scores]),
            decay,
            turns,
            addresses,
            shapes: [&[-1, heads, width / heads][..], &[0, -1]].map(|shape| graph.ints(shape)),
            keyed: [&[-1, heads, entries][..], &[-1, heads, entries, width / heads]]
                .map(|shape| graph.ints(shape)),
        })
    }

    /// (m, u, w) after the token: m ← m − λ, M = max(m, s), u ← u e^{m − M} + e^{s − M}, w likewise; it sees w / u.
    pub(super) fn token(&self, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        if let Some(addresses) = &self.addresses {
            return self.keyed_token(state, t, addresses);
        }
        let (graph, [by_head, flat]) = (self.graph, &self.shapes);
        let value = self.turns.apply(t, graph.row(&self.values, t), false);
        let [value, weighted] = [&value, &state[2]].map(|x| graph.op("Reshape", &[x, by_head]));
        let [maximum, kept, added] = self.factors(&state[0], t);
        let sum = graph.add(&graph.mul(&state[1], &kept), &added);
        let [kept, added, total] = [&kept, &added, &sum].map(|x| graph.unsqueeze(x, 2));
        let weighted = graph.add(&graph.mul(&weighted, &kept), &graph.mul(&value, &added));
        let seen = graph.op("Div", &[&weighted, &total]);
        let [seen, weighted] = [&seen, &weighted].map(|x| graph.op("Reshape", &[x, flat]));
        (self.turns.apply(t, seen, true), vec![maximum, sum, weighted])
    }

    /// The same with a key k and a query q: u ← u e^{m − M} + e^{s − M} k, w likewise of k vᵀ; it sees
    /// wᵀq / max(|u·q|, e^{−M}).
    fn keyed_token(&self, state: &[Value], t: usize, addresses: &[Value; 2]) -> (Value, Vec<Value>) {
        let (graph, [by_head, flat], [by_key, by_entry]) = (self.graph, &self.shapes, &self.keyed);
        let [key, query] = addresses.each_ref().map(|address| {
            let address = self.turns.apply(t, graph.row(address, t), true);
            graph.op("Reshape", &[&address, by_key])
        });
        let value = graph.op("Reshape", &[&graph.row(&self.values, t), by_head]);
        let sums = graph.op("Reshape", &[&state[1], by_key]);
        let weighted = graph.op("Reshape", &[&state[2], by_entry]);
        let [maximum, kept, added] = self.factors(&state[0], t);
        let [kept, added] = [&kept, &added].map(|x| graph.unsqueeze(x, 2));
        let (old, new) = (graph.mul(&sums, &kept), graph.mul(&key, &added));
        let sums = graph.add(&old, &new);
        let [kept, new] = [&kept, &new].map(|x| graph.unsqueeze(x, 3));
        let [value, read] = [&value, &query].map(|x| graph.unsqueeze(x, 2));
        let weighted = graph.add(&graph.mul(&weighted, &kept), &graph.mul(&new, &value));

        let total = graph.op("ReduceSum", &[&graph.mul(&sums, &query), &graph.ints(&[2])]);
        let total = graph.op("Abs", &[&total]);
        let least = graph.op("Exp", &[&graph.op("Neg", &[&maximum])]);
        let total = graph.op("Max", &[&total, &graph.unsqueeze(&least, 2)]);
        let total = graph.unsqueeze(&total, 3);
        let seen = graph.op("Div", &[&graph.op("MatMul", &[&read, &weighted]), &total]);
        let [seen, sums, weighted] = [&seen, &sums, &weighted].map(|x| graph.op("Reshape", &[x, flat]));
        (seen, vec![maximum, sums, weighted])
    }

    /// M after the token, e^{m − λ − M} and e^{s − M}, `[n, heads]`.
    fn factors(&self, before: &Value, t: usize) -> [Value; 3] {
        let graph = self.graph;
        let score = graph.row(&self.scores, t);
        let decayed = match &self.decay {
            Decay::None => before.clone(),
            Decay::Fixed(decay) => graph.sub(before, decay),
            Decay::Gated(decays) => graph.sub(before, &graph.row(decays, t)),
        };
        let maximum = graph.op("Max", &[&decayed, &score]);
        let [kept, added] = [&decayed, &score].map(|x| graph.op("Exp", &[&graph.sub(x, &maximum)]));
        [maximum, kept, added]
    }
}
