//! Where everything of an experiment lies: the one place that spells its paths.

use std::path::{Path, PathBuf};

use crate::Error;

/// The results folder of one experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentFolder(PathBuf);

impl ExperimentFolder {
    /// Of the experiment of that name.
    pub fn of(results: &Path, name: &str) -> Self {
        Self(results.join(name))
    }

    /// One that is known by its path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder that holds this one.
    pub fn above(&self) -> PathBuf {
        // The path of `.` or `..` does not spell what holds it.
        match self.0.parent().filter(|_| self.0.file_name().is_some()) {
            Some(above) if above.as_os_str().is_empty() => ".".into(),
            Some(above) => above.to_owned(),
            None => self.0.join(".."),
        }
    }

    /// The folder that holds this and other experiments' results.
    pub fn results(&self) -> PathBuf {
        let above = Self(self.above());
        if above.grid().is_file() { above.above() } else { above.0 }
    }

    /// What a grid varies, in the folder that holds the folders of its experiments.
    pub fn grid(&self) -> PathBuf {
        self.0.join("grid.json")
    }

    /// What the grid varies that this experiment belongs to: `train.learning_rate 1e-3, context.train 20`.
    pub fn varied(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Grid {
            experiments: Vec<Varied>,
        }
        #[derive(serde::Deserialize)]
        struct Varied {
            name: String,
            varied: Vec<(String, String)>,
        }
        let text = std::fs::read(Self(self.0.parent()?.to_owned()).grid()).ok()?;
        let grid: Grid = serde_json::from_slice(&text).ok()?;
        let own = grid
            .experiments
            .into_iter()
            .find(|own| self.0.file_name().is_some_and(|name| *name == *own.name))?;
        let said = own.varied.iter().map(|(key, value)| format!("{key} {value}"));
        Some(said.collect::<Vec<_>>().join(", ")).filter(|said| !said.is_empty())
    }

    /// Every default written out.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.yaml")
    }

    /// What it costs to act with its policies.
    pub fn costs(&self) -> PathBuf {
        self.0.join("costs.json")
    }

    /// The summary of all runs.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }

    /// Held by the process that writes the spec or the report.
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// The policy and the seed of every run whose folder is there, in the order of their names.
    pub fn runs_there(&self) -> Vec<(String, u64)> {
        let mut found: Vec<_> = (std::fs::read_dir(&self.0).into_iter().flatten().flatten())
            .filter_map(|inside| {
                let name = inside.file_name();
                let (policy, seed) = name.to_str()?.rsplit_once("-seed")?;
                Some((policy.to_owned(), seed.parse().ok()?))
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// The folder of one run.
    pub fn run(&self, policy: &str, seed: u64) -> RunFolder {
        RunFolder(self.0.join(format!("{policy}-seed{seed}")))
    }
}

/// The folder of one policy and seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// One that is known by its path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of its experiment, which holds it.
    pub fn experiment(&self) -> ExperimentFolder {
        ExperimentFolder(ExperimentFolder::at(&self.0).above())
    }

    /// Its part of the experiment.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.yaml")
    }

    /// What it goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// What it learned.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.safetensors")
    }

    /// What it had learned at each evaluation, where that is kept.
    pub fn policies(&self) -> PathBuf {
        self.0.join("policies")
    }

    /// The policy that was evaluated after so many updates.
    pub fn kept(&self, update: u64) -> PathBuf {
        self.policies().join(format!("update-{update}.safetensors"))
    }

    /// The updates whose policies are kept, in order.
    pub fn kept_updates(&self) -> Vec<u64> {
        let names = std::fs::read_dir(self.policies()).into_iter().flatten();
        let update = |name: &str| name.strip_prefix("update-")?.strip_suffix(".safetensors")?.parse().ok();
        let mut updates: Vec<u64> =
            names.filter_map(|entry| update(entry.ok()?.file_name().to_str()?)).collect();
        updates.sort_unstable();
        updates
    }

    /// What it came to, once it is done.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    /// Every episode of every evaluation.
    pub fn evaluations(&self) -> PathBuf {
        self.0.join("evaluations.csv")
    }

    /// Scalars on the way, a JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// Why it stopped, where its loss became NaN or infinite.
    pub fn failure(&self) -> PathBuf {
        self.0.join("failure.txt")
    }

    /// Held by the process that trains it.
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// TensorBoard's events.
    pub fn tensorboard(&self) -> PathBuf {
        self.0.join("tensorboard")
    }
}

/// Where the dataset of a recipe is kept.
pub fn recipe_file(results: &Path, recipe: &str) -> PathBuf {
    results.join("datasets").join(format!("{recipe}.hdf5"))
}

/// Writes a file whole, or leaves what stood at `path` unharmed.
///
/// # Errors
/// [`Error::Write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    aaren_datasets::write_whole(path, bytes).map_err(|reason| Error::Write { path: path.to_owned(), reason })
}

/// Writes a file unless that is what it says already.
///
/// # Errors
/// [`Error::Write`].
pub fn write_if_new(path: &Path, text: &str) -> Result<(), Error> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    write(path, text.as_bytes())
}

/// Makes a folder and those above it that are missing.
///
/// # Errors
/// [`Error::Folder`], which names a link that leads nowhere.
pub fn make_folder(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|reason| {
        let nowhere = path.ancestors().find_map(|above| Some((above, dangling(above)?)));
        let reason = match nowhere {
            Some((above, link)) if above == path => link,
            Some((above, link)) => format!("{} {link}", above.display()),
            None => reason.to_string(),
        };
        Error::Folder { path: path.to_owned(), reason }
    })
}

/// What to say of a link that leads nowhere; `None` of everything else.
pub(crate) fn dangling(path: &Path) -> Option<String> {
    let leads = std::fs::read_link(path).ok().filter(|_| !path.exists())?;
    let leads = leads.display().to_string().replace(char::is_control, "?");
    Some(format!("is a link to {leads}, which is not there; make that, or remove the link"))
}
