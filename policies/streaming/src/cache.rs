//! What a layer remembers of each token.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

/// Tokens per block: the cache grows by blocks and never moves what it holds.
const BLOCK: usize = 256;

/// Tokens that are read together, all from one block. Keys and values of 32 tokens of width 128 fit a
/// first-level cache.
pub(crate) const TILE: usize = 32;
const _: () = assert!(BLOCK.is_multiple_of(TILE));

/// A key and a value for each token, all of one width. Tokens are numbered from the first block's first on; the
/// oldest may be dropped.
pub(crate) struct Cache {
    width: usize,
    /// Every block holds the keys of `BLOCK` tokens, then their values.
    blocks: Vec<Box<[f32]>>,
    /// The numbers of the tokens held.
    held: Range<usize>,
}

impl Cache {
    /// A cache of no tokens. Of no width it stays empty.
    pub(crate) fn new(width: usize) -> Cache {
        Cache { width, blocks: Vec::new(), held: 0..0 }
    }

    /// The numbers of the tokens held.
    pub(crate) fn held(&self) -> Range<usize> {
        self.held.clone()
    }

    /// Floats that it holds for each token.
    pub(crate) fn row(&self) -> usize {
        2 * self.width
    }

    /// Forget the tokens, keep the memory.
    pub(crate) fn clear(&mut self) {
        self.held = 0..0;
    }

    /// Forget all but the last `count` tokens. The memory of whole blocks of them is used again.
    pub(crate) fn keep_last(&mut self, count: usize) {
        if count == 0 {
            return self.clear();
        }
        self.held.start = self.held.start.max(self.held.end.saturating_sub(count));
        let blocks = self.held.start / BLOCK;
        self.blocks.rotate_left(blocks);
        self.held = self.held.start - blocks * BLOCK..self.held.end - blocks * BLOCK;
    }

    /// Space for one more token, which counts from now on: its key and its value.
    pub(crate) fn push(&mut self) -> (&mut [f32], &mut [f32]) {
        let (block, slot) = (self.held.end / BLOCK, self.held.end % BLOCK);
        if block == self.blocks.len() {
            self.blocks.push(alloc::vec![0.0; 2 * BLOCK * self.width].into_boxed_slice());
        }
        self.held.end += 1;
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
        self.held().flat_map(|token| {
            let (key, value) = self.tile(token, 1);
            key.iter().chain(value)
        })
    }

    /// Hold tokens read back from [`floats`](Self::floats), after so many that were dropped: they stand where they
    /// stood, and are read in the same tiles.
    pub(crate) fn restore(&mut self, dropped: u64, floats: &[f32]) {
        if self.width == 0 {
            return;
        }
        let first = (dropped % BLOCK as u64) as usize;
        self.held = first..first;
        for token in floats.chunks_exact(self.row()) {
            let (from_key, from_value) = token.split_at(self.width);
            let (key, value) = self.push();
            key.copy_from_slice(from_key);
            value.copy_from_slice(from_value);
        }
    }
}
