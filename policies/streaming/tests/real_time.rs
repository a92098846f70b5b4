//! Hard real time: once a stream is made, its steps neither allocate nor meet a page for the first time. A process of
//! its own and one test, so that nobody has touched the code before.
#![cfg(target_os = "linux")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aaren_streaming::{Policy, Regime, quantise};
use common::{Cloning, Config};

/// Counts what is asked of the allocator, freeing included.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Page faults of this thread so far, those that needed the disk included.
fn page_faults() -> i64 {
    // SAFETY: all zeros are a value of it, and the call writes one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &mut usage), 0);
        usage
    };
    usage.ru_minflt + usage.ru_majflt
}

fn observation(t: usize, observation: &mut [f64]) {
    observation.iter_mut().enumerate().for_each(|(i, x)| *x = ((t * 7 + i * 3) % 11) as f64 / 11.0);
}

#[test]
fn a_stream_once_made_neither_allocates_nor_faults() {
    // Large enough for buffers that the allocator takes from the system as untouched pages.
    let wide = Config::new("aaren", 320, 1, 8).fixture(0).bytes();
    let cloning = Cloning { width: 256, layers: 2, observation: 11, actions: 3, discrete: true };
    let aaren = Config { recency: "gated", ..Config::new("aaren", 64, 2, 4) }.fixture(0).bytes();
    let [gru, lstm, mingru, delta] = ["gru", "lstm", "mingru", "gated-delta"]
        .map(|encoder| Config { norm: "pre", ..Config::new(encoder, 64, 2, 1) }.fixture(0).bytes());
    let policies = [
        ("int8", quantise(&aaren).unwrap().bytes),
        ("aaren", aaren),
        ("gru", gru),
        ("lstm", lstm),
        ("mingru", mingru),
        ("delta", delta),
        ("wide", wide),
    ]
    .into_iter()
    .chain([("cloning", cloning.fixture(0).bytes())]);
    for (name, bytes) in policies {
        let policy = Policy::from_bytes(&bytes).unwrap();
        for regime in [Regime::Unbounded, Regime::Window(20), Regime::Reset(20)] {
            let mut input = [0.0; 16 * 11];
            observation(1, &mut input);
            let (_, _) = (page_faults(), CALLS.load(Relaxed));

            let mut stream = policy.stream_with(regime).unwrap();
            let before = (CALLS.load(Relaxed), page_faults());
            for t in 0..100 {
                observation(t, &mut input[..11]);
                stream.act(&input[..11], 1.0).unwrap();
            }
            stream.reset(1.0);
            let after = (CALLS.load(Relaxed), page_faults());
            assert_eq!(before, after, "{name} {regime:?}: calls of the allocator, page faults");

            let mut streams = policy.streams_with(regime, 16).unwrap();
            let rewards = [0.5; 16];
            let before = (CALLS.load(Relaxed), page_faults());
            for t in 0..30 {
                observation(t, &mut input);
                streams.act(&input, &rewards).unwrap();
            }
            let after = (CALLS.load(Relaxed), page_faults());
            assert_eq!(before, after, "16 × {name} {regime:?}: calls of the allocator, page faults");
        }
    }
}
