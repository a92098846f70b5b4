//! The command `aaren`: offline reinforcement-learning experiments from YAML.

use std::process::ExitCode;

fn main() -> ExitCode {
    spin_briefly();
    keep_freed_memory();
    aaren_cli::main()
}

/// Starts the program anew with libtorch's threads told to sleep sooner while they wait. As they come, two of them
/// fall to half the speed of one when something else keeps a core busy; so they keep 70 % of it, and all of their
/// speed on an idle machine. The setting is read before `main`, and only training needs it.
fn spin_briefly() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        const TRAIN: [&str; 3] = ["run", "compare", "check"];
        let trains = std::env::args_os().nth(1).is_some_and(|command| TRAIN.iter().any(|it| command == *it));
        let set = |variable| std::env::var_os(variable).is_some();
        if !trains || set("GOMP_SPINCOUNT") || set("OMP_WAIT_POLICY") {
            return;
        }
        // The program that is running, whatever stands at its path by now.
        let mut again = std::process::Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            again.arg0(name);
        }
        // Only comes back where it failed; then training is as fast as it is.
        let _ = again.args(std::env::args_os().skip(1)).env("GOMP_SPINCOUNT", "3000").exec();
    }
}

/// Tells the allocator to keep what it has: the tensors of an update come and go at the next one, and
/// fetching their pages from the system anew took a tenth of the training time.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}
