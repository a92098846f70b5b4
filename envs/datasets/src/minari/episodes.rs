//! Episodes as Minari keeps them, put together to a dataset.

use std::path::Path;

use crate::Error;
use crate::Transitions;
use crate::column::Column;

/// What every form of Minari holds of an episode. Observations are one more than the others.
pub(super) const KEYS: [&str; 5] = ["observations", "actions", "rewards", "terminations", "truncations"];

/// The episodes read so far, one after another.
#[derive(Default)]
pub(super) struct Episodes {
    pub(super) all: Transitions,
    /// Entries of an observation and of an action, and whether actions are integers.
    pub(super) sizes: Option<(usize, usize, bool)>,
}

impl Episodes {
    /// Appends one episode, given as the columns of [`KEYS`]; `group` is what stands before these names in
    /// the file at `path`.
    pub(super) fn push(&mut self, path: &Path, group: &str, columns: [Column; 5]) -> Result<(), Error> {
        let key = |name: &str| format!("{group}{name}");
        let [observations, actions, rewards, terminations, truncations] = columns;
        let steps = actions.rows;
        let scalars = [("rewards", &rewards), ("terminations", &terminations), ("truncations", &truncations)];
        for (name, column) in scalars {
            column.expect(path, &key(name), steps, true)?;
        }
        if observations.rows != steps + 1 {
            let (found, expected) = (observations.rows, steps + 1);
            let expected = format!("{expected}, one more than actions");
            return Err(Error::content(path, &key("observations"), format!("{found} rows"), expected));
        }
        let found = (observations.size, actions.size, actions.integer);
        let before = *self.sizes.get_or_insert(found);
        if before != found {
            let say = |(observation, action, integer): (usize, usize, bool)| {
                let kind = if integer { "integers" } else { "floats" };
                format!("observations of {observation} entries and actions of {action} {kind}")
            };
            let expected = format!("{}, as in the episodes before", say(before));
            return Err(Error::content(path, &key("observations"), say(found), expected));
        }
        let all = &mut self.all;
        // An episode that was cut off still ends where the next one begins.
        if let (Some(timeout), Some(false)) = (all.timeouts.last_mut(), all.terminals.last()) {
            *timeout = true;
        }
        all.observations.extend_from_slice(&observations.data[..steps * observations.size]);
        all.actions.extend(&actions.data);
        all.rewards.extend(&rewards.data);
        all.terminals.extend(terminations.flags());
        all.timeouts.extend(truncations.flags());
        Ok(())
    }
}
