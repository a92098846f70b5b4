//! `policies:` a name, or a name with what differs from `model`, `context` and, of `train`, `batch`,
//! `learning_rate` and `precision`.

use std::collections::HashSet;

use aaren_envs::nearest;
use aaren_format::AgentConfig;
use aaren_format::CloningConfig;
use aaren_format::{
    Context, ContextLength, EncoderKind, Invalid, Mixer, Mlp, Model, Precision, Regime, Settings,
};
use aaren_format::{DecisionConfig, Start};
use serde::Deserialize;
use serde_aux::serde_introspection::serde_introspect as keys_of;

use super::context::ContextSection;
use super::error::{Error, brief};
use super::field::{Field, Fields};
use super::model::ModelSection;
use super::policy::PolicySpec;
use super::train::{BATCH, TrainSpec};
use super::values::{FOLDER_NAME, is_folder_name, share, some_positive, some_whole};

/// The policies where there is no list.
const DEFAULT: [EncoderKind; 2] = [EncoderKind::Aaren, EncoderKind::Transformer];

/// What an entry can say beside the keys of `model` and `context`.
#[derive(Deserialize)]
#[serde(default)]
struct Own {
    agent: AgentKind,
    encoder: Option<EncoderKind>,
    #[serde(deserialize_with = "some_whole::<_, _, 1, BATCH>")]
    batch: Option<usize>,
    #[serde(deserialize_with = "some_positive")]
    learning_rate: Option<f64>,
    precision: Option<Precision>,
    #[serde(deserialize_with = "share")]
    top: f64,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            agent: AgentKind::Decision,
            encoder: None,
            batch: None,
            learning_rate: None,
            precision: None,
            top: 1.0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AgentKind {
    Decision,
    BehaviourCloning,
}

impl AgentKind {
    fn name(self) -> &'static str {
        match self {
            AgentKind::Decision => "decision",
            AgentKind::BehaviourCloning => "behaviour-cloning",
        }
    }

    /// Whether a key of an entry means something for it.
    fn takes(self, key: &str) -> bool {
        match self {
            AgentKind::Decision => key != "top",
            AgentKind::BehaviourCloning => {
                ["agent", "batch", "learning_rate", "top", "width", "layers", "dropout", "train"]
                    .contains(&key)
            }
        }
    }
}

/// A setting without a meaning for some encoders: key, which encoders it is for, what others have, and why.
type Setting = (&'static str, fn(EncoderKind) -> bool, &'static str, &'static str);
const HEADS: Setting =
    ("heads", |encoder| encoder.takes("heads"), "1", "it has no attention to divide into heads");
const RECENCY: Setting =
    ("recency", |encoder| encoder.takes("recency"), "none", "recency decays an Aaren's state");
const CARRY: Setting =
    ("carry", EncoderKind::constant_state, "false", "it has no state of constant size to carry");

/// What the sections say that all policies share.
pub(super) struct Shared<'a> {
    pub model: Fields<'a>,
    pub context: Fields<'a>,
    pub rollout: Option<Regime>,
    pub train: &'a TrainSpec,
}

impl<'a> Shared<'a> {
    /// The policies of the list at `policies`.
    pub fn policies(&self, root: &Fields<'a>) -> Result<Vec<PolicySpec>, Error> {
        let Some(list) = root.get("policies") else {
            let own = Fields::none("policies", root.place);
            return DEFAULT.iter().map(|encoder| self.policy(encoder.name(), &own)).collect();
        };
        let mut names = HashSet::new();
        let items = list.items("a list of policies such as `[aaren, transformer]`")?;
        let policies = items.iter().map(|item| {
            let policy = self.entry(item)?;
            // Results folders: some file systems do not tell upper from lower case.
            if names.insert(policy.name.to_lowercase()) {
                return Ok(policy);
            }
            let found = format!("a second policy called `{}`", policy.name);
            Err(item.invalid_as(found, "a name of its own for each policy", Some("rename one of them")))
        });
        policies.collect()
    }

    fn entry(&self, item: &Field<'a>) -> Result<PolicySpec, Error> {
        let Some(map) = item.map() else {
            let encoders = EncoderKind::ALL.map(EncoderKind::name);
            let word = item.text().unwrap_or_default();
            if encoders.contains(&word) {
                return self.policy(word, &Fields::none(&item.path, &item.node.place));
            }
            let cure = nearest(word, encoders).map(|name| format!("did you mean `{name}`?"));
            return Err(item.invalid(&expected_entry(), cure.as_deref()));
        };
        let [(entry, own)] = map.entries.as_slice() else {
            let cure = "indent what differs below the name, one `- name: {…}` for each policy";
            return Err(item.invalid_as("a map of several keys".into(), &expected_entry(), Some(cure)));
        };
        let keys = [keys_of::<Own>(), keys_of::<ModelSection>(), keys_of::<ContextSection>()].concat();
        let own = own.fields_among(&keys)?;
        if !is_folder_name(&entry.key) {
            let found = format!("the name `{}`", brief(&entry.key));
            return Err(item.invalid_as(found, FOLDER_NAME, None));
        }
        self.policy(&entry.key, &own)
    }

    /// The policy `name` of which `own` says what differs.
    fn policy(&self, name: &str, own: &Fields<'a>) -> Result<PolicySpec, Error> {
        let said: Own = own.only(|key| keys_of::<Own>().contains(&key)).read()?;
        let agent = said.agent;
        if let Some((_, field)) = own.entries.iter().find(|(entry, _)| !agent.takes(&entry.key)) {
            let expected = format!("no such key in a policy of `agent: {}`", agent.name());
            return Err(field.invalid(&expected, Some("remove it: it means nothing there")));
        }
        let named = EncoderKind::ALL.into_iter().find(|encoder| encoder.name() == name);
        let as_called = |key: &str, value: &str| {
            let expected = format!("`{value}`, as the policy is called `{name}`");
            own.get(key).map_or(Ok(()), |f| Err(f.invalid(&expected, Some("give the policy another name"))))
        };
        if let Some(named) = named {
            if agent != AgentKind::Decision {
                as_called("agent", AgentKind::Decision.name())?;
            }
            if said.encoder.is_some_and(|encoder| encoder != named) {
                as_called("encoder", named.name())?;
            }
        }
        let name = name.to_owned();
        let batch = said.batch.unwrap_or(self.train.batch);
        let learning_rate = said.learning_rate.unwrap_or(self.train.learning_rate);
        if agent == AgentKind::BehaviourCloning {
            let agent = AgentConfig::BehaviourCloning(self.cloning(own, said.top)?);
            return Ok(PolicySpec { name, agent, batch, learning_rate, precision: Precision::Float32 });
        }
        let encoder = said.encoder.or(named);
        let encoder = encoder.ok_or_else(|| own.missing("encoder", &encoders(|_| true)))?;
        let agent = AgentConfig::Decision(self.decision(own, encoder)?);
        let precision = said.precision.unwrap_or(self.train.precision);
        Ok(PolicySpec { name, agent, batch, learning_rate, precision })
    }

    /// A shared setting reaches only those encoders for which it means something.
    fn decision(&self, own: &Fields<'a>, encoder: EncoderKind) -> Result<DecisionConfig, Error> {
        let growing = !encoder.constant_state();
        let unfit = |rollout: Option<Regime>| match rollout {
            Some(Regime::Unbounded) => growing,
            Some(Regime::Sliding(_)) => !growing,
            _ => false,
        };
        let unreached = |key: &str| {
            [HEADS, RECENCY, CARRY].iter().any(|(setting, means, ..)| *setting == key && !means(encoder))
                || (key == "rollout" && unfit(self.rollout))
        };
        let (said, context) = self.sections(own, |key| !unreached(key))?;
        let settings = Settings { heads: said.heads, recency: said.recency };
        let model = Model {
            width: said.width,
            layers: said.layers,
            norm: said.norm,
            past_actions: said.past_actions,
            mixer: Mixer::new(encoder, settings),
        };
        let usual = Settings::default();
        for ((key, means, others, reason), given) in [
            (HEADS, settings.heads != usual.heads),
            (RECENCY, settings.recency != usual.recency),
            (CARRY, context.carry),
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
        let ContextSection { train, start, carry, rollout } = context;
        let (regime, usual) = match train {
            ContextLength::Timesteps(timesteps) if growing => (Regime::Window(timesteps), Start::Uniform),
            ContextLength::Timesteps(_) => (Regime::Unbounded, Start::Uniform),
            ContextLength::Episode => (Regime::Unbounded, Start::Episode),
        };
        let context = Context { context_length: train, regime: rollout.unwrap_or(regime) };
        model.check().and(context.check(encoder)).map_err(|invalid| self.blame(own, invalid))?;
        let start = start.unwrap_or(usual);
        Ok(DecisionConfig { model, dropout: said.dropout, context, start, carry })
    }

    fn cloning(&self, own: &Fields<'a>, top: f64) -> Result<CloningConfig, Error> {
        let (model, context) = self.sections(own, |key| AgentKind::BehaviourCloning.takes(key))?;
        let mlp = Mlp { width: model.width, layers: model.layers };
        mlp.check().map_err(|invalid| self.blame(own, invalid))?;
        Ok(CloningConfig { mlp, dropout: model.dropout, top, context_length: context.train })
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

    /// Says where the setting was written that makes a policy impossible.
    fn blame(&self, own: &Fields<'a>, Invalid { key, found, expected, cure }: Invalid) -> Error {
        let key = key.rsplit('.').next().unwrap_or(key);
        // Heads that do not divide the width are as much the width's doing.
        let keys = [key, if key == "heads" { "width" } else { key }];
        let field = [own, &self.model, &self.context]
            .into_iter()
            .find_map(|fields| keys.iter().find_map(|key| fields.get(key)));
        match field {
            Some(field) => field.invalid_as(found, &expected, cure.as_deref()),
            None => own.invalid(found, &expected, cure),
        }
    }
}

fn expected_entry() -> String {
    let encoders = EncoderKind::ALL.map(|encoder| format!("`{encoder}`")).join(", ");
    format!(
        "a policy: {encoders}, or a name with what differs, `- aaren-small: {{encoder: aaren, width: 64}}`"
    )
}

/// `encoder: aaren` and the like, for which `means` holds.
fn encoders(means: impl Fn(EncoderKind) -> bool) -> String {
    let kinds = EncoderKind::ALL.into_iter().filter(|&encoder| means(encoder));
    kinds.map(|encoder| format!("`encoder: {encoder}`")).collect::<Vec<_>>().join(" or ")
}
