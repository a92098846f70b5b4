//! The keys that there are, as the derived structs have them, and what to say about others.

use aaren_envs::nearest;
pub(super) use serde_aux::serde_introspection::serde_introspect as keys_of;

use super::compare::CompareSpec;
use super::context::ContextSection;
use super::error::{Error, brief, character, is_invisible, list};
use super::evaluate::EvaluateSpec;
use super::model::ModelSection;
use super::node::Entry;
use super::train::TrainSpec;

/// The keys without a default, and what their values are.
const REQUIRED: &[(&str, &str)] = &[
    ("id", "an environment's id such as `Hopper-v4`"),
    ("dataset", "a file or folder with a dataset, the id of a Minari dataset, or a recipe's name"),
    ("policy", "the name of the policy that is judged"),
    ("against", "the name of the policy that it is compared with"),
    ("endpoint", "`mean` or `probability`"),
    ("margin", "by how much the policy may fall short, such as `2`"),
];

/// What belongs at a required key.
pub(super) fn required(key: &str) -> &'static str {
    REQUIRED.iter().find(|(required, _)| *required == key).map_or("a value", |&(_, value)| value)
}

/// The sections whose keys are often written one level too high or too low.
fn sections() -> [(&'static str, &'static [&'static str]); 5] {
    [
        ("model", keys_of::<ModelSection>()),
        ("context", keys_of::<ContextSection>()),
        ("train", keys_of::<TrainSpec>()),
        ("evaluate", keys_of::<EvaluateSpec>()),
        ("compare", keys_of::<CompareSpec>()),
    ]
}

/// Refuses the key of `entry`, which is none of `keys`, in the map at `path`.
pub(super) fn unknown(path: &str, entry: &Entry, keys: &[&str]) -> Error {
    let key = entry.key.as_str();
    let elsewhere = sections().into_iter().find(|(_, keys)| keys.contains(&key));
    let hidden = key.chars().find(|&c| c.is_control() || is_invisible(c));
    let cure = match (nearest(key, keys.iter().copied()), elsewhere) {
        _ if let Some(hidden) = hidden => format!("it holds {}: remove that", character(hidden)),
        (_, Some((section, _))) if path != section => {
            format!("it belongs under `{section}`: `{section}: {{{key}: …}}`")
        }
        (Some(key), _) => format!("did you mean `{key}`?"),
        (None, _) => format!("expected one of {}", list(keys)),
    };
    Error::UnknownKey { place: entry.place.clone(), key: join(path, &brief(key)), cure }
}

/// `path` is empty for the top level.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}
