//! What a file holds of a space, and how it becomes a vector: as `gymnasium.spaces.flatten` does it.

use std::path::Path;

use crate::Error;
use crate::column::{Column, image, shown};
use crate::space::Space;

/// What a file holds at a key: one column, or several by name.
#[derive(Debug)]
pub(crate) enum Tree {
    Leaf(Column),
    Group(Vec<(String, Tree)>),
}

impl Tree {
    /// The vector that `gymnasium.spaces.flatten` makes of it, for each row. `observe` says which of a dictionary's keys
    /// are seen, in this order; all in the order of their names unless given. A key within a key is `a.b`.
    pub(crate) fn flatten(
        self,
        path: &Path,
        key: &str,
        space: Option<&Space>,
        observe: Option<&[String]>,
    ) -> Result<Column, Error> {
        let mut parts = Vec::new();
        let Some(wanted) = observe else {
            if let Tree::Leaf(column) = self {
                return vector(path, key, column, space);
            }
            self.leaves(path, key, space, &mut parts)?;
            let whole = join(path, key, parts)?;
            // Columns beside one another may be one vector.
            return match space {
                Some(Space::Dict(_)) | None => Ok(whole),
                space => vector(path, key, whole, space),
            };
        };
        if let (Tree::Leaf(column), Some(space @ Space::Dict(_))) = (&self, space) {
            return chosen(path, key, column, space, wanted);
        }
        for name in wanted {
            let (mut tree, mut at) = (&self, space);
            for part in name.split(['.', '/']) {
                let Tree::Group(children) = tree else {
                    let found = "one vector of observations, without keys";
                    let expected = "a dictionary of them; remove `observe`";
                    return Err(Error::content(path, key, found, expected));
                };
                let Some((_, child)) = children.iter().find(|(child, _)| child == part) else {
                    let names: Vec<String> = children.iter().map(|(name, _)| name.clone()).collect();
                    let found = format!("the keys {}", crate::hdf5::shown(&names));
                    let expected = format!("one of them where `observe` has `{name}`");
                    return Err(Error::content(path, key, found, expected));
                };
                (tree, at) = (child, at.and_then(|space| space.child(part)));
            }
            tree.leaves(path, &format!("{key}/{name}"), at, &mut parts)?;
        }
        join(path, key, parts)
    }

    /// The first rows of all columns.
    pub(crate) fn truncated(self, rows: usize) -> Self {
        match self {
            Tree::Leaf(column) => Tree::Leaf(column.truncated(rows)),
            Tree::Group(children) => {
                let children = children.into_iter().map(|(name, tree)| (name, tree.truncated(rows)));
                Tree::Group(children.collect())
            }
        }
    }

    fn leaves(
        &self,
        path: &Path,
        key: &str,
        space: Option<&Space>,
        parts: &mut Vec<(String, Column)>,
    ) -> Result<(), Error> {
        match self {
            Tree::Leaf(column) => parts.push((key.to_owned(), vector(path, key, column.clone(), space)?)),
            Tree::Group(children) => {
                let place = |name: &str| match space {
                    Some(Space::Dict(known)) => known.iter().position(|(key, _)| key == name),
                    _ => None,
                };
                let mut children: Vec<_> = children.iter().collect();
                children.sort_by_key(|(name, _)| place(name));
                for (name, child) in children {
                    child.leaves(
                        path,
                        &format!("{key}/{name}"),
                        space.and_then(|space| space.child(name)),
                        parts,
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// The names of a dictionary's parts in the order in which they are flattened: by name, a tuple's by number.
pub(crate) fn in_order(mut names: Vec<String>) -> Vec<String> {
    let number = |name: &str| name.strip_prefix("_index_").and_then(|number| number.parse::<usize>().ok());
    names.sort_by_key(|name| (number(name), name.clone()));
    names
}

/// The entries of some keys, of rows that hold these alone or all keys of the space.
fn chosen(
    path: &Path,
    key: &str,
    column: &Column,
    space: &Space,
    wanted: &[String],
) -> Result<Column, Error> {
    let place = |name: &String| {
        let expected = "keys of the environment's observations in `observe`";
        space.place(name).ok_or_else(|| Error::content(path, key, format!("no key `{name}`"), expected))
    };
    let places = wanted.iter().map(place).collect::<Result<Vec<_>, Error>>()?;
    let (size, all) = (places.iter().map(|(_, size)| size).sum(), space.flat_size());
    if column.size == size {
        return Ok(Column { shape: vec![size], ..column.clone() });
    }
    if column.size != all {
        let expected = format!("{size}, as the keys of `observe` have together, or {all}, as all keys have");
        return Err(Error::content(path, key, format!("{} entries", column.size), expected));
    }
    let rows = column.data.chunks_exact(all);
    let data =
        rows.flat_map(|row| places.iter().flat_map(|&(first, size)| &row[first..first + size])).copied();
    Ok(Column { data: data.collect(), shape: vec![size], size, ..*column })
}

/// One part as a vector.
fn vector(path: &Path, key: &str, column: Column, space: Option<&Space>) -> Result<Column, Error> {
    // Arrow keeps the entries of an image flat: its space says what they are.
    let images = match space {
        Some(Space::Images { shape }) => Some(shown(shape)),
        _ => (column.bytes && image(&column.shape)).then(|| shown(&column.shape)),
    };
    if let Some(shape) = images {
        let found = format!("images, {shape} bytes a row");
        let expected = "vectors of numbers, which these encoders read; choose other keys with `observe`, or store \
                        features of the images";
        return Err(Error::content(path, key, found, expected));
    }
    let (nvec, start) = match space {
        Some(Space::Discrete { n, start }) => (vec![*n], vec![*start]),
        Some(Space::MultiDiscrete { nvec, start }) => (nvec.clone(), start.clone()),
        _ => return Ok(Column { shape: vec![column.size], ..column }),
    };
    if nvec.len() != column.size {
        // They are one-hot already.
        if column.size == nvec.iter().sum::<usize>() {
            return Ok(Column { shape: vec![column.size], ..column });
        }
        return Err(Error::content(
            path,
            key,
            format!("{} entries", column.size),
            format!("{}, as its space has", nvec.len()),
        ));
    }
    let size = nvec.iter().sum::<usize>();
    let mut data = Vec::new();
    let entries = column.rows.checked_mul(size).filter(|&entries| data.try_reserve_exact(entries).is_ok());
    let Some(entries) = entries else {
        let found = format!("{} rows of {size} choices", column.rows);
        let expected = "as many as fit into memory one-hot; choose other keys with `observe`";
        return Err(Error::content(path, key, found, expected));
    };
    data.resize(entries, 0.0);
    for (row, choices) in data.chunks_exact_mut(size.max(1)).zip(column.data.chunks_exact(column.size)) {
        let mut first = 0;
        for ((&choice, &n), &start) in choices.iter().zip(&nvec).zip(&start) {
            let start = start as f32;
            let index = choice - start;
            if index.fract() != 0.0 || !(0.0..n as f32).contains(&index) {
                let expected = format!("choices from {start} to {}", start + n as f32 - 1.0);
                return Err(Error::content(path, key, format!("{choice}"), expected));
            }
            row[first + index as usize] = 1.0;
            first += n;
        }
    }
    Ok(Column { rows: column.rows, shape: vec![size], size, integer: true, bytes: false, data })
}

/// Columns beside one another.
fn join(path: &Path, key: &str, mut parts: Vec<(String, Column)>) -> Result<Column, Error> {
    if parts.len() == 1 {
        return Ok(parts.remove(0).1);
    }
    let Some((_, first)) = parts.first() else {
        return Err(Error::content(path, key, "no keys", "at least one"));
    };
    let rows = first.rows;
    for (name, part) in &parts {
        part.expect(path, name, rows, false)?;
    }
    let size = parts.iter().map(|(_, part)| part.size).sum();
    let mut data = Vec::with_capacity(rows * size);
    for row in 0..rows {
        for (_, part) in &parts {
            data.extend_from_slice(&part.data[row * part.size..][..part.size]);
        }
    }
    let integer = parts.iter().all(|(_, part)| part.integer);
    Ok(Column { rows, shape: vec![size], size, integer, bytes: false, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_choices_than_memory_are_refused() {
        let rows = 1 << 22;
        let column = Column { rows, size: 1, data: vec![0.0; rows], ..Column::default() };
        let space = Space::Discrete { n: 1 << 24, start: 0 };
        let error = vector(Path::new("x"), "observations", column, Some(&space)).unwrap_err().to_string();
        assert!(error.contains("found 4194304 rows of 16777216 choices"), "{error}");
    }
}
