//! What a stream promises besides its numbers: it does not allocate, it is independent of others,
//! it can be saved, and it refuses what it cannot use.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use aaren_streaming::{Error, InstructionSet, Options, Policy, Precision, Regime, Stream};
use common::{Cloning, Config, Random};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn policy(encoder: &'static str) -> Policy {
    if encoder == "behaviour-cloning" {
        let cloning = Cloning { width: 32, layers: 2, observation: 11, actions: 3, discrete: false };
        return Policy::from_bytes(&cloning.fixture(0).bytes()).unwrap();
    }
    Policy::from_bytes(&Config::new(encoder, 32, 2, 2).fixture(0).bytes()).unwrap()
}

/// Steps `from..to` of a made-up episode; the last action.
fn steps(stream: &mut Stream, from: usize, to: usize) -> Vec<f32> {
    let mut last = Vec::new();
    for t in from..to {
        let mut random = Random(t as u64);
        let observation: Vec<f32> = (0..11).map(|_| random.uniform() as f32).collect();
        last = stream.act(&observation, random.uniform()).unwrap().to_vec();
    }
    last
}

fn allocations(stream: &mut Stream, timesteps: usize) -> usize {
    let before = ALLOCATIONS.get();
    for t in 0..timesteps {
        stream.act(&[t as f32 * 1e-3; 11], 1.0).unwrap();
    }
    ALLOCATIONS.get() - before
}

#[test]
fn a_step_allocates_nothing() {
    let regimes = [Regime::Unbounded, Regime::Window(20), Regime::Reset(20)];
    for (encoder, regime) in ["aaren", "gru", "lstm", "mingru", "gated-delta", "behaviour-cloning"]
        .iter()
        .flat_map(|&e| regimes.map(|regime| (e, regime)))
    {
        let mut stream = policy(encoder).stream_with(regime).unwrap();
        assert_eq!(allocations(&mut stream, 200), 0, "{encoder} {regime:?}");
    }
    for regime in regimes {
        let mut stream = policy("transformer").stream_with(regime).unwrap();
        // Two layers' caches grow by blocks of 256 tokens; what they once had, they keep.
        let first = allocations(&mut stream, 200);
        let blocks = if regime == Regime::Unbounded { 3 } else { 1 };
        assert!(first >= 2 * blocks && first <= 4 * blocks, "transformer {regime:?}: {first}");
        stream.reset(0.0);
        assert_eq!(allocations(&mut stream, 200), 0, "transformer {regime:?}, second episode");
    }
}

#[test]
fn a_head_that_is_asked_allocates_nothing_and_takes_the_most() {
    let config = Config { joint: Some("head"), guidance: 2.0, ..Config::new("aaren", 32, 2, 2) };
    let policy = Policy::from_bytes(&config.fixture(0).bytes()).unwrap();
    let mut stream = policy.stream();
    assert_eq!(allocations(&mut stream, 200), 0);
    stream.reset(f64::INFINITY);
    assert_eq!(allocations(&mut stream, 200), 0);
    let saved = stream.save();
    let expected = steps(&mut stream, 0, 9);
    stream.reset(1.0);
    stream.restore(&saved).unwrap();
    assert_eq!((stream.return_to_go(), steps(&mut stream, 0, 9)), (f64::INFINITY, expected));
    // Of what float32 holds, a tenth can be asked for: the return for each remaining timestep is up to ten times as much.
    let config = Config { rate: true, ..Config { joint: Some("head"), ..Config::new("aaren", 32, 2, 2) } };
    let policy = Policy::from_bytes(&config.fixture(0).bytes()).unwrap();
    let largest = f64::from(f32::MAX) * policy.header().decision().unwrap().return_scale;
    for (share, holds) in [(0.09, true), (0.11, false)] {
        let mut stream = policy.stream();
        stream.reset(share * largest);
        assert_eq!(stream.act(&[0.0; 11], 0.0).is_ok(), holds, "{share}");
    }
    // An infinite reward is none.
    assert!(stream.act(&[0.0; 11], f64::NEG_INFINITY).is_err());
    for config in
        [Config { joint: Some("token"), ..Config::new("aaren", 32, 2, 2) }, Config::new("gru", 32, 2, 2)]
    {
        let mut stream = Policy::from_bytes(&config.fixture(0).bytes()).unwrap().stream();
        stream.reset(f64::INFINITY);
        assert!(matches!(stream.act(&[0.0; 11], 0.0), Err(Error::NotFinite { .. })));
    }
}

#[test]
fn an_aaren_and_a_gru_keep_their_size_and_a_transformer_grows() {
    let mut aaren = policy("aaren").stream();
    let mut gru = policy("gru").stream();
    let mut transformer = policy("transformer").stream();
    for timesteps in [1, 10, 100] {
        aaren.reset(0.0);
        gru.reset(0.0);
        transformer.reset(0.0);
        steps(&mut gru, 0, timesteps);
        steps(&mut aaren, 0, timesteps);
        steps(&mut transformer, 0, timesteps);
        let last_action = aaren.policy().header().action.size();
        assert_eq!(aaren.state_bytes(), (2 * (2 * 2 + 32) + last_action) * 4);
        assert_eq!(gru.state_bytes(), (2 * 21 + last_action) * 4);
        assert_eq!(transformer.state_bytes(), (2 * 2 * 32 * (3 * timesteps - 1) + last_action) * 4);

        // Two tokens a timestep where actions are none.
        let config = Config { past_actions: false, ..Config::new("transformer", 32, 2, 2) };
        let mut stream = Policy::from_bytes(&config.fixture(0).bytes()).unwrap().stream();
        steps(&mut stream, 0, timesteps);
        assert_eq!(stream.state_bytes(), 2 * 2 * 32 * 2 * timesteps * 4);
    }
}

/// Hidden states, and an LSTM's cells; a matrix for each head of 16 channels.
#[test]
fn recurrent_encoders_keep_their_size() {
    for (encoder, numbers) in [("lstm", 2 * 18), ("mingru", 43), ("gated-delta", 2 * 16 * 16)] {
        let mut stream = policy(encoder).stream();
        for timesteps in [1, 100] {
            stream.reset(0.0);
            steps(&mut stream, 0, timesteps);
            let last_action = stream.policy().header().action.size();
            assert_eq!(stream.state_bytes(), (2 * numbers + last_action) * 4, "{encoder}");
        }
    }
}

/// What a regime must keep is what `save` writes: no more, so that a window's recomputed keys and values do not count,
/// and no less but for the last timestep's inputs, which are saved in any case.
#[test]
fn memory_is_what_must_be_saved_and_scratch_is_none() {
    const HEADER: usize = 56;
    let row = (1 + 11 + 3) * 4;
    for encoder in common::ENCODERS {
        for past_actions in [true, false] {
            let config = Config { past_actions, ..Config::new(encoder, 32, 2, 2) };
            let policy = Policy::from_bytes(&config.fixture(0).bytes()).unwrap();
            for regime in [Regime::Window(20), Regime::Window(1), Regime::Unbounded, Regime::Reset(7)] {
                let mut stream = policy.stream_with(regime).unwrap();
                for timesteps in [0, 1, 5, 20, 30] {
                    stream.reset(0.0);
                    steps(&mut stream, 0, timesteps);
                    let (saved, kept) = (stream.save().len() - HEADER, stream.state_bytes());
                    let what = format!("{encoder} {regime:?} {past_actions} {timesteps}");
                    if let Regime::Window(length) = regime {
                        assert_eq!([saved, kept], [timesteps.min(length) * row; 2], "{what}");
                    } else {
                        let last = if timesteps > 0 { row } else { 0 };
                        let action = if timesteps > 0 && past_actions { 3 * 4 } else { 0 };
                        assert_eq!(kept - action, saved - last, "{what}");
                    }
                }
            }
        }
    }
    // Two layers' keys and values of 20 timesteps of two tokens: a window computes them anew, and a cache keeps them.
    let config = Config { past_actions: false, ..Config::new("transformer", 32, 2, 2) };
    let policy = Policy::from_bytes(&config.fixture(0).bytes()).unwrap();
    let cache = 2 * 2 * 32 * 2 * 20 * 4;
    let after = |regime| {
        let mut stream = policy.stream_with(regime).unwrap();
        let buffers = stream.scratch_bytes();
        steps(&mut stream, 0, 40);
        (stream.state_bytes(), stream.scratch_bytes() - buffers)
    };
    assert_eq!(after(Regime::Window(20)), (20 * row, cache));
    assert_eq!(after(Regime::Sliding(20)), (cache, 0));
}

#[test]
fn streams_of_one_policy_are_independent() {
    for encoder in common::ENCODERS {
        let policy = policy(encoder);
        let alone = steps(&mut policy.stream(), 0, 50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (mut stream, mut other) = (policy.stream(), policy.stream());
                    steps(&mut other, 3, 10);
                    for t in 0..50 {
                        steps(&mut other, t + 7, t + 8);
                        let action = steps(&mut stream, t, t + 1);
                        assert!(t < 49 || action == alone);
                    }
                });
            }
        });
        // A reset leaves nothing behind either.
        let mut used = policy.stream();
        steps(&mut used, 9, 30);
        used.reset(0.0);
        assert_eq!(steps(&mut used, 0, 50), alone);
    }
}

/// Episodes that start anew and end at different times, stepped together and each by itself; the widths leave
/// elements over where vectors of 4, 8 or 16 end.
#[test]
fn streams_stepped_together_act_bit_for_bit_as_single_ones() {
    let mut compared = 0;
    for (encoder, width, norm, positions, joint) in [
        ("aaren", 64, "post", "timestep", None),
        ("aaren", 30, "pre", "timestep", None),
        ("transformer", 48, "post", "timestep", None),
        ("transformer", 18, "pre", "timestep", None),
        ("gru", 34, "post", "timestep", None),
        ("lstm", 34, "post", "timestep", None),
        ("mingru", 34, "pre", "timestep", None),
        ("gated-delta", 36, "post", "timestep", None),
        ("aaren", 30, "post", "none", Some("head")),
        ("gru", 34, "post", "none", Some("token")),
        ("aaren", 36, "post", "rotary", None),
        ("transformer", 36, "pre", "rotary", Some("head")),
        ("transformer", 36, "post", "alibi", None),
        ("gated-delta", 36, "post", "rotary", None),
    ] {
        // A turned Aaren with keys and gates too, and a head that is guided.
        let (recency, keys) =
            if (encoder, positions) == ("aaren", "rotary") { ("gated", 3) } else { ("none", 1) };
        let guidance = if joint == Some("head") { 1.5 } else { 1.0 };
        let config =
            Config { norm, positions, joint, recency, keys, guidance, ..Config::new(encoder, width, 2, 2) };
        let bytes = config.fixture(0).bytes();
        for instructions in InstructionSet::available() {
            for precision in [Precision::Float32, Precision::Bfloat16] {
                let policy = Policy::from_bytes_with(&bytes, Options { precision, instructions }).unwrap();
                for regime in [Regime::Unbounded, Regime::Window(7), Regime::Window(25), Regime::Reset(7)] {
                    let mut together = policy.streams_with(regime, 5).unwrap();
                    let mut alone: Vec<Stream> =
                        (0..5).map(|_| policy.stream_with(regime).unwrap()).collect();
                    for t in 0..40 {
                        let mut random = Random(t);
                        if t % 9 == 0 {
                            let index = t as usize / 9 % alone.len();
                            together.reset(index, 5.0 * t as f64);
                            alone[index].reset(5.0 * t as f64);
                        }
                        if t == 15 || t == 30 {
                            together.keep(if t == 15 { &[0, 2, 3] } else { &[1] });
                            let mut index = 0;
                            alone.retain(|_| {
                                index += 1;
                                if t == 15 { [1, 3, 4].contains(&index) } else { index == 2 }
                            });
                        }
                        let observations: Vec<f64> =
                            (0..11 * alone.len()).map(|_| random.uniform()).collect();
                        let rewards: Vec<f64> = alone.iter().map(|_| random.uniform()).collect();
                        let actions = together.act(&observations, &rewards).unwrap();
                        for (i, stream) in alone.iter_mut().enumerate() {
                            let action = stream.act(&observations[11 * i..][..11], rewards[i]).unwrap();
                            assert_eq!(
                                actions[3 * i..][..3].iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                                action.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                                "{encoder} {width} {instructions:?} {precision:?} {regime:?}, stream {i} at {t}"
                            );
                            compared += 1;
                        }
                    }
                    assert_eq!(together.len(), 1);
                }
            }
        }
    }
    assert!(compared >= 5 * 2 * 4 * (15 * 5 + 15 * 3 + 10));
}

#[test]
fn a_step_of_many_streams_allocates_nothing() {
    for (encoder, regime) in [
        ("aaren", Regime::Unbounded),
        ("aaren", Regime::Window(20)),
        ("gru", Regime::Unbounded),
        ("behaviour-cloning", Regime::Unbounded),
        ("transformer", Regime::Reset(20)),
        ("transformer", Regime::Window(20)),
    ] {
        let mut streams = policy(encoder).streams_with(regime, 6).unwrap();
        let mut allocations = |timesteps: usize| {
            let before = ALLOCATIONS.get();
            for t in 0..timesteps {
                streams.act(&[t as f32 * 1e-3; 6 * 11], &[1.0; 6]).unwrap();
            }
            ALLOCATIONS.get() - before
        };
        let first = allocations(30);
        assert!(first == 0 || encoder == "transformer", "{encoder} {regime:?}: {first}");
        assert_eq!(allocations(200), 0, "{encoder} {regime:?}");
    }
}

#[test]
fn what_one_of_many_streams_refuses_changes_none() {
    let policy = policy("aaren");
    let (mut streams, mut untouched) = (policy.streams(3).unwrap(), policy.streams(3).unwrap());
    let mut wrong = [0.5; 33];
    wrong[30] = f64::NAN;
    streams.act(&[0.5; 33], &[0.0; 3]).unwrap();
    untouched.act(&[0.5; 33], &[0.0; 3]).unwrap();
    let named = streams.act(&wrong, &[0.0; 3]).unwrap_err().to_string();
    assert!(named.starts_with("entry 8 of the observation of stream 2 is NaN, expected "), "{named}");
    assert!(matches!(streams.act(&[0.5; 33], &[0.0, 0.0, f64::INFINITY]), Err(Error::NotFinite { .. })));
    assert!(matches!(streams.act(&[0.5; 33], &[0.0; 2]), Err(Error::Rewards { found: 2, expected: 3 })));
    assert!(matches!(
        streams.act(&[0.5; 32], &[0.0; 3]),
        Err(Error::ObservationSize { found: 32, expected: 33 })
    ));
    assert_eq!(streams.act(&[0.1; 33], &[1.0; 3]).unwrap(), untouched.act(&[0.1; 33], &[1.0; 3]).unwrap());
    assert!(matches!(policy.streams_with(Regime::Reset(0), 2), Err(Error::Value(_))));
}

#[test]
fn all_streams_are_saved_and_restored_at_once_or_not_at_all() {
    for encoder in common::ENCODERS {
        let policy = policy(encoder);
        let (mut streams, mut other) = (policy.streams(3).unwrap(), policy.streams(3).unwrap());
        streams.reset(1, 50.0);
        for t in 0..7 {
            streams.act(&[t as f32 * 0.1; 33], &[1.0; 3]).unwrap();
        }
        streams.reset(2, 9.0);
        let (saved, each) = (streams.save_all(), [0, 1, 2].map(|index| streams.save(index)));
        let expected = streams.act(&[0.5; 33], &[0.0; 3]).unwrap().to_vec();

        let before = other.save_all();
        let last = saved.len() - each[2].len();
        // The last stream is of another policy.
        let mut damaged = saved.clone();
        damaged[last + 8] ^= 1;
        let twice = [saved.as_slice(), &saved].concat();
        for bad in [&saved[..saved.len() - 1], &saved[..last - 8], &[], &twice, &damaged] {
            assert!(matches!(other.restore_all(bad), Err(Error::Saved { .. })), "{encoder}");
            assert_eq!(other.save_all(), before, "{encoder}");
        }
        other.restore_all(&saved).unwrap();
        assert_eq!([0, 1, 2].map(|index| other.save(index)), each);
        assert_eq!(other.act(&[0.5; 33], &[0.0; 3]).unwrap(), expected);
    }
}

#[test]
fn more_streams_than_memory_holds_are_refused() {
    for count in [1 << 40, usize::MAX] {
        let error = policy("aaren").streams(count).map(drop).unwrap_err();
        assert!(matches!(error, Error::Memory { count: found, .. } if found == count), "{error}");
    }
}

#[test]
fn an_infinite_action_is_refused_at_every_step() {
    for encoder in common::ENCODERS {
        let mut fixture = Config::new(encoder, 32, 2, 2).fixture(0);
        fixture.tensor("head.weight").fill(3e38);
        let policy = Policy::from_bytes(&fixture.bytes()).unwrap();
        for regime in [Regime::Unbounded, Regime::Window(2), Regime::Reset(2)] {
            let mut stream = policy.stream_with(regime).unwrap();
            let mut streams = policy.streams_with(regime, 2).unwrap();
            for t in 0..5 {
                assert!(
                    matches!(stream.act(&[0.5; 11], 0.0), Err(Error::NotFinite { .. })),
                    "{regime:?} {t}"
                );
                assert!(matches!(streams.act(&[0.5; 22], &[0.0; 2]), Err(Error::NotFinite { .. })));
            }
        }
    }
}

#[test]
fn a_saved_stream_goes_on_bit_for_bit() {
    for encoder in common::ENCODERS {
        let config = Config::new(encoder, 32, 2, 2);
        let without_actions = Config { past_actions: false, ..config.clone() };
        let [head, token] = ["head", "token"].map(|joint| Config { joint: Some(joint), ..config.clone() });
        let mut configs = vec![config.clone(), without_actions, head.clone(), token];
        configs.push(Config { positions: "none", guidance: 2.0, past_actions: false, rate: true, ..head });
        if ["aaren", "transformer", "gated-delta"].contains(&encoder) {
            configs.push(Config { positions: "rotary", rotated_heads: 1, ..config.clone() });
        }
        match encoder {
            "aaren" => configs.push(Config { positions: "rotary", recency: "gated", keys: 4, ..config }),
            "transformer" => configs.push(Config { positions: "alibi", ..config }),
            _ => {}
        }
        for (config, regime) in configs.iter().flat_map(|config| {
            let regimes = [Regime::Unbounded, Regime::Window(7), Regime::Window(1), Regime::Reset(7)];
            let sliding = [Regime::Sliding(1), Regime::Sliding(2), Regime::Sliding(9)];
            let sliding = sliding.into_iter().filter(|_| encoder == "transformer");
            regimes.into_iter().chain(sliding).map(move |regime| (config, regime))
        }) {
            let policy = Policy::from_bytes(&config.fixture(0).bytes()).unwrap();
            // By then a sliding cache has dropped a whole block.
            let late = matches!(regime, Regime::Sliding(_)).then_some(90);
            for middle in [0, 1, 5, 7, 14, 20].into_iter().chain(late) {
                let mut stream = policy.stream_with(regime).unwrap();
                stream.reset(77.0);
                steps(&mut stream, 0, middle);
                let saved = stream.save();
                let expected = steps(&mut stream, middle, middle + 9);

                let mut other = policy.stream_with(regime).unwrap();
                steps(&mut other, 2, 25);
                other.restore(&saved).unwrap();
                assert_eq!(other.save(), saved, "{encoder} {regime:?} {middle}");
                assert_eq!(steps(&mut other, middle, middle + 9), expected, "{encoder} {regime:?} {middle}");
                assert_eq!(
                    (other.timestep(), other.return_to_go()),
                    (stream.timestep(), stream.return_to_go())
                );

                let mut several = policy.streams_with(regime, 3).unwrap();
                several.act(&[0.5; 33], &[0.0; 3]).unwrap();
                several.restore(1, &saved).unwrap();
                assert_eq!(several.save(1), saved, "{encoder} {regime:?} {middle}");
                several.restore(0, &stream.save()).unwrap();
                assert_eq!(several.save(0), stream.save());
                assert_eq!(several.save(1), saved, "the others are as they were");
            }
        }
    }
}

#[test]
fn a_saved_state_is_checked() {
    let policy = policy("aaren");
    let mut stream = policy.stream();
    let expected = {
        steps(&mut stream, 0, 5);
        let saved = stream.save();
        let mut wrong = vec![Vec::new(), saved[..saved.len() - 1].to_vec(), [&saved[..], &[0; 4]].concat()];
        // Magic, fingerprint, regime, its length, timestep, return-to-go, tokens, and a float.
        for byte in [7, 15, 16, 24, 38, 32, 47, 48, saved.len() - 1] {
            let mut bytes = saved.clone();
            bytes[byte] = if byte == 47 || byte == saved.len() - 1 { 0x7f } else { bytes[byte] ^ 1 };
            if byte == 47 {
                bytes[46] = 0xf0;
            } else if byte == saved.len() - 1 {
                bytes[byte - 1] = 0xc0;
            }
            wrong.push(bytes);
        }
        wrong.push(
            Policy::from_bytes(&Config::new("aaren", 32, 2, 2).fixture(1).bytes()).unwrap().stream().save(),
        );
        wrong.push(policy.stream_with(Regime::Reset(3)).unwrap().save());
        // Inputs that no stream takes, beside no state at all.
        let mut window = policy.stream_with(Regime::Window(3)).unwrap();
        steps(&mut window, 0, 2);
        let mut infinite = window.save();
        assert!(window.restore(&infinite).is_ok());
        let last = infinite.len() - 4;
        infinite[last..].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
        assert!(matches!(window.restore(&infinite), Err(Error::Saved { .. })));
        for (i, bytes) in wrong.iter().enumerate() {
            assert!(matches!(stream.restore(bytes), Err(Error::Saved { .. })), "case {i}");
        }
        saved
    };
    assert_eq!(stream.save(), expected, "a refused restore changes nothing");
}

/// As `numpy.argmax` and `torch.argmax` have it on a CPU.
#[test]
fn of_equal_logits_the_first_is_chosen() {
    let mut fixture = Config { discrete: true, actions: 3, ..Config::new("gru", 8, 1, 1) }.fixture(0);
    fixture.tensor("head.weight").fill(0.0);
    for (bias, expected) in [([0.0, 0.0, 0.0], 0.0), ([-1.0, 2.0, 2.0], 1.0)] {
        fixture.tensor("head.bias").copy_from_slice(&bias);
        let policy = Policy::from_bytes(&fixture.bytes()).unwrap();
        assert_eq!(policy.stream().act(&[0.0; 11], 0.0).unwrap(), [expected]);
    }
}

#[test]
fn wrong_numbers_are_refused_and_leave_the_stream_as_it_was() {
    let policy = policy("aaren");
    let mut stream = policy.stream();
    steps(&mut stream, 0, 3);
    let before = stream.save();
    assert!(matches!(stream.act(&[0.0; 10], 0.0), Err(Error::ObservationSize { found: 10, expected: 11 })));
    // What overflows float32 is named too, though float64 holds it.
    for (found, shown) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf"), (1e300, "1e300")] {
        let mut observation = [0.0; 11];
        observation[3] = found;
        let named = stream.act(&observation, 0.0).unwrap_err().to_string();
        assert!(named.starts_with(&format!("entry 3 of the observation is {shown}, expected ")), "{named}");
    }
    assert!(matches!(stream.act(&[0.0; 11], 1e300), Err(Error::NotFinite { .. })));
    assert!(matches!(stream.act(&[0.0; 11], f64::INFINITY), Err(Error::NotFinite { .. })));
    assert_eq!(stream.save(), before);
    assert!(matches!(policy.stream_with(Regime::Window(0)), Err(Error::Value(_))));
}

#[test]
fn bfloat16_weights_change_an_action_by_less_than_a_hundredth_of_its_range() {
    for encoder in common::ENCODERS {
        let bytes = Config::new(encoder, 128, 3, 4).fixture(0).bytes();
        let options = Options { precision: Precision::Bfloat16, ..Options::default() };
        let (exact, rounded) =
            (Policy::from_bytes(&bytes).unwrap(), Policy::from_bytes_with(&bytes, options).unwrap());
        // Fewer than 16 outputs that a matrix has beyond a multiple of 16 stay float32.
        let percent = if ["gru", "lstm"].contains(&encoder) { 52 } else { 51 };
        assert!(rounded.encoder_bytes() * 100 < exact.encoder_bytes() * percent);
        let (exact, rounded) = (steps(&mut exact.stream(), 0, 100), steps(&mut rounded.stream(), 0, 100));
        let range = |i: usize| 3.0 + 1.5 * i as f32;
        let worst = (0..3).map(|i| (exact[i] - rounded[i]).abs() / range(i)).fold(0.0, f32::max);
        assert!(worst > 0.0 && worst < 0.01, "{encoder}: {worst}");
    }
}
