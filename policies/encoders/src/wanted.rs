//! Which tokens outputs are wanted for.

use tch::Tensor;

/// Which tokens the last block's outputs are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Tokens `offset`, `offset + stride`, …
    Every {
        /// Distance between two of them.
        stride: i64,
        /// The first one.
        offset: i64,
    },
}

impl Wanted {
    /// The wanted tokens of `x` along `dim`.
    pub(crate) fn of(self, x: &Tensor, dim: i64) -> Tensor {
        match self {
            Wanted::All => x.shallow_clone(),
            Wanted::Every { stride, offset } => x.slice(dim, offset, None, stride),
        }
    }

    /// How many of `tokens` tokens are wanted.
    pub(crate) fn count(self, tokens: i64) -> i64 {
        match self {
            Wanted::All => tokens,
            Wanted::Every { stride, offset } => (tokens - offset + stride - 1).max(0) / stride,
        }
    }

    /// Whether a token is wanted.
    pub(crate) fn has(self, token: usize) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Every { stride, offset } => {
                token >= offset as usize && (token - offset as usize).is_multiple_of(stride as usize)
            }
        }
    }

    /// The `n`-th wanted token, counted from 0.
    pub(crate) fn token(self, n: usize) -> usize {
        match self {
            Wanted::All => n,
            Wanted::Every { stride, offset } => offset as usize + n * stride as usize,
        }
    }
}
