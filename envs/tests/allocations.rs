//! No allocation per step. A test of its own, because it counts every allocation of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use aaren_envs::{EnvSpec, Step, VectorEnv, ids, make};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn neither_a_step_nor_a_reset_allocates() {
    for id in ids() {
        let mut environment = make(&EnvSpec::new(*id)).unwrap();
        let mut observation = vec![0.0; environment.observation_size()];
        let action = vec![0.0; environment.action_space().entries()];
        let before = ALLOCATIONS.load(Relaxed);
        for episode in 0..3 {
            environment.reset(episode, &mut observation);
            for _ in 0..100 {
                environment.step(&action, &mut observation);
            }
        }
        assert_eq!(ALLOCATIONS.load(Relaxed) - before, 0, "{id}");
    }

    let mut vector = VectorEnv::new(&EnvSpec::new("Hopper-v4"), 8).unwrap();
    let mut observations = vec![0.0; 8 * vector.observation_size()];
    let (actions, mut steps) = ([0.5; 8 * 3], [Step::default(); 8]);
    vector.reset(0, &mut observations).unwrap();
    vector.step(&actions, &mut observations, &mut steps).unwrap();
    let before = ALLOCATIONS.load(Relaxed);
    for _ in 0..1000 {
        vector.step(&actions, &mut observations, &mut steps).unwrap();
    }
    // Rayon's queue of jobs from outside its pool takes a block of memory every 63 of them.
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    assert!(allocations <= 1000 / 50, "{allocations} allocations in 1000 steps");
}
