//! Numbers with their ranges, for `#[serde(deserialize_with = "…")]`: each says what it expects.

use alloc::format;
use core::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// No upper bound.
pub const ANY: u64 = u64::MAX - 1;

/// A whole number from `LEAST` to `MOST`.
pub fn whole<'de, D, N, const LEAST: u64, const MOST: u64>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    let expected = match (LEAST, MOST) {
        (0, ANY..) => "a whole number, 0 or more".into(),
        (least, ANY..) => format!("a whole number of at least {least}"),
        (least, most) => format!("a whole number from {least} to {most}"),
    };
    let whole = Number { expected: &expected, valid: |number| (LEAST..=MOST).contains(&number) };
    let number = deserializer.deserialize_u64(whole)?;
    N::try_from(number).map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &expected.as_str()))
}

/// The same where there is no default.
pub fn some_whole<'de, D, N, const LEAST: u64, const MOST: u64>(
    deserializer: D,
) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    whole::<D, N, LEAST, MOST>(deserializer).map(Some)
}

/// A number of bins, or 0 for none: a single one would tell nothing.
pub fn bins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let valid = |bins: u64| bins == 0 || (2..=256).contains(&bins);
    let number = Number { expected: "0, or a whole number from 2 to 256", valid };
    deserializer.deserialize_u64(number).map(|bins| bins as usize)
}

/// A finite number above 0.
pub fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a number above 0", |number| number > 0.0)
}

/// The same where there is no default.
pub fn some_positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    positive(deserializer).map(Some)
}

/// A finite number, 0 or more.
pub fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a number, 0 or more", |number| number >= 0.0)
}

/// A number in [0, 1).
pub fn probability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a probability of at least 0 and below 1", |p| (0.0..1.0).contains(&p))
}

/// A number in (0, 1].
pub fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a share above 0 and at most 1", |share| share > 0.0 && share <= 1.0)
}

/// A number in (0, 1).
pub fn between<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a number above 0 and below 1", |number| number > 0.0 && number < 1.0)
}

/// A number in [0, 1].
pub fn discount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    number(deserializer, "a discount from 0 to 1", |discount| (0.0..=1.0).contains(&discount))
}

/// A finite number for which `valid` holds; `expected` says when.
pub fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    valid: fn(f64) -> bool,
) -> Result<f64, D::Error> {
    deserializer.deserialize_f64(Number { expected, valid })
}

/// A number for which `valid` holds; `expected` says when.
struct Number<'e, N> {
    expected: &'e str,
    valid: fn(N) -> bool,
}

impl Visitor<'_> for Number<'_, u64> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        let valid = (self.valid)(number);
        valid.then_some(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

impl Visitor<'_> for Number<'_, f64> {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        let valid = number.is_finite() && (self.valid)(number);
        valid.then_some(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }
}
