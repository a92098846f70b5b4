//! The messages of ONNX (`onnx.proto3` of onnx/onnx) that a model of ours needs, with that file's field numbers.

use aaren_runs::protobuf::Message;
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
pub(super) const FLOAT: i64 = 1;
/// `TensorProto.DataType.DOUBLE`.
pub(super) const DOUBLE: i64 = 11;
/// `TensorProto.DataType.INT64`.
pub(super) const INT64: i64 = 7;

/// The value of an attribute.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f32),
}

/// `ModelProto`.
pub(super) fn model(graph: &[u8], opset: i64, metadata: (&str, &str)) -> Vec<u8> {
    let (key, value) = metadata;
    Message::new()
        .int(1, IR_VERSION)
        .bytes(2, "aaren")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .bytes(7, graph)
        // Of the domain without a name, ONNX's own.
        .bytes(8, Message::new().int(2, opset))
        .bytes(14, Message::new().bytes(1, key).bytes(2, value))
        .finish()
}

/// `GraphProto`, from nodes and constants as bytes.
pub(super) fn graph(
    name: &str,
    nodes: &[Vec<u8>],
    constants: &[Vec<u8>],
    inputs: &[Port],
    outputs: &[Port],
) -> Vec<u8> {
    Message::new()
        .each(1, nodes)
        .bytes(2, name)
        .each(5, constants)
        .each(11, inputs.iter().map(value_info))
        .each(12, outputs.iter().map(value_info))
        .finish()
}

/// `NodeProto`.
pub(super) fn node(
    operator: &str,
    inputs: &[&String],
    outputs: &[String],
    attributes: &[(&str, Number)],
) -> Vec<u8> {
    Message::new()
        .each(1, inputs)
        .each(2, outputs)
        .bytes(4, operator)
        .each(5, attributes.iter().map(|&(name, number)| attribute(name, number)))
        .finish()
}

/// `AttributeProto`; field 20 is its type.
fn attribute(name: &str, number: Number) -> Message {
    let named = Message::new().bytes(1, name);
    match number {
        Number::Float(float) => named.float(2, float).int(20, 1),
        Number::Int(int) => named.int(3, int).int(20, 2),
    }
}

/// `TensorProto`, its numbers little-endian.
pub(super) fn tensor(name: &str, shape: &[i64], data_type: i64, numbers: &[u8]) -> Vec<u8> {
    let sized = shape.iter().fold(Message::new(), |message, &size| message.int(1, size));
    sized.int(2, data_type).bytes(8, name).bytes(9, numbers).finish()
}

/// `ValueInfoProto`: a tensor whose first dimension is called `n`.
fn value_info(port: &Port) -> Message {
    let sizes = port.shape.iter().map(|&size| Message::new().int(1, size));
    let shape = Message::new().bytes(1, Message::new().bytes(2, "n")).each(1, sizes);
    let tensor = Message::new().int(1, if port.element == "int64" { INT64 } else { FLOAT }).bytes(2, shape);
    Message::new().bytes(1, &port.name).bytes(2, Message::new().bytes(1, tensor))
}
