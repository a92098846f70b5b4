//! `env: Hopper-v4`, or `env: {id: Hopper-v4, kwargs: {observe: positions}}`.

pub use aaren_envs::EnvSpec;

use super::error::Error;
use super::field::Field;

const KEYS: &[&str] = &["id", "kwargs"];
const ID: &str = "an environment's id such as `Hopper-v4`";

pub(super) fn read(field: Field) -> Result<EnvSpec, Error> {
    if !field.is_map() {
        let id = field.text("an environment's id such as `Hopper-v4`, or `{id: …, kwargs: {…}}`")?;
        return Ok(EnvSpec { id: id.into(), kwargs: serde_json::Map::new() });
    }
    let fields = field.fields(KEYS)?;
    Ok(EnvSpec {
        id: fields.required("id", ID)?.text(ID)?.into(),
        kwargs: fields.get("kwargs").map_or_else(|| Ok(serde_json::Map::new()), |field| field.json_map())?,
    })
}
