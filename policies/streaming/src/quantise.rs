//! A policy file with its matrices rounded to int8.

use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec::Vec};

use aaren_format::{EncoderKind, Header, Model, Weights};
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::error::one_line;
use crate::file::File;
use crate::matrix::{Bytes, Weight};
use crate::mixer::{aaren, transformer};
use crate::{Error, Policy};

/// What [`quantise`] makes of a policy file.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The bytes of the new policy file.
    pub bytes: Vec<u8>,
    /// What rounding did to each matrix, in the order of their names.
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
/// Norms, biases, heads, an Aaren's scores, gates, keys and queries, the gates of the delta rule, and the projections of
/// observation, action and return-to-go stay float32. Query and key of an Aaren are folded into its scores before anything is rounded, and a single head's
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
    let mut floats = Floats::new();
    for (name, view) in file.tensors.iter().filter(|(_, view)| view.dtype() == Dtype::F32) {
        floats.insert(name.to_owned(), (view.shape().to_vec(), file.tensor(name, view.shape())?));
    }
    if let Some(decision) = header.decision() {
        for n in 0..decision.model.layers {
            fold(&mut floats, &file, &format!("blocks.{n}"), &decision.model)?;
        }
    }
    let mut writer = Writer::default();
    for (name, (shape, floats)) in floats {
        match shape[..] {
            [_, columns] if columns > 0 && is_rounded(&name) => writer.round(name, &floats, columns),
            _ => writer.put(name, shape, &floats),
        }
    }
    let header = Header { weights: Weights::Int8, ..header };
    let metadata = [("aaren".to_owned(), header.to_json())].into_iter().collect();
    let views = writer.tensors.iter().map(|(name, dtype, shape, data)| {
        TensorView::new(*dtype, shape.clone(), data).map(|view| (name, view))
    });
    let container = |error: safetensors::SafeTensorError| Error::Container(one_line(&error));
    let views = views.collect::<Result<Vec<_>, _>>().map_err(container)?;
    let bytes = serialize(views, Some(metadata)).map_err(container)?;
    Policy::from_bytes(&bytes)?;
    Ok(Quantised { bytes, rounding: writer.rounding })
}

/// Tensors by their names, with their shapes.
type Floats = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Puts what a step reads in the place of what is folded.
fn fold(floats: &mut Floats, file: &File<'_>, block: &str, model: &Model) -> Result<(), Error> {
    let name = |part: &str| format!("{block}.attention.{part}");
    let (value, output) = match model.encoder() {
        EncoderKind::Aaren => {
            let aaren::Parts { value, score, output, .. } = aaren::Parts::read(file, block, model)?;
            for part in ["query.weight", "query.bias", "key.weight", "key.bias", "query_token"] {
                floats.remove(&name(part));
            }
            let shape = alloc::vec![model.mixer.settings().heads, model.width];
            floats.insert(name("score.weight"), (shape, score));
            (value, output)
        }
        EncoderKind::Transformer => {
            let transformer::Parts { value, output, .. } = transformer::Parts::read(file, block, model)?;
            (value, output)
        }
        EncoderKind::Gru | EncoderKind::Lstm | EncoderKind::MinGru | EncoderKind::GatedDelta => return Ok(()),
    };
    if let (Weight::Float32(weight), None) = (value.weight, output) {
        floats.remove(&name("output.weight"));
        floats.remove(&name("output.bias"));
        floats.insert(name("value.weight"), (alloc::vec![model.width; 2], weight));
        floats.insert(name("value.bias"), (alloc::vec![model.width], value.bias));
    }
    Ok(())
}

/// Whether a matrix becomes bytes, of those that a step reads. Loading the result finds one too many or too few.
fn is_rounded(name: &str) -> bool {
    let exact = ["score", "gate", "decay", "rate", "token_key", "token_query"];
    let hidden = name.starts_with("blocks.") || name.starts_with("mlp.");
    let weight = [".weight", ".weight_ih", ".weight_hh"].iter().any(|end| name.ends_with(end));
    let rounded = hidden && weight && !name.split('.').any(|part| exact.contains(&part));
    rounded || name == "embed.timestep.weight"
}

/// The tensors of the new file.
#[derive(Default)]
struct Writer {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    rounding: Vec<Rounding>,
}

impl Writer {
    fn put(&mut self, name: String, shape: Vec<usize>, floats: &[f32]) {
        let data = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.push((name, Dtype::F32, shape, data));
    }

    fn round(&mut self, name: String, floats: &[f32], columns: usize) {
        let bytes = Bytes::round(floats, columns);
        let (rows, error) = (bytes.scales.len(), bytes.error(floats));
        let matrix = name.strip_suffix(".weight").unwrap_or(&name).to_owned();
        self.rounding.push(Rounding { name: matrix, rows, columns, error });
        let (layer, part) = name.rsplit_once('.').unwrap_or_default();
        let scales = format!("{layer}.{}", part.replace("weight", "scale"));
        self.put(scales, alloc::vec![rows], &bytes.scales);
        let codes = bytes.codes.iter().map(|&code| code as u8).collect();
        self.tensors.push((name, Dtype::I8, alloc::vec![rows, columns], codes));
    }
}
