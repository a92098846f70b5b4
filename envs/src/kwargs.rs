//! Keyword arguments: Gymnasium's, checked by name and by type before an environment is made.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

use crate::{Error, spec::nearest};

/// What an observation holds. `positions` is ours: without velocities, the task needs a memory.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Observe {
    #[default]
    All,
    Positions,
}

/// An interval; in JSON `[low, high]`, where `null` (YAML's `.inf` too) leaves an end open.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "(Option<f64>, Option<f64>)")]
pub(crate) struct Range {
    pub low: f64,
    pub high: f64,
}

impl TryFrom<(Option<f64>, Option<f64>)> for Range {
    type Error = String;

    fn try_from((low, high): (Option<f64>, Option<f64>)) -> Result<Self, String> {
        let range = Range { low: low.unwrap_or(f64::NEG_INFINITY), high: high.unwrap_or(f64::INFINITY) };
        if range.low <= range.high {
            Ok(range)
        } else {
            Err(format!("the range [{}, {}] is empty; expected [low, high]", range.low, range.high))
        }
    }
}

impl Range {
    pub(crate) fn within(self, x: f64) -> bool {
        self.low < x && x < self.high
    }

    pub(crate) fn within_or_at(self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    pub(crate) fn clip(self, x: f64) -> f64 {
        x.max(self.low).min(self.high)
    }
}

/// A noise scale: finite and not negative.
pub(crate) fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let scale = f64::deserialize(deserializer)?;
    // NumPy refuses an interval whose length is no number.
    if (2.0 * scale).is_finite() && scale >= 0.0 {
        Ok(scale)
    } else {
        let most = f64::MAX / 2.0;
        Err(D::Error::custom(format!("found {scale}, expected a number of at least 0 and at most {most:e}")))
    }
}

/// The arguments of environment `id` as `K`, less the ones that this version does not take.
pub(crate) fn parse<K: DeserializeOwned>(
    id: &str,
    kwargs: Map<String, Value>,
    not_taken: &[&str],
) -> Result<K, Error> {
    let fail = |reason: String| Error::Kwargs { id: id.to_owned(), reason };
    let taken = || field_names::<K>().iter().copied().filter(|name| !not_taken.contains(name));
    for (key, value) in &kwargs {
        if !taken().any(|name| name == key) {
            if taken().next().is_none() {
                return Err(fail(format!("there is no `{key}`; it takes none but `max_episode_steps`")));
            }
            let all = taken().collect::<Vec<_>>().join(", ");
            let nearest = nearest(key, taken());
            return Err(fail(format!(
                "there is no `{key}`; the nearest one is `{nearest}` (it takes {all})"
            )));
        }
        // One by one, because serde does not say which key a value of a wrong type belongs to.
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        serde_json::from_value::<K>(alone).map_err(|error| fail(format!("`{key}`: {error}")))?;
    }
    serde_json::from_value(Value::Object(kwargs)).map_err(|error| fail(error.to_string()))
}

/// The fields of a struct, as its `Deserialize` asks for them.
fn field_names<K: DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            _visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only the names were wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("not a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    let _ = K::deserialize(Ask(&mut names));
    names
}
