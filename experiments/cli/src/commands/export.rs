//! `aaren export`: a policy in the form of another runtime.

use std::path::PathBuf;

use aaren_agents::PolicyFile;
use anyhow::Result;
use serde_json::json;

use super::evaluate::policy_path;
use crate::onnx::{self, OPSET, Port};
use aaren_runs::output;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  aaren export --onnx results/demo/aaren-seed0 --out step.onnx

The model is one step: state in, state out. A caller keeps return-to-go (the target return less the rewards so far) and
timestep, and hands every `next.X` back as `state.X`; at timestep 0 the state may hold anything. Policies whose memory
grows or is recomputed (a Transformer's, and roll-outs in a window) have no such step and are refused.")]
pub struct Args {
    /// Policy to write as an ONNX model: a policy.safetensors, or the folder of a run that holds one.
    #[arg(long, required = true, value_name = "POLICY")]
    pub onnx: PathBuf,
    /// Where to write.
    #[arg(long, default_value = "step.onnx")]
    pub out: PathBuf,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let path = policy_path(&args.onnx)?;
    let policy = PolicyFile::load(&path)?;
    let step = onnx::step(&policy, &path)?;
    aaren_spec::write(&args.out, &step.model)?;
    if args.json {
        let ports = json!({"inputs": step.inputs, "outputs": step.outputs});
        return Ok(output::print(json!({"file": args.out, "opset": OPSET, "ports": ports}))?);
    }
    output::print(format_args!("{}: opset {OPSET}, {} bytes", args.out.display(), step.model.len()))?;
    for (what, ports) in [("in ", &step.inputs), ("out", &step.outputs)] {
        for Port { name, element, shape } in ports {
            let shape: String = shape.iter().map(|size| format!(", {size}")).collect();
            output::print(format_args!("  {what} {name:<16} {element} [n{shape}]"))?;
        }
    }
    Ok(())
}
