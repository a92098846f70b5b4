//! Plays what a run has learned: in an evaluation on the way, or anew after its training.

use aaren_agents::PolicyFile;
use aaren_datasets::Dataset;
use aaren_envs::reference_scores;
use aaren_format::{Network, Target};
use aaren_spec::{Evaluated, FixedPrimary, Keep, Protocol, RunResult};
use aaren_streaming::Policy;
use indicatif::ProgressBar;

use crate::evaluation::Evaluation;
use crate::interrupt::{self, Interrupted};
use crate::metrics::{self, Metrics};
use crate::record::Record;
use crate::run::Run;
use crate::{Error, Result, held_out, output, provenance};

impl Run<'_> {
    /// Acts with what `source` learned, which is done: they differ in their roll-out only.
    pub fn take_over(&self, source: &Run) -> Result<RunResult> {
        let learned = source.left()?.ok_or_else(|| Error::Refused(format!("{source} is not done")))?;
        output::note(format_args!(
            "{self} acts with the weights of {source}: they differ in their roll-out only"
        ));
        self.write_spec()?;
        let mut metrics = Metrics::open(&self.folder, learned.updates, Some(0))?;
        for record in metrics::records(&source.folder)? {
            if record.values.iter().all(|(tag, _)| tag.starts_with("train/")) {
                metrics.add(&record)?;
            }
        }
        let file = PolicyFile::load(&source.folder.policy())?;
        let result = RunResult {
            policy: self.policy.name.clone(),
            agent: self.policy.agent.clone(),
            evaluations: Vec::new(),
            primary: learned
                .primary
                .map(|fixed| FixedPrimary { protocol: Some(self.protocol(&learned.dataset)), ..fixed }),
            ..learned
        };
        self.play(file, result, metrics)
    }

    /// Plays the policy of a run that is done as the spec says now. What had been played in another way is dropped.
    pub fn play_anew(&self, left: RunResult) -> Result<RunResult> {
        if self.spec.played_in().is_none() {
            return Err(Error::Refused(format!(
                "{self}: trained from data alone under another protocol; choose another --results folder"
            )));
        }
        let (now, then) = (self.protocol(&left.dataset), left.protocol());
        let differences = then.map_or("nothing".into(), |then| then.differences(&now));
        let fixed =
            left.primary.as_ref().filter(|it| it.was_over(&self.spec.name, &self.policy.name, self.seed));
        let refused = match fixed.and_then(|fixed| fixed.played_otherwise(&now)) {
            Some(_) => "; its `primary` endpoint fixed how it is played: `aaren report` will refuse it",
            None => "",
        };
        output::note(format_args!("{self}: trained already, evaluated again: {differences}{refused}"));
        self.write_spec()?;
        let metrics = Metrics::open(&self.folder, left.updates, None)?;
        let result = RunResult { agent: self.policy.agent.clone(), evaluations: Vec::new(), ..left };
        self.play(PolicyFile::load(&self.folder.policy())?, result, metrics)
    }

    /// Plays a trained policy, and those of its earlier evaluations that are kept, and writes what they came to.
    fn play(&self, mut file: PolicyFile, mut result: RunResult, mut metrics: Metrics) -> Result<RunResult> {
        let protocol = self.protocol(&result.dataset);
        let as_played = |file: &mut PolicyFile| {
            file.header.policy.clone_from(&self.policy.name);
            file.header.target_returns.clone_from(&protocol.target_returns);
            if let Network::Decision(decision) = &mut file.header.network {
                decision.context.regime = protocol.rollout;
                decision.guidance = protocol.guidance;
            }
        };
        as_played(&mut file);
        let bar = ProgressBar::hidden();
        let earlier = self.folder.kept_updates().into_iter().filter(|&update| update < result.updates);
        if self.spec.evaluate.keep == Keep::All {
            self.keep(&file, result.updates)?;
        }
        // The simulation is today's; the weights are of the program that trained them.
        result.provenance.mujoco = provenance::here().mujoco;
        result.provenance.python = provenance::of_python(self.spec)?;
        for update in earlier.chain([result.updates]) {
            let mut kept = None;
            if update != result.updates {
                let mut earlier = PolicyFile::load(&self.folder.kept(update))?;
                as_played(&mut earlier);
                self.keep(&earlier, update)?;
                kept = Some(earlier);
            }
            let bytes = kept.as_ref().unwrap_or(&file).to_bytes();
            let evaluated =
                self.evaluate(update, &bytes, &protocol, None).map_err(|source| Error::Evaluation {
                    update,
                    kept: "the training is kept, and the same command evaluates it again".into(),
                    source: source.into(),
                })?;
            if let Some(signal) = interrupt::signal() {
                let done = format!("while {self} was played; it is trained, and nothing is lost");
                return Err(Interrupted { signal, done }.into());
            }
            self.announce(&evaluated, &mut metrics, &bar)?;
            result.evaluations.push(evaluated);
        }
        self.leave(&file, result)
    }

    /// Plays the policy with these bytes, and measures it on what is held out.
    pub(crate) fn evaluate(
        &self,
        update: u64,
        bytes: &[u8],
        protocol: &Protocol,
        held_out: Option<&Dataset>,
    ) -> Result<Evaluated> {
        let policy = Policy::from_bytes(bytes)?;
        let target = protocol.target_returns[0];
        let errors = held_out.map(|data| held_out::action_errors(&policy, data, protocol.rollout, target));
        let errors = errors.transpose()?;
        let held_out = errors.as_deref().map(held_out::mean);
        let protocol = protocol.clone();
        if self.spec.played_in().is_none() {
            return Ok(Evaluated { update, protocol, episodes: errors.unwrap_or_default(), held_out });
        }
        let evaluation = Evaluation {
            env: &self.spec.env,
            regime: protocol.rollout,
            targets: &protocol.target_returns,
            episodes: protocol.episodes as u64,
            seed: self.seed,
            guidance: Some(protocol.guidance),
        };
        let episodes = evaluation.stream(&policy, &ProgressBar::hidden())?;
        Ok(Evaluated { update, protocol, episodes, held_out })
    }

    pub(crate) fn announce(
        &self,
        evaluated: &Evaluated,
        metrics: &mut Metrics,
        bar: &ProgressBar,
    ) -> Result<()> {
        let scores = reference_scores(&self.spec.env.id);
        let mut values = Vec::new();
        let mut text = format!("{self}, update {}:", evaluated.update);
        if let Some(error) = evaluated.held_out {
            values.push(("evaluation/held_out_action_error".into(), error));
            text += &format!(" held-out action error {error:.4};");
        }
        let played = self.spec.played_in().map(|_| evaluated.protocol.target_returns.as_slice());
        for &target in played.unwrap_or_default() {
            let mean = evaluated.mean_return(target);
            values.push((format!("evaluation/return/target {}", Target(target)), mean));
            text += &format!(" return {mean:.1}");
            if let Some(scores) = scores {
                let score = scores.normalised(mean);
                values.push((format!("evaluation/normalised_score/target {}", Target(target)), score));
                text += &format!(" (score {score:.1})");
            }
            text += &format!(" for target {};", Target(target));
        }
        metrics.add(&Record { update: evaluated.update, values })?;
        bar.suspend(|| output::evaluated(text.trim_end_matches(';')));
        Ok(())
    }
}
