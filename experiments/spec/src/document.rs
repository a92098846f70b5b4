//! An experiment file with its `--set` overrides applied, not yet checked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aaren_envs::nearest;

use super::error::{Error, Place, brief};
use super::folder::dangling;
use super::node::{Entry, Node, null};

/// Experiment files are a page long; what is larger than this is something else.
const LARGEST: u64 = 1 << 20;

/// The parsed text of an experiment: knows the line of every key.
#[derive(Clone, Debug)]
pub struct Document {
    path: Arc<Path>,
    root: Node,
    /// Whether an experiment may be asked for without its dataset.
    without_data: bool,
}

impl Document {
    /// Reads and parses a file, then applies overrides in order.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Syntax`], [`Error::DuplicateKey`], or [`Error::Invalid`] for an
    /// override that is not `KEY=VALUE`.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Document, Error> {
        let unreadable = |reason: String, cure| Error::Unreadable { path: path.to_owned(), reason, cure };
        let mut bytes = Vec::new();
        File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(
            |error| match dangling(path) {
                Some(link) => unreadable(link, None),
                None => {
                    let sibling =
                        (error.kind() == std::io::ErrorKind::NotFound).then(|| nearest_file(path)).flatten();
                    unreadable(format!("cannot be read: {error}"), sibling)
                }
            },
        )?;
        if bytes.len() as u64 > LARGEST {
            return Err(unreadable(format!("is larger than {} MiB", LARGEST >> 20), None));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
            unreadable(format!("is not UTF-8 text (line {line})"), None)
        })?;
        Document::parse(path, &text, overrides)
    }

    /// Reads the `spec.yaml` of a results folder, whose dataset may be gone.
    pub(super) fn left(path: &Path) -> Result<Document, Error> {
        Ok(Document { without_data: true, ..Document::read(path, &[])? })
    }

    /// Parses `text` as the content of `path`, then applies overrides in order.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Document, Error> {
        let path: Arc<Path> = path.into();
        let root = Node::parse(text, &|line| Place::Line(path.clone(), line))?;
        if root.entries().is_none() {
            return Err(Error::Syntax {
                place: root.place.clone(),
                found: root.shown(),
                expected: "the keys of an experiment, one `key: value` a line".into(),
            });
        }
        let mut document = Document { path, root, without_data: false };
        for text in overrides {
            document.set(text)?;
        }
        Ok(document)
    }

    /// The experiment file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a key was written, for what turns out wrong after loading: a dataset that does not fit the
    /// environment, an unknown environment. `key` is a path such as `env.kwargs.observe`.
    pub fn place(&self, key: &str) -> &Place {
        let mut place = &self.root.place;
        let mut node = &self.root;
        for part in key.split('.') {
            let Some(entry) =
                node.entries().and_then(|entries| entries.iter().find(|entry| entry.key == part))
            else {
                break;
            };
            place = &entry.place;
            node = &entry.node;
        }
        place
    }

    /// The same with another content.
    pub(super) fn with(&self, root: Node) -> Document {
        Document { path: Arc::clone(&self.path), root, without_data: self.without_data }
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    pub(super) fn without_data(&self) -> bool {
        self.without_data
    }

    /// What relative paths of the file are relative to.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Applies `KEY.PATH=VALUE`, the value in YAML.
    fn set(&mut self, text: &str) -> Result<(), Error> {
        let place = Place::Override(format!("--set {text}").into());
        let invalid = |key: &str, found: String, expected: &str, cure: Option<String>| Error::Invalid {
            place: place.clone(),
            key: brief(key),
            found,
            expected: expected.into(),
            cure,
        };
        let Some((key, value)) = text.split_once('=') else {
            return Err(invalid("--set", "no `=`".into(), "KEY=VALUE such as `train.updates=500`", None));
        };
        if key.split('.').any(|part| part.trim().is_empty()) {
            return Err(invalid(
                "--set",
                format!("the key `{}`", brief(key)),
                "a key such as `train.updates`",
                None,
            ));
        }
        let value = Node::parse(value, &|_| place.clone())?;
        put(&mut self.root, key, &place, value).map_err(|Blocked { at, found }| {
            let cure = Some(format!("set it whole: --set '{at}=…'"));
            invalid(key, format!("{found} at `{at}`"), "a map to set a key of", cure)
        })
    }
}

/// What stands where a map is needed to put something into.
pub(super) struct Blocked {
    /// Its key path.
    pub at: String,
    /// What it is.
    pub found: String,
}

/// Puts `value` at the key path `key` below `root`, in the place of what is there; maps that are missing are made.
pub(super) fn put(root: &mut Node, key: &str, place: &Place, value: Node) -> Result<(), Blocked> {
    let mut node = root;
    let mut at = String::new();
    let parts = key.split('.').count();
    for (depth, part) in key.split('.').map(str::trim).enumerate() {
        let found = node.shown();
        let Some(entries) = node.entries_mut() else { return Err(Blocked { at, found }) };
        let index = entries.iter().position(|entry| entry.key == part).unwrap_or_else(|| {
            entries.push(Entry { key: part.into(), place: place.clone(), node: null(place.clone()) });
            entries.len() - 1
        });
        let entry = &mut entries[index];
        if depth + 1 == parts {
            entry.place = place.clone();
        }
        node = &mut entry.node;
        at = if at.is_empty() { part.into() } else { format!("{at}.{part}") };
    }
    *node = value;
    Ok(())
}

/// The file of the same folder whose name is nearest to the one asked for.
pub(super) fn nearest_file(path: &Path) -> Option<String> {
    let folder = match path.parent()? {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .take(1000)
        .collect();
    let name = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    let found: PathBuf = path.with_file_name(name);
    Some(format!("did you mean `{}`?", found.display()))
}
