//! The command `aaren`: offline reinforcement-learning experiments from YAML.

fn main() -> std::process::ExitCode {
    aaren_experiments::main()
}
