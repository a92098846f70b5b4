//! Which runs of an experiment are meant: `POLICY` or `POLICY:SEED`.

use std::fmt;
use std::str::FromStr;

use crate::Refusal;
use crate::experiment::{Spec, nearest};

/// A policy of an experiment with all of its seeds, or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    policy: String,
    seed: Option<u64>,
}

impl Part {
    /// One run.
    pub fn run(policy: &str, seed: u64) -> Self {
        Self { policy: policy.to_owned(), seed: Some(seed) }
    }

    /// Whether a run belongs to it.
    pub fn contains(&self, policy: &str, seed: u64) -> bool {
        self.policy == policy && self.seed.is_none_or(|own| own == seed)
    }

    /// Refuses a part that an experiment does not have.
    pub(super) fn check(&self, spec: &Spec) -> Result<(), Refusal> {
        let names: Vec<&str> = spec.policies.iter().map(|policy| policy.name.as_str()).collect();
        if !names.contains(&self.policy.as_str()) {
            let cure = match nearest(&self.policy, names.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("it has {}", names.join(", ")),
            };
            return Err(Refusal(format!("--only {self}: {} has no such policy; {cure}", spec.name)));
        }
        match self.seed.filter(|seed| !spec.seeds.contains(seed)) {
            Some(seed) => {
                let seeds = &spec.seeds;
                Err(Refusal(format!("--only {self}: {} has no seed {seed}; its seeds: {seeds:?}", spec.name)))
            }
            None => Ok(()),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("found {text:?}, expected POLICY or POLICY:SEED such as aaren:0");
        let (policy, seed) = match text.split_once(':') {
            Some((policy, seed)) => (policy, Some(seed.parse().map_err(|_| expected())?)),
            None => (text, None),
        };
        if policy.is_empty() { Err(expected()) } else { Ok(Self { policy: policy.to_owned(), seed }) }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.policy)?;
        self.seed.map_or(Ok(()), |seed| write!(f, ":{seed}"))
    }
}
