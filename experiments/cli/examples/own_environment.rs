//! `aaren` with an environment of one's own: registered under an id, it can be named in a YAML, and every command knows
//! it. A program outside this workspace does the same, with `aaren-envs` and `aaren-cli` as dependencies.
//!
//! ```text
//! cargo run --example own_environment -- envs list
//! cargo run --example own_environment -- run my.yaml        # with `env: Drift-v0`
//! ```

use std::process::ExitCode;

use aaren_envs::{Environment, register};
use gymnasium_rs::core::{Env, Info, Options, Reward, Space};
use ndarray::{Array1, Array3, array};

/// A point that drifts off; pushing it left or right keeps it near the middle.
struct Drift {
    at: f64,
}

impl Env<Array1<f64>, i32> for Drift {
    fn observation_space(&self) -> Space {
        Space::Box { low: array![f32::NEG_INFINITY], high: array![f32::INFINITY] }
    }

    fn action_space(&self) -> Space {
        Space::Discrete(2)
    }

    fn reset(&mut self, seed: Option<i32>, _options: Options) -> (Array1<f64>, Info) {
        self.at = f64::from(seed.unwrap_or(0) % 7) / 10.0;
        (array![self.at], Info::new())
    }

    fn step(&mut self, action: i32) -> (Array1<f64>, Reward, bool, bool, Info) {
        self.at = 1.1 * self.at + if action == 0 { -0.1 } else { 0.1 };
        (array![self.at], 1.0 - self.at.abs() as f32, self.at.abs() > 1.0, false, Info::new())
    }

    fn render(&self) -> Option<Array3<u8>> {
        None
    }

    fn close(&mut self) {}
}

fn main() -> ExitCode {
    register("Drift-v0", |spec| {
        Ok(Environment::from_gymnasium(spec.clone(), Drift { at: 0.0 }, 100, |action| action[0] as i32))
    });
    aaren_cli::main()
}
