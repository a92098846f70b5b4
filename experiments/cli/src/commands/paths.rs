//! Paths as a shell passes them on, and those in a folder.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;

/// `--results=~/x` with the home folder in it: a shell expands the tilde at the beginning of a word only.
///
/// # Errors
/// [`Refusal`] of another user's home folder, and where there is none.
pub fn at_home(argument: OsString) -> Result<OsString, Refusal> {
    let bytes = argument.as_bytes();
    let option = bytes.starts_with(b"--").then(|| bytes.iter().position(|&byte| byte == b'=')).flatten();
    let Some((option, value)) = option.map(|at| bytes.split_at(at + 1)) else { return Ok(argument) };
    let Some(rest) = value.strip_prefix(b"~") else { return Ok(argument) };
    match std::env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) if rest.is_empty() || rest.starts_with(b"/") => {
            Ok(OsString::from_vec([option, home.as_bytes(), rest].concat()))
        }
        _ => {
            let name = String::from_utf8_lossy(&option[..option.len() - 1]);
            let value = String::from_utf8_lossy(value);
            Err(Refusal(format!(
                "{name}={value}: found `~`, expected a path without it here; write `{name} {value}`, which the shell expands"
            )))
        }
    }
}

/// What lies right in a folder, by name.
///
/// # Errors
/// Where the folder cannot be read.
pub fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_home_where_a_shell_left_it() {
        let home = std::env::var("HOME").unwrap();
        let of = |text: &str| at_home(text.into()).map(|it| it.into_string().unwrap()).map_err(|it| it.0);
        assert_eq!(of("--results=~/x").unwrap(), format!("--results={home}/x"));
        assert_eq!(of("--out=~").unwrap(), format!("--out={home}"));
        for untouched in ["~", "--results", "--results=x/~", "--set=name=~", "x=~/y"] {
            assert_eq!(of(untouched).unwrap(), untouched);
        }
        assert!(of("--results=~root/x").unwrap_err().contains("write `--results ~root/x`"));
    }
}
