//! What a dataset says of itself, beside its numbers: its environment, its action space, and how it was read.

use std::path::Path;

use aaren_envs::{EnvSpec, OfData};

use crate::Error;
use crate::space::Space;

/// What a file says of its data.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Id of the environment that they are of.
    pub(crate) env: Option<String>,
    pub(crate) action_space: Option<Space>,
    /// How it was read where that is not plain, a line each.
    pub(crate) notes: Vec<String>,
}

impl Said {
    /// Refuses the data of another environment.
    pub(crate) fn check_env(&mut self, path: &Path, env: &EnvSpec) -> Result<(), Error> {
        let Some(said) = &self.env else { return Ok(()) };
        if env.of_data == OfData::Ignore || *said == env.id {
            return Ok(());
        }
        if same_task(said, &env.id) {
            let note = format!("data of {said}, used for {}", env.id);
            self.notes.push(note);
            return Ok(());
        }
        let (found, expected) = (format!("data of {said}"), format!("data of {}", env.id));
        let cure = format!(
            "write `env: {said}`, or `env: {{id: {}, of_data: ignore}}` to use them all the same",
            env.id
        );
        Err(Error::content(path, "env_id", found, format!("{expected}; {cure}")))
    }
}

/// Whether two ids are of one environment, whatever its version; the name of a D4RL dataset is of the environment that
/// its first word names (`hopper-medium-v2` of `Hopper-v4`).
fn same_task(said: &str, env: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let name = |id: &str| {
        let id = id.rsplit(['/', ':']).next().unwrap_or(id);
        plain(id.rsplit_once("-v").map_or(id, |(name, _)| name))
    };
    let first = |id: &str| plain(id.split('-').next().unwrap_or(id));
    name(said) == name(env) || first(said) == name(env) || name(said) == first(env)
}
