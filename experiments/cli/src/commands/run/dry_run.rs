//! `aaren run --dry-run`: what would run, and how long that would take.

use anyhow::Result;
use serde_json::json;

use super::Args;
use crate::commands::selection::Selection;
use aaren_reports::Table;
use aaren_runs::{Estimate, Plan, estimate, output};

/// Lists the runs that are asked for.
pub fn list(plan: &Plan, args: &Args) -> Result<()> {
    let threads = args.jobs.map(|_| 1);
    let (mut rates, mut estimates) = (Vec::new(), Vec::new());
    let Selection { only, results, .. } = &args.selection;
    for experiment in &plan.experiments {
        let of_experiment = estimate(experiment, results, only, threads, &mut rates)?;
        if of_experiment.iter().any(|run| !run.is_done()) {
            experiment.check_data(results)?;
        }
        estimates.extend(of_experiment);
    }
    let jobs = args.jobs.unwrap_or(1);
    let seconds = seconds(&estimates, jobs.into());
    if args.json {
        let run = |estimate: &Estimate| {
            json!({
                "run": estimate.run.to_string(), "done": estimate.done, "updates": estimate.updates,
                "updates_per_second": estimate.rate, "from_metrics": estimate.from_metrics,
                "seconds": estimate.seconds(),
                "shared": estimate.shared, "played_anew": estimate.played_anew,
            })
        };
        let runs: Vec<_> = estimates.iter().map(run).collect();
        return Ok(output::print(json!({"runs": runs, "jobs": jobs, "seconds": seconds}))?);
    }
    let mut table = Table::new(1, ["run", "updates", "done", "updates/s", "time left"]);
    for estimate in &estimates {
        let rate = |rate| format!("{rate:.1}{}", if estimate.from_metrics { "" } else { " now" });
        table.row([
            estimate.run.to_string(),
            estimate.updates.to_string(),
            estimate.done.to_string(),
            estimate.rate.map_or("–".into(), rate),
            match estimate.rate {
                Some(_) => shown(estimate.seconds()),
                None if estimate.shared => "another's".into(),
                None if estimate.played_anew => "played anew".into(),
                None => "done".into(),
            },
        ]);
    }
    output::print(table.to_markdown())?;
    let open = estimates.iter().filter(|estimate| !estimate.is_done()).count();
    output::print(format_args!(
        "{open} of {} runs to do: {} of training with {jobs} at a time. Speeds are from finished updates, or were measured just \
         now on random data. Evaluations are not counted.",
        estimates.len(),
        shown(seconds)
    ))?;
    Ok(())
}

/// Seconds until the last run ends, where each free process takes the next run.
fn seconds(estimates: &[Estimate], jobs: usize) -> f64 {
    let mut ends = vec![0.0_f64; jobs];
    for estimate in estimates {
        if let Some(first) = ends.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *first += estimate.seconds();
        }
    }
    ends.into_iter().fold(0.0, f64::max)
}

/// A time to two units.
fn shown(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aaren_runs::Part;

    #[test]
    fn whoever_is_free_takes_the_next_run() {
        let run = |updates: u64, rate| {
            let run = Part::run(None, "aaren", 0);
            Estimate {
                run,
                done: 100,
                updates: 100 + updates,
                rate,
                from_metrics: true,
                shared: false,
                played_anew: false,
            }
        };
        let runs = [run(300, Some(10.0)), run(100, Some(10.0)), run(100, Some(5.0)), run(1000, None)];
        assert_eq!(seconds(&runs, 1), 60.0);
        assert_eq!(seconds(&runs, 2), 30.0);
        assert_eq!(seconds(&runs, 9), 30.0);
        let times = [(0.4, "0 s"), (59.6, "1 min 0 s"), (3600.0, "1 h 0 min"), (90_061.0, "1 d 1 h")];
        times.iter().for_each(|(seconds, expected)| assert_eq!(shown(*seconds), *expected));
    }
}
