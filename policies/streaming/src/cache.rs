//! What a layer remembers of each token.

use alloc::{boxed::Box, vec::Vec};

/// Tokens per block: the cache grows by blocks and never moves what it holds.
const BLOCK: usize = 256;

/// Tokens that are read together, all from one block. Keys and values of 32 tokens of width 128 fit a
/// first-level cache.
pub(crate) const TILE: usize = 32;
const _: () = assert!(BLOCK.is_multiple_of(TILE));

/// A key and a value for each token, all of one width.
pub(crate) struct Cache {
    width: usize,
    /// Every block holds the keys of `BLOCK` tokens, then their values.
    blocks: Vec<Box<[f32]>>,
    tokens: usize,
}

impl Cache {
    /// A cache of no tokens. Of no width it stays empty.
    pub(crate) fn new(width: usize) -> Cache {
        Cache { width, blocks: Vec::new(), tokens: 0 }
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Floats that it holds for each token.
    pub(crate) fn row(&self) -> usize {
        2 * self.width
    }

    /// Forget the tokens, keep the memory.
    pub(crate) fn clear(&mut self) {
        self.tokens = 0;
    }

    /// Space for one more token, which counts from now on: its key and its value.
    pub(crate) fn push(&mut self) -> (&mut [f32], &mut [f32]) {
        let (block, slot) = (self.tokens / BLOCK, self.tokens % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(alloc::vec![0.0; 2 * BLOCK * self.width].into_boxed_slice());
        }
        self.tokens += 1;
        let span = slot * self.width..(slot + 1) * self.width;
        let (keys, values) = self.blocks[block].split_at_mut(BLOCK * self.width);
        (&mut keys[span.clone()], &mut values[span])
    }

    /// Keys and values of `count` tokens from `first` on.
    ///
    /// # Panics
    ///
    /// Where they do not lie in one block: those of a tile do, whose length divides the blocks'.
    #[inline(always)]
    pub(crate) fn tile(&self, first: usize, count: usize) -> (&[f32], &[f32]) {
        let (keys, values) = self.blocks[first / BLOCK].split_at(BLOCK * self.width);
        let span = first % BLOCK * self.width..(first % BLOCK + count) * self.width;
        (&keys[span.clone()], &values[span])
    }

    /// What it holds, token by token: a key, then a value.
    pub(crate) fn floats(&self) -> impl Iterator<Item = &f32> {
        (0..self.tokens).flat_map(|token| {
            let (key, value) = self.tile(token, 1);
            key.iter().chain(value)
        })
    }

    /// Append tokens read back from [`floats`](Self::floats).
    pub(crate) fn restore(&mut self, floats: &[f32]) {
        if self.width == 0 {
            return;
        }
        for token in floats.chunks_exact(self.row()) {
            let (from_key, from_value) = token.split_at(self.width);
            let (key, value) = self.push();
            key.copy_from_slice(from_key);
            value.copy_from_slice(from_value);
        }
    }
}
