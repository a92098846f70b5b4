//! Flat HDF5 files: D4RL's layout, and those near to it.

use std::path::Path;

use hdf5_pure::FileBuilder;

use crate::flat::{self, Source};
use crate::hdf5::Hdf5;
use crate::tree::{Tree, in_order};
use crate::{Dataset, End, Error, Reading, Transitions};

/// Keys of a dictionary, those within others too, at most.
const MOST_KEYS: usize = 4096;

/// `observations actions rewards terminals timeouts`, a row for each transition, in the root or in the only group that
/// has them.
pub(super) fn load(path: &Path, reading: &Reading) -> Result<Dataset, Error> {
    let file = Hdf5::open(path)?;
    if file.has("observations_0")? {
        return by_episode(path, &file, reading);
    }
    let root = file.names("")?.unwrap_or_default();
    let mut group = String::new();
    if !flat::holds_all(&root) {
        let mut found = Vec::new();
        for name in root {
            if flat::holds_all(&file.names(&name)?.unwrap_or_default()) {
                found.push(format!("{name}/"));
            }
        }
        if let [only] = &found[..] {
            group.clone_from(only);
        }
    }
    let said = file.text(&format!("{group}metadata/env_id"))?;
    let mut dataset = flat::dataset(&Group { file, group }, "D4RL HDF5", reading)?;
    dataset.said.env = said;
    Ok(dataset)
}

/// The columns of one group.
struct Group {
    file: Hdf5,
    /// With a slash at its end; the root's is empty.
    group: String,
}

impl Source for Group {
    fn path(&self) -> &Path {
        &self.file.path
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.file.names(&self.group)?.unwrap_or_default())
    }

    fn tree(&self, name: &str) -> Result<Tree, Error> {
        self.file.tree(&format!("{}{name}", self.group))
    }
}

/// d3rlpy's second layout: `observations_0 actions_0 rewards_0 terminated_0`, and so on for each episode.
fn by_episode(path: &Path, file: &Hdf5, reading: &Reading) -> Result<Dataset, Error> {
    let mut all = Transitions::default();
    let mut sizes = None;
    for episode in 0.. {
        let key = |name: &str| format!("{name}_{episode}");
        if !file.has(&key("observations"))? {
            break;
        }
        let tree = file.tree(&key("observations"))?;
        let observations =
            tree.flatten(path, &key("observations"), reading.spaces.0.as_ref(), reading.observe.as_deref())?;
        let (actions, rewards) = (file.read(&key("actions"))?, file.read(&key("rewards"))?);
        let rows = actions.rows;
        observations.expect(path, &key("observations"), rows, false)?;
        rewards.expect(path, &key("rewards"), rows, true)?;
        if rows == 0 {
            continue;
        }
        let found = (observations.size, actions.size, actions.integer);
        if *sizes.get_or_insert(found) != found {
            let found = format!("{} entries of an observation and {} of an action", found.0, found.1);
            return Err(file.content(&key("observations"), found, "as many as in the episodes before"));
        }
        let terminated = file.flag(&key("terminated"))?;
        all.observations.extend(observations.data);
        all.actions.extend(actions.data);
        all.rewards.extend(rewards.data);
        all.terminals.extend((1..=rows).map(|row| row == rows && terminated));
        all.timeouts.extend((1..=rows).map(|row| row == rows && !terminated));
    }
    let Some((observation_size, action_size, integer)) = sizes else {
        return Err(file.content("observations_0", "no transitions", "at least one"));
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let dataset = Dataset::new(&name, all, observation_size, action_size, integer);
    Ok(Dataset { format: "d3rlpy HDF5", ..dataset })
}

impl Hdf5 {
    /// What is at a key: a column, or a group of them.
    pub(crate) fn tree(&self, key: &str) -> Result<Tree, Error> {
        self.below(key, 0, &mut 0)
    }

    /// The tree at a key; `found` counts its keys, as groups that share theirs would unfold without end.
    fn below(&self, key: &str, depth: usize, found: &mut usize) -> Result<Tree, Error> {
        *found += 1;
        if *found > MOST_KEYS {
            let expected = format!("a dictionary of at most {MOST_KEYS} keys");
            return Err(self.content(key, "groups within groups that name one another's keys", expected));
        }
        let Some(names) = self.names(key)? else { return Ok(Tree::Leaf(self.read(key)?)) };
        if depth > 8 {
            return Err(self.content(key, "groups within groups", "a dictionary of at most 8 levels"));
        }
        let children = in_order(names).into_iter().map(|name| {
            let tree = self.below(&format!("{key}/{name}"), depth + 1, found)?;
            Ok((name, tree))
        });
        Ok(Tree::Group(children.collect::<Result<_, Error>>()?))
    }
}

impl Dataset {
    /// Writes the layout of D4RL, readable by h5py: `observations`, `actions`, `rewards`, `terminals`,
    /// `timeouts`, `next_observations`, and `metadata/…` for each of `metadata`.
    ///
    /// # Errors
    /// [`Error::Write`]; whatever stood at `path` before is then still there.
    pub fn write_d4rl(&self, path: &Path, metadata: &[(&str, String)]) -> Result<(), Error> {
        let rows = self.transitions() as u64;
        let (size, columns) = (self.observation_size, self.action_size as u64);
        let mut file = FileBuilder::new();
        let mut matrix = |key: &str, data: &[f32], columns: u64| {
            let shape = [rows, columns];
            let chunk = [rows.min(16384), columns];
            let node = file.create_dataset(key);
            node.with_f32_data(data).with_shape(&shape).with_chunks(&chunk).with_deflate(4);
        };
        matrix("observations", &self.observations, size as u64);
        if !self.discrete {
            matrix("actions", &self.actions, columns);
        }
        // After the last observation of an episode the data hold none: it stands for its own successor.
        let mut next = self.observations.clone();
        for episode in &self.episodes {
            let (first, end) = (episode.start * size, (episode.start + episode.length) * size);
            next.copy_within(first + size..end, first);
        }
        matrix("next_observations", &next, size as u64);
        if self.discrete {
            let choices: Vec<i64> = self.actions.iter().map(|&choice| choice as i64).collect();
            let shape = if columns == 1 { vec![rows] } else { vec![rows, columns] };
            file.create_dataset("actions").with_i64_data(&choices).with_shape(&shape);
        }
        file.create_dataset("rewards").with_f32_data(&self.rewards).with_shape(&[rows]);
        for (key, end) in [("terminals", End::Terminated), ("timeouts", End::Truncated)] {
            file.create_dataset(key).with_u8_data(&self.ends(end)).with_shape(&[rows]);
        }
        let mut group = file.create_group("metadata");
        for (key, value) in metadata {
            group.create_dataset(key).with_strings(&[value]).map_err(|e| Error::write(path, e))?;
        }
        let group = group.finish();
        file.add_group(group);
        let bytes = file.finish().map_err(|e| Error::write(path, e))?;
        crate::write_whole(path, &bytes).map_err(|e| Error::write(path, e))
    }
}
