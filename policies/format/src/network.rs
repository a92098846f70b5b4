//! The network that a policy is, and what it needs to act beside its weights.

use alloc::format;

use serde::{Deserialize, Serialize};

use crate::{Bins, Context, ContextLength, Invalid, Layout, Model, Positions, Regime};

/// The network of a policy: it says how the policy acts, whichever agent trained it.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// Reads its trajectory as tokens and predicts actions (Chen et al. 2021).
    Decision(Decision),
    /// Maps the current observation to an action, and remembers nothing.
    Perceptron(Mlp),
}

/// The network of the decision agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Shape of its encoder.
    pub model: Model,
    /// What its tokens hold, and where the return-to-go enters.
    pub layout: Layout,
    /// Timesteps that training saw; with [`Positions::Timestep`] each has an embedding, and later ones share the last.
    pub max_timesteps: usize,
    /// What it sees of the past.
    pub context: Context,
    /// Returns-to-go are divided by this.
    pub return_scale: f64,
    /// The lowest and the highest return-to-go of the data, where there are bins between them; 0 elsewhere.
    pub return_range: [f64; 2],
    /// Share of the training windows that asked for no return: where it is not 0, the network can act freely.
    pub return_dropout: f64,
    /// The last timesteps, its own among them, that a token of a Transformer saw in training; 0 for all of a window.
    pub band: usize,
    /// How much an asked return counts, g in a_free + g (a_asked − a_free): 1 is as asked, 0 free of what is asked.
    pub guidance: f64,
}

/// The shape of a multi-layer perceptron: hidden layers with ReLU, and a linear head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mlp {
    /// Units of a hidden layer.
    pub width: usize,
    /// Number of hidden layers.
    pub layers: usize,
}

impl Network {
    /// What the network remembers of its episode when it acts. A perceptron remembers nothing, like a state that is reset at
    /// every timestep.
    pub fn regime(&self) -> Regime {
        match self {
            Network::Decision(decision) => decision.context.regime,
            Network::Perceptron(_) => Regime::Reset(1),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        match self {
            Network::Decision(decision) => decision.check(),
            Network::Perceptron(mlp) => mlp.check(),
        }
    }

    /// The least number of weights, given the entries of an observation and of an action token. It is an f64 because a header
    /// can name any sizes.
    pub(crate) fn least_numbers(&self, observation_size: usize, action_size: usize) -> f64 {
        let (observation_size, action_size) = (observation_size as f64, action_size as f64);
        match self {
            // Attention and MLP hold at least 8 width² a layer, the embeddings a row for each of their inputs.
            Network::Decision(Decision { model, max_timesteps, .. }) => {
                let (width, layers) = (model.width as f64, model.layers as f64);
                let timesteps = match model.positions {
                    Positions::Timestep => *max_timesteps as f64,
                    Positions::None | Positions::Rotary | Positions::Alibi => 0.0,
                };
                (8.0 * layers * width + observation_size + action_size + timesteps) * width
            }
            Network::Perceptron(Mlp { width, layers }) => {
                let (width, layers) = (*width as f64, *layers as f64);
                (observation_size + (layers - 1.0) * width + action_size) * width
            }
        }
    }
}

impl Decision {
    /// The bins of its returns-to-go.
    pub fn bins(&self) -> Bins {
        Bins::new(self.layout.bins(), self.return_range, self.return_scale)
    }

    fn check(&self) -> Result<(), Invalid> {
        self.model.check()?;
        self.context.check(self.model.encoder())?;
        Invalid::unless(self.max_timesteps > 0, "max_timesteps", self.max_timesteps, "at least 1")?;
        let longest = ContextLength::LONGEST;
        Invalid::unless(self.band <= longest, "band", self.band, format!("at most {longest} timesteps"))?;
        let scale = self.return_scale;
        Invalid::unless(scale.is_finite() && scale > 0.0, "return_scale", scale, "a positive number")?;
        let [low, high] = self.return_range;
        let told = |return_to_go: f64| ((return_to_go / scale) as f32).is_finite();
        Invalid::unless(
            low <= high && told(low) && told(high),
            "return_range",
            format!("[{low}, {high}]"),
            "the lowest and the highest return-to-go of the data, which float32 holds once return_scale divides them",
        )?;
        let dropout = self.return_dropout;
        Invalid::unless((0.0..1.0).contains(&dropout), "return_dropout", dropout, "at least 0 and below 1")?;
        if dropout > 0.0 && !self.layout.may_be_free() {
            return Err(Invalid {
                key: "return_dropout",
                found: format!("{dropout} with a token of its own for the return-to-go"),
                expected: "0, as such a network is not told whether a return is asked for".into(),
                cure: Some("set `tokens: 1`".into()),
            });
        }
        self.check_guidance(self.guidance)
    }

    /// Checks that the network can act with this guidance.
    ///
    /// # Errors
    /// `guidance`, where it cannot: other than 1 needs a head that was trained without returns too.
    pub fn check_guidance(&self, guidance: f64) -> Result<(), Invalid> {
        Invalid::unless(guidance.is_finite(), "guidance", guidance, "a finite number")?;
        let can = guidance == 1.0 || (self.layout.in_head() && self.return_dropout > 0.0);
        if can {
            return Ok(());
        }
        Err(Invalid {
            key: "guidance",
            found: format!("{guidance}, where the policy never acted free of returns in training"),
            expected: "1".into(),
            cure: Some("train it with `return: head` and `return_dropout: 0.2`".into()),
        })
    }
}

impl Mlp {
    /// Checks that the settings fit each other.
    ///
    /// # Errors
    /// The first key that does not fit.
    pub fn check(&self) -> Result<(), Invalid> {
        Invalid::unless_size("model.width", self.width, Model::WIDEST)?;
        Invalid::unless_size("model.layers", self.layers, Model::DEEPEST)
    }
}
