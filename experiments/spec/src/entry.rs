//! The settings of one policy: what its entry says, else what the sections say that all policies share.

use aaren_format::{
    AgentConfig, AgentSettings, Context, ContextLength, DecisionConfig, EncoderKind, Invalid, Layout, Mixer,
    Model, Positions, Precision, Recency, Regime, ReturnIn, Settings, Start, Variation,
};
use serde::Deserialize;

use super::context::ContextSection;
use super::error::Error;
use super::field::Fields;
use super::keys::keys_of;
use super::model::ModelSection;
use super::train::{BATCH, TrainSpec};
use super::values::{ANY, some_positive, some_whole};

/// What the entry of every agent can say.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Own {
    /// What learns; `decision` unless given.
    pub agent: String,
    /// Updates of its training, instead of `train.updates`; its warm-up and the updates between two of its evaluations are
    /// then in proportion.
    #[serde(deserialize_with = "some_whole::<_, _, 1, ANY>")]
    pub updates: Option<u64>,
    /// Windows (of an agent that reads no trajectories: rows) per update, instead of `train.batch`.
    #[serde(deserialize_with = "some_whole::<_, _, 1, BATCH>")]
    pub batch: Option<usize>,
    /// Peak learning rate, instead of `train.learning_rate`.
    #[serde(deserialize_with = "some_positive")]
    pub learning_rate: Option<f64>,
}

/// What that of a decision agent can say beside the keys of `model` and `context`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnEncoder {
    /// How past tokens reach the present one; required unless the policy's name is an encoder's.
    encoder: Option<EncoderKind>,
    /// Arithmetic in training, instead of `train.precision`.
    pub precision: Option<Precision>,
}

/// The keys of a decision agent.
pub(super) fn decision_keys() -> Vec<&'static str> {
    [keys_of::<OwnEncoder>(), keys_of::<ModelSection>(), keys_of::<ContextSection>()].concat()
}

/// A setting without a meaning for some encoders: key, which encoders it is for, what others have, and why.
type Setting = (&'static str, fn(EncoderKind) -> bool, &'static str, &'static str);
const HEADS: Setting =
    ("heads", |encoder| encoder.takes("heads"), "1", "it has no attention to divide into heads");
const RECENCY: Setting =
    ("recency", |encoder| encoder.takes("recency"), "none", "recency decays an Aaren's state");
const KEYS: Setting = ("keys", |encoder| encoder.takes("keys"), "1", "keys address an Aaren's state");
const CARRY: Setting =
    ("carry", EncoderKind::constant_state, "false", "it has no state of constant size to carry");
const BAND: Setting =
    ("band", |encoder| !encoder.constant_state(), "0", "its state has one size however much it has seen");
const FROZEN: Setting =
    ("frozen_scores", |encoder| encoder == EncoderKind::Aaren, "false", "the scores are an Aaren's");
const ROTATE: Setting =
    ("rotate", |encoder| encoder.knows(Positions::Rotary), "1", "none of its heads turns with time");

/// Of an encoder that has attention, where they divide its width.
const HEADS_UNLESS_GIVEN: usize = 4;

/// The keys that mean something where a timestep is one token.
const JOINT: [&str; 4] = ["return", "return_rate", "return_bins", "return_dropout"];

/// What the sections say that all policies share.
pub(super) struct Shared<'a> {
    pub model: Fields<'a>,
    pub context: Fields<'a>,
    pub rollout: Option<Regime>,
    pub train: &'a TrainSpec,
}

impl<'a> Shared<'a> {
    /// Refuses an entry whose `key` is not what its name says.
    pub fn as_called(&self, name: &str, own: &Fields<'a>, key: &str, value: &str) -> Result<(), Error> {
        let expected = format!("`{value}`, as the policy is called `{name}`");
        own.get(key).map_or(Ok(()), |f| Err(f.invalid(&expected, Some("give the policy another name"))))
    }

    /// A decision agent, with the encoder that its policy is `named` after, if it is.
    pub fn decision(&self, own: &Fields<'a>, named: Option<EncoderKind>) -> Result<AgentConfig, Error> {
        let said = own.only(|key| key == "encoder").read::<OwnEncoder>()?.encoder;
        if let (Some(said), Some(named)) = (said, named)
            && said != named
        {
            self.as_called(named.name(), own, "encoder", named.name())?;
        }
        let encoder = said.or(named).ok_or_else(|| own.missing("encoder", &encoders(|_| true)))?;
        Ok(AgentConfig::new(&self.decision_of(own, encoder)?))
    }

    /// Another agent: its settings as the entry says them, else as the sections say those that it shares.
    pub fn other<T: AgentSettings>(&self, own: &Fields<'a>) -> Result<AgentConfig, Error> {
        let own = own.only(|key| keys_of::<T>().contains(&key));
        let shared = |section: &Fields<'a>| section.only(|key| T::SHARED.contains(&key));
        let settings: T = own.over(&shared(&self.model)).over(&shared(&self.context)).read()?;
        Ok(AgentConfig::new(&settings))
    }

    /// A shared setting reaches only those encoders for which it means something.
    fn decision_of(&self, own: &Fields<'a>, encoder: EncoderKind) -> Result<DecisionConfig, Error> {
        let growing = !encoder.constant_state();
        let unfit = |rollout: Option<Regime>| match rollout {
            Some(Regime::Unbounded) => growing,
            Some(Regime::Sliding(_)) => !growing,
            _ => false,
        };
        let first = self.sections(own, |key| ["positions", "tokens"].contains(&key))?.0;
        let joint = first.tokens.is_none_or(|tokens| tokens == 1);
        let usual = if joint { Positions::None } else { Positions::Timestep };
        let knows = encoder.knows(first.positions.unwrap_or(usual));
        let unreached = |key: &str| {
            (key == "positions" && !knows)
                || (key == "rotate" && !(knows && first.positions == Some(Positions::Rotary)))
                || [HEADS, RECENCY, KEYS, CARRY, BAND, FROZEN, ROTATE]
                    .iter()
                    .any(|(setting, means, ..)| *setting == key && !means(encoder))
                || (key == "rollout" && unfit(self.rollout))
                || (!joint && JOINT.contains(&key))
        };
        let (said, context) = self.sections(own, |key| !unreached(key))?;
        let (past_actions, layout) = self.layout(own, &said)?;
        let heads = if encoder.takes("heads") && said.width % HEADS_UNLESS_GIVEN == 0 {
            HEADS_UNLESS_GIVEN
        } else {
            1
        };
        let recency = if encoder.takes("recency") { Recency::Learned } else { Recency::None };
        let settings = Settings {
            heads: said.heads.unwrap_or(heads),
            recency: said.recency.unwrap_or(recency),
            rotate: said.rotate,
            keys: said.keys,
        };
        let model = Model {
            width: said.width,
            layers: said.layers,
            norm: said.norm,
            past_actions,
            positions: said.positions.unwrap_or(usual),
            mixer: Mixer::new(encoder, settings),
        };
        let without = Settings::default();
        for ((key, means, others, reason), given) in [
            (HEADS, settings.heads != without.heads),
            (RECENCY, settings.recency != without.recency),
            (KEYS, settings.keys != without.keys),
            (CARRY, context.carry),
            (BAND, context.band > 0),
            (FROZEN, said.frozen_scores),
            (ROTATE, own.get(ROTATE.0).is_some()),
        ] {
            if given
                && !means(encoder)
                && let Some(field) = own.get(key)
            {
                let expected = format!("`{others}` with encoder {encoder}: {reason}");
                let cure = format!("remove it, or set {}", encoders(means));
                return Err(field.invalid(&expected, Some(&cure)));
            }
        }
        let ContextSection { train, start, random_length, band, carry, rollout } = context;
        let (regime, usual) = match train {
            ContextLength::Timesteps(timesteps) if growing => (Regime::Window(timesteps), Start::Uniform),
            ContextLength::Timesteps(_) => (Regime::Unbounded, Start::Uniform),
            ContextLength::Episode => (Regime::Unbounded, Start::Episode),
        };
        let regime = if band > 0 { Regime::Sliding(band) } else { regime };
        let context = Context { context_length: train, regime: rollout.unwrap_or(regime) };
        model.check().and(context.check(encoder)).map_err(|invalid| self.blame(own, invalid))?;
        for (given, key, found, expected) in [
            (random_length, "random_length", "true", "`false`: chunks that carry a state are whole"),
            (
                train == ContextLength::Episode,
                "train",
                "`episode`",
                "timesteps of a chunk: nothing is carried from one episode to another",
            ),
            (
                start == Some(Start::Episode),
                "start",
                "`episode`",
                "no `start`: chunks follow each other from the first timestep of an episode on",
            ),
        ] {
            if carry && given {
                let found = format!("{found} with `carry: true`");
                return Err(self.refuse(own, &[key, "carry"], &found, expected, None));
            }
        }
        if said.frozen_scores && settings.keys > 1 {
            let found = format!("true with {} keys", settings.keys);
            let expected = "`false`: keys and queries weigh values too";
            return Err(self.refuse(own, &["frozen_scores"], &found, expected, Some("set `keys: 1`")));
        }
        if let ContextLength::Timesteps(window) = train
            && band > window
        {
            let found = format!("{band} with training windows of {window} timesteps");
            let (expected, cure) = ("at most as many as `train`", "lower it, or raise `train`");
            return Err(self.refuse(own, &["band"], &found, expected, Some(cure)));
        }
        let start = start.unwrap_or(usual);
        let ModelSection { dropout, return_dropout, history_noise, frozen_scores, .. } = said;
        let variation = Variation { return_dropout, history_noise, random_length, band, frozen_scores };
        Ok(DecisionConfig { model, layout, dropout, context, start, carry, variation })
    }

    /// What a policy's tokens hold: whether its past actions, and where the return-to-go enters.
    fn layout(&self, own: &Fields<'a>, said: &ModelSection) -> Result<(bool, Layout), Error> {
        let (tokens, past_actions) = match (said.tokens, said.past_actions) {
            (None | Some(1), past_actions) => (1, past_actions.unwrap_or(false)),
            (Some(tokens), None) => (tokens, tokens == 3),
            (Some(tokens), Some(past_actions)) if (tokens == 3) == past_actions => (tokens, past_actions),
            (Some(tokens), Some(past_actions)) => {
                let found = format!("{tokens} with `past_actions: {past_actions}`");
                let expected = "3 with past actions, 2 without, or 1";
                let keys = ["tokens", "past_actions"];
                return Err(self.refuse(own, &keys, &found, expected, Some("remove one of the two")));
            }
        };
        if tokens == 1 {
            let return_in = said.return_in.unwrap_or(ReturnIn::Head);
            let rate = said.return_rate.unwrap_or(true);
            return Ok((past_actions, Layout::Joint { return_in, rate, bins: said.return_bins }));
        }
        for (key, given) in JOINT.into_iter().zip([
            said.return_in == Some(ReturnIn::Head),
            said.return_rate == Some(true),
            said.return_bins > 0,
            said.return_dropout > 0.0,
        ]) {
            if given {
                let found = format!("`{key}` with {tokens} tokens for each timestep");
                let expected = "one token for each timestep";
                let cure = "set `tokens: 1`, or remove it";
                return Err(self.refuse(own, &[key], &found, expected, Some(cure)));
            }
        }
        Ok((past_actions, Layout::Separate))
    }

    /// The sections as a policy has them: what it says itself, else what is shared and reaches it.
    fn sections(
        &self,
        own: &Fields<'a>,
        reaches: impl Fn(&str) -> bool,
    ) -> Result<(ModelSection, ContextSection), Error> {
        let own = |keys: &[&str]| own.only(|key| keys.contains(&key));
        let model = own(keys_of::<ModelSection>()).over(&self.model.only(&reaches));
        let context = own(keys_of::<ContextSection>()).over(&self.context.only(&reaches));
        Ok((model.read()?, context.read()?))
    }

    /// A refusal of what the first of `keys` says that is written somewhere: in the entry, else in a section.
    fn refuse(
        &self,
        own: &Fields<'a>,
        keys: &[&str],
        found: &str,
        expected: &str,
        cure: Option<&str>,
    ) -> Error {
        let field = [own, &self.model, &self.context]
            .into_iter()
            .find_map(|fields| keys.iter().find_map(|key| fields.get(key)));
        match field {
            Some(field) => field.invalid_as(found.to_owned(), expected, cure),
            None => own.invalid(found.to_owned(), expected, cure.map(Into::into)),
        }
    }

    /// Says where the setting was written that makes a policy impossible.
    fn blame(&self, own: &Fields<'a>, Invalid { key, found, expected, cure }: Invalid) -> Error {
        let key = key.rsplit('.').next().unwrap_or(key);
        // Heads that do not divide the width are as much the width's doing.
        let keys = [key, if key == "heads" { "width" } else { key }];
        self.refuse(own, &keys, &found, &expected, cure.as_deref())
    }
}

/// `encoder: aaren` and the like, for which `means` holds.
fn encoders(means: impl Fn(EncoderKind) -> bool) -> String {
    let kinds = EncoderKind::ALL.into_iter().filter(|&encoder| means(encoder));
    kinds.map(|encoder| format!("`encoder: {encoder}`")).collect::<Vec<_>>().join(" or ")
}
