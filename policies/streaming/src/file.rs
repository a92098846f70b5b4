//! The tensors of a policy file, each checked as it is read.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use aaren_format::Precision;
use safetensors::{Dtype, SafeTensors};

use crate::Error;
use crate::block::LayerNorm;
use crate::linear::Linear;

/// The tensors of a policy file. Nothing is allocated by a header's word alone: a size is held against a
/// tensor whose bytes are there.
pub(crate) struct File<'a>(pub(crate) SafeTensors<'a>);

impl File<'_> {
    /// A float32 tensor of the given shape, all finite.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let view = self.0.tensor(name).map_err(|_| Error::NoTensor { name: name.to_owned() })?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(Error::Tensor {
                name: name.to_owned(),
                found: format!("{:?} {}", view.dtype(), brief(view.shape())),
                expected: format!("F32 {shape:?}"),
            });
        }
        let floats: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        match floats.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            Some((index, &found)) => {
                Err(Error::Element { name: name.to_owned(), index, found, expected: "a finite number" })
            }
            None => Ok(floats),
        }
    }

    /// `NAME.weight` `[outputs, inputs]` and `NAME.bias` `[outputs]`.
    pub(crate) fn weight_and_bias(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let weight = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok((weight, self.tensor(&format!("{name}.bias"), &[outputs])?))
    }

    /// [`weight_and_bias`](Self::weight_and_bias), packed.
    pub(crate) fn linear(
        &self,
        name: &str,
        outputs: usize,
        inputs: usize,
        precision: Precision,
    ) -> Result<Linear, Error> {
        let (weight, bias) = self.weight_and_bias(name, outputs, inputs)?;
        Ok(Linear::new(&weight, &bias, precision))
    }

    /// `NAME.weight` and `NAME.bias`, both `[width]`.
    pub(crate) fn norm(&self, name: &str, width: usize) -> Result<LayerNorm, Error> {
        let gain = self.tensor(&format!("{name}.weight"), &[width])?;
        Ok(LayerNorm { gain, bias: self.tensor(&format!("{name}.bias"), &[width])? })
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
