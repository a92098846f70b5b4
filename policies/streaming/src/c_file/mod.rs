//! A policy as a C99 header that needs nothing else: its weights and one step.
//!
//! The C code stands in the `.h` files beside this one, with `name_` and `NAME_` where the policy's name goes. It
//! computes what the runtime does, in the same order where the order matters: the merge of an Aaren's memory rounds
//! as the runtime's does, with the same dither.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use aaren_format::{
    ActionSpace, EncoderKind, Header, Invalid, Layout, Mixer, Model, Network, Norm, Positions, Recency,
    Regime, Settings,
};

use crate::file::File;
use crate::head::Joint;
use crate::matrix::{Matrix, Weight};
use crate::mixer::recurrent::{self, Cell};
use crate::mixer::{aaren, gated_delta, gru, lstm, mingru};
use crate::norm::LayerNorm;
use crate::rotation::Phases;
use crate::{Error, Policy};

/// What [`c_file`] makes of a policy file.
#[derive(Clone, Debug)]
pub struct CFile {
    /// The header's text.
    pub source: String,
    /// Bytes of the constants in it: what they take in flash.
    pub constant_bytes: usize,
}

/// A policy file, float32 or int8, as a C99 header of its own: constants, `NAME_state`, `NAME_reset` and `NAME_act`.
///
/// The C code allocates nothing, opens nothing and keeps nothing but what stands in `NAME_state`, working memory
/// included; of libm it uses what its first lines name. `name` begins all that it declares, so that a program may
/// include several. It acts in the regime that the file names, and within 1e-4 of the runtime,
/// but for `keys: n`: such a state divides by what may come near zero, which magnifies rounding (to 5e-4 in 1000 timesteps, and
/// further where past actions feed it back).
///
/// # Errors
///
/// As [`Policy::from_bytes`]; if the encoder is a Transformer, whose cache grows with every timestep; and if `name` is
/// not a lower-case letter and then at most 39 lower-case letters, digits or underscores.
pub fn c_file(bytes: &[u8], name: &str) -> Result<CFile, Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 40 {
        return Err(Error::Name { found: crate::error::one_line(&name) });
    }
    // All checks, those of sizes that multiply among them.
    Policy::from_bytes(bytes)?;
    let (header, file) = File::open(bytes)?;
    let mut writer = Writer {
        file,
        constants: String::new(),
        constant_bytes: 0,
        state: String::new(),
        sizes: String::new(),
    };
    let code = writer.policy(&header)?;
    let Writer { constants, constant_bytes, state, sizes, file, .. } = writer;

    let mut text = introduction(&header, constant_bytes);
    let number = if file.is_int8() { "int8_t" } else { "float" };
    let (scale, scaled) = if file.is_int8() {
        ("const float *scale; ", "((sum) * (matrix).scale[row])")
    } else {
        ("", "(sum)")
    };
    text += &format!(
        "{sizes}\n\
         #ifndef NAME_REAL\n#define NAME_REAL float /* `double`: observations in double precision */\n#endif\n\n\
         typedef {number} name_number;\n\
         typedef struct {{ const name_number *weight; {scale}const float *bias; }} name_matrix;\n\
         #define NAME_SCALED(sum, matrix, row) {scaled}\n\n\
         {constants}\n\
         /* All memory that a policy needs. */\n\
         typedef struct {{\n    uint64_t timestep;\n    double return_to_go;\n    \
         float inputs[NAME_ROWS][NAME_INPUTS + NAME_OUTPUTS];\n{state}    \
         float head[NAME_OUTPUTS];\n}} name_state;\n\n",
    );
    for part in [include_str!("common.h")].iter().chain(&code).chain(&[include_str!("step.h")]) {
        text += part;
    }
    text += "\n#endif\n";
    let source = text
        .replace("NAME_", &format!("{}_", name.to_ascii_uppercase()))
        .replace("name_", &format!("{name}_"));
    Ok(CFile { source, constant_bytes })
}

/// What stands before all code: where it comes from, and what it needs.
fn introduction(header: &Header, constant_bytes: usize) -> String {
    let aaren = |recency: &[Recency]| {
        let is =
            |model: Model| matches!(model.mixer, Mixer::Aaren(aaren) if recency.contains(&aaren.recency));
        header.decision().is_some_and(|decision| is(decision.model))
    };
    let keyed = header.decision().is_some_and(|decision| decision.model.mixer.settings().keys > 1);
    let rotated = header.decision().is_some_and(|decision| decision.model.rotated_heads() > 0);
    let functions: Vec<&str> = [
        ("sqrtf", header.decision().is_some()),
        ("tanhf", matches!(header.action, ActionSpace::Continuous { .. })),
        ("exp", aaren(&Recency::ALL)),
        ("log", aaren(&Recency::ALL)),
        ("fabs", aaren(&[Recency::Gated])),
        ("fabsf", keyed),
        ("log1p", aaren(&[Recency::Gated])),
        ("cos", rotated),
        ("sin", rotated),
        ("floor", rotated),
    ]
    .into_iter()
    .filter_map(|(function, needed)| needed.then_some(function))
    .collect();
    let functions = if functions.is_empty() { "nothing".into() } else { functions.join(", ") };
    // A comment ends at the first star and slash, wherever they come from.
    let said = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_graphic() || c == ' ';
        text.chars().map(|c| if plain(c) && c != '*' && c != '\\' { c } else { '?' }).take(200).collect()
    };
    let regime = header.regime();
    let kind = match &header.network {
        Network::Decision(decision) => {
            let Model { width, layers, mixer, .. } = decision.model;
            let encoder = mixer.encoder();
            let heads = if encoder.takes("heads") {
                format!(", {} heads", mixer.settings().heads)
            } else {
                String::new()
            };
            format!("{encoder}, width {width}, {layers} layers{heads}, roll-out {regime}")
        }
        Network::Perceptron(mlp) => format!("perceptron, width {}, {} layers", mlp.width, mlp.layers),
    };
    format!(
        "/* A policy of aaren as C99: `{policy}`, seed {seed}, for {env}.\n *\n \
         * {kind}; {weights} matrices, {constant_bytes} bytes of constants.\n *\n \
         *     static name_state state;\n \
         *     name_reset(&state, {target});\n \
         *     loop: name_act(&state, observation, reward, action);\n *\n \
         * It allocates nothing and has no state but name_state. Of libm it needs: {functions}.\n */\n\
         #ifndef NAME_POLICY_H\n#define NAME_POLICY_H\n\n\
         #include <float.h>\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n\n\
         #if defined(__FAST_MATH__) || FLT_EVAL_METHOD == 2\n\
         #error \"the rounding of sums is part of this policy: no -ffast-math; on 32-bit x86 -msse2 -mfpmath=sse\"\n\
         #endif\n\n",
        policy = said(&header.policy),
        seed = header.seed,
        env = said(&header.env.id),
        weights = header.weights,
        target = match header.target_returns.first() {
            Some(target) if target.is_finite() => format!("{target:?}"),
            _ => "INFINITY".into(),
        },
    )
}

/// Collects the parts of the file.
struct Writer<'a> {
    file: File<'a>,
    constants: String,
    constant_bytes: usize,
    /// Members of `name_state`.
    state: String,
    sizes: String,
}

/// What a layer holds, by its type in C.
enum Part {
    Matrix(Matrix),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
    Norm(LayerNorm),
}

impl Writer<'_> {
    /// The code of the policy's agent.
    fn policy(&mut self, header: &Header) -> Result<Vec<&'static str>, Error> {
        let (mean, std) = self.file.scale(header)?;
        let (observation, outputs) = (header.observation_size, header.action.size());
        self.size("OBSERVATION", observation, "entries of an observation");
        self.size("ACTION", header.action.entries(), "entries of an action");
        self.size("OUTPUTS", outputs, "of the head");
        let choices = header.action.choices();
        self.size("DISCRETE", choices.len(), "columns of choices; 0 where actions are vectors");
        if !choices.is_empty() {
            let list: Vec<String> = choices.iter().map(|choices| format!("{choices}")).collect();
            self.constants +=
                &format!("static const int name_choices[{}] = {{{}}};\n", list.len(), list.join(", "));
            self.constant_bytes += 4 * list.len();
        }
        self.floats("mean", &mean);
        self.floats("std", &std);
        if let ActionSpace::Continuous { low, high } = &header.action {
            let of = |f: &dyn Fn(f32, f32) -> f32| -> Vec<f32> {
                low.iter().zip(high).map(|(&low, &high)| f(low, high)).collect()
            };
            self.floats("low", low);
            self.floats("high", high);
            self.floats("centre", &of(&|low, high| 0.5 * low + 0.5 * high));
            self.floats("half", &of(&|low, high| 0.5 * (high - low)));
        }
        let (code, width) = match &header.network {
            Network::Decision(decision) => {
                let model = &decision.model;
                let mixer = match model.encoder() {
                    EncoderKind::Aaren => include_str!("aaren.h"),
                    EncoderKind::Gru => include_str!("gru.h"),
                    EncoderKind::Lstm => include_str!("lstm.h"),
                    EncoderKind::MinGru => include_str!("mingru.h"),
                    EncoderKind::GatedDelta => include_str!("gated_delta.h"),
                    EncoderKind::Transformer => {
                        return Err(Error::Value(Invalid {
                            key: "model.encoder",
                            found: format!("{}", model.encoder()),
                            expected: "an encoder whose state has one size: a Transformer's cache grows \
                                       with every timestep, and a C file allocates nothing"
                                .into(),
                            cure: Some("act with the streaming runtime's C interface".into()),
                        }));
                    }
                };
                self.decision(header, decision)?;
                let units = if decision.layout.in_head() { 2 * model.width } else { model.width };
                (
                    alloc::vec![
                        include_str!("transformations.h"),
                        include_str!("rotation.h"),
                        mixer,
                        include_str!("decision.h")
                    ],
                    units,
                )
            }
            Network::Perceptron(mlp) => {
                self.perceptron(observation, mlp.width, mlp.layers)?;
                (alloc::vec![include_str!("perceptron.h")], mlp.width)
            }
        };
        let (weight, bias) = self.file.weight_and_bias("head", outputs, width)?;
        self.floats("head", &weight);
        self.floats("head_bias", &bias);
        Ok(code)
    }

    fn perceptron(&mut self, observation: usize, width: usize, layers: usize) -> Result<(), Error> {
        self.size("WIDTH", width, "of a hidden layer");
        self.size("LAYERS", layers, "hidden ones");
        self.size("ROWS", 1, "timesteps whose inputs are kept");
        self.size("INPUTS", 1 + observation, "of a timestep");
        self.size("JOINT", 0, "");
        self.size("IN_HEAD", 0, "");
        self.size("MOST", 1, "whether INFINITY can be asked for");
        self.size("GUIDED", 0, "");
        self.real("RETURN_SCALE", 1.0);
        let (mut inputs, mut all) = (observation, Vec::new());
        for n in 0..layers {
            let matrix = self.file.matrix(&format!("mlp.{n}"), width, inputs)?;
            all.push(self.matrix(&format!("layer{n}"), &matrix));
            inputs = width;
        }
        let _ = writeln!(
            self.constants,
            "static const name_matrix name_layers[NAME_LAYERS] = {{\n    {},\n}};",
            all.join(",\n    ")
        );
        self.state += "    float even[NAME_WIDTH], odd[NAME_WIDTH];\n";
        Ok(())
    }

    fn decision(&mut self, header: &Header, decision: &aaren_format::Decision) -> Result<(), Error> {
        let model = &decision.model;
        let Model { width, layers, mixer, .. } = *model;
        let Settings { heads, recency, keys, .. } = mixer.settings();
        let layout = decision.layout;
        let (each, joint) = (layout.tokens(model.past_actions), Joint::new(decision));
        let (observation, outputs) = (header.observation_size, header.action.size());
        let rate = matches!(layout, Layout::Joint { rate: true, .. });
        let guided = decision.guidance != 1.0;
        let (window, reset) = match decision.context.regime {
            Regime::Window(timesteps) => (timesteps, 0),
            Regime::Reset(timesteps) => (0, timesteps),
            Regime::Unbounded | Regime::Sliding(_) => (0, 0),
        };
        let units = model.units();
        // Working memory of the widest part of a layer.
        let rotated = model.rotated_heads();
        let (memory, wide) = match model.encoder() {
            EncoderKind::Gru => (units, 4 * each * units + 3 * units),
            EncoderKind::Lstm => (2 * units, 5 * each * units + 4 * units),
            EncoderKind::MinGru => (units, 3 * each * units),
            EncoderKind::GatedDelta => (width * width / heads, 4 * each * width + 2 * heads + width / heads),
            EncoderKind::Aaren | EncoderKind::Transformer => {
                // A token's scores, gates, keys and queries; as C, they come one token at a time.
                (heads + keys * (heads + width), 2 * each * width + 2 * heads + 2 * heads * keys)
            }
        };
        self.size("WIDTH", width, "");
        self.size("LAYERS", layers, "");
        self.size("EACH", each, "tokens of a timestep");
        self.size("MEMORY", memory, "numbers that a layer remembers");
        self.size("WIDE", wide.max(4 * each * width), "");
        self.size("TIMESTEPS", decision.max_timesteps, "that training saw");
        self.size(
            "EMBEDDED",
            usize::from(model.positions == Positions::Timestep),
            "timesteps have embeddings",
        );
        self.size("ROWS", window.max(2), "timesteps whose inputs are kept");
        self.size("WINDOW", window, "timesteps that each step reads anew; 0: all that came");
        self.size("RESET", reset, "timesteps after which the memory is emptied; 0: never");
        self.size("PRE", usize::from(model.norm == Norm::Pre), "");
        if model.encoder().takes("heads") {
            self.size("HEADS", heads, "");
            self.size("HEAD", width / heads, "width of a head");
            self.size("ROTATED", rotated, "heads that turn with time");
            self.size("PAIRS", model.rotated_pairs(), "of channels of a head");
        }
        if model.encoder().takes("keys") {
            self.size("GATED", usize::from(recency == Recency::Gated), "");
            self.size("KEYS", keys, "entries of a key and of a query; 1: there are none");
            self.size(
                "PROJECTED",
                usize::from(heads > 1 || rotated > 0 || keys > 1),
                "values by a matrix of their own",
            );
        }
        self.size(
            "INPUTS",
            joint.map_or(1 + observation, |joint| joint.inputs(observation, outputs)),
            "of a timestep",
        );
        self.size("JOINT", usize::from(joint.is_some()), "whether a timestep is one token");
        self.size("PAST", usize::from(model.past_actions), "whether it sees the action before");
        self.size("IN_HEAD", usize::from(layout.in_head()), "whether the head alone hears what is asked for");
        self.size("MOST", usize::from(layout.in_head()), "whether INFINITY can be asked for");
        self.size("RATE", usize::from(rate), "");
        let bins = decision.bins();
        self.size("ASKED", layout.asked_size(), "numbers that say what is asked for");
        self.size("BINS", bins.count, "whose shares are among them");
        self.real("LOWEST", bins.lowest.into());
        self.real("DENSITY", bins.density.into());
        self.size("GUIDED", usize::from(guided), "");
        self.real("GUIDANCE", decision.guidance);
        self.real("RETURN_SCALE", decision.return_scale);

        let norm = "typedef struct { const float *gain, *bias; } name_norm;\n";
        self.constants += norm;
        let mut linears = match joint {
            Some(joint) => alloc::vec![("embed.token", width, joint.inputs(observation, outputs))],
            None => alloc::vec![("embed.return", width, 1), ("embed.state", width, observation)],
        };
        if joint.is_none() && model.past_actions {
            linears.push(("embed.action", width, outputs));
        }
        if layout.in_head() {
            linears.extend([
                ("head.hidden", 2 * width, width),
                ("head.asked", width, layout.asked_size()),
                ("head.film", 4 * width, width),
                ("most.hidden", width, width),
                ("most", 1, width),
            ]);
            self.state += "    float units[9 * NAME_WIDTH];\n";
        }
        if guided {
            self.state += "    float unasked[NAME_OUTPUTS];\n";
        }
        for (tensor, outputs, inputs) in linears {
            let (weight, bias) = self.file.weight_and_bias(tensor, outputs, inputs)?;
            let name = tensor.replace('.', "_");
            self.floats(&name, &weight);
            self.floats(&format!("{name}_bias"), &bias);
        }
        if model.positions == Positions::Timestep {
            let (steps, part) = (decision.max_timesteps, "embed.timestep");
            let times = self.file.table(&format!("{part}.weight"), &format!("{part}.scale"), steps, width)?;
            let times = self.matrix("timesteps", &Matrix { weight: times, bias: Vec::new() });
            let _ = writeln!(self.constants, "static const name_matrix name_embed_timestep = {times};");
        }
        let embed_norm = self.file.norm("embed.norm", width)?;
        let embed_norm = self.norm("embed", &embed_norm);
        let _ = writeln!(self.constants, "static const name_norm name_embed_norm = {embed_norm};");

        let (mut members, mut all) = (Vec::new(), Vec::new());
        for n in 0..layers {
            let (declared, values): (Vec<String>, Vec<String>) = self.layer(n, model)?.into_iter().unzip();
            members = declared;
            all.push(format!("{{{}}}", values.join(", ")));
        }
        let _ = writeln!(
            self.constants,
            "typedef struct {{\n    {};\n}} name_layer;\n\
             static const name_layer name_layers[NAME_LAYERS] = {{\n    {},\n}};",
            members.join(";\n    "),
            all.join(",\n    ")
        );
        if model.norm == Norm::Pre {
            let last = self.file.norm("norm", width)?;
            let last = self.norm("last", &last);
            let _ = writeln!(self.constants, "static const name_norm name_last_norm = {last};");
        }
        self.state += "    uint64_t tokens;\n    float memory[NAME_LAYERS][NAME_MEMORY];\n    float x[NAME_EACH * \
                       NAME_WIDTH], branch[NAME_EACH * NAME_WIDTH], wide[NAME_WIDE];\n";
        if model.norm == Norm::Pre {
            self.state += "    float normed[NAME_EACH * NAME_WIDTH];\n";
        }
        Ok(())
    }

    /// The members of a `name_layer` in their order: declaration and initialiser.
    fn layer(&mut self, n: usize, model: &Model) -> Result<Vec<(String, String)>, Error> {
        let (width, block) = (model.width, format!("blocks.{n}"));
        let mut parts = Vec::new();
        match model.encoder() {
            kind @ (EncoderKind::Gru | EncoderKind::Lstm | EncoderKind::MinGru) => {
                let gates = match kind {
                    EncoderKind::Gru => gru::GruCell::GATES,
                    EncoderKind::Lstm => lstm::LstmCell::GATES,
                    _ => mingru::MinGruCell::GATES,
                };
                let recurrent::Parts { input, hidden, output } =
                    recurrent::Parts::read(&self.file, &block, model, gates)?;
                parts.push(("input", Part::Matrix(input)));
                parts.extend(hidden.map(|hidden| ("hidden", Part::Matrix(hidden))));
                parts.push(("output", Part::Matrix(output)));
            }
            EncoderKind::GatedDelta => {
                let gated_delta::Parts { projections, gates: (weight, bias) } =
                    gated_delta::Parts::read(&self.file, &block, model)?;
                parts.extend(
                    ["query", "key", "value", "output"].into_iter().zip(projections.map(Part::Matrix)),
                );
                parts.extend([("gate", Part::Floats(weight)), ("gate_bias", Part::Floats(bias))]);
            }
            EncoderKind::Aaren | EncoderKind::Transformer => {
                let aaren::Parts { value, score, recency, output, addresses } =
                    aaren::Parts::read(&self.file, &block, model)?;
                parts.push(("value", Part::Matrix(value)));
                parts.extend(output.map(|output| ("output", Part::Matrix(output))));
                parts.push(("score", Part::Floats(score)));
                parts.extend(match recency {
                    aaren::Decay::Gated(weight, bias) => {
                        alloc::vec![("gate", Part::Floats(weight)), ("gate_bias", Part::Floats(bias))]
                    }
                    aaren::Decay::Fixed(decay) => alloc::vec![("decay", Part::Doubles(decay))],
                });
                if let Some((weight, bias)) = addresses {
                    parts.extend([("address", Part::Floats(weight)), ("address_bias", Part::Floats(bias))]);
                }
            }
        }
        parts.extend(Phases::turns(&self.file, &block, model)?.map(|turns| ("turns", Part::Doubles(turns))));
        for (part, outputs, inputs) in [("up", 4 * width, width), ("down", width, 4 * width)] {
            let matrix = self.file.matrix(&format!("{block}.mlp.{part}"), outputs, inputs)?;
            parts.push((part, Part::Matrix(matrix)));
        }
        for part in ["norm1", "norm2"] {
            parts.push((part, Part::Norm(self.file.norm(&format!("{block}.{part}"), width)?)));
        }
        let member = |(part, it): (&str, Part)| {
            let name = format!("layer{n}_{part}");
            let (kind, value) = match it {
                Part::Matrix(matrix) => ("name_matrix ", self.matrix(&name, &matrix)),
                Part::Floats(floats) => ("const float *", self.floats(&name, &floats)),
                Part::Doubles(doubles) => ("const double *", self.doubles(&name, &doubles)),
                Part::Norm(norm) => ("name_norm ", self.norm(&name, &norm)),
            };
            (format!("{kind}{part}"), value)
        };
        Ok(parts.into_iter().map(member).collect())
    }

    fn size(&mut self, name: &str, size: usize, what: &str) {
        let comment = if what.is_empty() { String::new() } else { format!(" /* {what} */") };
        let _ = writeln!(self.sizes, "#define NAME_{name} {size}{comment}");
    }

    fn real(&mut self, name: &str, x: f64) {
        let _ = writeln!(self.sizes, "#define NAME_{name} {x:e}");
    }

    fn norm(&mut self, name: &str, norm: &LayerNorm) -> String {
        let gain = self.floats(&format!("{name}_gain"), &norm.gain);
        let bias = self.floats(&format!("{name}_shift"), &norm.bias);
        format!("{{{gain}, {bias}}}")
    }

    /// Writes a matrix; its initialiser.
    fn matrix(&mut self, name: &str, matrix: &Matrix) -> String {
        let weight = match &matrix.weight {
            Weight::Float32(weight) => self.floats(name, weight),
            Weight::Int8(bytes) => {
                let codes: Vec<String> = bytes.codes.iter().map(|code| format!("{code}")).collect();
                let codes = self.array("int8_t", name, 1, &codes);
                format!("{codes}, {}", self.floats(&format!("{name}_scale"), &bytes.scales))
            }
        };
        let bias = if matrix.bias.is_empty() {
            "0".into()
        } else {
            self.floats(&format!("{name}_bias"), &matrix.bias)
        };
        format!("{{{weight}, {bias}}}")
    }

    /// Writes an array; its name.
    fn floats(&mut self, name: &str, floats: &[f32]) -> String {
        // The shortest decimal that reads back as the same number.
        let numbers: Vec<String> = floats.iter().map(|x| format!("{x:e}f")).collect();
        self.array("float", name, size_of::<f32>(), &numbers)
    }

    fn doubles(&mut self, name: &str, doubles: &[f64]) -> String {
        let numbers: Vec<String> = doubles.iter().map(|x| format!("{x:e}")).collect();
        self.array("double", name, 8, &numbers)
    }

    fn array(&mut self, kind: &str, name: &str, bytes: usize, numbers: &[String]) -> String {
        let name = format!("name_{name}");
        let _ = write!(self.constants, "static const {kind} {name}[{}] = {{", numbers.len());
        let mut column = usize::MAX;
        for number in numbers {
            if column > 110 {
                self.constants += "\n   ";
                column = 3;
            }
            let _ = write!(self.constants, " {number},");
            column += number.len() + 2;
        }
        self.constants += "\n};\n";
        self.constant_bytes += bytes * numbers.len();
        name
    }
}
