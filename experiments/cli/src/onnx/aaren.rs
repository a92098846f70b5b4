//! The recurrence of an Aaren.

use aaren_format::{AarenSettings, Recency};
use anyhow::Result;
use tch::{Kind, Tensor};

use super::graph::{Graph, Value, Weights, weight};
use super::turn::Turn;

/// Attention as an RNN, as `policies/streaming/src/mixer/aaren.rs` documents it.
pub(super) struct Aaren {
    /// `[n, tokens, width]`.
    values: Value,
    /// `[n, tokens, heads]`.
    scores: Value,
    decay: Decay,
    /// One for each token where heads turn.
    turns: Vec<Turn>,
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

impl Aaren {
    pub(super) fn new(
        graph: &mut Graph,
        weights: &Weights,
        (width, AarenSettings { heads, recency, keys: entries, .. }): (usize, AarenSettings),
        block: &str,
        x: &Value,
        turns: Vec<Turn>,
    ) -> Result<Self> {
        let (heads, width, entries) = (heads as i64, width as i64, entries as i64);
        let part = |part: &str| format!("{block}.attention.{part}");
        let double = |name: &str| {
            Ok::<Tensor, anyhow::Error>(weight(weights, &part(name))?.detach().to_kind(Kind::Double))
        };
        let query = double("query.weight")?.mv(&double("query_token")?) + double("query.bias")?;
        let keys = double("key.weight")?.view([heads, width / heads, width]);
        let scale = 1.0 / ((width / heads) as f64).sqrt();
        let scores = (keys * query.view([heads, -1, 1])).sum_dim_intlist(1, false, None) * scale;
        let scores = graph.tensor(&scores.tr());
        let decay = match recency {
            Recency::None => Decay::None,
            Recency::Learned | Recency::Spread => Decay::Fixed(graph.tensor(&double("recency")?.softplus())),
            Recency::Gated => {
                let gates = graph.layer(x, weights, &part("gate"))?;
                Decay::Gated(graph.op("Softplus", &[&gates], &[]))
            }
        };
        let addresses = if entries > 1 {
            let keys = graph.layer(x, weights, &part("token_key"))?;
            let scale = graph.floats(&[1.0 / (entries as f32).sqrt()]);
            Some([graph.mul(&keys, &scale), graph.layer(x, weights, &part("token_query"))?])
        } else {
            None
        };
        Ok(Self {
            values: graph.layer(x, weights, &part("value"))?,
            scores: graph.op("MatMul", &[x, &scores], &[]),
            decay,
            turns,
            addresses,
            shapes: [&[-1, heads, width / heads][..], &[0, -1]].map(|shape| graph.ints(shape)),
            keyed: [&[-1, heads, entries][..], &[-1, heads, entries, width / heads]]
                .map(|shape| graph.ints(shape)),
        })
    }

    /// (m, u, w) after the token: m ← m − λ, M = max(m, s), u ← u e^{m − M} + e^{s − M}, w likewise; it sees w / u.
    pub(super) fn token(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        if let Some(addresses) = &self.addresses {
            return self.keyed_token(graph, state, t, addresses);
        }
        let [by_head, flat] = &self.shapes;
        let mut value = graph.row(&self.values, t);
        if let Some(turn) = self.turns.get(t) {
            value = turn.apply(graph, &value, false);
        }
        let [value, weighted] = [&value, &state[2]].map(|x| graph.op("Reshape", &[x, by_head], &[]));
        let [maximum, kept, added] = self.factors(graph, &state[0], t);
        let sum = graph.mul(&state[1], &kept);
        let sum = graph.add(&sum, &added);
        let [kept, added, total] = [&kept, &added, &sum].map(|x| graph.unsqueeze(x, 2));
        let (old, new) = (graph.mul(&weighted, &kept), graph.mul(&value, &added));
        let weighted = graph.add(&old, &new);
        let seen = graph.op("Div", &[&weighted, &total], &[]);
        let [mut seen, weighted] = [&seen, &weighted].map(|x| graph.op("Reshape", &[x, flat], &[]));
        if let Some(turn) = self.turns.get(t) {
            seen = turn.apply(graph, &seen, true);
        }
        (seen, vec![maximum, sum, weighted])
    }

    /// The same with a key k and a query q: u ← u e^{m − M} + e^{s − M} k, w likewise of k vᵀ; it sees
    /// wᵀq / max(|u·q|, e^{−M}).
    fn keyed_token(
        &self,
        graph: &mut Graph,
        state: &[Value],
        t: usize,
        addresses: &[Value; 2],
    ) -> (Value, Vec<Value>) {
        let ([by_head, flat], [by_key, by_entry]) = (&self.shapes, &self.keyed);
        let [key, query] = addresses.each_ref().map(|address| {
            let mut address = graph.row(address, t);
            if let Some(turn) = self.turns.get(t) {
                address = turn.apply(graph, &address, true);
            }
            graph.op("Reshape", &[&address, by_key], &[])
        });
        let value = graph.row(&self.values, t);
        let value = graph.op("Reshape", &[&value, by_head], &[]);
        let sums = graph.op("Reshape", &[&state[1], by_key], &[]);
        let weighted = graph.op("Reshape", &[&state[2], by_entry], &[]);
        let [maximum, kept, added] = self.factors(graph, &state[0], t);
        let [kept, added] = [&kept, &added].map(|x| graph.unsqueeze(x, 2));
        let (old, new) = (graph.mul(&sums, &kept), graph.mul(&key, &added));
        let sums = graph.add(&old, &new);
        let [kept, new] = [&kept, &new].map(|x| graph.unsqueeze(x, 3));
        let [value, read] = [&value, &query].map(|x| graph.unsqueeze(x, 2));
        let (old, new) = (graph.mul(&weighted, &kept), graph.mul(&new, &value));
        let weighted = graph.add(&old, &new);

        let total = graph.mul(&sums, &query);
        let last = graph.ints(&[2]);
        let total = graph.op("ReduceSum", &[&total, &last], &[]);
        let total = graph.op("Abs", &[&total], &[]);
        let least = graph.op("Neg", &[&maximum], &[]);
        let least = graph.op("Exp", &[&least], &[]);
        let least = graph.unsqueeze(&least, 2);
        let total = graph.op("Max", &[&total, &least], &[]);
        let total = graph.unsqueeze(&total, 3);
        let seen = graph.op("MatMul", &[&read, &weighted], &[]);
        let seen = graph.op("Div", &[&seen, &total], &[]);
        let [seen, sums, weighted] = [&seen, &sums, &weighted].map(|x| graph.op("Reshape", &[x, flat], &[]));
        (seen, vec![maximum, sums, weighted])
    }

    /// M after the token, e^{m − λ − M} and e^{s − M}, `[n, heads]`.
    fn factors(&self, graph: &mut Graph, before: &Value, t: usize) -> [Value; 3] {
        let score = graph.row(&self.scores, t);
        let decayed = match &self.decay {
            Decay::None => before.clone(),
            Decay::Fixed(decay) => graph.sub(before, decay),
            Decay::Gated(decays) => {
                let decay = graph.row(decays, t);
                graph.sub(before, &decay)
            }
        };
        let maximum = graph.op("Max", &[&decayed, &score], &[]);
        let [kept, added] = [&decayed, &score].map(|x| {
            let below = graph.sub(x, &maximum);
            graph.op("Exp", &[&below], &[])
        });
        [maximum, kept, added]
    }
}
