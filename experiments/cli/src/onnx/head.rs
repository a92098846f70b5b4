//! From observations to a network's input, and from its head to actions.

use aaren_agents::Task;
use aaren_format::ActionSpace;

use super::graph::{Graph, Value};
use super::proto::{FLOAT, Number};

/// The input `observation`, normalised.
pub(super) fn observation(graph: &Graph, task: &Task) -> Value {
    let observation = graph.input("observation", &[task.observation_size as i64]);
    let (mean, std) = (graph.floats(&task.observation_mean), graph.floats(&task.observation_std));
    graph.op("Div", &[&graph.sub(&observation, &mean), &std])
}

/// A head's outputs.
pub(super) struct Heads {
    /// Where a return is asked for.
    pub(super) asked: Value,
    /// Where none is; `None` where guidance needs them not.
    pub(super) free: Option<Value>,
}

/// free + guidance (asked − free).
fn guided(graph: &Graph, asked: &Value, free: &Value, guidance: f64) -> Value {
    let guidance = graph.floats(&[guidance as f32]);
    graph.add(free, &graph.mul(&graph.sub(asked, free), &guidance))
}

/// The output `action` for a head's outputs, in the environment's units or as the index of a choice. Returns the action's
/// token: scaled to [−1, 1], or one-hot.
pub(super) fn action(graph: &Graph, task: &Task, heads: &Heads, guidance: f64) -> Value {
    match &task.action {
        ActionSpace::Continuous { low, high } => {
            let middle: Vec<f32> = low.iter().zip(high).map(|(l, h)| 0.5 * l + 0.5 * h).collect();
            let half: Vec<f32> = low.iter().zip(high).map(|(l, h)| 0.5 * (h - l)).collect();
            let [middle, half, least, most] = [&middle, &half, low, high].map(|floats| graph.floats(floats));
            let mut token = graph.op("Tanh", &[&heads.asked]);
            if let Some(free) = &heads.free {
                let free = graph.op("Tanh", &[free]);
                token = guided(graph, &token, &free, guidance);
                let [least, most] = [-1.0, 1.0].map(|x| graph.floats(&[x]));
                token = graph.op("Max", &[&token, &least]);
                token = graph.op("Min", &[&token, &most]);
            }
            let action = graph.add(&graph.mul(&token, &half), &middle);
            let action = graph.op("Max", &[&action, &least]);
            let action = graph.op("Min", &[&action, &most]);
            graph.output("action", &action, "float32", &[low.len() as i64]);
            token
        }
        ActionSpace::Discrete { .. } | ActionSpace::MultiDiscrete { .. } => {
            let attributes = [("axis", Number::Int(1)), ("keepdims", Number::Int(1))];
            let all = match &heads.free {
                Some(free) => guided(graph, &heads.asked, free, guidance),
                None => heads.asked.clone(),
            };
            let (mut first, mut indices, mut tokens) = (0, Vec::new(), Vec::new());
            for &choices in task.action.choices() {
                let logits = graph.slice(&all, 1, first, first + choices as i64);
                let choice = graph.op_with("ArgMax", &[&logits], &attributes);
                let each = graph.ints(&(0..choices as i64).collect::<Vec<_>>());
                tokens.push(graph.cast(&graph.op("Equal", &[&choice, &each]), FLOAT));
                indices.push(choice);
                first += choices as i64;
            }
            if let ActionSpace::Discrete { .. } = task.action {
                graph.output("action", &graph.row(&indices[0], 0), "int64", &[]);
            } else {
                graph.output("action", &graph.concat(&indices), "int64", &[indices.len() as i64]);
            }
            graph.concat(&tokens)
        }
    }
}
