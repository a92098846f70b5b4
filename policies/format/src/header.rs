//! The JSON header of a policy file.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::is_default;
use crate::error::one_line;
use crate::{
    ActionSpace, AgentSettings, Context, Decision, DecisionConfig, EnvSpec, Error, Invalid, Layout, Mlp,
    Model, Network, Regime, Weights, is_target, target_returns,
};

/// The format's name.
pub const FORMAT: &str = "aaren-policy";
/// The version of the format.
pub const VERSION: u32 = 1;

/// What a policy file says of itself: the entry `aaren` of its safetensors metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Name of the policy in its experiment.
    pub policy: String,
    /// Training seed.
    pub seed: u64,
    /// Updates it was trained for.
    pub updates: u64,
    /// Hash of the settings that decided its training, where an experiment trained it.
    pub fingerprint: Option<String>,
    /// Name of the dataset.
    pub dataset: String,
    /// Environment it acts in.
    pub env: EnvSpec,
    /// Entries of an observation.
    pub observation_size: usize,
    /// The actions it gives.
    pub action: ActionSpace,
    /// Target returns of its evaluation, at least one; infinity is the most that can be had from each timestep on.
    pub target_returns: Vec<f64>,
    /// How the file holds its matrices.
    pub weights: Weights,
    /// Name of the agent that trained it.
    pub agent: String,
    /// The network it is.
    pub network: Network,
}

impl Header {
    /// Reads and checks a header. `held` is how many numbers the tensors of its file hold: a header that promises more is
    /// refused before memory is reserved for it.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::Invalid`].
    pub fn parse(json: &str, held: usize) -> Result<Header, Error> {
        let Version { format, version } = read(json)?;
        Invalid::unless(format == FORMAT, "format", &format, FORMAT)?;
        let this = format!("{VERSION}, the version this build reads");
        Invalid::unless(version == u64::from(VERSION), "version", version, this)?;
        let header: Header = read(json)?;
        header.check(held)?;
        Ok(header)
    }

    /// The header as JSON; equal headers give equal text.
    ///
    /// # Panics
    /// Never: a header holds only what JSON can.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a header is plain JSON")
    }

    fn check(&self, held: usize) -> Result<(), Invalid> {
        Invalid::unless(self.observation_size > 0, "observation_size", self.observation_size, "at least 1")?;
        self.action.check()?;
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let named = !self.agent.is_empty() && self.agent.len() <= 128 && self.agent.chars().all(word);
        Invalid::unless(named, "agent", &self.agent, "a name of letters, digits, `-` and `_`")?;
        self.network.check()?;
        let targets = &self.target_returns;
        Invalid::unless(!targets.is_empty(), "target_returns", "no number", "at least one finite number")?;
        targets.iter().try_for_each(|&target| self.check_target(target))?;
        let needed = self.network.least_numbers(self.observation_size, self.action.size());
        let expected = format!("sizes for the {held} numbers that the file holds");
        Invalid::unless(needed <= held as f64, "model", format!("sizes for {needed} numbers"), expected)
    }

    /// The decision agent's network, if it is one.
    pub fn decision(&self) -> Option<&Decision> {
        match &self.network {
            Network::Decision(decision) => Some(decision),
            Network::Perceptron(_) => None,
        }
    }

    /// Checks that the policy can be asked for this return.
    ///
    /// # Errors
    /// `target_returns`, where it cannot: the most is asked for by the head alone. What acts on the observation alone
    /// hears of no return.
    pub fn check_target(&self, target: f64) -> Result<(), Invalid> {
        Invalid::unless(is_target(target), "target_returns", target, "finite numbers, or `max`")?;
        match self.decision() {
            Some(decision) if target.is_infinite() && !decision.layout.in_head() => Err(Invalid {
                key: "target_returns",
                found: "max, for a policy that does not predict what can be had".into(),
                expected: "finite numbers".into(),
                cure: Some("train it with `tokens: 1` and `return: head`".into()),
            }),
            _ => Ok(()),
        }
    }

    /// What the policy remembers of its episode when it acts.
    pub fn regime(&self) -> Regime {
        self.network.regime()
    }

    /// Checks that the policy can act with another memory than its own.
    ///
    /// # Errors
    /// `context.rollout`, where it cannot.
    pub fn check_regime(&self, regime: Regime) -> Result<(), Invalid> {
        match self.decision() {
            Some(decision) => regime.check_for(decision.model.encoder()),
            None => regime.check(),
        }
    }
}

/// Checks the mean and the standard deviation that observations are normalised with: the tensors
/// `observation.mean` and `observation.std`.
///
/// # Errors
/// The tensor that holds an unusable number.
pub fn check_scale(mean: &[f32], std: &[f32]) -> Result<(), Invalid> {
    let check = |key, numbers: &[f32], usable: fn(f32) -> bool, expected| {
        let unusable = numbers.iter().position(|&number| !usable(number));
        unusable.map_or(Ok(()), |index| {
            Invalid::unless(false, key, format!("{} at {index}", numbers[index]), expected)
        })
    };
    check("observation.mean", mean, f32::is_finite, "finite numbers")?;
    check("observation.std", std, |x| x.is_finite() && x > 0.0, "a positive number for each entry")
}

#[derive(Deserialize)]
struct Version {
    format: String,
    version: u64,
}

/// `model`: the encoder's shape, and what its tokens hold.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Shape {
    #[serde(flatten)]
    model: Model,
    #[serde(flatten)]
    layout: Layout,
}

/// The header as the file spells it: `model` and its like for the network of the decision agent, whose name is left out where
/// it trained the policy; `mlp` for a perceptron.
#[derive(Serialize, Deserialize)]
struct Flat {
    format: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    policy: String,
    seed: u64,
    updates: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    dataset: String,
    env: EnvSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Shape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mlp: Option<Mlp>,
    observation_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_timesteps: Option<usize>,
    action: ActionSpace,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_range: Option<[f64; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_dropout: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    band: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guidance: Option<f64>,
    #[serde(with = "target_returns")]
    target_returns: Vec<f64>,
    /// Older files do not name it and hold float32.
    #[serde(default, skip_serializing_if = "is_default")]
    weights: Weights,
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (decision, mlp) = match self.network {
            Network::Decision(ref decision) => (Some(decision), None),
            Network::Perceptron(mlp) => (None, Some(mlp)),
        };
        let flat = Flat {
            format: FORMAT.into(),
            version: VERSION,
            agent: Some(self.agent.clone()).filter(|agent| agent != DecisionConfig::NAME),
            policy: self.policy.clone(),
            seed: self.seed,
            updates: self.updates,
            fingerprint: self.fingerprint.clone(),
            dataset: self.dataset.clone(),
            env: self.env.clone(),
            model: decision.map(|it| Shape { model: it.model, layout: it.layout }),
            mlp,
            observation_size: self.observation_size,
            max_timesteps: decision.map(|it| it.max_timesteps),
            action: self.action.clone(),
            context: decision.map(|it| it.context),
            return_scale: decision.map(|it| it.return_scale),
            return_range: decision.filter(|it| it.layout.bins() > 0).map(|it| it.return_range),
            // As usual: files from before these could be said do not say them.
            return_dropout: decision.map(|it| it.return_dropout).filter(|dropout| *dropout != 0.0),
            band: decision.map(|it| it.band).filter(|band| *band != 0),
            guidance: decision.map(|it| it.guidance).filter(|guidance| *guidance != 1.0),
            target_returns: self.target_returns.clone(),
            weights: self.weights,
        };
        flat.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        let missing = |key| de::Error::missing_field(key);
        let network = match (flat.model, flat.mlp) {
            (Some(_), Some(_)) => {
                return Err(de::Error::custom("found `model` and `mlp`, expected one of them"));
            }
            (None, Some(mlp)) => Network::Perceptron(mlp),
            (shape, None) => {
                let Shape { model, layout } = shape.ok_or_else(|| missing("model"))?;
                let return_range = match flat.return_range {
                    None if layout.bins() > 0 => return Err(missing("return_range")),
                    range => range.filter(|_| layout.bins() > 0).unwrap_or_default(),
                };
                Network::Decision(Decision {
                    model,
                    layout,
                    max_timesteps: flat.max_timesteps.ok_or_else(|| missing("max_timesteps"))?,
                    context: flat.context.ok_or_else(|| missing("context"))?,
                    return_scale: flat.return_scale.ok_or_else(|| missing("return_scale"))?,
                    return_range,
                    return_dropout: flat.return_dropout.unwrap_or(0.0),
                    band: flat.band.unwrap_or(0),
                    guidance: flat.guidance.unwrap_or(1.0),
                })
            }
        };
        let agent = flat.agent.unwrap_or_else(|| DecisionConfig::NAME.to_string());
        let Flat { policy, seed, updates, fingerprint, dataset, env, .. } = flat;
        let Flat { observation_size, action, target_returns, weights, .. } = flat;
        Ok(Self {
            policy,
            seed,
            updates,
            fingerprint,
            dataset,
            env,
            observation_size,
            action,
            target_returns,
            weights,
            agent,
            network,
        })
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::Json(one_line(&error.to_string())))
}
