//! The messages of ONNX (`onnx.proto3` of onnx/onnx) that a model of ours needs, with that file's field numbers.

use protobuf::{CodedOutputStream, ProtobufResult};
use serde::Serialize;

/// An input or an output of the model.
#[derive(Clone, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// `float32` or `int64`.
    pub element: &'static str,
    /// Its dimensions after the first, which is the batch.
    pub shape: Vec<i64>,
}

/// The version of the file format: the first that knows the operators of opset 17.
const IR_VERSION: i64 = 8;

/// `TensorProto.DataType.FLOAT`.
pub(super) const FLOAT: i32 = 1;
/// `TensorProto.DataType.DOUBLE`.
pub(super) const DOUBLE: i32 = 11;
/// `TensorProto.DataType.INT64`.
pub(super) const INT64: i32 = 7;

/// The value of an attribute.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f32),
}

/// Fields one after the other; a message inside another is written as its bytes.
fn message(write: impl FnOnce(&mut CodedOutputStream<'_>) -> ProtobufResult<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = CodedOutputStream::vec(&mut bytes);
    write(&mut out).and_then(|()| out.flush()).expect("memory takes all that is written");
    bytes
}

/// `ModelProto`.
pub(super) fn model(graph: &[u8], opset: i64, metadata: (&str, &str)) -> Vec<u8> {
    message(|out| {
        out.write_int64(1, IR_VERSION)?;
        out.write_string(2, "aaren")?;
        out.write_string(3, env!("CARGO_PKG_VERSION"))?;
        out.write_bytes(7, graph)?;
        // Of the domain without a name, ONNX's own.
        out.write_bytes(8, &message(|out| out.write_int64(2, opset)))?;
        let (key, value) = metadata;
        out.write_bytes(
            14,
            &message(|out| {
                out.write_string(1, key)?;
                out.write_string(2, value)
            }),
        )
    })
}

/// `GraphProto`, from nodes and constants as bytes.
pub(super) fn graph(
    name: &str,
    nodes: &[Vec<u8>],
    constants: &[Vec<u8>],
    inputs: &[Port],
    outputs: &[Port],
) -> Vec<u8> {
    message(|out| {
        nodes.iter().try_for_each(|node| out.write_bytes(1, node))?;
        out.write_string(2, name)?;
        constants.iter().try_for_each(|constant| out.write_bytes(5, constant))?;
        inputs.iter().try_for_each(|port| out.write_bytes(11, &value_info(port)))?;
        outputs.iter().try_for_each(|port| out.write_bytes(12, &value_info(port)))
    })
}

/// `NodeProto`.
pub(super) fn node(
    operator: &str,
    inputs: &[&String],
    outputs: &[String],
    attributes: &[(&str, Number)],
) -> Vec<u8> {
    message(|out| {
        inputs.iter().try_for_each(|input| out.write_string(1, input))?;
        outputs.iter().try_for_each(|output| out.write_string(2, output))?;
        out.write_string(4, operator)?;
        attributes.iter().try_for_each(|&(name, number)| out.write_bytes(5, &attribute(name, number)))
    })
}

/// `AttributeProto`; field 20 is its type.
fn attribute(name: &str, number: Number) -> Vec<u8> {
    message(|out| {
        out.write_string(1, name)?;
        match number {
            Number::Float(float) => {
                out.write_float(2, float)?;
                out.write_enum(20, 1)
            }
            Number::Int(int) => {
                out.write_int64(3, int)?;
                out.write_enum(20, 2)
            }
        }
    })
}

/// `TensorProto`, its numbers little-endian.
pub(super) fn tensor(name: &str, shape: &[i64], data_type: i32, numbers: &[u8]) -> Vec<u8> {
    message(|out| {
        shape.iter().try_for_each(|&size| out.write_int64(1, size))?;
        out.write_int32(2, data_type)?;
        out.write_string(8, name)?;
        out.write_bytes(9, numbers)
    })
}

/// `ValueInfoProto`: a tensor whose first dimension is called `n`.
fn value_info(port: &Port) -> Vec<u8> {
    let shape = message(|out| {
        out.write_bytes(1, &message(|out| out.write_string(2, "n")))?;
        port.shape.iter().try_for_each(|&size| out.write_bytes(1, &message(|out| out.write_int64(1, size))))
    });
    let tensor = message(|out| {
        out.write_int32(1, if port.element == "int64" { INT64 } else { FLOAT })?;
        out.write_bytes(2, &shape)
    });
    message(|out| {
        out.write_string(1, &port.name)?;
        out.write_bytes(2, &message(|out| out.write_bytes(1, &tensor)))
    })
}
