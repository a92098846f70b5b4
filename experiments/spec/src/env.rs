//! `env: Hopper-v4`, or `env: {id: Hopper-v4, kwargs: {observe: positions}}`.

use aaren_format::{EnvSpec, OfData};

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::values::{text, visible};

struct Env;

/// An environment as a map.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(default)]
    kwargs: Map<String, Value>,
    /// `ignore` uses data that say that they are of another environment; `check`, the default, refuses them.
    #[serde(default)]
    of_data: OfData,
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "an environment's id such as `Hopper-v4`", |id| Ok(id.into()))
}

/// An id, or a map.
pub(super) fn env<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EnvSpec, D::Error> {
    deserializer.deserialize_str(Env)
}

impl<'de> Visitor<'de> for Env {
    type Value = EnvSpec;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an environment's id such as `Hopper-v4`, or `{id: …, kwargs: {…}}`")
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<EnvSpec, E> {
        visible(id, "an environment's id such as `Hopper-v4`")?;
        Ok(EnvSpec::new(id))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EnvSpec, A::Error> {
        let Full { id, kwargs, of_data } = Full::deserialize(MapAccessDeserializer::new(map))?;
        Ok(EnvSpec { id, kwargs, of_data })
    }
}
