//! Episodes as Minari keeps them, put together to a dataset.

use std::path::Path;

use crate::column::Column;
use crate::space::Space;
use crate::tree::Tree;
use crate::{Error, Reading, Transitions};

/// What every form of Minari holds of an episode. Observations are one more than the others.
pub(super) const KEYS: [&str; 5] = ["observations", "actions", "rewards", "terminations", "truncations"];

/// The spaces of observations and of actions, where they are known.
pub(super) type Spaces<'s> = (Option<&'s Space>, Option<&'s Space>);

/// One episode as a file has it: [`KEYS`].
pub(super) struct Episode {
    pub(super) observations: Tree,
    pub(super) actions: Tree,
    pub(super) rewards: Column,
    pub(super) terminations: Column,
    pub(super) truncations: Column,
}

/// The episodes read so far, one after another.
pub(super) struct Episodes<'r> {
    reading: &'r Reading,
    pub(super) all: Transitions,
    /// How many.
    pub(super) episodes: u64,
    /// Entries of an observation and of an action, and whether actions are integers.
    pub(super) sizes: Option<(usize, usize, bool)>,
}

impl<'r> Episodes<'r> {
    pub(super) fn new(reading: &'r Reading) -> Self {
        Self { reading, all: Transitions::default(), episodes: 0, sizes: None }
    }

    /// Appends one episode; `group` is what stands before the names of [`KEYS`] in the file at `path`.
    pub(super) fn push(
        &mut self,
        path: &Path,
        group: &str,
        spaces: Spaces,
        episode: Episode,
    ) -> Result<(), Error> {
        let key = |name: &str| format!("{group}{name}");
        let observe = self.reading.observe.as_deref();
        let space = self.reading.spaces.0.as_ref().or(spaces.0);
        let observations = episode.observations.flatten(path, &key("observations"), space, observe)?;
        // An action is kept as an index: what it means is decided for the whole dataset.
        let actions = episode.actions.flatten(path, &key("actions"), None, None)?;
        let steps = actions.rows;
        let Episode { rewards, terminations, truncations, .. } = episode;
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
        self.episodes += 1;
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
