//! The gated delta rule.

use aaren_format::{GatedDeltaSettings, Model};
use tch::{Kind, Tensor, nn};

use super::{Mixer, aaren};
use crate::linear::{float, linear, weights, x_linear};
use crate::rotation::{Phases, Place, by_head};
use crate::wanted::Wanted;

/// Tokens whose changes to the memory are one system of equations.
const CHUNK: i64 = 64;

/// A matrix memory whose entries are overwritten (Yang et al. 2024, "Gated Delta Networks", arXiv 2412.06464): of each head
///
/// ```text
/// S ← α S + β k (v − α Sᵀ k)ᵀ      o = Sᵀ q      α = σ(−W_d x − b_d)      β = 2 σ(W_r x + b_r)
/// ```
///
/// q and k are SiLU of their projections, divided by their length; with rotation they turn. β up to 2 lets eigenvalues be
/// negative (arXiv 2411.12537). Decays begin as those of an Aaren with gates. There is neither a short convolution nor an
/// output gate.
#[derive(Debug)]
pub(crate) struct GatedDelta {
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    decay: nn::Linear,
    rate: nn::Linear,
    phases: Option<Phases>,
    heads: i64,
}

impl GatedDelta {
    pub(crate) fn new(
        path: &nn::Path,
        model: &Model,
        GatedDeltaSettings { heads, .. }: GatedDeltaSettings,
        longest: usize,
    ) -> Self {
        let (width, heads) = (model.width as i64, heads as i64);
        let linear = |name, outputs| linear(path / name, width, outputs);
        let mut decay = linear("decay", heads);
        tch::no_grad(|| decay.bs.as_mut().map(|bias| bias.copy_(&aaren::spread(heads, path.device()))));
        Self {
            query: linear("query", width),
            key: linear("key", width),
            value: linear("value", width),
            output: linear("output", width),
            decay,
            rate: linear("rate", heads),
            phases: Phases::new(path, model, longest),
            heads,
        }
    }
}

/// What some tokens bring: logarithms of α summed up, rates β `[batch, heads, tokens]`, the others `[batch, heads, tokens,
/// width of a head]`.
struct Tokens {
    left: Tensor,
    rates: Tensor,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
}

impl Tokens {
    /// Outputs at these tokens, and the memory after them.
    ///
    /// With G the sum of ln α from the first token on, S_t = e^{G_t} S + Σ_{i ≤ t} e^{G_t − G_i} k_i u_iᵀ, where u_t is
    /// β_t (v_t − e^{G_t} Sᵀ k_t − Σ_{i < t} e^{G_t − G_i} (k_i·k_t) u_i): a triangular system.
    fn after(&self, memory: &Tensor) -> (Tensor, Tensor) {
        let Tokens { left, rates, queries, keys, values } = self;
        let tokens = left.size()[2];
        let number = Tensor::arange(tokens, (Kind::Int64, left.device()));
        let (future, own) = (number.gt_tensor(&number.unsqueeze(1)), number.ge_tensor(&number.unsqueeze(1)));
        let since = (left.unsqueeze(-1) - left.unsqueeze(-2)).masked_fill(&future, f64::NEG_INFINITY);
        let [since, decayed] = [since, left.unsqueeze(-1)].map(|x| x.to_kind(values.kind()).exp());
        let rates = rates.unsqueeze(-1);
        let overlap = (keys.matmul(&keys.transpose(-2, -1)) * &since * &rates).masked_fill(&own, 0.0);
        let wanted = (values - keys.matmul(memory) * &decayed) * &rates;
        let changes = overlap.linalg_solve_triangular(&wanted, false, true, true);
        let shares = queries.matmul(&keys.transpose(-2, -1)) * &since;
        let outputs = queries.matmul(memory) * &decayed + shares.matmul(&changes);
        let kept = since.select(2, tokens - 1).unsqueeze(-1) * keys;
        let after = decayed.narrow(2, tokens - 1, 1) * memory + kept.transpose(-2, -1).matmul(&changes);
        (outputs, after)
    }
}

/// Its state is the memory `[batch, heads, width of a head, width of a head]`, a row of values for each entry of a key; keys
/// stand as seen from the timestep of the last token.
impl Mixer for GatedDelta {
    fn zero_state(&self, batch: i64) -> Vec<Tensor> {
        let head_width = self.value.ws.size()[0] / self.heads;
        let options = (self.value.ws.kind(), self.value.ws.device());
        vec![Tensor::zeros([batch, self.heads, head_width, head_width], options)]
    }

    fn seq(
        &self,
        x: &Tensor,
        place: Place,
        state: Option<&[Tensor]>,
        wanted: Wanted,
    ) -> (Tensor, Vec<Tensor>) {
        let (batch, tokens, width) = x.size3().expect("x is [batch, tokens, width]");
        let of = |layer| float(&by_head(&x_linear(x, layer), self.heads));
        let [mut queries, mut keys] = [&self.query, &self.key].map(|layer| {
            let x = of(layer).silu();
            let length = (&x * &x).sum_dim_intlist(-1, true, None::<Kind>) + 1e-6;
            x * length.rsqrt()
        });
        let turn = self.phases.as_ref().map(|phases| phases.at(&place.since(tokens)));
        if let Some(turn) = &turn {
            (queries, keys) = (turn.on(&queries), turn.on(&keys));
        }
        let gate = |layer| float(&x_linear(x, layer)).transpose(1, 2);
        let decay = gate(&self.decay).softplus();
        let left = -place.reset(Some(decay.shallow_clone()), &decay).unwrap_or(decay);
        let rates = gate(&self.rate).sigmoid() * 2.0;
        let [queries, keys, values] = [queries, keys, of(&self.value)].map(|x| x.transpose(1, 2));
        let mut memory = self.before(x, state).remove(0);
        let mut outputs = Vec::new();
        for start in (0..tokens).step_by(CHUNK as usize) {
            let part = |x: &Tensor| x.narrow(2, start, CHUNK.min(tokens - start));
            let chunk = Tokens {
                left: part(&left).cumsum(2, Kind::Double),
                rates: part(&rates),
                queries: part(&queries),
                keys: part(&keys),
                values: part(&values),
            };
            let (mixed, after) = chunk.after(&memory);
            outputs.push(mixed);
            memory = after;
        }
        if let Some(turn) = &turn {
            memory = turn.last().back(&memory.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]);
        }
        let outputs = wanted.of(&Tensor::cat(&outputs, 2), 2).transpose(1, 2).to_kind(x.kind());
        (x_linear(&outputs.reshape([batch, -1, width]), &self.output), vec![memory])
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let layers = [&self.query, &self.key, &self.value, &self.output, &self.decay, &self.rate];
        let phases = self.phases.as_ref().map(Phases::parameter);
        layers.into_iter().flat_map(weights).chain(phases).collect()
    }
}
