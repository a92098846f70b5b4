//! From observations to a network's input, and from its head to actions.

use aaren_agents::Task;
use aaren_format::ActionSpace;

use super::graph::{Graph, Value};
use super::proto::{FLOAT, Number};

/// The input `observation`, normalised.
pub(super) fn observation(graph: &mut Graph, task: &Task) -> Value {
    let observation = graph.input("observation", &[task.observation_size as i64]);
    let (mean, std) = (graph.floats(&task.observation_mean), graph.floats(&task.observation_std));
    let centred = graph.sub(&observation, &mean);
    graph.op("Div", &[&centred, &std], &[])
}

/// A head's outputs.
pub(super) struct Heads {
    /// Where a return is asked for.
    pub(super) asked: Value,
    /// Where none is; `None` where guidance needs them not.
    pub(super) free: Option<Value>,
}

/// free + guidance (asked − free).
fn guided(graph: &mut Graph, asked: &Value, free: &Value, guidance: f64) -> Value {
    let guidance = graph.floats(&[guidance as f32]);
    let more = graph.sub(asked, free);
    let more = graph.mul(&more, &guidance);
    graph.add(free, &more)
}

/// The output `action` for a head's outputs, in the environment's units or as the index of a choice. Returns the action's
/// token: scaled to [−1, 1], or one-hot.
pub(super) fn action(graph: &mut Graph, task: &Task, heads: &Heads, guidance: f64) -> Value {
    match &task.action {
        ActionSpace::Continuous { low, high } => {
            let middle: Vec<f32> = low.iter().zip(high).map(|(l, h)| 0.5 * l + 0.5 * h).collect();
            let half: Vec<f32> = low.iter().zip(high).map(|(l, h)| 0.5 * (h - l)).collect();
            let [middle, half, least, most] = [&middle, &half, low, high].map(|floats| graph.floats(floats));
            let mut token = graph.op("Tanh", &[&heads.asked], &[]);
            if let Some(free) = &heads.free {
                let free = graph.op("Tanh", &[free], &[]);
                token = guided(graph, &token, &free, guidance);
                let [least, most] = [-1.0, 1.0].map(|x| graph.floats(&[x]));
                token = graph.op("Max", &[&token, &least], &[]);
                token = graph.op("Min", &[&token, &most], &[]);
            }
            let scaled = graph.mul(&token, &half);
            let action = graph.add(&scaled, &middle);
            let action = graph.op("Max", &[&action, &least], &[]);
            let action = graph.op("Min", &[&action, &most], &[]);
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
                let choice = graph.op("ArgMax", &[&logits], &attributes);
                let each = graph.ints(&(0..choices as i64).collect::<Vec<_>>());
                let chosen = graph.op("Equal", &[&choice, &each], &[]);
                tokens.push(graph.cast(&chosen, FLOAT));
                indices.push(choice);
                first += choices as i64;
            }
            if let ActionSpace::Discrete { .. } = task.action {
                let choice = graph.row(&indices[0], 0);
                graph.output("action", &choice, "int64", &[]);
            } else {
                let action = graph.concat(&indices);
                graph.output("action", &action, "int64", &[indices.len() as i64]);
            }
            graph.concat(&tokens)
        }
    }
}
