//! Which runs are meant: `POLICY`, `POLICY:SEED`, and in a grid `EXPERIMENT/POLICY:SEED`.

use std::fmt;
use std::str::FromStr;

use aaren_spec::{Spec, nearest};

use crate::Error;

/// A policy with all of its seeds, or with one; in a grid of all experiments, or of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    experiment: Option<String>,
    policy: String,
    seed: Option<u64>,
}

impl Part {
    /// One run; in a grid, of that experiment.
    pub fn run(experiment: Option<&str>, policy: &str, seed: u64) -> Self {
        Self { experiment: experiment.map(Into::into), policy: policy.to_owned(), seed: Some(seed) }
    }

    /// In a grid, its experiment.
    pub fn experiment(&self) -> Option<&str> {
        self.experiment.as_deref()
    }

    /// Whether it belongs to what is asked for; no parts mean all.
    pub fn is_among(&self, asked: &[Part]) -> bool {
        asked.is_empty() || asked.iter().any(|part| part.contains(self))
    }

    /// Whether all of `other` belongs to it.
    fn contains(&self, other: &Part) -> bool {
        self.experiment.as_ref().is_none_or(|own| other.experiment.as_ref() == Some(own))
            && self.policy == other.policy
            && self.seed.is_none_or(|own| other.seed == Some(own))
    }
}

/// Refuses parts that are of none of these experiments.
pub(crate) fn check_all(parts: &[Part], specs: &[&Spec]) -> Result<(), Error> {
    parts.iter().try_for_each(|part| check(part, specs.to_vec()))
}

fn check(part: &Part, mut specs: Vec<&Spec>) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Refused(format!("--only {part}: {reason}")));
    let one_of = |kind: &str, word: &str, names: &[&str]| {
        let cure = match nearest(word, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        refused(format!("there is no {kind} `{word}`; {cure}"))
    };
    if let Some(name) = &part.experiment {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        if !names.contains(&name.as_str()) {
            return one_of("experiment", name, &names);
        }
        specs.retain(|spec| spec.name == *name);
    }
    // Policies and seeds are the same in all cells of a grid.
    let Some(spec) = specs.first() else { return Ok(()) };
    let names: Vec<&str> = spec.policies.iter().map(|policy| policy.name.as_str()).collect();
    if !names.contains(&part.policy.as_str()) {
        return one_of("policy", &part.policy, &names);
    }
    match part.seed.filter(|seed| !spec.seeds.contains(seed)) {
        Some(seed) => refused(format!("there is no seed {seed}; there are {:?}", spec.seeds)),
        None => Ok(()),
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("found {text:?}, expected POLICY or POLICY:SEED such as aaren:0");
        let (experiment, run) = match text.rsplit_once('/') {
            Some((experiment, run)) => (Some(experiment), run),
            None => (None, text),
        };
        let (policy, seed) = match run.split_once(':') {
            Some((policy, seed)) => (policy, Some(seed.parse().map_err(|_| expected())?)),
            None => (run, None),
        };
        if policy.is_empty() || experiment.is_some_and(str::is_empty) {
            return Err(expected());
        }
        Ok(Self { experiment: experiment.map(Into::into), policy: policy.to_owned(), seed })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(experiment) = &self.experiment {
            write!(f, "{experiment}/")?;
        }
        f.write_str(&self.policy)?;
        self.seed.map_or(Ok(()), |seed| write!(f, ":{seed}"))
    }
}
