//! The tensors of a policy file, each checked as it is read.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use aaren_format::{self as vocabulary, Header, Precision, check_scale};
use safetensors::{Dtype, SafeTensors};

use crate::Error;
use crate::error::one_line;
use crate::linear::Linear;
use crate::matrix::{Bytes, Matrix, Weight};
use crate::norm::LayerNorm;

/// The tensors of a policy file. Nothing is allocated by a header's word alone: a size is held against a
/// tensor whose bytes are there.
pub(crate) struct File<'a> {
    pub(crate) tensors: SafeTensors<'a>,
    /// How it holds its matrices.
    pub(crate) weights: vocabulary::Weights,
}

impl<'a> File<'a> {
    /// Reads what the bytes of a policy file say of themselves.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<(Header, File<'a>), Error> {
        let container = |error: safetensors::SafeTensorError| Error::Container(one_line(&error));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(container)?;
        let json =
            metadata.metadata().as_ref().and_then(|entries| entries.get("aaren")).ok_or(Error::NoHeader)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(container)?;
        let held = tensors.iter().map(|(_, view)| view.shape().iter().product::<usize>()).sum();
        let header = Header::parse(json, held)?;
        let weights = header.weights;
        Ok((header, File { tensors, weights }))
    }

    /// Mean and standard deviation that observations are normalised with.
    pub(crate) fn scale(&self, header: &Header) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let mean = self.tensor("observation.mean", &[header.observation_size])?;
        let std = self.tensor("observation.std", &[header.observation_size])?;
        check_scale(&mean, &std)?;
        Ok((mean, std))
    }

    /// Whether its matrices are bytes.
    pub(crate) fn is_int8(&self) -> bool {
        self.weights == vocabulary::Weights::Int8
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8], Error> {
        let view = self.tensors.tensor(name).map_err(|_| Error::NoTensor { name: name.to_owned() })?;
        if view.dtype() != dtype || view.shape() != shape {
            return Err(Error::Tensor {
                name: name.to_owned(),
                found: format!("{:?} {}", view.dtype(), brief(view.shape())),
                expected: format!("{dtype:?} {shape:?}"),
            });
        }
        Ok(view.data())
    }

    /// A float32 tensor of the given shape, all finite.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let data = self.bytes(name, Dtype::F32, shape)?;
        let floats: Vec<f32> =
            data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let usable = |x: &f32| x.is_finite();
        first_bad(name, &floats, usable, "a finite number")?;
        Ok(floats)
    }

    /// A table of numbers: float32, or bytes with the scales in a tensor of their own.
    pub(crate) fn table(
        &self,
        name: &str,
        scales: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Weight, Error> {
        if !self.is_int8() {
            return self.tensor(name, &[rows, columns]).map(Weight::Float32);
        }
        let data = self.bytes(name, Dtype::I8, &[rows, columns])?;
        let codes: Vec<i8> = data.iter().map(|&byte| byte as i8).collect();
        if let Some(index) = codes.iter().position(|&code| code == i8::MIN) {
            let expected = "a number from -127 to 127";
            return Err(Error::Element { name: name.to_owned(), index, found: f32::from(i8::MIN), expected });
        }
        let numbers = self.tensor(scales, &[rows])?;
        let usable = |x: &f32| *x >= 0.0 && (x * 127.0).is_finite();
        first_bad(scales, &numbers, usable, "a scale of at least 0, 127 times which is finite")?;
        Ok(Weight::Int8(Bytes { codes, scales: numbers }))
    }

    /// `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]`, in bytes with `NAME.scale` `[outputs]` too.
    pub(crate) fn matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<Matrix, Error> {
        let weight = self.table(&format!("{name}.weight"), &format!("{name}.scale"), outputs, inputs)?;
        Ok(Matrix { weight, bias: self.tensor(&format!("{name}.bias"), &[outputs])? })
    }

    /// `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]`, float32 in every file.
    pub(crate) fn weight_and_bias(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok((weight, self.tensor(&format!("{name}.bias"), &[outputs])?))
    }

    /// A matrix that is float32 in every file.
    pub(crate) fn float_matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<Matrix, Error> {
        let (weight, bias) = self.weight_and_bias(name, outputs, inputs)?;
        Ok(Matrix { weight: Weight::Float32(weight), bias })
    }

    /// [`matrix`](Self::matrix), packed.
    pub(crate) fn linear(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
        precision: Precision,
    ) -> Result<Linear, Error> {
        self.matrix(name, outputs, inputs).map(|matrix| Linear::new(&matrix, precision))
    }

    /// [`float_matrix`](Self::float_matrix), packed in float32.
    pub(crate) fn float_linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, Error> {
        self.float_matrix(name, outputs, inputs).map(|matrix| Linear::new(&matrix, Precision::Float32))
    }

    /// `NAME.weight` and `NAME.bias`, both `[width]`.
    pub(crate) fn norm(&self, name: &str, width: usize) -> Result<LayerNorm, Error> {
        let gain = self.tensor(&format!("{name}.weight"), &[width])?;
        Ok(LayerNorm { gain, bias: self.tensor(&format!("{name}.bias"), &[width])? })
    }
}

fn first_bad(
    name: &str,
    floats: &[f32],
    usable: impl Fn(&f32) -> bool,
    expected: &'static str,
) -> Result<(), Error> {
    match floats.iter().enumerate().find(|(_, x)| !usable(x)) {
        Some((index, &found)) => Err(Error::Element { name: name.to_owned(), index, found, expected }),
        None => Ok(()),
    }
}

/// A shape to print, cut where a file lists absurdly many dimensions.
fn brief(shape: &[usize]) -> String {
    match shape.get(..8) {
        Some(start) if shape.len() > 8 => {
            format!("{start:?} and {} more dimensions", shape.len() - 8)
        }
        _ => format!("{shape:?}"),
    }
}
