//! How past tokens reach the present ones: the recurrences of all encoders whose state has one size, a token at a time.

use aaren_format::{Mixer, Model, Settings};
use anyhow::Result;
use tch::Kind;

use super::aaren::Aaren;
use super::gated_delta::GatedDelta;
use super::graph::{Graph, Value};
use super::proto::{DOUBLE, FLOAT};
use super::recurrent::{Gates, min_gru};
use super::turn::Turns;
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
    /// Aaren: m and u of every head (`maxima`, `sums`), w (`weighted`); recurrent units: `hidden`, and an LSTM's `cell`; the
    /// gated delta rule: `memory`.
    ///
    /// # Errors
    /// [`Refusal`] for an encoder whose recurrence is not written here.
    pub(super) fn new(model: &Model) -> Result<Self> {
        let part = |name, entries: usize, empty| Part { name, entries: entries as i64, empty };
        let parts = match model.mixer {
            Mixer::Aaren(settings) => vec![
                part("maxima", settings.heads, f32::NEG_INFINITY),
                part("sums", settings.heads * settings.keys, 0.0),
                part("weighted", model.width * settings.keys, 0.0),
            ],
            Mixer::Gru(_) | Mixer::MinGru(_) => vec![part("hidden", model.units(), 0.0)],
            Mixer::Lstm(_) => vec![part("hidden", model.units(), 0.0), part("cell", model.units(), 0.0)],
            Mixer::GatedDelta(settings) => {
                vec![part("memory", model.width * model.width / settings.heads, 0.0)]
            }
            Mixer::Transformer(_) => return Err(refused(model)),
        };
        Ok(Self { parts, layers: model.layers as i64 })
    }

    /// Takes the state in.
    pub(super) fn take_in(&self, graph: &Graph) -> Vec<Value> {
        let input = |Part { name, entries, .. }: &Part| {
            graph.input(&format!("state.{name}"), &[self.layers, *entries])
        };
        self.parts.iter().map(input).collect()
    }

    /// Gives the state out, from the parts of every layer.
    pub(super) fn give_out(&self, graph: &Graph, layers: &[Vec<Value>]) {
        for (index, Part { name, entries, .. }) in self.parts.iter().enumerate() {
            let rows: Vec<Value> = layers.iter().map(|layer| layer[index].clone()).collect();
            graph.output(&format!("next.{name}"), &graph.stack(&rows), "float32", &[self.layers, *entries]);
        }
    }
}

fn refused(model: &Model) -> anyhow::Error {
    let found = "its cache grows with every token, and an ONNX step has a state of one size";
    Refusal(format!("encoder {}: {found}; export another encoder", model.encoder())).into()
}

/// A layer's mixer, and when its state begins.
pub(super) struct Layer<'l> {
    pub(super) graph: &'l Graph,
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
    pub(super) fn mix(&self, x: &Value, before: Vec<Value>) -> Result<(Value, Vec<Value>)> {
        let Layer { graph, model, block, .. } = *self;
        let ((seen, state), output) = match model.mixer {
            Mixer::Gru(_) => {
                let gates = Gates::new(graph, block, "gru", x)?;
                (self.recur(before, |state, t| gates.gru(state, t)), "gru.output")
            }
            Mixer::Lstm(_) => {
                let gates = Gates::new(graph, block, "lstm", x)?;
                (self.recur(before, |state, t| gates.lstm(state, t)), "lstm.output")
            }
            Mixer::MinGru(_) => {
                let gates = graph.layer(x, &format!("{block}.mingru.input"))?;
                (self.recur(before, |state, t| min_gru(graph, &gates, state, t)), "mingru.output")
            }
            Mixer::GatedDelta(settings) => {
                let delta = GatedDelta::new(graph, (model.width, settings), block, x, self.turns()?)?;
                (self.recur(before, |state, t| delta.token(state, t)), "attention.output")
            }
            Mixer::Aaren(settings) => {
                let aaren = Aaren::new(graph, (model.width, settings), block, x, self.turns()?)?;
                (self.recur(before, |state, t| aaren.token(state, t)), "attention.output")
            }
            Mixer::Transformer(_) => return Err(refused(model)),
        };
        Ok((graph.layer(&seen, &format!("{block}.{output}"))?, state))
    }

    /// How each token turns; nothing where none does.
    fn turns(&self) -> Result<Turns<'_>> {
        let graph = self.graph;
        if self.model.rotated_heads() == 0 {
            return Ok(Turns { graph, width: 0, head_width: 0, of_tokens: Vec::new() });
        }
        let phases = graph.weight(&format!("{}.attention.phase", self.block))?;
        let (heads, pairs) = phases.size2()?;
        let phases = Vec::<f64>::try_from(phases.detach().to_kind(Kind::Double).view([-1]))?;
        let Settings { heads: all, keys, .. } = self.model.mixer.settings();
        // Of keys where there are such.
        let width = if keys > 1 { all * keys } else { self.model.width };
        let head_width = width / all;
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
        let turn = |t: usize| {
            // The first of three is the action of the timestep before.
            let before = t == 0 && self.tokens == 3;
            let time = if before { graph.sub(&last, &one) } else { last.clone() };
            let turns = graph.mul(&graph.unsqueeze(&time, 1), &by_channel);
            let part = graph.sub(&turns, &graph.op("Floor", &[&turns]));
            let angle = graph.cast(&graph.mul(&part, &whole), FLOAT);
            ["Cos", "Sin"].map(|operator| graph.op(operator, &[&angle]))
        };
        let of_tokens = (0..self.tokens).map(turn).collect();
        Ok(Turns { graph, width: width as i64, head_width: head_width as i64, of_tokens })
    }

    /// Token by token: what each sees `[n, tokens, …]`, and the state after the last.
    fn recur(
        &self,
        before: Vec<Value>,
        token: impl Fn(&[Value], usize) -> (Value, Vec<Value>),
    ) -> (Value, Vec<Value>) {
        let graph = self.graph;
        let empty: Vec<Value> = self.states.parts.iter().map(|part| graph.floats(&[part.empty])).collect();
        let begin = |state: Vec<Value>| -> Vec<Value> {
            let parts = empty.iter().zip(state);
            parts.map(|(empty, part)| graph.op("Where", &[self.begins, empty, &part])).collect()
        };
        let mut state = begin(before);
        let mut seen = Vec::new();
        for t in 0..self.tokens {
            let (saw, after) = token(&state, t);
            seen.push(saw);
            // The first of three is the action of the timestep before: where there is none, nothing was seen.
            state = if t == 0 && self.tokens == 3 { begin(after) } else { after };
        }
        (graph.stack(&seen), state)
    }
}
