//! `aaren export`: a policy in the form of another runtime.

use std::path::PathBuf;

use aaren_agents::PolicyFile;
use anyhow::Result;
use serde_json::json;

use super::evaluate::policy_path;
use super::export_devices;
use crate::onnx::{self, OPSET, Port};
use aaren_runs::output;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("form").required(true).args(["onnx", "int8", "c"])))]
#[command(after_help = "Examples:
  aaren export --onnx results/hopper/aaren-seed0 --out step.onnx
  aaren export --int8 results/hopper/aaren-seed0 --out small.safetensors
  aaren export --c small.safetensors --name hopper --out hopper.h

--onnx writes a model of one step: state in, state out. You keep the
return-to-go (the target return less the rewards so far) and the timestep, and
hand every `next.X` back as `state.X`. At timestep 0 the state may hold
anything. A Transformer and roll-outs in a window have no such step, and are
refused.

--int8 writes a policy file whose matrices are bytes with one scale for each
row, a quarter of the size. Rust, C and Python act from it. Compare returns
before you rely on it: aaren compare --int8.

--c writes a C99 header that needs nothing else, float32 or int8 as the file
is: NAME_state, NAME_reset and NAME_act. A Transformer is refused.")]
pub struct Args {
    /// Policy to write as an ONNX model: a policy.safetensors, or the folder of a run that holds one.
    #[arg(long, value_name = "POLICY")]
    pub onnx: Option<PathBuf>,
    /// Policy to write as a policy file with int8 matrices.
    #[arg(long, value_name = "POLICY")]
    pub int8: Option<PathBuf>,
    /// Policy to write as a C99 header.
    #[arg(long, value_name = "POLICY")]
    pub c: Option<PathBuf>,
    /// Prefix of the declarations in the C header.
    #[arg(long, default_value = "policy", requires = "c")]
    pub name: String,
    /// File to write; unless given, step.onnx, policy-int8.safetensors or NAME.h.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub fn run(args: &Args) -> Result<()> {
    let out = |usual: &str| args.out.clone().unwrap_or_else(|| usual.into());
    let Some(policy) = &args.onnx else {
        return match (&args.int8, &args.c) {
            (Some(policy), _) => export_devices::int8(policy, &out("policy-int8.safetensors"), args.json),
            (None, Some(policy)) => {
                export_devices::c(policy, &args.name, &out(&format!("{}.h", args.name)), args.json)
            }
            // The parser asks for one of the three.
            (None, None) => Ok(()),
        };
    };
    let out = out("step.onnx");
    let path = policy_path(policy)?;
    let policy = PolicyFile::load(&path)?;
    let step = onnx::step(&policy, &path)?;
    aaren_spec::write(&out, &step.model)?;
    if args.json {
        let ports = json!({"inputs": step.inputs, "outputs": step.outputs});
        return Ok(output::print(json!({"file": out, "opset": OPSET, "ports": ports}))?);
    }
    output::print(format_args!("{}: opset {OPSET}, {} bytes", out.display(), step.model.len()))?;
    for (what, ports) in [("in ", &step.inputs), ("out", &step.outputs)] {
        for Port { name, element, shape } in ports {
            let shape: String = shape.iter().map(|size| format!(", {size}")).collect();
            output::print(format_args!("  {what} {name:<16} {element} [n{shape}]"))?;
        }
    }
    Ok(())
}
