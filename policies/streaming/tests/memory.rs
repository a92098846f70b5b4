//! The room that streams ask the system for, before they are made, holds all that they then take. A process of its own
//! and one test, so that nobody else allocates.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aaren_streaming::{Policy, Regime};
use common::{Cloning, Config};

/// Counts the bytes that are allocated, and remembers the largest allocation.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        LARGEST.fetch_max(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn streams_ask_for_as_much_room_as_they_take() {
    // Many choices: what an episode holds is mostly outputs of the head, asked and free.
    let cloning = Cloning { width: 8, layers: 1, observation: 3, actions: 1000, discrete: true };
    let decision = |encoder| Config { actions: 500, discrete: true, ..Config::new(encoder, 8, 2, 2) };
    let policies = [
        ("cloning", cloning.fixture(0).bytes()),
        ("aaren", decision("aaren").fixture(0).bytes()),
        ("gru", Config { joint: Some("head"), guidance: 2.0, ..decision("gru") }.fixture(0).bytes()),
    ];
    for (name, bytes) in policies {
        let policy = Policy::from_bytes(&bytes).unwrap();
        for regime in [Regime::Unbounded, Regime::Window(5)] {
            let before = HELD.load(Relaxed);
            LARGEST.store(0, Relaxed);
            let streams = policy.streams_with(regime, 20).unwrap();
            let (taken, room) = (HELD.load(Relaxed) - before, LARGEST.load(Relaxed));
            drop(streams);
            assert!(taken <= room, "{name}, {regime:?}: {taken} bytes taken, room for {room} asked for");
        }
    }
}
