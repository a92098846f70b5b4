//! Random policies in the file format, and a float64 oracle that shares no code with the kernels.
#![allow(dead_code)]

pub mod oracle;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Every encoder.
pub const ENCODERS: [&str; 6] = ["aaren", "transformer", "gru", "lstm", "mingru", "gated-delta"];

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [−1, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A policy before it is written: header and tensors.
#[derive(Clone)]
pub struct Fixture {
    pub header: Value,
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// What a random policy is made of.
#[derive(Clone, Debug)]
pub struct Config {
    pub encoder: &'static str,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub norm: &'static str,
    pub recency: &'static str,
    pub observation: usize,
    pub actions: usize,
    pub discrete: bool,
    /// Choices of two columns, in the place of one; as many as `actions` together.
    pub columns: Option<[usize; 2]>,
    pub max_timesteps: usize,
    pub rollout: Value,
    pub past_actions: bool,
    /// `return` of one token for each timestep.
    pub joint: Option<&'static str>,
    pub rate: bool,
    pub bins: usize,
    pub guidance: f64,
    pub positions: &'static str,
    /// With `rotary`.
    pub rotated_heads: usize,
    pub keys: usize,
}

impl Config {
    pub fn new(encoder: &'static str, width: usize, layers: usize, heads: usize) -> Config {
        Config {
            encoder,
            width,
            layers,
            heads,
            norm: "post",
            recency: "none",
            observation: 11,
            actions: 3,
            discrete: false,
            columns: None,
            max_timesteps: 1001,
            rollout: json!("unbounded"),
            past_actions: true,
            joint: None,
            rate: false,
            bins: 0,
            guidance: 1.0,
            positions: "timestep",
            rotated_heads: heads,
            keys: 1,
        }
    }

    /// Gates and units of a recurrent encoder.
    pub fn gates_and_units(&self) -> (usize, usize) {
        let share = |share: f64| (share * self.width as f64).round() as usize;
        match self.encoder {
            "gru" => (3, share(2.0 / 3.0)),
            "lstm" => (4, share(5.0 / 9.0)),
            "mingru" => (2, share(4.0 / 3.0)),
            _ => (0, self.width),
        }
    }

    /// Weights uniform in ±1/√inputs, as PyTorch begins; everything else random around its
    /// usual value.
    pub fn fixture(&self, seed: u64) -> Fixture {
        let mut random = Random(seed);
        let mut tensors = BTreeMap::new();
        let mut put = |name: String, shape: &[usize], centre: f64, spread: f64| {
            let floats =
                (0..shape.iter().product::<usize>()).map(|_| (centre + spread * random.uniform()) as f32);
            tensors.insert(name, (shape.to_vec(), floats.collect::<Vec<f32>>()));
        };
        let (d, s, a) = (self.width, self.observation, self.actions);
        put("observation.mean".into(), &[s], 0.0, 1.0);
        put("observation.std".into(), &[s], 1.0, 0.5);
        let mut linear = |name: &str, outputs: usize, inputs: usize| {
            let spread = 1.0 / (inputs as f64).sqrt();
            put(format!("{name}.weight"), &[outputs, inputs], 0.0, spread);
            put(format!("{name}.bias"), &[outputs], 0.0, spread);
        };
        let asked = 2 + usize::from(self.rate) + self.bins;
        if let Some(return_in) = self.joint {
            let asked = if return_in == "head" { 0 } else { asked };
            let past = if self.past_actions { 1 + a } else { 0 };
            linear("embed.token", d, s + asked + past);
        } else {
            linear("embed.return", d, 1);
            linear("embed.state", d, s);
            if self.past_actions {
                linear("embed.action", d, a);
            }
        }
        if self.joint == Some("head") {
            linear("head.hidden", 2 * d, d);
            linear("head.asked", d, asked);
            linear("head.film", 4 * d, d);
            linear("most.hidden", d, d);
            linear("most", 1, d);
            linear("head", a, 2 * d);
        } else {
            linear("head", a, d);
        }
        let (gates, units) = self.gates_and_units();
        for n in 0..self.layers {
            if gates > 0 {
                linear(&format!("blocks.{n}.{}.output", self.encoder), d, units);
            } else {
                if self.encoder == "gated-delta" {
                    for part in ["decay", "rate"] {
                        linear(&format!("blocks.{n}.attention.{part}"), self.heads, d);
                    }
                }
                for part in ["query", "key", "value", "output"] {
                    linear(&format!("blocks.{n}.attention.{part}"), d, d);
                }
                if self.keys > 1 {
                    for part in ["token_key", "token_query"] {
                        linear(&format!("blocks.{n}.attention.{part}"), self.heads * self.keys, d);
                    }
                }
            }
            linear(&format!("blocks.{n}.mlp.up"), 4 * d, d);
            linear(&format!("blocks.{n}.mlp.down"), d, 4 * d);
        }
        if self.positions == "timestep" {
            put("embed.timestep.weight".into(), &[self.max_timesteps, d], 0.0, 1.0);
        }
        let mut norm = |name: &str| {
            put(format!("{name}.weight"), &[d], 1.0, 0.5);
            put(format!("{name}.bias"), &[d], 0.0, 0.5);
        };
        norm("embed.norm");
        if self.norm == "pre" {
            norm("norm");
        }
        for n in 0..self.layers {
            norm(&format!("blocks.{n}.norm1"));
            norm(&format!("blocks.{n}.norm2"));
        }
        for n in 0..self.layers {
            let spread = 1.0 / (units as f64).sqrt();
            let cell = format!("blocks.{n}.{}", self.encoder);
            if self.encoder == "mingru" {
                put(format!("{cell}.input.weight"), &[2 * units, d], 0.0, spread);
                put(format!("{cell}.input.bias"), &[2 * units], 0.0, spread);
            } else if gates > 0 {
                for (part, inputs) in [("ih", d), ("hh", units)] {
                    put(format!("{cell}.weight_{part}"), &[gates * units, inputs], 0.0, spread);
                    put(format!("{cell}.bias_{part}"), &[gates * units], 0.0, spread);
                }
            }
            if self.encoder == "aaren" {
                put(format!("blocks.{n}.attention.query_token"), &[d], 0.0, 3.0);
            }
            if self.positions == "rotary" {
                let channels = if self.keys > 1 { self.keys } else { d / self.heads };
                let shape = [self.rotated_heads, channels / 2];
                put(format!("blocks.{n}.attention.phase"), &shape, 1.0, 1.0);
            }
            match self.recency {
                "learned" | "spread" => {
                    put(format!("blocks.{n}.attention.recency"), &[self.heads], -2.0, 2.0)
                }
                "gated" => {
                    put(
                        format!("blocks.{n}.attention.gate.weight"),
                        &[self.heads, d],
                        0.0,
                        3.0 / (d as f64).sqrt(),
                    );
                    put(format!("blocks.{n}.attention.gate.bias"), &[self.heads], -3.0, 2.0);
                }
                _ => {}
            }
        }
        let action = if let Some(choices) = self.columns {
            json!({"kind": "multi-discrete", "choices": choices})
        } else if self.discrete {
            json!({"kind": "discrete", "choices": a})
        } else {
            let low: Vec<f32> = (0..a).map(|i| -1.0 - i as f32).collect();
            let high: Vec<f32> = (0..a).map(|i| 2.0 + 0.5 * i as f32).collect();
            json!({"kind": "continuous", "low": low, "high": high})
        };
        let mut header = json!({
            "format": "aaren-policy", "version": 1,
            "policy": "random", "seed": 0, "updates": 0, "dataset": "none",
            "env": {"id": "Hopper-v4", "kwargs": {}},
            "model": {"encoder": self.encoder, "width": d, "layers": self.layers, "heads": self.heads,
                      "norm": self.norm, "recency": self.recency},
            "observation_size": s, "max_timesteps": self.max_timesteps, "action": action,
            "context": {"train": 20, "rollout": self.rollout},
            "return_scale": 100.0, "target_returns": [300.0],
        });
        if !self.past_actions {
            header["model"]["past_actions"] = json!(false);
        }
        if let Some(return_in) = self.joint {
            header["model"]["tokens"] = json!(1);
            header["model"]["return"] = json!(return_in);
            header["model"]["return_rate"] = json!(self.rate);
            header["model"]["return_bins"] = json!(self.bins);
            header["return_range"] = json!([294.0, 302.0]);
        }
        if self.guidance != 1.0 {
            header["return_dropout"] = json!(0.2);
            header["guidance"] = json!(self.guidance);
        }
        if self.positions != "timestep" {
            header["model"]["positions"] = json!(self.positions);
            if self.rotated_heads < self.heads {
                header["model"]["rotate"] = json!(self.rotated_heads as f64 / self.heads as f64);
            }
        }
        if self.keys > 1 {
            header["model"]["keys"] = json!(self.keys);
        }
        Fixture { header, tensors }
    }
}

/// A random policy of behaviour cloning: its sizes, and whether its actions are discrete.
#[derive(Clone, Copy, Debug)]
pub struct Cloning {
    pub width: usize,
    pub layers: usize,
    pub observation: usize,
    pub actions: usize,
    pub discrete: bool,
}

impl Cloning {
    /// Weights as of [`Config::fixture`].
    pub fn fixture(&self, seed: u64) -> Fixture {
        let Cloning { width, layers, observation, actions, discrete } = *self;
        let like = Config { observation, actions, discrete, ..Config::new("aaren", 1, 1, 1) };
        let Fixture { mut header, mut tensors } = like.fixture(seed);
        tensors.retain(|name, _| name.starts_with("observation."));
        let mut random = Random(seed + 1);
        let mut inputs = observation;
        for n in 0..=layers {
            let (name, outputs) =
                if n == layers { ("head".into(), actions) } else { (format!("mlp.{n}"), width) };
            let spread = 1.0 / (inputs as f64).sqrt();
            let mut draw = |count: usize| (0..count).map(|_| (spread * random.uniform()) as f32).collect();
            tensors.insert(format!("{name}.weight"), (vec![outputs, inputs], draw(outputs * inputs)));
            tensors.insert(format!("{name}.bias"), (vec![outputs], draw(outputs)));
            inputs = width;
        }
        let fields = header.as_object_mut().unwrap();
        for key in ["model", "max_timesteps", "context", "return_scale"] {
            fields.remove(key);
        }
        fields.insert("agent".into(), json!("behaviour-cloning"));
        fields.insert("mlp".into(), json!({"width": width, "layers": layers}));
        Fixture { header, tensors }
    }
}

impl Fixture {
    pub fn tensor(&mut self, name: &str) -> &mut Vec<f32> {
        &mut self.tensors.get_mut(name).unwrap_or_else(|| panic!("no tensor {name}")).1
    }

    /// Whether a single head's output projection moves into its values.
    fn folds(&self) -> bool {
        self.header["model"]["encoder"] == "aaren" || self.header["model"]["encoder"] == "transformer"
    }

    /// Whether values must be their heads' own.
    fn turns(&self) -> bool {
        self.header["model"]["positions"] == "rotary" || self.header["model"]["keys"].is_u64()
    }

    /// Rounds every row of a matrix to multiples of a 127th of its largest number.
    pub fn round_rows(&mut self, name: &str) {
        let (shape, floats) = self.tensors.get_mut(name).unwrap_or_else(|| panic!("no tensor {name}"));
        for row in floats.chunks_mut(shape[1]) {
            let scale = row.iter().fold(0.0, |largest: f32, w| largest.max(w.abs())) / 127.0;
            row.iter_mut().for_each(|w| *w = scale * (f64::from(*w) / f64::from(scale)).round() as f32);
        }
    }

    /// The same policy with the matrices that int8 rounds rounded, as float32: what an int8 file of it stands for. A
    /// single head's output projection moves into its values first.
    pub fn rounded(&self) -> Fixture {
        let mut f = self.clone();
        let layers = self.header["model"]["layers"].as_u64().unwrap_or(0);
        for n in (0..layers).map(|n| format!("blocks.{n}.attention")) {
            let aaren = self.header["model"]["encoder"] == "aaren";
            if self.header["model"]["heads"] != 1
                || !self.folds()
                || (aaren && self.turns())
                || !self.tensors.contains_key(&format!("{n}.value.weight"))
            {
                continue;
            }
            let columns = |m: &[f32], d: usize| -> Vec<Vec<f64>> {
                (0..d).map(|j| (0..d).map(|i| f64::from(m[i * d + j])).collect()).collect()
            };
            let d = f.tensor(&format!("{n}.value.bias")).len();
            let value = columns(f.tensor(&format!("{n}.value.weight")), d);
            let bias: Vec<f64> = f.tensor(&format!("{n}.value.bias")).iter().map(|&b| b.into()).collect();
            let no_bias = |f: &mut Fixture| f.tensor(&format!("{n}.output.bias")).fill(0.0);
            let output = oracle::linear(&f, &format!("{n}.output"), &bias);
            no_bias(&mut f);
            let folded: Vec<Vec<f64>> =
                value.iter().map(|v| oracle::linear(&f, &format!("{n}.output"), v)).collect();
            for (i, b) in output.into_iter().enumerate() {
                f.tensor(&format!("{n}.value.bias"))[i] = b as f32;
                for (j, column) in folded.iter().enumerate() {
                    f.tensor(&format!("{n}.value.weight"))[i * d + j] = column[i] as f32;
                    f.tensor(&format!("{n}.output.weight"))[i * d + j] = f32::from(i == j);
                }
            }
        }
        let aaren = self.header["model"]["encoder"] == "aaren";
        let one = self.header["model"]["heads"] == 1 && !(aaren && self.turns());
        let folds = self.folds();
        let names: Vec<String> = f.tensors.keys().cloned().collect();
        for name in names {
            let part = name.rsplit('.').nth(1).unwrap_or_default();
            let rounds = match part {
                "query" | "key" => !aaren,
                "output" => !folds || !one,
                "value" | "up" | "down" | "gru" | "lstm" | "input" | "timestep" => true,
                _ => name.starts_with("mlp."),
            };
            if rounds && name.contains("weight") {
                f.round_rows(&name);
            }
        }
        f
    }

    /// The bytes of a `policy.safetensors`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".into(), json!({"aaren": self.header.to_string()}));
        let mut data = Vec::new();
        for (name, (shape, floats)) in &self.tensors {
            let start = data.len();
            data.extend(floats.iter().flat_map(|x| x.to_le_bytes()));
            header.insert(
                name.clone(),
                json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
            );
        }
        let json = Value::Object(header).to_string();
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes.extend(data);
        bytes
    }
}
