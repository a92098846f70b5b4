//! `policies:` a name, or a name with what differs from `model`, `context` and, of `train`, `updates`, `batch`,
//! `learning_rate` and `precision`.

use std::collections::HashSet;

use aaren_envs::nearest;
use aaren_format::{AgentSettings, DecisionConfig, EncoderKind};

use super::agents;
use super::entry::{Own, OwnEncoder, Shared};
use super::error::{Error, brief, list};
use super::field::{Field, Fields};
use super::keys::keys_of;
use super::policy::PolicySpec;
use super::values::{FOLDER_NAME, is_folder_name};

/// The policies where there is no list.
const DEFAULT: [EncoderKind; 2] = [EncoderKind::Aaren, EncoderKind::Transformer];

impl<'a> Shared<'a> {
    /// The policies of the list at `policies`.
    pub fn policies(&self, root: &Fields<'a>) -> Result<Vec<PolicySpec>, Error> {
        let Some(list) = root.get("policies") else {
            let own = Fields::none("policies", root.place);
            return DEFAULT.iter().map(|encoder| self.policy(encoder.name(), &own)).collect();
        };
        let mut names = HashSet::new();
        let items = list.items("a list of policies such as `[aaren, transformer]`")?;
        let policies = items.iter().map(|item| {
            let policy = self.entry(item)?;
            // Results folders: some file systems do not tell upper from lower case.
            if names.insert(policy.name.to_lowercase()) {
                return Ok(policy);
            }
            let found = format!("a second policy called `{}`", policy.name);
            Err(item.invalid_as(found, "a name of its own for each policy", Some("rename one of them")))
        });
        policies.collect()
    }

    fn entry(&self, item: &Field<'a>) -> Result<PolicySpec, Error> {
        let Some(map) = item.map() else {
            let encoders = EncoderKind::ALL.map(EncoderKind::name);
            let word = item.text().unwrap_or_default();
            if encoders.contains(&word) {
                return self.policy(word, &Fields::none(&item.path, &item.node.place));
            }
            let cure = nearest(word, encoders).map(|name| format!("did you mean `{name}`?"));
            return Err(item.invalid(&expected_entry(), cure.as_deref()));
        };
        let [(entry, own)] = map.entries.as_slice() else {
            let cure = "indent what differs below the name, one `- name: {…}` for each policy";
            return Err(item.invalid_as("a map of several keys".into(), &expected_entry(), Some(cure)));
        };
        let own = own.fields_among(&agents::all_keys())?;
        if !is_folder_name(&entry.key) {
            let found = format!("the name `{}`", brief(&entry.key));
            return Err(item.invalid_as(found, FOLDER_NAME, None));
        }
        self.policy(&entry.key, &own)
    }

    /// The policy `name` of which `own` says what differs.
    fn policy(&self, name: &str, own: &Fields<'a>) -> Result<PolicySpec, Error> {
        let known = agents::all();
        let kind = match own.get("agent") {
            None => known.iter().find(|kind| kind.name == DecisionConfig::NAME),
            Some(field) => {
                let (names, word) = (known.iter().map(|kind| kind.name), field.text().unwrap_or_default());
                let cure = nearest(word, names.clone()).map(|name| format!("did you mean `{name}`?"));
                let expected = || format!("one of {}", list(&names.collect::<Vec<_>>()));
                let kind = known.iter().find(|kind| kind.name == word);
                Some(kind.ok_or_else(|| field.invalid(&expected(), cure.as_deref()))?)
            }
        };
        let kind = kind.expect("the decision agent is one of this crate's");
        let said: Own = own.only(|key| keys_of::<Own>().contains(&key)).read()?;
        let takes = kind.takes();
        if let Some((_, field)) = own.entries.iter().find(|(entry, _)| !takes.contains(&entry.key.as_str())) {
            let expected = format!("no such key in a policy of `agent: {}`", kind.name);
            return Err(field.invalid(&expected, Some("remove it: it means nothing there")));
        }
        let named = EncoderKind::ALL.into_iter().find(|encoder| encoder.name() == name);
        if named.is_some() && kind.name != DecisionConfig::NAME {
            self.as_called(name, own, "agent", DecisionConfig::NAME)?;
        }
        let precision = own.only(|key| key == "precision").read::<OwnEncoder>()?.precision;
        let agent = (kind.read)(self, own, named)?;
        let precision = agent.encoder().map(|_| precision.unwrap_or(self.train.precision));
        Ok(PolicySpec {
            name: name.to_owned(),
            agent,
            updates: said.updates.unwrap_or(self.train.updates),
            batch: said.batch.unwrap_or(kind.optimisation.map_or(self.train.batch, |its| its.batch)),
            learning_rate: said
                .learning_rate
                .unwrap_or(kind.optimisation.map_or(self.train.learning_rate, |its| its.learning_rate)),
            precision: precision.unwrap_or_default(),
        })
    }
}

fn expected_entry() -> String {
    let encoders = EncoderKind::ALL.map(|encoder| format!("`{encoder}`")).join(", ");
    format!(
        "a policy: {encoders}, or a name with what differs, `- aaren-small: {{encoder: aaren, width: 64}}`"
    )
}
