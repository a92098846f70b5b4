//! The gated delta rule (Yang et al. 2024, "Gated Delta Networks", arXiv 2412.06464): a matrix memory whose entries are
//! overwritten, not only added to.
//!
//! Of each head, with q and k = x / √(|x|² + 10⁻⁶) of SiLU of their projections, and α, β of one number of the token each:
//!
//! ```text
//! S ← α S + β k (v − α Sᵀ k)ᵀ      o = Sᵀ q      α = σ(−W_d x − b_d)      β = 2 σ(W_r x + b_r)
//! ```
//!
//! β up to 2 lets eigenvalues be negative (arXiv 2411.12537). There is neither a short convolution nor an output gate. With
//! rotation queries and keys turn.

use alloc::{format, vec::Vec};

use aaren_format::{Model, Precision};

use super::Mix;
use super::recurrent::sigmoid;
use crate::Error;

use crate::cache::Cache;
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::rotation::Phases;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::{add_scaled, dot, for_lanes};

/// One layer as its file holds it.
pub(crate) struct Parts {
    /// Query, key, value, output: `[width, width]` each.
    pub(crate) projections: [Matrix; 4],
    /// Weight `[2 · heads, width]` and bias: decays of all heads, then their rates.
    pub(crate) gates: (Vec<f32>, Vec<f32>),
}

impl Parts {
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model) -> Result<Parts, Error> {
        let (width, heads) = (model.width, model.mixer.settings().heads);
        let name = |part: &str| format!("{block}.attention.{part}");
        let square = |part: &str| file.matrix(&name(part), width, width);
        let projections = [square("query")?, square("key")?, square("value")?, square("output")?];
        let (mut weight, mut bias) = file.weight_and_bias(&name("decay"), heads, width)?;
        let rates = file.weight_and_bias(&name("rate"), heads, width)?;
        weight.extend(rates.0);
        bias.extend(rates.1);
        Ok(Parts { projections, gates: (weight, bias) })
    }
}

/// One layer's parameters.
pub(crate) struct GatedDelta {
    query: Linear,
    key: Linear,
    /// Values of all heads, then a decay of each, then a rate of each.
    value_and_gates: Linear,
    output: Linear,
    phases: Option<Phases>,
    width: usize,
    heads: usize,
}

impl Mix for GatedDelta {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        tokens_each: usize,
        precision: Precision,
    ) -> Result<GatedDelta, Error> {
        let Parts { projections: [query, key, value, output], gates } = Parts::read(file, block, model)?;
        let value_and_gates = Linear::stacked(&value, (&gates.0, &gates.1), precision);
        let [query, key, output] = [query, key, output].map(|matrix| Linear::new(&matrix, precision));
        let phases = Phases::read(file, block, model, tokens_each)?;
        let (width, heads) = (model.width, model.mixer.settings().heads);
        Ok(GatedDelta { query, key, value_and_gates, output, phases, width, heads })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        [&self.query, &self.key, &self.value_and_gates, &self.output].into_iter()
    }

    /// S of every head, a row of values for each entry of a key.
    fn memory(&self) -> Memory {
        let head_width = self.width / self.heads;
        Memory { fixed: alloc::vec![0.0; self.width * head_width], cache: Cache::new(0) }
    }

    fn scratch(&self) -> usize {
        // What a token changes, and its turn, come once.
        let once = self.width + self.phases.as_ref().map_or(0, Phases::floats);
        3 * self.width + self.value_and_gates.outputs() + once
    }

    #[inline(always)]
    fn forward<L: Lanes>(
        &self,
        x: &[f32],
        states: &mut [impl AsMut<State>],
        n: usize,
        wanted: Wanted,
        scratch: &mut [f32],
        y: &mut [f32],
    ) {
        let (width, head_width) = (self.width, self.width / self.heads);
        let (tokens, outputs) = (x.len() / width, y.len() / width);
        let row = self.value_and_gates.outputs();
        let (queries, rest) = scratch.split_at_mut(tokens * width);
        let (keys, rest) = rest.split_at_mut(tokens * width);
        let (values, rest) = rest.split_at_mut(tokens * row);
        let (mixed, rest) = rest.split_at_mut(outputs * width);
        let (change, rest) = rest.split_at_mut(head_width);
        let turn = &mut rest[..self.phases.as_ref().map_or(0, Phases::floats)];
        self.query.apply::<L>(x, tokens, queries);
        self.key.apply::<L>(x, tokens, keys);
        self.value_and_gates.apply::<L>(x, tokens, values);
        for head in queries.chunks_exact_mut(head_width).chain(keys.chunks_exact_mut(head_width)) {
            direction::<L>(head);
        }

        let mut addresses = queries.chunks_exact_mut(width).zip(keys.chunks_exact_mut(width));
        let (mut values, mut mixed_rows) = (values.chunks_exact(row), mixed.chunks_exact_mut(width));
        for state in states {
            let State { tokens: count, incoming, layers } = state.as_mut();
            let memory = &mut layers[n].fixed;
            for (t, (queries, keys)) in addresses.by_ref().take(*incoming).enumerate() {
                let (values, gates) = values.next().expect("one for each token").split_at(width);
                if let Some(phases) = &self.phases {
                    phases.at(*count + t as u64, turn);
                    phases.turn(queries, turn, true);
                    phases.turn(keys, turn, true);
                }
                let mut mixed = if t >= wanted.from(*incoming) { mixed_rows.next() } else { None };
                for (h, memory) in memory.chunks_exact_mut(width / self.heads * head_width).enumerate() {
                    let span = h * head_width..(h + 1) * head_width;
                    // SAFETY: `f32` as lanes takes no instructions but those that every processor has.
                    let (keep, rate) = unsafe { (sigmoid(-gates[h]), 2.0 * sigmoid(gates[self.heads + h])) };
                    write::<L>(memory, change, keep, rate, &keys[span.clone()], &values[span.clone()]);
                    if let Some(mixed) = &mut mixed {
                        let to = &mut mixed[span.clone()];
                        to.fill(0.0);
                        for (row, &q) in memory.chunks_exact(head_width).zip(&queries[span]) {
                            add_scaled::<L>(to, q, row);
                        }
                    }
                }
            }
        }
        self.output.apply::<L>(mixed, outputs, y);
    }
}

/// SiLU of `x`, divided by its length.
#[inline(always)]
fn direction<L: Lanes>(x: &mut [f32]) {
    let ptr = x.as_mut_ptr();
    // SAFETY: all accesses are to the floats of `x`.
    unsafe {
        for_lanes!(L, i in x.len() => {
            let x = L::load(ptr.add(i));
            x.mul(sigmoid(x)).store(ptr.add(i))
        });
    }
    let length = libm::sqrtf(dot::<L>(x, x) + 1e-6);
    x.iter_mut().for_each(|x| *x /= length);
}

/// A token of key `k` and value `v` enters the memory of a head, what it had decayed to the share `keep`. `change` is
/// working memory as long as `v`.
#[inline(always)]
fn write<L: Lanes>(memory: &mut [f32], change: &mut [f32], keep: f32, rate: f32, k: &[f32], v: &[f32]) {
    change.fill(0.0);
    for (row, &k) in memory.chunks_exact(v.len()).zip(k) {
        add_scaled::<L>(change, k, row);
    }
    change.iter_mut().zip(v).for_each(|(change, v)| *change = rate * (v - keep * *change));
    for (row, &k) in memory.chunks_exact_mut(v.len()).zip(k) {
        let (to, from) = (row.as_mut_ptr(), change.as_ptr());
        // SAFETY: `row` and `change` are as long as `v`.
        unsafe {
            for_lanes!(L, i in v.len() => {
                let added = L::splat(k).mul(L::load(from.add(i)));
                L::load(to.add(i)).mul_add(L::splat(keep), added).store(to.add(i))
            });
        }
    }
}
