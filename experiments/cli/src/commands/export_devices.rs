//! `aaren export --int8` and `--c`: policies for small devices.

use std::path::Path;

use aaren_runs::output;
use aaren_spec::write;
use aaren_streaming::{CFile, Quantised, c_file, quantise};
use anyhow::{Context, Result};
use serde_json::json;

use super::evaluate::policy_path;

/// Writes an int8 policy file, and says what rounding did to each matrix.
pub fn int8(policy: &Path, out: &Path, json: bool) -> Result<()> {
    let path = policy_path(policy)?;
    let original = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let Quantised { bytes, rounding } = quantise(&original).with_context(|| path.display().to_string())?;
    write(out, &bytes)?;
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
pub fn c(policy: &Path, name: &str, out: &Path, json: bool) -> Result<()> {
    let path = policy_path(policy)?;
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let CFile { source, constant_bytes } =
        c_file(&bytes, name).with_context(|| path.display().to_string())?;
    write(out, source.as_bytes())?;
    if json {
        return Ok(output::print(json!({"file": out, "name": name, "constant_bytes": constant_bytes}))?);
    }
    output::print(format_args!(
        "{}: {constant_bytes} bytes of constants; {name}_state, {name}_reset, {name}_act",
        out.display()
    ))?;
    Ok(())
}
