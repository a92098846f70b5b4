//! `aaren export`: a policy in the form of another runtime.

use std::path::{Path, PathBuf};

use aaren_agents::PolicyFile;
use aaren_streaming::{CFile, Quantised, c_file, quantise};
use anyhow::{Context, Result};
use serde_json::json;

use super::evaluate::policy_path;
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
row, a third to a half of the size. Rust, C and Python act from it. Compare
returns before you rely on it: aaren compare --int8.

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
            (Some(policy), _) => int8(policy, &out("policy-int8.safetensors"), args.json),
            (None, Some(policy)) => c(policy, &args.name, &out(&format!("{}.h", args.name)), args.json),
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

/// Writes an int8 policy file, and says what rounding did to each matrix.
fn int8(policy: &Path, out: &Path, json: bool) -> Result<()> {
    let path = policy_path(policy)?;
    let original = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let Quantised { bytes, rounding } = quantise(&original).with_context(|| path.display().to_string())?;
    aaren_spec::write(out, &bytes)?;
    if json {
        let matrices: Vec<_> = (rounding.iter())
            .map(|r| json!({"name": r.name, "rows": r.rows, "columns": r.columns, "error": r.error}))
            .collect();
        let sizes = json!({"float32": original.len(), "int8": bytes.len()});
        return Ok(output::print(json!({"file": out, "bytes": sizes, "matrices": matrices}))?);
    }
    output::print(format_args!("{}: {} bytes, of {}", out.display(), bytes.len(), original.len()))?;
    for r in &rounding {
        let shape = format!("{} × {}", r.rows, r.columns);
        output::print(format_args!("  {:<32} {shape:>12}   error {:.2} %", r.name, 100.0 * r.error))?;
    }
    output::print(
        "error: ‖W − Ŵ‖ / ‖W‖, what rounding adds to a product; returns decide: aaren compare --int8",
    )?;
    Ok(())
}

/// Writes a C99 header.
fn c(policy: &Path, name: &str, out: &Path, json: bool) -> Result<()> {
    let path = policy_path(policy)?;
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let CFile { source, constant_bytes } =
        c_file(&bytes, name).with_context(|| path.display().to_string())?;
    aaren_spec::write(out, source.as_bytes())?;
    if json {
        return Ok(output::print(json!({"file": out, "name": name, "constant_bytes": constant_bytes}))?);
    }
    output::print(format_args!(
        "{}: {constant_bytes} bytes of constants; {name}_state, {name}_reset, {name}_act",
        out.display()
    ))?;
    Ok(())
}
