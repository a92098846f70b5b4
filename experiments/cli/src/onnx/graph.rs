//! A graph that grows operator by operator.

use std::collections::HashMap;

use aaren_format::Header;
use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use super::proto::{self, DOUBLE, FLOAT, INT64, Number, Port};
use super::{OPSET, Step};

/// A policy's weights by their names.
pub(super) type Weights = HashMap<String, Tensor>;

/// A tensor of the graph, by its name.
pub(super) type Value = String;

#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Vec<u8>>,
    constants: Vec<Vec<u8>>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Graph {
    /// An operator's only output.
    pub(super) fn op(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, Number)]) -> Value {
        self.ops(operator, inputs, attributes, 1).swap_remove(0)
    }

    /// An operator's outputs.
    pub(super) fn ops(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Number)],
        outputs: usize,
    ) -> Vec<Value> {
        let name = |i: usize| format!("{}.{}.{i}", operator.to_lowercase(), self.nodes.len());
        let output: Vec<Value> = (0..outputs).map(name).collect();
        self.nodes.push(proto::node(operator, inputs, &output, attributes));
        output
    }

    /// A constant of float32.
    pub(super) fn tensor(&mut self, tensor: &Tensor) -> Value {
        let flat = tensor.detach().to_kind(Kind::Float).contiguous().view([-1]);
        let floats = Vec::<f32>::try_from(flat).expect("a vector of floats");
        let numbers: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&tensor.size(), FLOAT, &numbers)
    }

    /// A constant vector of float32.
    pub(super) fn floats(&mut self, floats: &[f32]) -> Value {
        self.tensor(&Tensor::from_slice(floats))
    }

    /// A constant vector of float64.
    pub(super) fn doubles(&mut self, doubles: &[f64]) -> Value {
        let numbers: Vec<u8> = doubles.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&[doubles.len() as i64], DOUBLE, &numbers)
    }

    /// `x` as numbers of another kind.
    pub(super) fn cast(&mut self, x: &Value, data_type: i32) -> Value {
        self.op("Cast", &[x], &[("to", Number::Int(data_type.into()))])
    }

    /// A constant vector of int64.
    pub(super) fn ints(&mut self, ints: &[i64]) -> Value {
        let numbers: Vec<u8> = ints.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&[ints.len() as i64], INT64, &numbers)
    }

    fn constant(&mut self, shape: &[i64], data_type: i32, numbers: &[u8]) -> Value {
        let name = format!("constant.{}", self.constants.len());
        self.constants.push(proto::tensor(&name, shape, data_type, numbers));
        name
    }

    /// An input of float32, `[n, shape…]`.
    pub(super) fn input(&mut self, name: &str, shape: &[i64]) -> Value {
        self.inputs.push(Port { name: name.into(), element: "float32", shape: shape.to_vec() });
        name.into()
    }

    /// An input of int64, `[n]`.
    pub(super) fn count(&mut self, name: &str) -> Value {
        self.inputs.push(Port { name: name.into(), element: "int64", shape: Vec::new() });
        name.into()
    }

    /// Gives a value out, under a name.
    pub(super) fn output(&mut self, name: &str, value: &Value, element: &'static str, shape: &[i64]) {
        self.nodes.push(proto::node("Identity", &[value], &[name.into()], &[]));
        self.outputs.push(Port { name: name.into(), element, shape: shape.to_vec() });
    }

    /// `x Wᵀ + b`, for `x` `[…, from]`.
    pub(super) fn linear(&mut self, x: &Value, weight: &Tensor, bias: &Tensor) -> Value {
        let (weight, bias) = (self.tensor(&weight.tr()), self.tensor(bias));
        let product = self.op("MatMul", &[x, &weight], &[]);
        self.op("Add", &[&product, &bias], &[])
    }

    /// The linear layer `NAME.weight` and `NAME.bias`.
    pub(super) fn layer(&mut self, x: &Value, weights: &Weights, name: &str) -> Result<Value> {
        let [weight, bias] = pair(weights, name)?;
        Ok(self.linear(x, weight, bias))
    }

    /// LayerNorm over the last dimension, ε = 1e-5.
    pub(super) fn norm(&mut self, x: &Value, weights: &Weights, name: &str) -> Result<Value> {
        let [gain, bias] = pair(weights, name)?;
        let (gain, bias) = (self.tensor(gain), self.tensor(bias));
        let attributes = [("axis", Number::Int(-1)), ("epsilon", Number::Float(1e-5))];
        Ok(self.op("LayerNormalization", &[x, &gain, &bias], &attributes))
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b], &[])
    }

    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b], &[])
    }

    pub(super) fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b], &[])
    }

    /// A dimension of one at `axis`.
    pub(super) fn unsqueeze(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.ints(&[axis]);
        self.op("Unsqueeze", &[x, &axis], &[])
    }

    /// `[n, all columns]` from parts `[n, columns]`.
    pub(super) fn concat(&mut self, parts: &[Value]) -> Value {
        self.op("Concat", &parts.iter().collect::<Vec<_>>(), &[("axis", Number::Int(1))])
    }

    /// `[n, rows, …]` from so many `[n, …]`.
    pub(super) fn stack(&mut self, rows: &[Value]) -> Value {
        let rows: Vec<Value> = rows.iter().map(|row| self.unsqueeze(row, 1)).collect();
        self.op("Concat", &rows.iter().collect::<Vec<_>>(), &[("axis", Number::Int(1))])
    }

    /// `[n, …]`, row `index` of `[n, rows, …]`.
    pub(super) fn row(&mut self, x: &Value, index: usize) -> Value {
        let index = self.scalar(index as i64);
        self.op("Gather", &[x, &index], &[("axis", Number::Int(1))])
    }

    /// The entries `first..end` along an axis.
    pub(super) fn slice(&mut self, x: &Value, axis: i64, first: i64, end: i64) -> Value {
        let [first, end, axis] = [first, end, axis].map(|int| self.ints(&[int]));
        self.op("Slice", &[x, &first, &end, &axis], &[])
    }

    fn scalar(&mut self, int: i64) -> Value {
        self.constant(&[], INT64, &int.to_le_bytes())
    }

    /// The model, with the policy's header as metadata `aaren`.
    pub(super) fn finish(self, header: &Header) -> Step {
        let Graph { nodes, constants, inputs, outputs } = self;
        let graph = proto::graph(&header.policy, &nodes, &constants, &inputs, &outputs);
        Step { model: proto::model(&graph, OPSET, ("aaren", &header.to_json())), inputs, outputs }
    }
}

/// A weight by its name.
pub(super) fn weight<'w>(weights: &'w Weights, name: &str) -> Result<&'w Tensor> {
    weights.get(name).with_context(|| format!("the policy has no weight {name:?}"))
}

fn pair<'w>(weights: &'w Weights, name: &str) -> Result<[&'w Tensor; 2]> {
    Ok([weight(weights, &format!("{name}.weight"))?, weight(weights, &format!("{name}.bias"))?])
}

/// x Φ(x), by the error function.
pub(super) fn gelu(graph: &mut Graph, x: &Value) -> Value {
    let [root, one, half] = [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|x| graph.floats(&[x]));
    let scaled = graph.mul(x, &root);
    let erf = graph.op("Erf", &[&scaled], &[]);
    let sum = graph.add(&erf, &one);
    let product = graph.mul(x, &sum);
    graph.mul(&product, &half)
}
