//! The experiment: YAML in, a complete and checked [`Spec`] out.

use std::path::Path;

use aaren_datasets::{Actions, Columns, Reading, Space};
use aaren_format::{EnvSpec, Invalid};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::context::ContextSection;
use crate::entry::Shared;
use crate::field::{Field, Fields};
use crate::model::ModelSection;
use crate::values::seeds;
use crate::{
    CompareSpec, DatasetSource, Document, Error, EvaluateSpec, PolicySpec, PrimarySpec, TrainSpec, dataset,
    env, grid, keys, reading, values,
};

/// One experiment: every policy × seed, trained on one dataset, evaluated in one environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spec {
    /// Name of the results folder; the file's stem unless given.
    pub name: String,
    /// Environment of the roll-outs; `none` where policies are trained from data alone.
    pub env: EnvSpec,
    /// What the policies learn from.
    pub dataset: DatasetSource,
    /// Keys of a dictionary of observations that policies see, in this order; all unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe: Option<Vec<String>>,
    /// What the numbers of actions in the data mean: `continuous`, `discrete`, `one-hot` or `multi-discrete`; what the
    /// environment takes, or the data say, unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Actions>,
    /// Which columns of a table (CSV, Parquet, npz) are what; the usual names unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// Policies to train, at least one, names unique.
    pub policies: Vec<PolicySpec>,
    /// Training seeds, at least one, unique.
    pub seeds: Vec<u64>,
    /// How each policy is trained.
    pub train: TrainSpec,
    /// How each policy is evaluated.
    pub evaluate: EvaluateSpec,
    /// How policies are compared.
    pub compare: CompareSpec,
    /// The comparison that decides, where one is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<PrimarySpec>,
}

/// The top level as written, with the defaults that follow from nothing else.
#[derive(Deserialize)]
struct File {
    #[serde(default, deserialize_with = "values::some_folder_name")]
    name: Option<String>,
    #[serde(default = "EnvSpec::none", deserialize_with = "env::env")]
    env: EnvSpec,
    #[serde(deserialize_with = "dataset::text")]
    dataset: String,
    /// Keys of a dictionary of observations, in the order in which policies see them; all unless given.
    #[serde(default, deserialize_with = "reading::observe")]
    observe: Option<Vec<String>>,
    /// What the numbers of actions mean; what the environment takes, or the data say, unless given.
    #[serde(default, deserialize_with = "reading::actions")]
    actions: Option<Actions>,
    /// Which columns of a table are what; the usual names unless given.
    #[serde(default, deserialize_with = "reading::columns")]
    columns: Option<Columns>,
    #[serde(default)]
    #[expect(dead_code, reason = "each entry is read together with the sections that it differs from")]
    policies: IgnoredAny,
    #[serde(default = "first_seed", deserialize_with = "seeds")]
    seeds: Vec<u64>,
    /// Shape of the encoders, shared by all policies that have one.
    #[serde(default)]
    #[expect(dead_code, reason = "checked by itself, and read again for each policy")]
    model: ModelSection,
    /// How much of an episode policies see, in training and acting; shared by all policies.
    #[serde(default)]
    context: ContextSection,
    #[serde(default)]
    train: TrainSpec,
    #[serde(default)]
    evaluate: EvaluateSpec,
    #[serde(default)]
    compare: CompareSpec,
    #[serde(default)]
    primary: Option<PrimarySpec>,
}

impl Spec {
    /// Reads the `spec.yaml` of a results folder. Its dataset may be gone: the policies are there.
    ///
    /// # Errors
    /// As [`Document::spec`].
    pub fn left(path: &Path) -> Result<Spec, Error> {
        Document::left(path)?.spec()
    }

    /// The effective spec as YAML, every default written out. Loading it gives an equal `Spec`.
    ///
    /// # Panics
    /// If text of the spec were no UTF-8, which loading refuses.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("a Spec holds only maps, lists and UTF-8 scalars")
    }

    /// How the file of the dataset is read; an environment of Python says the keys of its own observations.
    pub fn reading(&self) -> Reading {
        let Self { observe, actions, columns, .. } = self;
        let of_env = self.env.python.as_ref().and_then(|python| python.observe.clone());
        let space = |json: &Option<_>| json.as_ref().and_then(Space::of_json);
        let spaces = self.env.spaces.as_ref().map(|its| (space(&its.observation), space(&its.action)));
        Reading {
            observe: observe.clone().or(of_env),
            actions: *actions,
            columns: columns.clone(),
            spaces: spaces.unwrap_or_default(),
        }
    }

    /// The environment, where there is one.
    pub fn played_in(&self) -> Option<&EnvSpec> {
        Some(&self.env).filter(|env| !env.is_none())
    }

    /// Updates of linear warm-up of a policy: `train.warmup`, in proportion to the policy's updates.
    pub fn warmup(&self, policy: &PolicySpec) -> u64 {
        self.in_proportion(self.train.warmup, policy)
    }

    /// Updates between two evaluations of a policy: `evaluate.every`, in proportion to the policy's updates.
    pub fn evaluate_every(&self, policy: &PolicySpec) -> u64 {
        self.in_proportion(self.evaluate.every, policy).max(1)
    }

    fn in_proportion(&self, updates: u64, policy: &PolicySpec) -> u64 {
        let product = u128::from(updates) * u128::from(policy.updates) / u128::from(self.train.updates);
        product.try_into().unwrap_or(u64::MAX)
    }

    /// The same experiment reduced to one policy and one seed: the spec of one results folder. Its `result.json` has the
    /// primary endpoint.
    pub fn single(&self, policy: &PolicySpec, seed: u64) -> Spec {
        Spec { policies: vec![policy.clone()], seeds: vec![seed], primary: None, ..self.clone() }
    }
}

impl Document {
    /// Checks the document and fills in every default.
    ///
    /// Relative paths in the file are relative to the file, paths in an override to the working directory.
    ///
    /// # Errors
    /// The first thing wrong, as one message that names its place and the cure.
    pub fn spec(&self) -> Result<Spec, Error> {
        let root = Field { path: String::new(), node: self.root() };
        grid::check_none(&root)?;
        let File {
            name,
            mut env,
            dataset,
            observe,
            actions,
            columns,
            seeds,
            context,
            mut train,
            mut evaluate,
            mut compare,
            mut primary,
            ..
        } = root.read()?;
        env::resolve(&mut env, observe.clone(), self)?;
        let root = root.fields().unwrap_or_else(|| Fields::none("", &self.root().place));
        let train_section = root.section("train");
        train.complete().map_err(|Invalid { found, expected, cure, .. }| {
            train_section.refuse(&["warmup"], found, &expected, cure)
        })?;
        evaluate.complete(train.updates, env.is_none());
        if let Some(target) = evaluate.overflowing() {
            let scale = evaluate.return_scale.unwrap_or(1.0);
            let found = format!("{scale:e} with a target return of {target:e}");
            let expected = "a scale by which every target return stays within float32";
            let keys = ["return_scale", "target_returns"];
            return Err(root.section("evaluate").refuse(&keys, found, expected, None));
        }
        compare.complete(&env.id);
        let shared = Shared {
            model: root.section("model"),
            context: root.section("context"),
            rollout: context.rollout,
            train: &train,
        };
        let policies = shared.policies(&root)?;
        let deaf =
            policies.iter().find(|policy| policy.agent.hears_of_returns() && !policy.agent.predicts_max());
        if let Some(policy) = deaf.filter(|_| evaluate.asks_for_max()) {
            let found = format!("`max`, for the policy {}", policy.name);
            let expected = "returns: only a policy with `tokens: 1` and `return: head` predicts the most that can be had";
            return Err(root.section("evaluate").refuse(&["target_returns"], found, expected, None));
        }
        let dataset = match root.get("dataset") {
            Some(field) => dataset::find(&dataset, field, self)?,
            None => return Err(root.missing("dataset", keys::required("dataset"))),
        };
        let name = self.name(name, &root)?;
        if let (Some(primary), Some(field)) = (&mut primary, root.get("primary")) {
            if env.is_none() {
                let expected = "an experiment with `env`: an endpoint is about scores of played episodes";
                return Err(field.invalid_as("an experiment without an environment".into(), expected, None));
            }
            primary.complete(&root.section("primary"), &name, &policies, &seeds)?;
        }
        Ok(Spec {
            name,
            env,
            dataset,
            observe,
            actions,
            columns,
            policies,
            seeds,
            train,
            evaluate,
            compare,
            primary,
        })
    }

    pub(crate) fn name(&self, name: Option<String>, root: &Fields) -> Result<String, Error> {
        let stem = self.path().file_stem().unwrap_or_default().to_string_lossy();
        let stem = values::is_folder_name(&stem).then(|| stem.into_owned());
        let expected = values::FOLDER_NAME;
        name.or(stem)
            .ok_or_else(|| root.missing("name", &format!("{expected}, as the file's own name is not one")))
    }
}

fn first_seed() -> Vec<u64> {
    vec![0]
}
