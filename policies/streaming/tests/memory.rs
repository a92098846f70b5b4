//! The room that streams ask the system for, before they are made, holds all that they then take.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use aaren_streaming::{Policy, Regime};
use common::{Cloning, Config};

/// Counts the bytes that a thread allocates, and remembers its largest allocation: those of the test's harness are
/// none of ours.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        LARGEST.set(LARGEST.get().max(layout.size()));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
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
            let before = HELD.get();
            LARGEST.set(0);
            let streams = policy.streams_with(regime, 20).unwrap();
            let (taken, room) = (HELD.get() - before, LARGEST.get());
            drop(streams);
            assert!(taken <= room, "{name}, {regime:?}: {taken} bytes taken, room for {room} asked for");
        }
    }
}
