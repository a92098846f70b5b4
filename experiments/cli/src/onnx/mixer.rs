//! How past tokens reach the present ones: the recurrences of Aaren and GRU, a token at a time.

use aaren_format::{AarenSettings, GruSettings, Mixer, Model, Recency};
use anyhow::Result;
use tch::{Kind, Tensor};

use super::graph::{Graph, Value, Weights, weight};
use super::proto::{DOUBLE, FLOAT, Number};
use crate::refusal::Refusal;

/// The parts of a state: `state.NAME` goes in and `next.NAME` comes out, `[n, layers, entries]`.
pub(super) struct States {
    parts: Vec<Part>,
    layers: i64,
}

struct Part {
    name: &'static str,
    entries: i64,
    /// What fills it before any token.
    empty: f32,
}

impl States {
    /// Aaren: m and u of every head (`maxima`, `sums`), w (`weighted`); GRU: `hidden`.
    ///
    /// # Errors
    /// [`Refusal`] for an encoder whose recurrence is not written here.
    pub(super) fn new(model: &Model) -> Result<Self> {
        let part = |name, entries: usize, empty| Part { name, entries: entries as i64, empty };
        let parts = match model.mixer {
            Mixer::Aaren(AarenSettings { keys: 2.., .. }) => {
                let found = "an aaren with keys: its recurrence is not written in ONNX's operators";
                return Err(Refusal(format!("{found}; export an aaren with `keys: 1`, or a C file")).into());
            }
            Mixer::Aaren(AarenSettings { heads, .. }) => vec![
                part("maxima", heads, f32::NEG_INFINITY),
                part("sums", heads, 0.0),
                part("weighted", model.width, 0.0),
            ],
            Mixer::Gru(GruSettings) => vec![part("hidden", GruSettings::units(model.width), 0.0)],
            _ => return Err(refused(model)),
        };
        Ok(Self { parts, layers: model.layers as i64 })
    }

    /// Takes the state in.
    pub(super) fn take_in(&self, graph: &mut Graph) -> Vec<Value> {
        let input = |Part { name, entries, .. }: &Part| {
            graph.input(&format!("state.{name}"), &[self.layers, *entries])
        };
        self.parts.iter().map(input).collect()
    }

    /// Gives the state out, from the parts of every layer.
    pub(super) fn give_out(&self, graph: &mut Graph, layers: &[Vec<Value>]) {
        for (index, Part { name, entries, .. }) in self.parts.iter().enumerate() {
            let rows: Vec<Value> = layers.iter().map(|layer| layer[index].clone()).collect();
            let stacked = graph.stack(&rows);
            graph.output(&format!("next.{name}"), &stacked, "float32", &[self.layers, *entries]);
        }
    }
}

fn refused(model: &Model) -> anyhow::Error {
    let encoder = model.encoder();
    let found = if encoder.constant_state() {
        "its recurrence is not written in ONNX's operators"
    } else {
        "its cache grows with every token, and an ONNX step has a state of one size"
    };
    Refusal(format!("encoder {encoder}: {found}; export an aaren or a gru")).into()
}

/// A layer's mixer, and when its state begins.
pub(super) struct Layer<'l> {
    pub(super) weights: &'l Weights,
    pub(super) model: &'l Model,
    pub(super) states: &'l States,
    /// `blocks.N`.
    pub(super) block: &'l str,
    /// Tokens of a step.
    pub(super) tokens: usize,
    /// Where an episode, or what is remembered of it, begins: `[n, 1]`.
    pub(super) begins: &'l Value,
    /// Timesteps since then of the last token, int64 `[n]`.
    pub(super) since: &'l Value,
}

impl Layer<'_> {
    /// Outputs `[n, tokens, width]` for inputs `x` of that shape, and the state after them.
    pub(super) fn mix(
        &self,
        graph: &mut Graph,
        x: &Value,
        before: Vec<Value>,
    ) -> Result<(Value, Vec<Value>)> {
        let Layer { weights, model, block, .. } = self;
        let (seen, state, output) = match model.mixer {
            Mixer::Gru(_) => {
                let gru = Gru::new(graph, weights, block, x)?;
                let (seen, state) = self.recur(graph, before, |graph, state, t| gru.token(graph, state, t));
                (seen, state, "gru.output")
            }
            Mixer::Aaren(settings) => {
                let mut aaren = Aaren::new(graph, weights, (model.width, settings), block, x)?;
                if model.rotated_heads() > 0 {
                    aaren.turns = self.turns(graph)?;
                }
                let (seen, state) = self.recur(graph, before, |graph, state, t| aaren.token(graph, state, t));
                (seen, state, "attention.output")
            }
            _ => return Err(refused(model)),
        };
        Ok((graph.layer(&seen, weights, &format!("{block}.{output}"))?, state))
    }

    /// How each token turns.
    fn turns(&self, graph: &mut Graph) -> Result<Vec<Turn>> {
        let phases = weight(self.weights, &format!("{}.attention.phase", self.block))?;
        let (heads, pairs) = phases.size2()?;
        let phases = Vec::<f64>::try_from(phases.detach().to_kind(Kind::Double).view([-1]))?;
        let width = self.model.width;
        let head_width = width / self.model.mixer.settings().heads;
        // What does not turn has phases of zero.
        let mut channels = vec![0.0; width];
        for (index, phase) in phases.into_iter().enumerate() {
            let (head, pair) = (index / pairs as usize, index % pairs as usize);
            channels[head * head_width + 2 * pair..][..2].fill(phase / std::f64::consts::TAU);
        }
        assert!(heads as usize * head_width <= width, "heads that turn are heads");
        let by_channel = graph.doubles(&channels);
        let whole = graph.doubles(&[std::f64::consts::TAU]);
        let last = graph.cast(self.since, DOUBLE);
        let one = graph.doubles(&[1.0]);
        let turn = |t: usize, graph: &mut Graph| {
            // The first of three is the action of the timestep before.
            let before = t == 0 && self.tokens == 3;
            let time = if before { graph.sub(&last, &one) } else { last.clone() };
            let time = graph.unsqueeze(&time, 1);
            let turns = graph.mul(&time, &by_channel);
            let full = graph.op("Floor", &[&turns], &[]);
            let part = graph.sub(&turns, &full);
            let angle = graph.mul(&part, &whole);
            let angle = graph.cast(&angle, FLOAT);
            let [cos, sin] = ["Cos", "Sin"].map(|operator| graph.op(operator, &[&angle], &[]));
            Turn { cos, sin }
        };
        Ok((0..self.tokens).map(|t| turn(t, graph)).collect())
    }

    /// Token by token: what each sees `[n, tokens, …]`, and the state after the last.
    fn recur(
        &self,
        graph: &mut Graph,
        before: Vec<Value>,
        token: impl Fn(&mut Graph, &[Value], usize) -> (Value, Vec<Value>),
    ) -> (Value, Vec<Value>) {
        let empty: Vec<Value> = self.states.parts.iter().map(|part| graph.floats(&[part.empty])).collect();
        let begin = |graph: &mut Graph, state: Vec<Value>| -> Vec<Value> {
            let parts = empty.iter().zip(state);
            parts.map(|(empty, part)| graph.op("Where", &[self.begins, empty, &part], &[])).collect()
        };
        let mut state = begin(graph, before);
        let mut seen = Vec::new();
        for t in 0..self.tokens {
            let (saw, after) = token(graph, &state, t);
            seen.push(saw);
            // The first of three is the action of the timestep before: where there is none, nothing was seen.
            state = if t == 0 && self.tokens == 3 { begin(graph, after) } else { after };
        }
        (graph.stack(&seen), state)
    }
}

/// Attention as an RNN, as `policies/streaming/src/mixer/aaren.rs` documents it.
struct Aaren {
    /// `[n, tokens, width]`.
    values: Value,
    /// `[n, tokens, heads]`.
    scores: Value,
    decay: Decay,
    /// One for each token where heads turn.
    turns: Vec<Turn>,
    width: i64,
    /// `[−1, heads, width of a head]` and `[−1, width]`.
    shapes: [Value; 2],
}

/// Cosine and sine of each channel, `[n, width]`.
struct Turn {
    cos: Value,
    sin: Value,
}

impl Turn {
    /// `x` `[n, width]` turned on, or back.
    fn apply(&self, graph: &mut Graph, x: &Value, on: bool, width: i64) -> Value {
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

/// What falls off the logarithm of all weights with a token.
enum Decay {
    None,
    /// λ of every head, `[heads]`.
    Fixed(Value),
    /// `[n, tokens, heads]`.
    Gated(Value),
}

impl Aaren {
    fn new(
        graph: &mut Graph,
        weights: &Weights,
        (width, AarenSettings { heads, recency, .. }): (usize, AarenSettings),
        block: &str,
        x: &Value,
    ) -> Result<Self> {
        let (heads, width) = (heads as i64, width as i64);
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
        Ok(Self {
            values: graph.layer(x, weights, &part("value"))?,
            scores: graph.op("MatMul", &[x, &scores], &[]),
            decay,
            turns: Vec::new(),
            width,
            shapes: [&[-1, heads, width / heads][..], &[-1, width]].map(|shape| graph.ints(shape)),
        })
    }

    /// (m, u, w) after the token: m ← m − λ, M = max(m, s), u ← u e^{m − M} + e^{s − M}, w likewise; it sees w / u.
    fn token(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
        let [by_head, flat] = &self.shapes;
        let (score, mut value) = (graph.row(&self.scores, t), graph.row(&self.values, t));
        if let Some(turn) = self.turns.get(t) {
            value = turn.apply(graph, &value, false, self.width);
        }
        let [value, weighted] = [&value, &state[2]].map(|x| graph.op("Reshape", &[x, by_head], &[]));
        let decayed = match &self.decay {
            Decay::None => state[0].clone(),
            Decay::Fixed(decay) => graph.sub(&state[0], decay),
            Decay::Gated(decays) => {
                let decay = graph.row(decays, t);
                graph.sub(&state[0], &decay)
            }
        };
        let maximum = graph.op("Max", &[&decayed, &score], &[]);
        let [kept, added] = [&decayed, &score].map(|x| {
            let below = graph.sub(x, &maximum);
            graph.op("Exp", &[&below], &[])
        });
        let sum = graph.mul(&state[1], &kept);
        let sum = graph.add(&sum, &added);
        let [kept, added, total] = [&kept, &added, &sum].map(|x| graph.unsqueeze(x, 2));
        let (old, new) = (graph.mul(&weighted, &kept), graph.mul(&value, &added));
        let weighted = graph.add(&old, &new);
        let seen = graph.op("Div", &[&weighted, &total], &[]);
        let [mut seen, weighted] = [&seen, &weighted].map(|x| graph.op("Reshape", &[x, flat], &[]));
        if let Some(turn) = self.turns.get(t) {
            seen = turn.apply(graph, &seen, true, self.width);
        }
        (seen, vec![maximum, sum, weighted])
    }
}

/// As PyTorch's `nn.GRU`.
struct Gru {
    /// What the gates get of the inputs, `[n, tokens, 3 · units]`.
    of_input: Value,
    hidden: [Tensor; 2],
}

impl Gru {
    fn new(graph: &mut Graph, weights: &Weights, block: &str, x: &Value) -> Result<Self> {
        let part = |name: &str| weight(weights, &format!("{block}.gru.{name}"));
        let of_input = graph.linear(x, part("weight_ih")?, part("bias_ih")?);
        let hidden = [part("weight_hh")?.shallow_clone(), part("bias_hh")?.shallow_clone()];
        Ok(Self { of_input, hidden })
    }

    fn token(&self, graph: &mut Graph, state: &[Value], t: usize) -> (Value, Vec<Value>) {
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
}
