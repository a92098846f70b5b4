//! `aaren` with an environment of your own: registered under an id, it can be named in a YAML, and every command knows
//! it. A program outside this workspace does the same, with `aaren-envs` and `aaren-cli` as dependencies.
//!
//! ```text
//! cargo run --example own_environment -- envs list
//! cargo run --example own_environment -- run my.yaml        # with `env: Drift-v0`
//! ```

use std::process::ExitCode;

use aaren_envs::{ActionSpace, Drawing, Dynamics, Environment, Generator, Shape, Step, colour, register};

/// A point that drifts off; pushing it left or right keeps it near the middle.
struct Drift {
    at: f64,
    action_space: ActionSpace,
}

impl Dynamics for Drift {
    fn observation_size(&self) -> usize {
        1
    }

    fn action_space(&self) -> &ActionSpace {
        &self.action_space
    }

    fn reset(&mut self, random: &mut Generator) {
        self.at = random.uniform(0.0, 0.6);
    }

    fn step(&mut self, action: &[f32], _random: &mut Generator) -> Step {
        self.at = 1.1 * self.at + if action[0] == 0.0 { -0.1 } else { 0.1 };
        Step { reward: 1.0 - self.at.abs(), terminated: self.at.abs() > 1.0, ..Step::default() }
    }

    fn observe(&self, observation: &mut [f64]) {
        observation[0] = self.at;
    }

    fn drawing(&self) -> Option<Drawing> {
        let ground = Shape::line([-1.0, 0.0], [1.0, 0.0], 0.02, colour::GREY);
        let point = Shape::disc([self.at, 0.1], 0.1, colour::BLUE);
        Some(Drawing { low: [-1.2, -0.5], high: [1.2, 1.0], shapes: vec![ground, point] })
    }
}

fn main() -> ExitCode {
    register("Drift-v0", |spec| {
        let drift = Drift { at: 0.0, action_space: ActionSpace::Discrete { choices: 2 } };
        Ok(Environment::new(spec.clone(), Box::new(drift), Some(100)))
    });
    aaren_cli::main()
}
