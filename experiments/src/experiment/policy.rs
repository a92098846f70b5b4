//! `policies:` a name, or a name with what differs from `model`, `context` and `train.precision`.

use std::collections::HashSet;

use aaren_format::{EncoderKind, Precision};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::context::ContextSpec;
use super::error::Error;
use super::field::{Field, Fields};
use super::model::{ENCODERS, ModelSpec};
use super::train::{PRECISIONS, TrainSpec};

/// One policy to train.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySpec {
    /// Name in results folders, tables and legends.
    pub name: String,
    /// Architecture.
    pub model: ModelSpec,
    /// What it sees of the past.
    pub context: ContextSpec,
    /// Arithmetic of its training.
    pub precision: Precision,
    /// Its agent.
    pub agent: aaren_agents::AgentConfig,
}

impl Serialize for PolicySpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Difference<'a> {
            #[serde(flatten)]
            model: &'a ModelSpec,
            #[serde(flatten)]
            context: &'a ContextSpec,
            precision: Precision,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(
            &self.name,
            &Difference { model: &self.model, context: &self.context, precision: self.precision },
        )?;
        map.end()
    }
}

const KEYS: &[&str] = &[
    "encoder",
    "width",
    "layers",
    "heads",
    "dropout",
    "norm",
    "recency",
    "train",
    "carry",
    "rollout",
    "precision",
];
const ENTRY: &str = "a policy: `aaren`, `transformer`, or a name with what differs, `- aaren-small: {encoder: aaren, width: 64}`";

/// What a policy's own entry says, else what the sections say that all policies share.
pub(super) struct Settings<'a> {
    own: Option<Fields<'a>>,
    model: &'a Fields<'a>,
    context: &'a Fields<'a>,
}

impl<'a> Settings<'a> {
    pub fn own(&self, key: &'static str) -> Option<Field<'a>> {
        self.own.as_ref()?.get(key)
    }

    pub fn shared(&self, key: &'static str) -> Option<Field<'a>> {
        let section = if super::model::KEYS.contains(&key) { self.model } else { self.context };
        section.get(key)
    }

    pub fn get(&self, key: &'static str) -> Option<Field<'a>> {
        self.own(key).or_else(|| self.shared(key))
    }

    /// The field to blame when two settings do not fit each other and at least one of them was given.
    pub fn nearest_of(&self, first: &'static str, second: &'static str) -> Field<'a> {
        self.own(first)
            .or_else(|| self.own(second))
            .or_else(|| self.shared(first))
            .or_else(|| self.shared(second))
            .expect("the defaults fit each other")
    }
}

/// The policies of the list; Aaren and Transformer if there is none.
pub(super) fn read(
    field: Option<Field>,
    model: &Fields,
    context: &Fields,
    train: &TrainSpec,
) -> Result<Vec<PolicySpec>, Error> {
    let complete = |name: &str, encoder, own| {
        let settings = Settings { own, model, context };
        let model = ModelSpec::read(encoder, &settings)?;
        let context = ContextSpec::read(encoder, &settings)?;
        let agent = aaren_agents::AgentConfig::Decision(aaren_agents::decision::DecisionConfig {
            model: aaren_format::Model {
                encoder: model.encoder,
                width: model.width,
                layers: model.layers,
                heads: model.heads,
                norm: model.norm,
                recency: model.recency,
            },
            dropout: model.dropout,
            context: aaren_format::Context { context_length: context.train, regime: context.rollout },
            carry: context.carry,
        });
        Ok(PolicySpec {
            name: name.into(),
            model,
            context,
            agent,
            precision: settings
                .own("precision")
                .map_or(Ok(train.precision), |field| field.one_of(PRECISIONS))?,
        })
    };
    let Some(field) = field else {
        return ENCODERS.iter().map(|&(name, encoder)| complete(name, encoder, None)).collect();
    };
    let mut names = HashSet::new();
    field
        .list("a list of policies such as `[aaren, transformer]`")?
        .iter()
        .map(|item| {
            let policy = match item.only_entry() {
                Some((name, own)) => {
                    let fields = own.fields(KEYS)?;
                    check_name(item, name)?;
                    complete(name, encoder(name, &fields)?, Some(fields))?
                }
                None if item.is_map() => {
                    let cure = "indent what differs below the name, one `- name: {…}` for each policy";
                    return Err(item.invalid_as("a map of several keys".into(), ENTRY, Some(cure)));
                }
                None => {
                    let encoder = item.one_of(ENCODERS).map_err(|error| expect_entry(error, item))?;
                    complete(item.text(ENTRY)?, encoder, None)?
                }
            };
            // Results folders: some file systems do not tell upper from lower case.
            if names.insert(policy.name.to_lowercase()) {
                Ok(policy)
            } else {
                let found = format!("a second policy called `{}`", policy.name);
                Err(item.invalid_as(found, "a name of its own for each policy", Some("rename one of them")))
            }
        })
        .collect()
}

fn encoder(name: &str, fields: &Fields) -> Result<EncoderKind, Error> {
    let named = ENCODERS.iter().find(|(word, _)| *word == name).map(|&(_, encoder)| encoder);
    let Some(field) = fields.get("encoder") else {
        return named.ok_or_else(|| fields.missing("encoder", "`encoder: aaren` or `encoder: transformer`"));
    };
    let encoder = field.one_of(ENCODERS)?;
    match named {
        Some(named) if named != encoder => Err(field.invalid(
            &format!("`{name}`, as the policy is called that"),
            Some("give the policy another name"),
        )),
        _ => Ok(encoder),
    }
}

fn check_name(item: &Field, name: &str) -> Result<(), Error> {
    if super::field::is_folder_name(name) {
        return Ok(());
    }
    let found = format!("the name `{}`", super::error::brief(name));
    Err(item.invalid_as(found, super::field::FOLDER_NAME, None))
}

/// A bare word has to be an encoder's name: say so in terms of policies, keeping the cure.
fn expect_entry(error: Error, item: &Field) -> Error {
    match error {
        Error::Invalid { cure, .. } => item.invalid(ENTRY, cure.as_deref()),
        error => error,
    }
}
