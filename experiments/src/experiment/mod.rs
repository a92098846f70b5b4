//! The experiment specification: YAML in, a complete and checked [`Spec`] out.
//!
//! ```text
//! file + --set  →  Document (tree of nodes, each with its line)  →  Spec (every default filled in)
//! ```
//!
//! Everything that can be refused without touching a dataset or an environment is refused here, with
//! one message that names file and line (or the `--set`), the key, what was found and what to write
//! instead. [`Spec::to_yaml`] writes the effective spec; loading that again gives an equal `Spec`.
//!
//! `model` and `context` hold what the policies share, an entry of `policies` what differs for that
//! one. Three settings mean something for Aaren only: `recency: learned`, `carry: true` and
//! `rollout: unbounded`. Written in `model` or `context` they therefore reach the Aaren policies and
//! leave a Transformer at its own default; in a Transformer's own entry, recency and carry are refused
//! and `rollout: unbounded` gives it a growing key/value cache.

mod context;
mod dataset;
mod document;
mod env;
mod error;
mod evaluate;
mod field;
mod fingerprint;
mod model;
mod nearest;
mod node;
mod policy;
mod train;

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod tests;

pub use dataset::DatasetSource;
pub use document::Document;
pub use env::EnvSpec;
pub use error::Error;
pub use evaluate::EvaluateSpec;
pub use model::ModelSpec;
pub use policy::PolicySpec;
pub use train::TrainSpec;

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use field::Fields;

/// One experiment: every policy × seed, trained on one dataset, evaluated in one environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spec {
    /// Name of the results folder; the file's stem unless given.
    pub name: String,
    /// Environment of the roll-outs.
    pub env: EnvSpec,
    /// What the policies learn from.
    pub dataset: DatasetSource,
    /// Policies to train, at least one, names unique.
    pub policies: Vec<PolicySpec>,
    /// Training seeds, at least one, unique.
    pub seeds: Vec<u64>,
    /// How each policy is trained.
    pub train: TrainSpec,
    /// How each policy is evaluated.
    pub evaluate: EvaluateSpec,
}

const KEYS: &[&str] =
    &["name", "env", "dataset", "policies", "seeds", "model", "context", "train", "evaluate"];

/// The sections whose keys are often written one level too high or too low.
const SECTIONS: &[(&str, &[&str])] = &[
    ("model", model::KEYS),
    ("context", context::KEYS),
    ("train", train::KEYS),
    ("evaluate", evaluate::KEYS),
];

impl Spec {
    /// Reads an experiment file, applies `--set` overrides such as `train.updates=500`, and checks all.
    ///
    /// Relative paths in the file are relative to the file, paths in an override to the working directory.
    ///
    /// # Errors
    /// The first thing wrong, as one message that names its place and the cure.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Spec, Error> {
        Document::read(path, overrides)?.spec()
    }

    /// The effective spec as YAML, every default written out. Loading it gives an equal `Spec`.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("a Spec holds only maps, lists and UTF-8 scalars")
    }

    /// The same experiment reduced to one policy and one seed: the spec of one results folder.
    pub fn single(&self, policy: &PolicySpec, seed: u64) -> Spec {
        Spec { policies: vec![policy.clone()], seeds: vec![seed], ..self.clone() }
    }
}

impl Document {
    /// Checks the document and fills in every default.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn spec(&self) -> Result<Spec, Error> {
        let fields = Fields::open(self.root(), "", KEYS)?;
        let model = fields.section("model", model::KEYS)?;
        let context = fields.section("context", context::KEYS)?;
        model::check_types(&model)?;
        context::check_types(&context)?;
        let train = TrainSpec::read(&fields.section("train", train::KEYS)?)?;
        Ok(Spec {
            name: self.name(&fields)?,
            env: env::read(fields.required("env", "an environment's id such as `Hopper-v4`")?)?,
            dataset: dataset::read(
                fields.required("dataset", "a D4RL file, a Minari folder or a recipe's name")?,
                self.folder(),
            )?,
            policies: policy::read(fields.get("policies"), &model, &context, &train)?,
            seeds: seeds(&fields)?,
            evaluate: EvaluateSpec::read(&fields.section("evaluate", evaluate::KEYS)?, train.updates)?,
            train,
        })
    }

    fn name(&self, fields: &Fields) -> Result<String, Error> {
        match fields.get("name") {
            Some(field) => field.folder_name(),
            None => {
                let stem = self.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
                if field::is_folder_name(&stem) {
                    return Ok(stem);
                }
                Err(fields
                    .missing("name", &format!("{}, as the file's own name is not one", field::FOLDER_NAME)))
            }
        }
    }
}

fn seeds(fields: &Fields) -> Result<Vec<u64>, Error> {
    let Some(field) = fields.get("seeds") else {
        return Ok(vec![0]);
    };
    let mut seen = HashSet::new();
    field
        .list("a list of seeds such as `[0, 1, 2]`")?
        .iter()
        .map(|item| {
            let seed = item.integer(0, u64::MAX)?;
            if seen.insert(seed) {
                Ok(seed)
            } else {
                Err(item.invalid("each seed once", Some("remove the repetition")))
            }
        })
        .collect()
}
