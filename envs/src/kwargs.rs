//! Keyword arguments: Gymnasium's, checked by name and by type before an environment is made.

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, nearest};

/// What an observation holds. `positions` is ours: without velocities, the task needs a memory.
/// [`Environment`](crate::Environment) hides them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Observe {
    All,
    Positions,
}

/// Keyword arguments as they are given.
pub(crate) type Arguments = Map<String, Value>;

/// Of an environment that takes none of its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct NoKwargs {}

/// An interval; in JSON `[low, high]`, where `null` (YAML's `.inf` too) leaves an end open.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "(Option<f64>, Option<f64>)", into = "(f64, f64)")]
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

impl From<Range> for (f64, f64) {
    fn from(Range { low, high }: Range) -> Self {
        (low, high)
    }
}

impl Range {
    pub(crate) const WHOLE: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY };

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

/// The `defaults` of environment `id` with its `kwargs` in their places. Of the fields of `K` and `observe`, those are its
/// arguments that are `taken`.
pub(crate) fn parse<K: Serialize + DeserializeOwned>(
    id: &str,
    kwargs: Arguments,
    defaults: &K,
    taken: impl Fn(&str) -> bool,
) -> Result<K, Error> {
    let fail = |reason: String| Error::Kwargs { id: id.to_owned(), reason };
    let Ok(Value::Object(mut all)) = serde_json::to_value(defaults) else {
        return Err(fail("its default arguments are no map".into()));
    };
    // Unless it is an argument of its own, with other values.
    let observe = !all.contains_key("observe");
    if observe {
        all.insert("observe".into(), "all".into());
    }
    for (key, value) in kwargs {
        let names = || all.keys().map(String::as_str).filter(|name| taken(name));
        if !names().any(|name| name == key) {
            let expected = names().collect::<Vec<_>>().join(", ");
            let cure = match nearest(&key, names()) {
                _ if expected.is_empty() => "it takes none but `max_episode_steps`".to_owned(),
                Some(nearest) => format!("the nearest one is `{nearest}` (it takes {expected})"),
                None => format!("it takes {expected}"),
            };
            return Err(fail(format!("there is no `{key}`; {cure}")));
        }
        // One by one, because serde does not say which key a value of a wrong type belongs to.
        all.insert(key.clone(), value);
        let fits = if observe && key == "observe" {
            Observe::deserialize(&all[&key]).map(drop)
        } else {
            K::deserialize(&Value::Object(all.clone())).map(drop)
        };
        fits.map_err(|error| fail(format!("`{key}`: {error}")))?;
    }
    serde_json::from_value(Value::Object(all)).map_err(|error| fail(error.to_string()))
}
