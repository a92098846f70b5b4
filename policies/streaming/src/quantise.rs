//! A policy file with its matrices rounded to int8.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use aaren_format::{EncoderKind, Header, Model, Network, Norm, Positions, Settings, Weights};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::error::one_line;
use crate::file::File;
use crate::head::Joint;
use crate::matrix::{Bytes, Matrix, Weight};
use crate::mixer::recurrent::{self, Cell};
use crate::mixer::{aaren, gated_delta, gru, lstm, mingru, transformer};
use crate::rotation::Phases;
use crate::{Error, Policy};

/// What [`quantise`] makes of a policy file.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The bytes of the new policy file.
    pub bytes: Vec<u8>,
    /// What rounding did to each matrix, in the order in which a step reads them.
    pub rounding: Vec<Rounding>,
}

/// What rounding did to one matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounding {
    /// The matrix, as the new file names it, without `.weight`.
    pub name: String,
    /// Its rows, each with a scale of its own.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
    /// ‖W − Ŵ‖ / ‖W‖ in Frobenius norms: the relative error of a product with inputs that are independent of it. A
    /// few thousandths are usual; a few hundredths mean that single weights are far larger than the others of
    /// their row.
    pub error: f64,
}

/// The policy file with its matrices rounded to int8, one scale for each row: those of the encoder or of the hidden
/// layers, and the embeddings of timesteps.
///
/// Norms, biases, heads, an Aaren's scores, gates, keys and queries, the gates of the delta rule, and the projections of observation, action and return-to-go
/// stay float32. Query and key of an Aaren are folded into its scores before anything is rounded, and a single head's
/// output projection into its values, as they are whenever a policy is loaded: the file holds what a step reads, and
/// [`Policy`] acts from it; libtorch does not. The result is loaded once, so that it is known to be whole.
///
/// # Errors
///
/// As [`Policy::from_bytes`], and if the file is int8 already.
pub fn quantise(bytes: &[u8]) -> Result<Quantised, Error> {
    // All checks, those of sizes that multiply among them.
    Policy::from_bytes(bytes)?;
    let (header, file) = File::open(bytes)?;
    if file.is_int8() {
        return Err(Error::Int8);
    }
    let mut writer = Writer { file, tensors: Vec::new(), rounding: Vec::new() };
    writer.policy(&header)?;
    let header = Header { weights: Weights::Int8, ..header };
    let metadata = [("aaren".to_owned(), header.to_json())].into_iter().collect();
    let views = writer.tensors.iter().map(|tensor| {
        TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data).map(|view| (&*tensor.name, view))
    });
    let container = |error: safetensors::SafeTensorError| Error::Container(one_line(&error));
    let views = views.collect::<Result<Vec<_>, _>>().map_err(container)?;
    let bytes = serialize(views, Some(metadata)).map_err(container)?;
    Policy::from_bytes(&bytes)?;
    Ok(Quantised { bytes, rounding: writer.rounding })
}

struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// The tensors of the new file.
struct Writer<'a> {
    file: File<'a>,
    tensors: Vec<Tensor>,
    rounding: Vec<Rounding>,
}

impl Writer<'_> {
    fn policy(&mut self, header: &Header) -> Result<(), Error> {
        let (observation, actions) = (header.observation_size, header.action.size());
        self.copy("observation.mean", &[observation])?;
        self.copy("observation.std", &[observation])?;
        let width = match &header.network {
            Network::Decision(decision) => {
                let model = &decision.model;
                let width = model.width;
                match Joint::new(decision) {
                    Some(joint) => {
                        self.copy_matrix("embed.token", width, joint.inputs(observation, actions))?;
                    }
                    None => {
                        self.copy_matrix("embed.return", width, 1)?;
                        self.copy_matrix("embed.state", width, observation)?;
                        if model.past_actions {
                            self.copy_matrix("embed.action", width, actions)?;
                        }
                    }
                }
                if model.positions == Positions::Timestep {
                    let steps =
                        self.file.tensor("embed.timestep.weight", &[decision.max_timesteps, width])?;
                    self.round("embed.timestep", ".weight", ".scale", &steps, width);
                }
                self.copy_norm("embed.norm", width)?;
                for n in 0..model.layers {
                    self.block(&format!("blocks.{n}"), model)?;
                }
                if model.norm == Norm::Pre {
                    self.copy_norm("norm", width)?;
                }
                if !decision.layout.in_head() {
                    width
                } else {
                    self.copy_matrix("head.hidden", 2 * width, width)?;
                    self.copy_matrix("head.asked", width, decision.layout.asked_size())?;
                    self.copy_matrix("head.film", 4 * width, width)?;
                    self.copy_matrix("most.hidden", width, width)?;
                    self.copy_matrix("most", 1, width)?;
                    2 * width
                }
            }
            Network::Perceptron(mlp) => {
                let mut inputs = observation;
                for n in 0..mlp.layers {
                    self.round_own(&format!("mlp.{n}"), mlp.width, inputs)?;
                    inputs = mlp.width;
                }
                mlp.width
            }
        };
        self.copy_matrix("head", actions, width)
    }

    fn block(&mut self, name: &str, model: &Model) -> Result<(), Error> {
        let (width, Settings { heads, keys, .. }) = (model.width, model.mixer.settings());
        let part = |part: &str| format!("{name}.{part}");
        let phases = Phases::shape(model);
        if phases[0] > 0 {
            self.copy(&part("attention.phase"), &phases)?;
        }
        match model.encoder() {
            EncoderKind::Aaren => {
                let aaren::Parts { value, score, recency, output, .. } =
                    aaren::Parts::read(&self.file, name, model)?;
                self.round_matrix(&part("attention.value"), &value);
                self.put(part("attention.score.weight"), &[heads, width], &score);
                match recency {
                    aaren::Decay::None => {}
                    aaren::Decay::Fixed(raw) => self.put(part("attention.recency"), &[heads], &raw),
                    aaren::Decay::Gated(weight, bias) => {
                        self.put(part("attention.gate.weight"), &[heads, width], &weight);
                        self.put(part("attention.gate.bias"), &[heads], &bias);
                    }
                }
                if let Some(output) = output {
                    self.round_matrix(&part("attention.output"), &output);
                }
                if keys > 1 {
                    self.copy_matrix(&part("attention.token_key"), heads * keys, width)?;
                    self.copy_matrix(&part("attention.token_query"), heads * keys, width)?;
                }
            }
            EncoderKind::Gru => self.recurrent(name, model, gru::GruCell::GATES)?,
            EncoderKind::Lstm => self.recurrent(name, model, lstm::LstmCell::GATES)?,
            EncoderKind::MinGru => {
                let mingru::Parts { input, output } = mingru::Parts::read(&self.file, name, model)?;
                self.round_matrix(&part("mingru.input"), &input);
                self.round_matrix(&part("mingru.output"), &output);
            }
            EncoderKind::GatedDelta => {
                let parts = gated_delta::Parts::read(&self.file, name, model)?;
                for (which, matrix) in ["query", "key", "value", "output"].into_iter().zip(&parts.projections)
                {
                    self.round_matrix(&part(&format!("attention.{which}")), matrix);
                }
                for gate in ["decay", "rate"] {
                    self.copy_matrix(&part(&format!("attention.{gate}")), heads, width)?;
                }
            }
            EncoderKind::Transformer => {
                let transformer::Parts { query, key, value, output } =
                    transformer::Parts::read(&self.file, name, model)?;
                for (which, matrix) in [("query", &query), ("key", &key), ("value", &value)] {
                    self.round_matrix(&part(&format!("attention.{which}")), matrix);
                }
                if let Some(output) = output {
                    self.round_matrix(&part("attention.output"), &output);
                }
            }
        }
        self.copy_norm(&part("norm1"), width)?;
        self.copy_norm(&part("norm2"), width)?;
        self.round_own(&part("mlp.up"), 4 * width, width)?;
        self.round_own(&part("mlp.down"), width, 4 * width)
    }

    fn recurrent(&mut self, block: &str, model: &Model, gates: usize) -> Result<(), Error> {
        let recurrent::Parts { input, hidden, output } =
            recurrent::Parts::read(&self.file, block, model, gates)?;
        let cell = format!("{block}.{}", model.encoder());
        for (which, matrix) in [("ih", &input), ("hh", &hidden)] {
            if let Weight::Float32(weight) = &matrix.weight {
                let columns = weight.len() / matrix.outputs();
                self.round(&cell, &format!(".weight_{which}"), &format!(".scale_{which}"), weight, columns);
            }
            self.put(format!("{cell}.bias_{which}"), &[matrix.outputs()], &matrix.bias);
        }
        self.round_matrix(&format!("{cell}.output"), &output);
        Ok(())
    }

    fn put(&mut self, name: String, shape: &[usize], floats: &[f32]) {
        let data = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.push(Tensor { name, dtype: Dtype::F32, shape: shape.to_vec(), data });
    }

    fn copy(&mut self, name: &str, shape: &[usize]) -> Result<(), Error> {
        let floats = self.file.tensor(name, shape)?;
        self.put(name.to_owned(), shape, &floats);
        Ok(())
    }

    fn copy_matrix(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<(), Error> {
        self.copy(&format!("{name}.weight"), &[outputs, inputs])?;
        self.copy(&format!("{name}.bias"), &[outputs])
    }

    fn copy_norm(&mut self, name: &str, width: usize) -> Result<(), Error> {
        self.copy(&format!("{name}.weight"), &[width])?;
        self.copy(&format!("{name}.bias"), &[width])
    }

    /// A matrix that stands in the old file as in the new one.
    fn round_own(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<(), Error> {
        let matrix = self.file.matrix(name, outputs, inputs)?;
        self.round_matrix(name, &matrix);
        Ok(())
    }

    fn round_matrix(&mut self, name: &str, matrix: &Matrix) {
        if let Weight::Float32(weight) = &matrix.weight {
            self.round(name, ".weight", ".scale", weight, weight.len() / matrix.outputs());
        }
        self.put(format!("{name}.bias"), &[matrix.outputs()], &matrix.bias);
    }

    fn round(&mut self, name: &str, weights: &str, scales: &str, floats: &[f32], columns: usize) {
        let bytes = Bytes::round(floats, columns);
        let rows = bytes.scales.len();
        let suffix = if weights == ".weight" { "" } else { weights };
        self.rounding.push(Rounding {
            name: format!("{name}{suffix}"),
            rows,
            columns,
            error: bytes.error(floats),
        });
        self.put(format!("{name}{scales}"), &[rows], &bytes.scales);
        self.tensors.push(Tensor {
            name: format!("{name}{weights}"),
            dtype: Dtype::I8,
            shape: alloc::vec![rows, columns],
            data: bytes.codes.iter().map(|&code| code as u8).collect(),
        });
    }
}
