//! What an encoder remembers between two steps, and the memory that it works in.

use alloc::vec::Vec;

use crate::cache::Cache;

/// What one layer remembers of the tokens so far.
pub(crate) struct Memory {
    /// The part of one size.
    pub(crate) fixed: Vec<f32>,
    /// The part that grows with every token; of no width for an encoder of constant state.
    pub(crate) cache: Cache,
}

/// What the encoder remembers of the tokens so far.
#[derive(Default)]
pub(crate) struct State {
    /// Tokens since the state was empty.
    pub(crate) tokens: u64,
    /// Tokens that the next forward pass brings.
    pub(crate) incoming: usize,
    pub(crate) layers: Vec<Memory>,
}

impl State {
    /// Bytes of what it remembers.
    pub(crate) fn bytes(&self) -> usize {
        let floats = |memory: &Memory| memory.fixed.len() + memory.cache.row() * memory.cache.held().len();
        size_of::<f32>() * self.layers.iter().map(floats).sum::<usize>()
    }
}

/// Whose outputs of a forward pass are wanted, of each state's incoming tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Last,
    None,
}

impl Wanted {
    /// The first of so many tokens whose output is wanted.
    pub(crate) fn from(self, tokens: usize) -> usize {
        match self {
            Wanted::All => 0,
            Wanted::Last => tokens - 1,
            Wanted::None => tokens,
        }
    }

    /// Calls `each` with the place, among all states' incoming tokens, of every one that is wanted.
    #[inline(always)]
    pub(crate) fn rows(self, states: &mut [impl AsMut<State>], mut each: impl FnMut(usize)) {
        let mut first = 0;
        for state in states {
            let incoming = state.as_mut().incoming;
            (first + self.from(incoming)..first + incoming).for_each(&mut each);
            first += incoming;
        }
    }
}

/// Working memory of a forward pass.
pub(crate) struct Scratch {
    /// Tokens in, and the encoder's outputs out: `[tokens, width]`.
    pub(crate) x: Vec<f32>,
    /// The block's input after its first norm, where the norm comes first.
    pub(crate) normed: Vec<f32>,
    /// What a residual connection adds.
    pub(crate) branch: Vec<f32>,
    pub(crate) hidden: Vec<f32>,
    /// Of the mixers.
    pub(crate) mixer: Vec<f32>,
    /// Of the head.
    pub(crate) head: Vec<f32>,
}

impl Scratch {
    /// Working memory of so many floats in `x` and in `branch`, for a network without blocks.
    pub(crate) fn pair(length: usize) -> Scratch {
        let (x, branch) = (alloc::vec![0.0; length], alloc::vec![0.0; length]);
        Scratch { x, branch, normed: Vec::new(), hidden: Vec::new(), mixer: Vec::new(), head: Vec::new() }
    }

    /// Bytes of all buffers.
    pub(crate) fn bytes(&self) -> usize {
        let Scratch { x, normed, branch, hidden, mixer, head } = self;
        [x, normed, branch, hidden, mixer, head].into_iter().map(|buffer| size_of_val(&**buffer)).sum()
    }

    /// Writes to every page.
    pub(crate) fn touch(&mut self) {
        let Scratch { x, normed, branch, hidden, mixer, head } = self;
        [x, normed, branch, hidden, mixer, head].into_iter().for_each(|buffer| touch(buffer));
    }
}

/// Writes to every page of a buffer: one that was asked for as zeros may have none yet.
pub(crate) fn touch<T: Copy>(buffer: &mut [T]) {
    const PAGE: usize = 4096;
    for part in buffer.chunks_mut((PAGE / size_of::<T>()).max(1)) {
        let first = part.as_mut_ptr();
        // SAFETY: the part has an element.
        unsafe { first.write_volatile(first.read()) };
    }
}
