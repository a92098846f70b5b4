//! The [`Deserializer`] over the located YAML tree. What derived structs and the functions of `values` ask
//! for is answered from the nodes, and what they refuse gets place and key path from the innermost node.

use std::vec;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;

use super::error::list;
use super::fault::Fault;
use super::field::{Field, Fields};
use super::keys::unknown;
use super::node::{Entry, Scalar, Value};

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = Fault;

    /// Whatever it is by YAML's core schema.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(scalar) => scalar_of_any_type(scalar, visitor),
            Value::List(items) => visitor.visit_seq(Items(self.each(items))),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = match &self.node.value {
            Value::Scalar(scalar) => scalar.resolve().and_then(|value| value.as_bool()),
            _ => None,
        };
        visitor.visit_bool(value.ok_or_else(|| Fault::expected("`true` or `false`", None))?)
    }

    /// A whole number; for one written otherwise, such as `1e4`, the cure is to write it out, if it is valid.
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let expected = expected(&visitor);
        let Value::Scalar(scalar) = &self.node.value else { return Err(Fault::expected(expected, None)) };
        match scalar.integer().map(u64::try_from) {
            Some(Ok(number)) => visitor.visit_u64(number),
            Some(Err(_)) => Err(Fault::expected(expected, None)),
            None => {
                let meant = as_integer(&scalar.text).filter(|&n| visitor.visit_u64::<Fault>(n).is_ok());
                Err(Fault::expected(expected, meant.map(|number| format!("write `{number}`"))))
            }
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(scalar) if let Some(number) = scalar.number() => visitor.visit_f64(number),
            _ => Err(Fault::expected(expected(&visitor), None)),
        }
    }

    /// Text, however it looks; a visitor may also take a list or a map.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (&self.node.value, self.text()) {
            (_, Some(text)) => visitor.visit_borrowed_str(text),
            (Value::Scalar(_), None) => Err(Fault::expected(expected(&visitor), None)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    /// A key that is there has a value.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// A list of at least one item.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items = self.items(&expected(&visitor)).map_err(Fault::Placed)?;
        visitor.visit_seq(Items(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.fields() {
            Some(fields) => fields.deserialize_any(visitor),
            None => Err(Fault::expected(expected(&visitor), None)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.fields_among(keys).map_err(Fault::Placed)?.deserialize_any(visitor)
    }

    /// One of a few words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.text() {
            Some(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            None => Err(Fault::expected(format!("one of {}", list(words)), None)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let entries = self.entries.clone().into_iter();
        visitor
            .visit_map(Entries { path: &self.path, entries, value: None })
            .map_err(|fault| self.locate(fault))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.check_keys(keys).map_err(Fault::Placed)?;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// What a visitor takes, in its own words.
fn expected<'de>(visitor: &impl Visitor<'de>) -> String {
    (visitor as &dyn Expected).to_string()
}

/// `10_000`, `1e4` and `10000.0` as the whole number that was probably meant.
fn as_integer(text: &str) -> Option<u64> {
    let number: f64 = text.replace(['_', ',', '\''], "").parse().ok()?;
    (number >= 0.0 && number <= 2f64.powi(53) && number.fract() == 0.0).then_some(number as u64)
}

fn scalar_of_any_type<'de, V: Visitor<'de>>(scalar: &'de Scalar, visitor: V) -> Result<V::Value, Fault> {
    match scalar.resolve() {
        None => Err(Fault::expected("a finite number", None)),
        Some(Json::Null) => visitor.visit_unit(),
        Some(Json::Bool(value)) => visitor.visit_bool(value),
        Some(Json::Number(number)) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => visitor.visit_u64(number),
            (_, Some(number), _) => visitor.visit_i64(number),
            (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
        },
        Some(_) => visitor.visit_borrowed_str(&scalar.text),
    }
}

/// The items of a list, one after the other.
struct Items<I>(I);

impl<'de, I: Iterator<Item = Field<'de>>> SeqAccess<'de> for Items<I> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(field) = self.0.next() else { return Ok(None) };
        let value = seed.deserialize(field.clone());
        value.map(Some).map_err(|fault| Fault::Placed(field.locate(fault)))
    }
}

/// The entries of a map, one after the other.
struct Entries<'p, 'de> {
    path: &'p str,
    entries: vec::IntoIter<(&'de Entry, Field<'de>)>,
    value: Option<Field<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((entry, field)) = self.entries.next() else { return Ok(None) };
        let key = seed.deserialize(BorrowedStrDeserializer::<Fault>::new(&entry.key)).map_err(|fault| {
            Fault::Placed(match fault {
                Fault::UnknownKey(keys) => unknown(self.path, entry, keys),
                fault => field.locate(fault),
            })
        })?;
        self.value = Some(field);
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let field = self.value.take().ok_or_else(|| Fault::expected("a key before its value", None))?;
        seed.deserialize(field.clone()).map_err(|fault| Fault::Placed(field.locate(fault)))
    }
}
