//! Damaged files for the tests of every parser.
//!
//! [`fuzz`] damages valid files and holds a loader to this: it returns, without a panic; what it refuses
//! it refuses with a message of one line; and it never holds more memory than the file justifies, which
//! [`Measuring`] tells where it is the test's allocator. `AAREN_FUZZ_SECONDS=600` makes a test that long
//! (`make soak`); the short form always sees the same files.

mod damage;
mod memory;

use std::cell::Cell;
use std::fmt::Display;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

pub use damage::damaged;
pub use memory::{Measuring, peak};

/// Bytes of memory for each byte of a file: most of it is parsed JSON, whose tiniest values are 32 bytes.
const FACTOR: usize = 64;
/// Bytes of memory that any file may take.
const ALLOWANCE: usize = 4 << 20;
/// Files between two looks at the clock.
const ROUND: u32 = 2000;
/// Milliseconds to look for a smaller file than the one that failed: each that fails too may print a backtrace.
const SHRINKING: u32 = 10_000;

/// Loads damaged forms of `originals`, each of which must load as it is.
///
/// # Panics
/// With the smallest file found that makes `load` panic, hoard memory, or answer with anything but one line.
pub fn fuzz<E: Display>(target: &str, originals: &[Vec<u8>], load: impl Fn(&[u8]) -> Result<(), E>) {
    let seconds = std::env::var("AAREN_FUZZ_SECONDS").map_or(0, |text| text.parse().expect("whole seconds"));
    let (accepted, refused, most) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0));
    let check = |bytes: &[u8]| {
        let (outcome, held) = peak(|| load(bytes).map_err(|error| error.to_string()));
        most.set(most.get().max(held));
        let size = bytes.len();
        assert!(
            held <= FACTOR * size + ALLOWANCE,
            "{held} bytes of memory for a file of {size}: {outcome:?}"
        );
        match &outcome {
            Ok(()) => accepted.set(accepted.get() + 1),
            Err(_) => refused.set(refused.get() + 1),
        }
        if let Err(message) = &outcome {
            let one_line = !message.is_empty() && !message.contains('\n') && message.len() < 1000 + size;
            assert!(one_line, "an answer that is not one line: {message:?}");
        }
        outcome
    };
    for original in originals {
        check(original).expect("an undamaged file loads");
    }
    let started = Instant::now();
    for round in 0_u64.. {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&round.to_le_bytes());
        let config = Config {
            cases: ROUND,
            failure_persistence: None,
            max_shrink_time: SHRINKING,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let outcome = runner.run(&damaged(originals), |bytes| {
            let _ = check(&bytes);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Abort(reason)) => panic!("{target}: {reason}"),
            Err(TestError::Fail(reason, bytes)) => {
                let path = std::env::temp_dir().join(format!("aaren-damaged-files-{target}"));
                std::fs::write(&path, bytes).expect("the file is kept");
                panic!("{target}, round {round}: {reason} (the file is {})", path.display());
            }
        }
        if started.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    let (accepted, refused, most) = (accepted.get(), refused.get(), most.get());
    println!("{target}: {accepted} files accepted, {refused} refused, at most {most} bytes of memory");
}
