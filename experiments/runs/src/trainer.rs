//! What a run is trained with: its data, its settings, and its threads.

use aaren_agents::{Task, TrainConfig, Trainer};
use aaren_datasets::{Dataset, DatasetSummary, Difficulty};
use aaren_format::Precision;
use aaren_spec::{PolicySpec, Spec};
use tch::Device;

use crate::run::Run;
use crate::{Result, output, threads};

/// What the runs of an experiment learn from, once it is loaded.
pub struct Data {
    /// The dataset as the environment shows the world, without the episodes that are held out.
    pub dataset: Dataset,
    /// The episodes that are held out.
    pub held_out: Option<Dataset>,
    /// What it holds.
    pub summary: DatasetSummary,
    /// How hard it is to imitate.
    pub difficulty: Difficulty,
    /// Checksum of its content.
    pub checksum: u32,
    /// What is to be learned from it.
    pub task: Task,
}

/// How a policy is trained with a seed.
pub fn train_config(spec: &Spec, policy: &PolicySpec, seed: u64) -> TrainConfig {
    let train = &spec.train;
    TrainConfig {
        updates: policy.updates,
        batch: policy.batch,
        learning_rate: policy.learning_rate,
        weight_decay: train.weight_decay,
        warmup: spec.warmup(policy),
        schedule: train.schedule,
        clip: train.clip,
        ema: train.ema,
        precision: policy.precision,
        seed,
    }
}

impl Run<'_> {
    pub(crate) fn trainer<'d>(&self, data: &'d Data, device: Device) -> Result<Trainer<'d>> {
        let config = train_config(self.spec, self.policy, self.seed);
        Ok(Trainer::new(&self.policy.agent, &data.task, config, &data.dataset, device)?)
    }

    /// As many threads as the spec says, else as in the checkpoint, else those asked for, else the fastest number.
    pub(crate) fn threads(
        &self,
        data: &Data,
        device: Device,
        before: Option<usize>,
        asked: Option<usize>,
    ) -> Result<usize> {
        if let Some(threads) = self.spec.train.threads {
            return Ok(threads);
        }
        if let Some(threads) = before {
            output::note(format_args!("{self}: continues with {threads} libtorch threads, as it began"));
            return Ok(threads);
        }
        if let Some(threads) = asked {
            return Ok(threads);
        }
        let rates = threads::rates(self.trainer(data, device)?, &threads::candidates());
        let threads = threads::fastest(&rates);
        let rates: Vec<_> = rates.iter().map(|(count, rate)| format!("{rate:.1} with {count}")).collect();
        output::note(format_args!(
            "{self}: {threads} libtorch threads (updates/s measured: {})",
            rates.join(", ")
        ));
        Ok(threads)
    }

    /// Says where a processor has no products of bfloat16, before a training takes ten times as long as in float32.
    pub(crate) fn say_slow_precision(&self, data: &Data, device: Device, threads: usize) -> Result<()> {
        let first = self.spec.seeds.first() == Some(&self.seed);
        if self.policy.precision != Precision::Bfloat16 || device != Device::Cpu || !first {
            return Ok(());
        }
        let rate = |precision| -> Result<f64> {
            let config = TrainConfig { precision, ..train_config(self.spec, self.policy, self.seed) };
            let trainer = Trainer::new(&self.policy.agent, &data.task, config, &data.dataset, device)?;
            Ok(threads::rates(trainer, &[threads])[0].1)
        };
        if let Some(text) = slower(rate(Precision::Bfloat16)?, rate(Precision::Float32)?) {
            output::warn(format_args!("{self}: {text}"));
        }
        Ok(())
    }
}

/// What there is to say of so many updates per second in bfloat16 and in float32.
fn slower(bfloat16: f64, float32: f64) -> Option<String> {
    (float32 > 1.1 * bfloat16).then(|| {
        format!(
            "bfloat16 trains at {bfloat16:.1} updates/s on this processor, float32 at {float32:.1}: `precision: float32` \
             is faster here"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aaren_format::Schedule;
    use aaren_spec::Document;

    use super::*;

    #[test]
    fn a_slow_precision_is_named_with_both_rates() {
        let said = slower(0.7, 7.3).unwrap();
        assert!(
            said.starts_with("bfloat16 trains at 0.7 updates/s on this processor, float32 at 7.3"),
            "{said}"
        );
        assert_eq!((slower(7.0, 7.6), slower(20.0, 12.0)), (None, None));
    }

    #[test]
    fn a_policy_is_trained_with_what_its_entry_says() {
        let config = |overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
            let text = "env: Hopper-v4\ndataset: hopper-medium\n";
            let spec = Document::parse(Path::new("x.yaml"), text, &overrides).unwrap().spec().unwrap();
            train_config(&spec, &spec.policies[0], 0)
        };
        let own = config(&["policies=[{aaren: {batch: 3, learning_rate: 0.5, precision: bfloat16}}]"]);
        let shared = ["train.batch=3", "train.learning_rate=0.5", "train.precision=bfloat16"];
        assert_eq!(own, config(&shared));
        assert_ne!(own, config(&shared[1..]));
        assert_ne!(own, config(&shared[..2]));
        assert_ne!(own, config(&[shared[0], shared[2]]));
        // Updates of its own: the warm-up is a tenth of them too.
        assert_eq!(config(&["policies=[{aaren: {updates: 50}}]"]), config(&["train.updates=50"]));
    }

    /// No key of `train` is left at a value of the program's.
    #[test]
    fn training_is_what_the_yaml_says() {
        let text = "env: Hopper-v4\ndataset: hopper-medium\npolicies: [aaren]\ntrain: {updates: 70, batch: 6, \
            learning_rate: 0.25, weight_decay: 0.125, warmup: 9, schedule: constant, clip: 3.5, ema: 0.5, precision: bfloat16}\n";
        let spec = Document::parse(Path::new("x.yaml"), text, &[]).unwrap().spec().unwrap();
        let expected = TrainConfig {
            updates: 70,
            batch: 6,
            learning_rate: 0.25,
            weight_decay: 0.125,
            warmup: 9,
            schedule: Schedule::Constant,
            clip: 3.5,
            ema: 0.5,
            precision: Precision::Bfloat16,
            seed: 11,
        };
        assert_eq!(train_config(&spec, &spec.policies[0], 11), expected);
    }
}
