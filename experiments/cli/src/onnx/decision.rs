//! The decision agent: the previous action, the return-to-go and the observation as tokens, through the blocks.

use aaren_agents::Task;
use aaren_format::{Decision, Layout, Norm, Positions, Regime};
use anyhow::Result;

use super::asked::Asked;
use super::graph::{Graph, Value};
use super::{head, mixer};
use crate::refusal::Refusal;

/// `observation`, `return_to_go` (in the environment's units), `timestep` (from 0) and `state.…` → `action` and
/// `next.…`; where a timestep is one token that holds what came before, `reward` too. Where the head alone hears what is
/// asked for, an infinite `return_to_go` asks for the most that can be had. At timestep 0, and where a regime forgets, what the state holds does not matter.
pub(super) fn step(graph: &Graph, decision: &Decision, task: &Task) -> Result<()> {
    let Decision { model, layout, max_timesteps, context, return_scale, .. } = decision;
    let states = mixer::States::new(model)?;
    let forgets_every = match context.regime {
        Regime::Unbounded => None,
        Regime::Reset(timesteps) => Some(timesteps as i64),
        Regime::Window(_) | Regime::Sliding(_) => {
            let found = "it recomputes or drops past timesteps, and an ONNX step has a state of one size";
            let regime = context.regime;
            let cure = "export a policy that was trained with `rollout: unbounded` or `reset`";
            return Err(Refusal(format!("roll-out {regime}: {found}; {cure}")).into());
        }
    };
    let actions = task.action.size() as i64;

    let observation = head::observation(graph, task);
    let return_to_go = graph.input("return_to_go", &[]);
    let timestep = graph.count("timestep");
    let zero = graph.ints(&[0]);
    let since = match forgets_every {
        None => timestep.clone(),
        Some(timesteps) => graph.op("Mod", &[&timestep, &graph.ints(&[timesteps])]),
    };
    // `[n, 1]`, to choose between rows of states.
    let begins = graph.unsqueeze(&graph.op("Equal", &[&since, &zero]), 1);

    let table = match model.positions {
        Positions::Timestep => Some(graph.tensor(graph.weight("embed.timestep.weight")?)),
        Positions::None | Positions::Rotary | Positions::Alibi => None,
    };
    let asked = Asked::new(graph, decision, &timestep);
    let embedded = |x: &Value, name: &str, timestep: &Value| -> Result<Value> {
        let mut token = graph.layer(x, name)?;
        if let Some(table) = &table {
            let known = graph.op("Min", &[timestep, &graph.ints(&[*max_timesteps as i64 - 1])]);
            token = graph.add(&token, &graph.op("Gather", &[table, &known]));
        }
        graph.norm(&token, "embed.norm")
    };
    let scale = graph.floats(&[*return_scale as f32]);
    let scaled = graph.unsqueeze(&graph.op("Div", &[&return_to_go, &scale]), 1);
    let action = model.past_actions.then(|| graph.input("state.action", &[actions]));
    let mut tokens = Vec::new();
    if *layout != Layout::Separate {
        let mut inputs = vec![observation.clone()];
        if !layout.in_head() {
            inputs.push(asked.of(graph, &scaled));
        }
        if let Some(action) = &action {
            let reward = graph.input("reward", &[]);
            let share = graph.floats(&[(*max_timesteps as f64 / return_scale) as f32]);
            let reward = graph.unsqueeze(&graph.mul(&reward, &share), 1);
            // At an episode's start nothing came before.
            let past = graph.concat(&[reward, action.clone()]);
            let (first, none) = (graph.op("Equal", &[&timestep, &zero]), graph.floats(&[0.0]));
            let first = graph.unsqueeze(&first, 1);
            inputs.push(graph.op("Where", &[&first, &none, &past]));
        }
        tokens.push(embedded(&graph.concat(&inputs), "embed.token", &timestep)?);
    } else if let Some(action) = &action {
        let before = graph.sub(&timestep, &graph.ints(&[1]));
        let before = graph.op("Max", &[&before, &zero]);
        tokens.push(embedded(action, "embed.action", &before)?);
    }
    if *layout == Layout::Separate {
        tokens.push(embedded(&scaled, "embed.return", &timestep)?);
        tokens.push(embedded(&observation, "embed.state", &timestep)?);
    }

    let last = tokens.len() - 1;
    let mut x = graph.stack(&tokens);
    let before = states.take_in(graph);
    let mut after = Vec::new();
    for n in 0..model.layers {
        let block = format!("blocks.{n}");
        let part = |part: &str| format!("{block}.{part}");
        let input = match model.norm {
            Norm::Pre => graph.norm(&x, &part("norm1"))?,
            Norm::Post => x.clone(),
        };
        let before = before.iter().map(|part| graph.row(part, n)).collect();
        let layer = mixer::Layer {
            graph,
            model,
            states: &states,
            block: &block,
            tokens: last + 1,
            begins: &begins,
            since: &since,
        };
        let (mixed, state) = layer.mix(&input, before)?;
        after.push(state);
        x = graph.add(&x, &mixed);
        if n + 1 == model.layers {
            // Nobody needs more of the other tokens than their part of the state.
            x = graph.row(&x, last);
        }
        let input = match model.norm {
            Norm::Pre => graph.norm(&x, &part("norm2"))?,
            Norm::Post => {
                x = graph.norm(&x, &part("norm1"))?;
                x.clone()
            }
        };
        let hidden = graph.gelu(&graph.layer(&input, &part("mlp.up"))?);
        x = graph.add(&x, &graph.layer(&hidden, &part("mlp.down"))?);
        if model.norm == Norm::Post {
            x = graph.norm(&x, &part("norm2"))?;
        }
    }
    if model.norm == Norm::Pre {
        x = graph.norm(&x, "norm")?;
    }
    let out = asked.read(graph, decision, &x, &return_to_go, &scaled)?;
    let token = head::action(graph, task, &out, decision.guidance);
    if model.past_actions {
        graph.output("next.action", &token, "float32", &[actions]);
    }
    states.give_out(graph, &after);
    Ok(())
}
