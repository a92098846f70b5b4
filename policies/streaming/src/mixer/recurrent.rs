//! Recurrent units with gates of their input and, mostly, of their hidden state, and their projection back to the width.

use alloc::format;
use core::marker::PhantomData;

use aaren_format::{EncoderKind, Model, Precision};

use super::Mix;
use crate::Error;

use crate::cache::Cache;
use crate::file::File;
use crate::linear::Linear;
use crate::matrix::Matrix;
use crate::simd::Lanes;
use crate::state::{Memory, State, Wanted};
use crate::vector::exp;

/// What distinguishes one kind of them.
pub(crate) trait Cell {
    /// The number of gates.
    const GATES: usize;
    /// Vectors of the state; the hidden one is the first.
    const VECTORS: usize;

    /// The state after a token, from what the gates get of the input and of the hidden state, one gate after the other;
    /// of the hidden state nothing where they do not see it.
    fn update<L: Lanes>(state: &mut [f32], of_input: &[f32], of_hidden: &[f32]);
}

/// One layer as its file holds it; what sees the hidden state as PyTorch lays it out.
pub(crate) struct Parts {
    /// `[gates · units, width]`.
    pub(crate) input: Matrix,
    /// `[gates · units, units]`; `None` where gates see the input only.
    pub(crate) hidden: Option<Matrix>,
    /// `[width, units]`.
    pub(crate) output: Matrix,
}

impl Parts {
    pub(crate) fn read(file: &File<'_>, block: &str, model: &Model, gates: usize) -> Result<Parts, Error> {
        let (width, units, cell) = (model.width, model.units(), model.encoder().name());
        let linear =
            |part: &str, outputs, inputs| file.matrix(&format!("{block}.{cell}.{part}"), outputs, inputs);
        let part = |part: &str, inputs: usize| -> Result<Matrix, Error> {
            let name = |what: &str| format!("{block}.{cell}.{what}_{part}");
            let weight = file.table(&name("weight"), &name("scale"), gates * units, inputs)?;
            Ok(Matrix { weight, bias: file.tensor(&name("bias"), &[gates * units])? })
        };
        let (input, hidden) = match model.encoder() {
            EncoderKind::MinGru => (linear("input", gates * units, width)?, None),
            _ => (part("ih", width)?, Some(part("hh", units)?)),
        };
        Ok(Parts { input, hidden, output: linear("output", width, units)? })
    }
}

/// One layer's parameters.
pub(crate) struct Recurrent<C> {
    input: Linear,
    /// `None` where gates see the input only.
    hidden: Option<Linear>,
    output: Linear,
    units: usize,
    width: usize,
    cell: PhantomData<C>,
}

impl<C: Cell> Mix for Recurrent<C> {
    fn read(
        file: &File<'_>,
        block: &str,
        model: &Model,
        _: usize,
        precision: Precision,
    ) -> Result<Self, Error> {
        let Parts { input, hidden, output } = Parts::read(file, block, model, C::GATES)?;
        let [input, output] = [input, output].map(|matrix| Linear::new(&matrix, precision));
        let hidden = hidden.map(|matrix| Linear::new(&matrix, precision));
        Ok(Recurrent { input, hidden, output, units: model.units(), width: model.width, cell: PhantomData })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        [&self.input, &self.output].into_iter().chain(&self.hidden)
    }

    fn memory(&self) -> Memory {
        Memory { fixed: alloc::vec![0.0; C::VECTORS * self.units], cache: Cache::new(0) }
    }

    /// What every gate gets, and the new hidden state.
    fn scratch(&self) -> usize {
        self.input.outputs() + self.hidden.as_ref().map_or(0, Linear::outputs) + self.units
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
        let units = self.units;
        let (tokens, outputs) = (x.len() / self.width, y.len() / self.width);
        let (of_input, rest) = scratch.split_at_mut(tokens * C::GATES * units);
        let (of_hidden, rest) = rest.split_at_mut(self.hidden.as_ref().map_or(0, Linear::outputs));
        let seen = &mut rest[..outputs * units];
        self.input.apply::<L>(x, tokens, of_input);

        let mut of_input = of_input.chunks_exact(C::GATES * units);
        let mut seen_rows = seen.chunks_exact_mut(units);
        for state in states {
            let State { incoming, layers, .. } = state.as_mut();
            let fixed = &mut layers[n].fixed;
            for (t, of_input) in of_input.by_ref().take(*incoming).enumerate() {
                if let Some(hidden) = &self.hidden {
                    hidden.apply::<L>(&fixed[..units], 1, of_hidden);
                }
                C::update::<L>(fixed, of_input, of_hidden);
                if t >= wanted.from(*incoming)
                    && let Some(seen) = seen_rows.next()
                {
                    seen.copy_from_slice(&fixed[..units]);
                }
            }
        }
        self.output.apply::<L>(seen, outputs, y);
    }
}

/// 1 / (1 + e⁻ˣ).
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn sigmoid<L: Lanes>(x: L) -> L {
    unsafe {
        let one = L::splat(1.0);
        one.div(exp(L::splat(0.0).sub(x)).add(one))
    }
}

/// tanh x = 2 σ(2x) − 1.
///
/// # Safety
///
/// As [`Lanes`].
#[inline(always)]
pub(super) unsafe fn tanh<L: Lanes>(x: L) -> L {
    unsafe { sigmoid(x.add(x)).mul_add(L::splat(2.0), L::splat(-1.0)) }
}
