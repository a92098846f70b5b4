//! The shape of a trajectory encoder.

use alloc::format;

use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::config::is_default;
use crate::words::words;

/// How past tokens reach the present one: the part in which encoders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderKind {
    /// Attention as an RNN (arXiv 2405.13956): a learned query, a state of constant size.
    Aaren,
    /// Causal multi-head attention with a key/value cache.
    Transformer,
    /// A gated recurrent unit (Cho et al. 2014) in the place of attention: the recurrent baseline.
    Gru,
    /// A long short-term memory (Hochreiter and Schmidhuber 1997).
    Lstm,
    /// A gated recurrent unit whose gates see the input only (Feng et al. 2024, arXiv 2410.01201).
    MinGru,
    /// The gated delta rule (Yang et al. 2024, arXiv 2412.06464): a matrix memory whose entries are overwritten.
    #[serde(rename = "gated-delta")]
    GatedDelta,
}

words!(
    EncoderKind: Aaren = "aaren",
    Transformer = "transformer",
    Gru = "gru",
    Lstm = "lstm",
    MinGru = "mingru",
    GatedDelta = "gated-delta"
);

impl EncoderKind {
    /// All else that differs between encoders beside their arithmetic: whether the state has one size, settings.
    fn facts(self) -> (bool, &'static [&'static str]) {
        match self {
            EncoderKind::Aaren => (true, &["heads", "recency", "rotate", "keys"]),
            EncoderKind::Transformer => (false, &["heads", "rotate"]),
            EncoderKind::Gru | EncoderKind::Lstm | EncoderKind::MinGru => (true, &[]),
            EncoderKind::GatedDelta => (true, &["heads", "rotate"]),
        }
    }

    /// Whether its state has one size however long the episode: then it can be carried from chunk to chunk in
    /// training, and acts `unbounded` unless told otherwise.
    pub fn constant_state(self) -> bool {
        self.facts().0
    }

    /// Whether it can forget all before any token of a row, so that a training batch holds several episodes in one row.
    pub fn resets(self) -> bool {
        match self {
            EncoderKind::Aaren | EncoderKind::Gru | EncoderKind::MinGru | EncoderKind::GatedDelta => true,
            EncoderKind::Transformer | EncoderKind::Lstm => false,
        }
    }

    /// Whether it can know when something was in that way.
    pub fn knows(self, positions: Positions) -> bool {
        match positions {
            Positions::Timestep | Positions::None => true,
            Positions::Rotary => self.takes("rotate"),
            Positions::Alibi => self == EncoderKind::Transformer,
        }
    }

    /// Whether a key of [`Settings`] means something for it.
    pub fn takes(self, setting: &str) -> bool {
        self.facts().1.contains(&setting)
    }
}

/// Where a block normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// After each residual sum, as in the paper's code.
    #[default]
    Post,
    /// Before attention and MLP, and once after the last block, as in GPT-2.
    Pre,
}

/// Whether an Aaren head forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recency {
    /// The paper's form: every token of the past keeps its weight.
    #[default]
    None,
    /// A learned decay per head and token: prefix n weighs token i by e^{s_i − λ(n−i)}. It begins with time
    /// constants of 20 tokens and less.
    Learned,
    /// The same, beginning with time constants spread over the heads from a few tokens to a whole episode, as
    /// RetNet's (arXiv 2307.08621) and ALiBi's (arXiv 2108.12409) slopes are.
    Spread,
    /// A decay that the input decides: token t decays all before it by λ_t = softplus(w_h·x_t + b_h), the gate of
    /// the Forgetting Transformer (arXiv 2503.02130). It begins as `spread`.
    Gated,
}

words!(Recency: None = "none", Learned = "learned", Spread = "spread", Gated = "gated");

/// How a policy knows when something was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// A learned embedding of each timestep of the episode is added to its tokens; timesteps beyond the longest that
    /// training saw have that one's.
    #[default]
    Timestep,
    /// Nothing is told: order can be learned from what an encoder does with it only.
    None,
    /// Pairs of channels turn by a learned phase at each timestep, whose periods begin spread geometrically from 2
    /// timesteps to the longest episode: a Transformer's queries and keys (RoPE, arXiv 2104.09864), an Aaren's weighted
    /// sum of values (as FFM's, arXiv 2310.04128). Tokens of one timestep share it.
    Rotary,
    /// A Transformer's scores fall by a fixed slope of each head for each timestep between query and key (ALiBi, arXiv
    /// 2108.12409): decay alone.
    Alibi,
}

words!(Positions: Timestep = "timestep", None = "none", Rotary = "rotary", Alibi = "alibi");

/// How numbers are kept: in training the arithmetic of an encoder, whose weights stay float32; in the
/// streaming runtime its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Throughout.
    #[default]
    Float32,
    /// In training activations and matrix products, in the runtime the matrices.
    Bfloat16,
}

words!(Precision: Float32 = "float32", Bfloat16 = "bfloat16");

/// How a policy file holds its matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// As they were trained.
    #[default]
    Float32,
    /// Signed bytes from −127 to 127, and one float32 scale for each row. Norms, heads, biases, scores and the
    /// projections of observation, action and return-to-go stay float32. Only the streaming runtime reads it.
    Int8,
}

words!(Weights: Float32 = "float32", Int8 = "int8");

/// An encoder with its own settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mixer {
    /// See [`EncoderKind::Aaren`].
    Aaren(AarenSettings),
    /// See [`EncoderKind::Transformer`].
    Transformer(TransformerSettings),
    /// See [`EncoderKind::Gru`].
    Gru(GruSettings),
    /// See [`EncoderKind::Lstm`].
    Lstm(LstmSettings),
    /// See [`EncoderKind::MinGru`].
    MinGru(MinGruSettings),
    /// See [`EncoderKind::GatedDelta`].
    GatedDelta(GatedDeltaSettings),
}

/// Settings of an Aaren.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AarenSettings {
    /// Attention heads of a block, each with a query and a recency of its own.
    pub heads: usize,
    /// Whether a head forgets.
    pub recency: Recency,
    /// Share of the heads that turn with [`Positions::Rotary`], rounded up to heads, the first ones.
    pub rotate: f64,
    /// Entries of each head's key and query. With 1 there are none: every token is added to one weighted sum of values,
    /// the paper's form. With n the state holds n such sums, one for each entry of the keys that tokens bring, and a query
    /// made of the input reads them: the matrix memory of an mLSTM (arXiv 2405.04517). Keys and queries then turn, not
    /// values.
    pub keys: usize,
}

/// Settings of a Transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerSettings {
    /// Attention heads of a block.
    pub heads: usize,
    /// As [`AarenSettings::rotate`].
    pub rotate: f64,
}

/// A GRU has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GruSettings;

impl GruSettings {
    /// Units of the hidden state: ⅔ of the width, rounded. With its projection a GRU then has the 4 width²
    /// weights of attention, and a block as many parameters as an Aaren's to within 5 % from a width of 5 on.
    pub fn units(width: usize) -> usize {
        (2 * width + 1) / 3
    }
}

/// An LSTM has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LstmSettings;

impl LstmSettings {
    /// Units of the hidden state: 5/9 of the width, rounded; a block then has as many parameters as an Aaren's, as with
    /// [`GruSettings::units`].
    pub fn units(width: usize) -> usize {
        (10 * width + 9) / 18
    }
}

/// A minGRU has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinGruSettings;

impl MinGruSettings {
    /// Units of the hidden state: 4/3 of the width, rounded; a block then has as many parameters as an Aaren's, as with
    /// [`GruSettings::units`].
    pub fn units(width: usize) -> usize {
        (8 * width + 3) / 6
    }
}

/// Settings of the gated delta rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GatedDeltaSettings {
    /// Heads of a block, each with a memory of its own.
    pub heads: usize,
    /// As [`AarenSettings::rotate`], of queries and keys.
    pub rotate: f64,
}

/// The settings of all encoders, flat as YAML and policy files spell them. What an encoder does not have stands
/// there with its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Of Aaren, Transformer and the gated delta rule; 1 by default.
    pub heads: usize,
    /// Of Aaren; none by default.
    pub recency: Recency,
    /// Of Aaren, Transformer and the gated delta rule; 1 by default.
    pub rotate: f64,
    /// Of Aaren; 1 by default.
    pub keys: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { heads: 1, recency: Recency::None, rotate: 1.0, keys: 1 }
    }
}

impl Mixer {
    /// That encoder, with what it takes of the settings; others are left out.
    pub fn new(encoder: EncoderKind, Settings { heads, recency, rotate, keys }: Settings) -> Self {
        match encoder {
            EncoderKind::Aaren => Mixer::Aaren(AarenSettings { heads, recency, rotate, keys }),
            EncoderKind::Transformer => Mixer::Transformer(TransformerSettings { heads, rotate }),
            EncoderKind::Gru => Mixer::Gru(GruSettings),
            EncoderKind::Lstm => Mixer::Lstm(LstmSettings),
            EncoderKind::MinGru => Mixer::MinGru(MinGruSettings),
            EncoderKind::GatedDelta => Mixer::GatedDelta(GatedDeltaSettings { heads, rotate }),
        }
    }

    /// Which encoder it is.
    pub fn encoder(self) -> EncoderKind {
        match self {
            Mixer::Aaren(_) => EncoderKind::Aaren,
            Mixer::Transformer(_) => EncoderKind::Transformer,
            Mixer::Gru(_) => EncoderKind::Gru,
            Mixer::Lstm(_) => EncoderKind::Lstm,
            Mixer::MinGru(_) => EncoderKind::MinGru,
            Mixer::GatedDelta(_) => EncoderKind::GatedDelta,
        }
    }

    /// Its settings, flat.
    pub fn settings(self) -> Settings {
        match self {
            Mixer::Aaren(AarenSettings { heads, recency, rotate, keys }) => {
                Settings { heads, recency, rotate, keys }
            }
            Mixer::Transformer(TransformerSettings { heads, rotate })
            | Mixer::GatedDelta(GatedDeltaSettings { heads, rotate }) => {
                Settings { heads, rotate, ..Settings::default() }
            }
            Mixer::Gru(GruSettings) | Mixer::Lstm(LstmSettings) | Mixer::MinGru(MinGruSettings) => {
                Settings::default()
            }
        }
    }
}

/// The shape of a trajectory encoder: a stack of blocks, each a [`Mixer`] and an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub struct Model {
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Place of the LayerNorms.
    pub norm: Norm,
    /// Whether the actions of the past are tokens: without them a timestep is a return-to-go and a state.
    pub past_actions: bool,
    /// How it knows when something was.
    pub positions: Positions,
    /// How past tokens reach the present one.
    pub mixer: Mixer,
}

/// A model as YAML and JSON spell it.
#[derive(Serialize, Deserialize)]
struct Flat {
    encoder: EncoderKind,
    width: usize,
    layers: usize,
    heads: usize,
    norm: Norm,
    recency: Recency,
    #[serde(default = "past_actions")]
    past_actions: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    positions: Positions,
    #[serde(default = "all_heads", skip_serializing_if = "are_all_heads")]
    rotate: f64,
    #[serde(default = "no_keys", skip_serializing_if = "are_no_keys")]
    keys: usize,
}

impl From<Model> for Flat {
    fn from(model: Model) -> Self {
        let Model { width, layers, norm, past_actions, positions, mixer } = model;
        let (encoder, Settings { heads, recency, rotate, keys }) = (mixer.encoder(), mixer.settings());
        Flat { encoder, width, layers, heads, norm, recency, past_actions, positions, rotate, keys }
    }
}

impl TryFrom<Flat> for Model {
    type Error = Invalid;

    /// A GRU's heads are read over: its files from before there were settings of its own name some.
    fn try_from(flat: Flat) -> Result<Self, Invalid> {
        let Flat { encoder, width, layers, heads, norm, recency, past_actions, positions, rotate, keys } =
            flat;
        if recency != Recency::None && !encoder.takes("recency") {
            return Err(Invalid {
                key: "model.recency",
                found: format!("{recency} with encoder {encoder}"),
                expected: "none, as recency decays an Aaren's state".into(),
                cure: Some("remove it, or set `encoder: aaren`".into()),
            });
        }
        let mixer = Mixer::new(encoder, Settings { heads, recency, rotate, keys });
        Ok(Model { width, layers, norm, past_actions, positions, mixer })
    }
}

/// Files from before it could be said have them.
fn past_actions() -> bool {
    true
}

fn all_heads() -> f64 {
    Settings::default().rotate
}

fn no_keys() -> usize {
    Settings::default().keys
}

fn are_no_keys(keys: &usize) -> bool {
    *keys == no_keys()
}

fn are_all_heads(share: &f64) -> bool {
    *share == all_heads()
}

impl Model {
    /// The largest width.
    pub const WIDEST: usize = 65_536;
    /// The most layers.
    pub const DEEPEST: usize = 1024;
    /// The most entries of a key.
    pub const KEYS: usize = 1024;

    /// Which encoder it is.
    pub fn encoder(&self) -> EncoderKind {
        self.mixer.encoder()
    }

    /// Units of a recurrent encoder's hidden state; the width of others.
    pub fn units(&self) -> usize {
        match self.mixer {
            Mixer::Gru(_) => GruSettings::units(self.width),
            Mixer::Lstm(_) => LstmSettings::units(self.width),
            Mixer::MinGru(_) => MinGruSettings::units(self.width),
            Mixer::Aaren(_) | Mixer::Transformer(_) | Mixer::GatedDelta(_) => self.width,
        }
    }

    /// Heads that turn, the first ones: with [`Positions::Rotary`] that share of them, rounded up.
    pub fn rotated_heads(&self) -> usize {
        let Settings { heads, rotate, .. } = self.mixer.settings();
        match self.positions {
            Positions::Rotary => {
                (1..=heads).find(|&head| head as f64 >= rotate * heads as f64).unwrap_or(heads)
            }
            Positions::Timestep | Positions::None | Positions::Alibi => 0,
        }
    }

    /// Pairs of channels of a head that turns: of its key and query where it has such, else of its values.
    pub fn rotated_pairs(&self) -> usize {
        let Settings { heads, keys, .. } = self.mixer.settings();
        if keys > 1 { keys / 2 } else { self.width / heads / 2 }
    }

    /// Whether such an encoder can be.
    ///
    /// # Errors
    /// The first key that makes it impossible.
    pub fn check(&self) -> Result<(), Invalid> {
        let Model { width, layers, mixer, .. } = *self;
        let heads = mixer.settings().heads;
        Invalid::unless_size("model.width", width, Self::WIDEST)?;
        Invalid::unless_size("model.layers", layers, Self::DEEPEST)?;
        Invalid::unless_size("model.heads", heads, Self::WIDEST)?;
        if width % heads != 0 {
            let divisors = (1..=width).filter(|divisor| width % divisor == 0);
            let nearest = divisors.min_by_key(|divisor| divisor.abs_diff(heads));
            return Err(Invalid {
                key: "model.heads",
                found: format!("{heads} heads with width {width}"),
                expected: "a number of heads that divides the width".into(),
                cure: nearest.map(|heads| format!("nearest: {heads} heads")),
            });
        }
        self.check_positions()
    }

    fn check_positions(&self) -> Result<(), Invalid> {
        let (encoder, positions) = (self.encoder(), self.positions);
        let Settings { heads, rotate, keys, .. } = self.mixer.settings();
        Invalid::unless_size("model.keys", keys, Self::KEYS)?;
        if !encoder.knows(positions) {
            let (expected, cure) = match (positions, encoder) {
                (Positions::Alibi, EncoderKind::Aaren) => (
                    "timestep, rotary or none: an Aaren's decay with distance is its recency",
                    "set `recency: spread`, which begins with such slopes",
                ),
                (Positions::Alibi, EncoderKind::GatedDelta) => {
                    ("timestep, rotary or none: its decay with distance is its gates'", "remove it")
                }
                _ => ("timestep or none, as it has no queries and keys", "remove it"),
            };
            return Err(Invalid {
                key: "model.positions",
                found: format!("{positions} with encoder {encoder}"),
                expected: expected.into(),
                cure: Some(cure.into()),
            });
        }
        Invalid::unless(rotate > 0.0 && rotate <= 1.0, "model.rotate", rotate, "a share above 0, at most 1")?;
        if positions != Positions::Rotary {
            let expected = format!("no share of heads with positions {positions}, where none turns");
            return Invalid::unless(rotate == 1.0, "model.rotate", rotate, expected);
        }
        let pairs = self.rotated_pairs();
        let found = format!("{heads} heads with width {}", self.width);
        Invalid::unless(
            pairs > 0,
            "model.heads",
            found,
            "heads of two channels at least, which turn in pairs",
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_model_is_written_flat_and_read_again() {
        for written in [
            r#"{"encoder":"aaren","width":8,"layers":1,"heads":2,"norm":"post","recency":"gated"}"#,
            r#"{"encoder":"transformer","width":8,"layers":3,"heads":4,"norm":"pre","recency":"none"}"#,
            r#"{"encoder":"gru","width":8,"layers":1,"heads":1,"norm":"post","recency":"none"}"#,
        ] {
            let model: Model = serde_json::from_str(written).unwrap();
            // Files from before it could be said have past actions.
            assert!(model.past_actions);
            for (past_actions, positions) in [true, false].into_iter().zip(Positions::ALL) {
                let model = Model { past_actions, positions, ..model };
                let again = serde_json::to_string(&model).unwrap();
                assert!(again.contains(&format!(r#","past_actions":{past_actions}"#)), "{again}");
                assert_eq!(serde_json::from_str::<Model>(&again).unwrap(), model);
            }
        }
    }

    #[test]
    fn a_model_reads_over_a_grus_heads_and_refuses_recency_where_there_is_none() {
        let file = |encoder, recency| {
            let json = format!(
                r#"{{"encoder":"{encoder}","width":8,"layers":1,"heads":3,"norm":"post","recency":"{recency}"}}"#
            );
            serde_json::from_str::<Model>(&json).map_err(|error| error.to_string())
        };
        assert_eq!(file("gru", "none").unwrap().check(), Ok(()));
        assert_eq!(file("transformer", "none").unwrap().check().unwrap_err().key, "model.heads");
        let refusal = file("transformer", "learned").unwrap_err();
        let said = "`model.recency`: found learned with encoder transformer, expected none, as recency";
        assert!(refusal.starts_with(said), "{refusal}");
    }

    #[test]
    fn an_encoder_has_the_settings_that_it_takes() {
        let all = Settings { heads: 2, recency: Recency::Gated, rotate: 0.5, keys: 4 };
        for encoder in EncoderKind::ALL {
            let mixer = Mixer::new(encoder, all);
            let Settings { heads, recency, rotate, keys } = mixer.settings();
            assert_eq!(mixer.encoder(), encoder);
            assert_eq!(
                (heads == 2, recency == Recency::Gated, rotate == 0.5, keys == 4),
                (
                    encoder.takes("heads"),
                    encoder.takes("recency"),
                    encoder.takes("rotate"),
                    encoder.takes("keys")
                )
            );
        }
    }

    #[test]
    fn positions_are_those_that_an_encoder_can_have() {
        let model = |encoder, positions, heads, rotate| {
            let mixer = Mixer::new(encoder, Settings { heads, rotate, ..Settings::default() });
            Model { width: 8, layers: 1, norm: Norm::Post, past_actions: true, positions, mixer }
        };
        for (rotate, rotated) in [(1.0, 4), (0.5, 2), (0.51, 3), (0.01, 1)] {
            let model = model(EncoderKind::Aaren, Positions::Rotary, 4, rotate);
            assert_eq!((model.check(), model.rotated_heads()), (Ok(()), rotated));
            let written = serde_json::to_string(&model).unwrap();
            assert_eq!(serde_json::from_str::<Model>(&written).unwrap(), model, "{written}");
        }
        for (encoder, positions, heads, rotate, key) in [
            (EncoderKind::Gru, Positions::Rotary, 1, 1.0, "model.positions"),
            (EncoderKind::Aaren, Positions::Alibi, 1, 1.0, "model.positions"),
            (EncoderKind::Aaren, Positions::Rotary, 8, 1.0, "model.heads"),
            (EncoderKind::Aaren, Positions::Rotary, 1, 0.0, "model.rotate"),
            (EncoderKind::Aaren, Positions::Rotary, 1, f64::NAN, "model.rotate"),
            (EncoderKind::Transformer, Positions::Timestep, 2, 0.5, "model.rotate"),
        ] {
            assert_eq!(model(encoder, positions, heads, rotate).check().unwrap_err().key, key);
        }
    }
}
