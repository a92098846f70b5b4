//! The agents that an entry of `policies` can name, and how the settings of each are read.

use std::sync::{PoisonError, RwLock};

use aaren_format::{
    AgentConfig, AgentSettings, CloningConfig, DecisionConfig, EncoderKind, IqlConfig, Optimisation,
    Td3BcConfig,
};

use crate::Error;
use crate::entry::{Own, Shared, decision_keys};
use crate::field::Fields;
use crate::keys::keys_of;

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub name: &'static str,
    /// Keys of its settings.
    keys: fn() -> Vec<&'static str>,
    /// Its settings, from its own entry and the sections, where the entry's name may be that of an encoder.
    pub read: for<'a> fn(&Shared<'a>, &Fields<'a>, Option<EncoderKind>) -> Result<AgentConfig, Error>,
    /// What it is trained with unless its entry says otherwise; `None` where `train` does.
    pub optimisation: Option<Optimisation>,
}

/// The agents of this project.
const AGENTS: [Kind; 4] = [
    Kind {
        name: DecisionConfig::NAME,
        keys: decision_keys,
        read: |shared, own, named| shared.decision(own, named),
        optimisation: None,
    },
    Kind::of::<CloningConfig>(),
    Kind::of::<IqlConfig>(),
    Kind::of::<Td3BcConfig>(),
];

/// Those of others.
static REGISTERED: RwLock<Vec<Kind>> = RwLock::new(Vec::new());

impl Kind {
    const fn of<T: AgentSettings>() -> Kind {
        Kind {
            name: T::NAME,
            keys: || keys_of::<T>().to_vec(),
            read: |shared, own, _| shared.other::<T>(own),
            optimisation: T::OPTIMISATION,
        }
    }

    /// The keys that mean something in its entry.
    pub fn takes(&self) -> Vec<&'static str> {
        [keys_of::<Own>().to_vec(), (self.keys)()].concat()
    }
}

/// Makes the keys of an agent known, in the place of one of the same name; what learns is made known by
/// `aaren_agents::register`.
pub fn register<T: AgentSettings>() {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered.retain(|kind| kind.name != T::NAME);
    registered.push(Kind::of::<T>());
}

/// All of them; a registered one comes first.
pub(crate) fn all() -> Vec<Kind> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.iter().chain(&AGENTS).copied().collect()
}

/// The agent of that name.
pub(crate) fn named(name: &str) -> Option<Kind> {
    all().into_iter().find(|kind| kind.name == name)
}

/// The keys of any of them.
pub(crate) fn all_keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for key in all().iter().flat_map(Kind::takes) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}
