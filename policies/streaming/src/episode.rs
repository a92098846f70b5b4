//! What is kept of an episode.

use alloc::vec::Vec;

use crate::state::State;

/// What the policy was told, what it remembers, and what it answered.
pub(crate) struct Episode {
    /// Timesteps acted in.
    pub(crate) timestep: u64,
    /// Infinite where the most is asked for.
    pub(crate) return_to_go: f64,
    /// How much what is asked for counts.
    pub(crate) guidance: f64,
    /// A ring of rows, one per timestep: return-to-go and observation, or a token's inputs; then the action; all as the
    /// network takes them. Timestep t is in row t mod `rows`.
    pub(crate) inputs: Vec<f32>,
    pub(crate) rows: u64,
    pub(crate) row_length: usize,
    pub(crate) state: State,
    /// The head's output: an action in [−1, 1] before tanh, or logits.
    pub(crate) head: Vec<f32>,
    /// The same where nothing is asked for; not computed where guidance is 1.
    pub(crate) free: Vec<f32>,
    pub(crate) action: Vec<f32>,
}

impl AsMut<State> for Episode {
    fn as_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Episode {
    /// Bytes that it takes from its start.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.inputs.capacity() + self.head.len() + self.free.len() + self.action.len();
        let memories = size_of_val(&*self.state.layers);
        size_of::<Episode>() + size_of::<f32>() * floats + memories + self.state.bytes()
    }

    /// The row of `timestep`, which must be among the last `rows`.
    #[inline(always)]
    pub(crate) fn row(&self, timestep: u64) -> &[f32] {
        let start = self.start(timestep);
        &self.inputs[start..start + self.row_length]
    }

    /// Where that row begins.
    #[inline(always)]
    pub(crate) fn start(&self, timestep: u64) -> usize {
        (timestep % self.rows) as usize * self.row_length
    }

    /// The row of the next timestep, for writing.
    pub(crate) fn next_row(&mut self) -> &mut [f32] {
        let start = self.start(self.timestep);
        if start == self.inputs.len() {
            self.inputs.resize(start + self.row_length, 0.0);
        }
        &mut self.inputs[start..start + self.row_length]
    }
}
