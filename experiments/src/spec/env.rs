//! `env: Hopper-v4`, or `env: {id: Hopper-v4, kwargs: {observe: positions}}`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::error::Error;
use super::field::Field;

/// An environment's Gymnasium id and the arguments it is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvSpec {
    /// Such as `Hopper-v4`.
    pub id: String,
    /// Arguments that differ from the environment's defaults.
    pub kwargs: serde_json::Map<String, serde_json::Value>,
}

impl Serialize for EnvSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.kwargs.is_empty() {
            return serializer.serialize_str(&self.id);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("kwargs", &self.kwargs)?;
        map.end()
    }
}

const KEYS: &[&str] = &["id", "kwargs"];
const ID: &str = "an environment's id such as `Hopper-v4`";

pub(super) fn read(field: Field) -> Result<EnvSpec, Error> {
    if !field.is_map() {
        let id =
            field.text("an environment's id such as `Hopper-v4`, or `{id: …, kwargs: {…}}`")?;
        return Ok(EnvSpec {
            id: id.into(),
            kwargs: serde_json::Map::new(),
        });
    }
    let fields = field.fields(KEYS)?;
    Ok(EnvSpec {
        id: fields.required("id", ID)?.text(ID)?.into(),
        kwargs: fields
            .get("kwargs")
            .map_or_else(|| Ok(serde_json::Map::new()), |field| field.json_map())?,
    })
}
