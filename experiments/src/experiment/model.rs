//! `model:` the architecture, and the part of it that a policy's entry overrides.

use aaren_format::{EncoderKind, Norm, Recency};
use serde::Serialize;

use super::error::Error;
use super::field::{Field, Fields};
use super::policy::Settings;

/// The architecture of one policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ModelSpec {
    /// Attention of each block.
    pub encoder: EncoderKind,
    /// Width of a token, a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads per block.
    pub heads: usize,
    /// Dropout probability in training, in [0, 1).
    pub dropout: f64,
    /// Order of normalisation.
    pub norm: Norm,
    /// Aaren's decay; `None` for a Transformer.
    pub recency: Recency,
}

pub(super) const ENCODERS: &[(&str, EncoderKind)] =
    &[("aaren", EncoderKind::Aaren), ("transformer", EncoderKind::Transformer)];
const NORMS: &[(&str, Norm)] = &[("post", Norm::Post), ("pre", Norm::Pre)];
const RECENCIES: &[(&str, Recency)] = &[("none", Recency::None), ("learned", Recency::Learned)];

pub(super) const KEYS: &[&str] = &["width", "layers", "heads", "dropout", "norm", "recency"];

impl ModelSpec {
    pub(super) fn read(encoder: EncoderKind, settings: &Settings) -> Result<ModelSpec, Error> {
        let setting = |key| settings.get(key);
        let model = ModelSpec {
            encoder,
            width: setting("width").map_or(Ok(128), |field| width(&field))?,
            layers: setting("layers").map_or(Ok(3), |field| layers(&field))?,
            heads: setting("heads").map_or(Ok(1), |field| heads(&field))?,
            dropout: setting("dropout").map_or(Ok(0.1), |field| dropout(&field))?,
            norm: setting("norm").map_or(Ok(Norm::Post), |field| field.one_of(NORMS))?,
            recency: recency(encoder, settings)?,
        };
        if !model.width.is_multiple_of(model.heads) {
            let field = settings.nearest_of("heads", "width");
            let found = format!("{} heads with width {}", model.heads, model.width);
            let cure = format!("nearest: {} heads", nearest_divisor(model.width, model.heads));
            return Err(field.invalid_as(found, "a number of heads that divides the width", Some(&cure)));
        }
        Ok(model)
    }
}

fn recency(encoder: EncoderKind, settings: &Settings) -> Result<Recency, Error> {
    let read = |field: Option<Field>| field.map_or(Ok(Recency::None), |field| field.one_of(RECENCIES));
    if encoder.takes_recency() {
        return read(settings.get("recency"));
    }
    match read(settings.own("recency"))? {
        Recency::None => Ok(Recency::None),
        Recency::Learned => Err(settings.own("recency").expect("it was read as learned").invalid(
            &format!("`none` with encoder {encoder}: recency decays an Aaren's state"),
            Some("remove it, or set `encoder: aaren`"),
        )),
    }
}

/// Checks each value of the `model` section by itself; together they are checked for each policy.
pub(super) fn check_types(section: &Fields) -> Result<(), Error> {
    section.get("width").map(|field| width(&field)).transpose()?;
    section.get("layers").map(|field| layers(&field)).transpose()?;
    section.get("heads").map(|field| heads(&field)).transpose()?;
    section.get("dropout").map(|field| dropout(&field)).transpose()?;
    section.get("norm").map(|field| field.one_of(NORMS)).transpose()?;
    section.get("recency").map(|field| field.one_of(RECENCIES)).transpose()?;
    Ok(())
}

fn width(field: &Field) -> Result<usize, Error> {
    field.size(1, 65_536)
}

fn layers(field: &Field) -> Result<usize, Error> {
    field.size(1, 1024)
}

fn heads(field: &Field) -> Result<usize, Error> {
    field.size(1, 65_536)
}

fn dropout(field: &Field) -> Result<f64, Error> {
    field.number("a probability of at least 0 and below 1", |p| (0.0..1.0).contains(&p))
}

fn nearest_divisor(width: usize, heads: usize) -> usize {
    (1..=width)
        .filter(|&divisor| width.is_multiple_of(divisor))
        .min_by_key(|divisor| divisor.abs_diff(heads))
        .unwrap_or(1)
}
