//! `context:` how much of the past a policy sees, in training and at roll-out.

use aaren_format::{EncoderKind, Regime};
use serde::Serialize;

use super::error::Error;
use super::field::{Field, Fields};
use super::policy::Settings;

/// The past that one policy sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ContextSpec {
    /// Timesteps of a training window.
    pub train: usize,
    /// Whether the detached state is carried from one training chunk of a trajectory to the next.
    pub carry: bool,
    /// What the actor remembers.
    pub rollout: Regime,
}

pub(super) const KEYS: &[&str] = &["train", "carry", "rollout"];
const ROLLOUT_KEYS: &[&str] = &["window", "reset"];
const ROLLOUT: &str = "`unbounded`, `{window: K}` or `{reset: K}` with K timesteps";
const LONGEST: usize = 1_000_000;

impl ContextSpec {
    pub(super) fn read(encoder: EncoderKind, settings: &Settings) -> Result<ContextSpec, Error> {
        let train = settings.get("train").map_or(Ok(20), |field| timesteps(&field))?;
        if encoder.constant_state() {
            return Ok(ContextSpec {
                train,
                carry: settings.get("carry").map_or(Ok(false), |field| field.boolean())?,
                rollout: settings.get("rollout").map_or(Ok(Regime::Unbounded), |field| rollout(&field))?,
            });
        }
        if let Some(field) = settings.own("carry")
            && field.boolean()?
        {
            let expected =
                format!("`false` with encoder {encoder}: it has no state of constant size to carry");
            return Err(field.invalid(&expected, Some("remove it, or set `encoder: aaren`")));
        }
        let shared = match settings.shared("rollout").map(|field| rollout(&field)).transpose()? {
            None | Some(Regime::Unbounded) => Regime::Window(train),
            Some(bounded) => bounded,
        };
        let rollout = settings.own("rollout").map_or(Ok(shared), |field| rollout(&field))?;
        Ok(ContextSpec { train, carry: false, rollout })
    }
}

/// Checks each value of the `context` section by itself.
pub(super) fn check_types(section: &Fields) -> Result<(), Error> {
    section.get("train").map(|field| timesteps(&field)).transpose()?;
    section.get("carry").map(|field| field.boolean()).transpose()?;
    section.get("rollout").map(|field| rollout(&field)).transpose()?;
    Ok(())
}

fn timesteps(field: &Field) -> Result<usize, Error> {
    field.size(1, LONGEST)
}

/// `unbounded`, `{window: K}`, `{reset: K}`, or the latter two as quoted text, `"window: K"`.
fn rollout(field: &Field) -> Result<Regime, Error> {
    if field.is_map() {
        let fields = field.fields(ROLLOUT_KEYS)?;
        return match (fields.get("window"), fields.get("reset")) {
            (Some(window), None) => timesteps(&window).map(Regime::Window),
            (None, Some(reset)) => timesteps(&reset).map(Regime::Reset),
            (None, None) => Err(field.invalid_as("an empty map".into(), ROLLOUT, None)),
            (Some(_), Some(_)) => {
                Err(field.invalid_as("both `window` and `reset`".into(), ROLLOUT, Some("keep one")))
            }
        };
    }
    let text = field.text(ROLLOUT)?;
    let words: Vec<&str> = text.splitn(2, ':').map(str::trim).collect();
    let timesteps = |digits: &str| digits.parse().ok().filter(|timesteps| (1..=LONGEST).contains(timesteps));
    match words.as_slice() {
        ["unbounded"] => Ok(Regime::Unbounded),
        ["window", digits] if let Some(k) = timesteps(digits) => Ok(Regime::Window(k)),
        ["reset", digits] if let Some(k) = timesteps(digits) => Ok(Regime::Reset(k)),
        ["window", ..] => Err(field.invalid(ROLLOUT, Some("write `{window: 20}`"))),
        ["reset", ..] => Err(field.invalid(ROLLOUT, Some("write `{reset: 20}`"))),
        _ => Err(field.invalid(ROLLOUT, None)),
    }
}
