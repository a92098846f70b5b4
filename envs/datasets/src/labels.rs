//! Numbers for what tells episodes apart: names, dates, counts beyond float32.

use std::collections::HashMap;

/// The numbers of values in the order in which they are seen: equal ones have the same.
#[derive(Default)]
pub(crate) struct Labels(HashMap<Vec<u8>, u64>);

impl Labels {
    pub(crate) fn of(&mut self, value: &[u8]) -> u64 {
        if let Some(&label) = self.0.get(value) {
            return label;
        }
        let label = self.0.len() as u64;
        self.0.insert(value.to_vec(), label);
        label
    }
}
