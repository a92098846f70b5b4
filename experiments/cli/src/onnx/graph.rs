//! A graph that grows operator by operator.

use std::cell::RefCell;
use std::collections::HashMap;

use aaren_format::Header;
use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use super::proto::{self, DOUBLE, FLOAT, INT64, Number, Port};
use super::{OPSET, Step};

/// A tensor of the graph, by its name.
pub(super) type Value = String;

/// Operators that join or part columns.
const COLUMNS: [(&str, Number); 1] = [("axis", Number::Int(1))];

/// It grows behind a shared reference: what one operator gives is written where the next takes it.
pub(super) struct Graph {
    /// The policy's, by their names.
    weights: HashMap<String, Tensor>,
    nodes: RefCell<Vec<Vec<u8>>>,
    constants: RefCell<Vec<Vec<u8>>>,
    inputs: RefCell<Vec<Port>>,
    outputs: RefCell<Vec<Port>>,
}

impl Graph {
    /// Of a policy with these weights.
    pub(super) fn new(weights: HashMap<String, Tensor>) -> Self {
        let (nodes, constants, inputs, outputs) = Default::default();
        Self { weights, nodes, constants, inputs, outputs }
    }

    /// An operator without attributes; its only output.
    pub(super) fn op(&self, operator: &str, inputs: &[&Value]) -> Value {
        self.op_with(operator, inputs, &[])
    }

    /// An operator's only output.
    pub(super) fn op_with(&self, operator: &str, inputs: &[&Value], attributes: &[(&str, Number)]) -> Value {
        self.ops(operator, inputs, attributes, 1).swap_remove(0)
    }

    fn ops(
        &self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Number)],
        outputs: usize,
    ) -> Vec<Value> {
        let mut nodes = self.nodes.borrow_mut();
        let name = |i: usize| format!("{}.{}.{i}", operator.to_lowercase(), nodes.len());
        let output: Vec<Value> = (0..outputs).map(name).collect();
        nodes.push(proto::node(operator, inputs, &output, attributes));
        output
    }

    /// A constant of float32.
    pub(super) fn tensor(&self, tensor: &Tensor) -> Value {
        let flat = tensor.detach().to_kind(Kind::Float).contiguous().view([-1]);
        let floats = Vec::<f32>::try_from(flat).expect("a vector of floats");
        let numbers: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&tensor.size(), FLOAT, &numbers)
    }

    /// A constant vector of float32.
    pub(super) fn floats(&self, floats: &[f32]) -> Value {
        self.tensor(&Tensor::from_slice(floats))
    }

    /// A constant vector of float64.
    pub(super) fn doubles(&self, doubles: &[f64]) -> Value {
        let numbers: Vec<u8> = doubles.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&[doubles.len() as i64], DOUBLE, &numbers)
    }

    /// `x` as numbers of another kind.
    pub(super) fn cast(&self, x: &Value, data_type: i32) -> Value {
        self.op_with("Cast", &[x], &[("to", Number::Int(data_type.into()))])
    }

    /// A constant vector of int64.
    pub(super) fn ints(&self, ints: &[i64]) -> Value {
        let numbers: Vec<u8> = ints.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(&[ints.len() as i64], INT64, &numbers)
    }

    fn constant(&self, shape: &[i64], data_type: i32, numbers: &[u8]) -> Value {
        let mut constants = self.constants.borrow_mut();
        let name = format!("constant.{}", constants.len());
        constants.push(proto::tensor(&name, shape, data_type, numbers));
        name
    }

    /// An input of float32, `[n, shape…]`.
    pub(super) fn input(&self, name: &str, shape: &[i64]) -> Value {
        self.inputs.borrow_mut().push(Port { name: name.into(), element: "float32", shape: shape.to_vec() });
        name.into()
    }

    /// An input of int64, `[n]`.
    pub(super) fn count(&self, name: &str) -> Value {
        self.inputs.borrow_mut().push(Port { name: name.into(), element: "int64", shape: Vec::new() });
        name.into()
    }

    /// Gives a value out, under a name.
    pub(super) fn output(&self, name: &str, value: &Value, element: &'static str, shape: &[i64]) {
        self.nodes.borrow_mut().push(proto::node("Identity", &[value], &[name.into()], &[]));
        self.outputs.borrow_mut().push(Port { name: name.into(), element, shape: shape.to_vec() });
    }

    /// A weight by its name.
    pub(super) fn weight(&self, name: &str) -> Result<&Tensor> {
        self.weights.get(name).with_context(|| format!("the policy has no weight {name:?}"))
    }

    /// `x Wᵀ + b`, for `x` `[…, from]`.
    pub(super) fn linear(&self, x: &Value, weight: &Tensor, bias: &Tensor) -> Value {
        let (weight, bias) = (self.tensor(&weight.tr()), self.tensor(bias));
        self.add(&self.op("MatMul", &[x, &weight]), &bias)
    }

    fn pair(&self, name: &str) -> Result<[&Tensor; 2]> {
        Ok([self.weight(&format!("{name}.weight"))?, self.weight(&format!("{name}.bias"))?])
    }

    /// The linear layer `NAME.weight` and `NAME.bias`.
    pub(super) fn layer(&self, x: &Value, name: &str) -> Result<Value> {
        let [weight, bias] = self.pair(name)?;
        Ok(self.linear(x, weight, bias))
    }

    /// LayerNorm over the last dimension, ε = 1e-5.
    pub(super) fn norm(&self, x: &Value, name: &str) -> Result<Value> {
        let [gain, bias] = self.pair(name)?.map(|tensor| self.tensor(tensor));
        let attributes = [("axis", Number::Int(-1)), ("epsilon", Number::Float(1e-5))];
        Ok(self.op_with("LayerNormalization", &[x, &gain, &bias], &attributes))
    }

    /// x Φ(x), by the error function.
    pub(super) fn gelu(&self, x: &Value) -> Value {
        let [root, one, half] = [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|x| self.floats(&[x]));
        let erf = self.op("Erf", &[&self.mul(x, &root)]);
        self.mul(&self.mul(x, &self.add(&erf, &one)), &half)
    }

    pub(super) fn add(&self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b])
    }

    pub(super) fn mul(&self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b])
    }

    pub(super) fn sub(&self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b])
    }

    /// A dimension of one at `axis`.
    pub(super) fn unsqueeze(&self, x: &Value, axis: i64) -> Value {
        self.op("Unsqueeze", &[x, &self.ints(&[axis])])
    }

    /// `[n, all columns]` from parts `[n, columns]`.
    pub(super) fn concat(&self, parts: &[Value]) -> Value {
        self.op_with("Concat", &parts.iter().collect::<Vec<_>>(), &COLUMNS)
    }

    /// Parts of as many columns each, `[n, columns]`, of `[n, all columns]`.
    pub(super) fn split(&self, x: &Value, parts: usize) -> Vec<Value> {
        self.ops("Split", &[x], &COLUMNS, parts)
    }

    /// `[n, rows, …]` from so many `[n, …]`.
    pub(super) fn stack(&self, rows: &[Value]) -> Value {
        self.concat(&rows.iter().map(|row| self.unsqueeze(row, 1)).collect::<Vec<_>>())
    }

    /// `[n, …]`, row `index` of `[n, rows, …]`.
    pub(super) fn row(&self, x: &Value, index: usize) -> Value {
        self.columns(x, &self.constant(&[], INT64, &(index as i64).to_le_bytes()))
    }

    /// The columns of `x` that these are the numbers of.
    pub(super) fn columns(&self, x: &Value, numbers: &Value) -> Value {
        self.op_with("Gather", &[x, numbers], &COLUMNS)
    }

    /// The entries `first..end` along an axis.
    pub(super) fn slice(&self, x: &Value, axis: i64, first: i64, end: i64) -> Value {
        let [first, end, axis] = [first, end, axis].map(|int| self.ints(&[int]));
        self.op("Slice", &[x, &first, &end, &axis])
    }

    /// The model, with the policy's header as metadata `aaren`.
    pub(super) fn finish(self, header: &Header) -> Step {
        let (inputs, outputs) = (self.inputs.into_inner(), self.outputs.into_inner());
        let (nodes, constants) = (self.nodes.into_inner(), self.constants.into_inner());
        let graph = proto::graph(&header.policy, &nodes, &constants, &inputs, &outputs);
        Step { model: proto::model(&graph, OPSET, ("aaren", &header.to_json())), inputs, outputs }
    }
}
