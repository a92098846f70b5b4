//! The C interface; `include/aaren_streaming.h` documents every function for its callers.
//!
//! Every entry point catches panics, and turns failures into a message of the calling thread.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use aaren_streaming::{Policy, Stream, Streams, c_file, quantise};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// What a failed call leaves behind: the message.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

/// Run an entry point's body; on failure remember the message and return `failed`.
fn guard<T>(failed: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Failure(format!("internal error, please report it: {}", text.unwrap_or("panic"))))
    });
    outcome.unwrap_or_else(|Failure(message)| {
        let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
        // No destructor may run while a thread ends: then the message is lost, and nothing else.
        let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = message);
        failed
    })
}

/// # Safety
///
/// `pointer` is null or valid for reads for the lifetime of the result.
unsafe fn given<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failure> {
    unsafe { pointer.as_ref() }.ok_or_else(|| Failure(format!("`{name}` is NULL")))
}

/// # Safety
///
/// `pointer` is null or valid for reads and writes, by nobody else, for the lifetime of the result.
unsafe fn given_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    unsafe { pointer.as_mut() }.ok_or_else(|| Failure(format!("`{name}` is NULL")))
}

/// # Safety
///
/// `pointer` is null or valid for reads of `length` elements for the lifetime of the result.
unsafe fn given_slice<'a, T>(pointer: *const T, length: usize, name: &str) -> Result<&'a [T], Failure> {
    unsafe { given(pointer, name) }?;
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// # Safety
///
/// `pointer` is null or came from [`Box::into_raw`] and was not freed.
unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        guard((), || {
            drop(unsafe { Box::from_raw(pointer) });
            Ok(())
        });
    }
}

/// Load a policy from a file.
///
/// # Safety
///
/// `path` is null or a string that ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_load(path: *const c_char) -> *mut Policy {
    guard(std::ptr::null_mut(), || {
        unsafe { given(path, "path") }?;
        let path = unsafe { CStr::from_ptr(path) };
        // A path of Unix is bytes, in whatever encoding.
        #[cfg(unix)]
        let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path.to_bytes());
        #[cfg(not(unix))]
        let path = path.to_str()?;
        Ok(Box::into_raw(Box::new(Policy::from_file(path)?)))
    })
}

/// Load a policy from bytes.
///
/// # Safety
///
/// `bytes` is null or valid for reads of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_load_bytes(bytes: *const u8, length: usize) -> *mut Policy {
    guard(std::ptr::null_mut(), || {
        let bytes = unsafe { given_slice(bytes, length, "bytes") }?;
        Ok(Box::into_raw(Box::new(Policy::from_bytes(bytes)?)))
    })
}

/// Free a policy; its streams go on.
///
/// # Safety
///
/// `policy` is null or came from `aaren_load` or `aaren_load_bytes` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_policy_free(policy: *mut Policy) {
    unsafe { free(policy) }
}

/// Entries of an observation.
///
/// # Safety
///
/// `policy` is null or a live policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_observation_size(policy: *const Policy) -> usize {
    guard(0, || Ok(unsafe { given(policy, "policy") }?.observation_size()))
}

/// Entries of an action.
///
/// # Safety
///
/// `policy` is null or a live policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_action_size(policy: *const Policy) -> usize {
    guard(0, || Ok(unsafe { given(policy, "policy") }?.action_space().entries()))
}

/// The first of the policy's target returns, or 0.
///
/// # Safety
///
/// `policy` is null or a live policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_target_return(policy: *const Policy) -> f64 {
    guard(0.0, || Ok(unsafe { given(policy, "policy") }?.target_returns().first().copied().unwrap_or(0.0)))
}

/// The policy's header as JSON.
///
/// # Safety
///
/// `policy` is null or a live policy; `text` is valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_header(policy: *const Policy, text: *mut c_char, capacity: usize) -> usize {
    guard(0, || unsafe {
        hand_out(given(policy, "policy")?.header().to_json().as_bytes(), text.cast(), capacity)
    })
}

/// A policy file with its matrices rounded to int8.
///
/// # Safety
///
/// `bytes` is null or valid for reads of `length` bytes; `rounded` is valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_quantise(
    bytes: *const u8,
    length: usize,
    rounded: *mut u8,
    capacity: usize,
) -> usize {
    guard(0, || {
        let bytes = unsafe { given_slice(bytes, length, "bytes") }?;
        unsafe { hand_out(&quantise(bytes)?.bytes, rounded, capacity) }
    })
}

/// A policy file as a C99 header.
///
/// # Safety
///
/// `bytes` is null or valid for reads of `length` bytes, `name` null or a string that ends in a zero byte; `text` is
/// valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_c_file(
    bytes: *const u8,
    length: usize,
    name: *const c_char,
    text: *mut c_char,
    capacity: usize,
) -> usize {
    guard(0, || {
        let bytes = unsafe { given_slice(bytes, length, "bytes") }?;
        unsafe { given(name, "name") }?;
        let name = unsafe { CStr::from_ptr(name) }.to_str()?;
        unsafe { hand_out(c_file(bytes, name)?.source.as_bytes(), text.cast(), capacity) }
    })
}

/// A stream in the regime the file names.
///
/// # Safety
///
/// `policy` is null or a live policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_stream_new(policy: *const Policy) -> *mut Stream {
    guard(std::ptr::null_mut(), || Ok(Box::into_raw(Box::new(unsafe { given(policy, "policy") }?.stream()))))
}

/// Free a stream.
///
/// # Safety
///
/// `stream` is null or came from `aaren_stream_new` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_stream_free(stream: *mut Stream) {
    unsafe { free(stream) }
}

/// Begin an episode.
///
/// # Safety
///
/// `stream` is null or a live stream that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_reset(stream: *mut Stream, target_return: f64) -> c_int {
    guard(-1, || {
        unsafe { given_mut(stream, "stream") }?.reset(target_return);
        Ok(0)
    })
}

/// How much an asked return counts.
///
/// # Safety
///
/// `stream` is null or a live stream that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_set_guidance(stream: *mut Stream, guidance: f64) -> c_int {
    guard(-1, || {
        unsafe { given_mut(stream, "stream") }?.set_guidance(guidance)?;
        Ok(0)
    })
}

/// One step.
///
/// # Safety
///
/// `stream` is null or a live stream that no other thread uses; `observation` is null or valid for
/// reads of `observation_size` floats, `action` for writes of `action_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_act(
    stream: *mut Stream,
    observation: *const f32,
    observation_size: usize,
    previous_reward: f64,
    action: *mut f32,
    action_size: usize,
) -> c_int {
    guard(-1, || unsafe { act(stream, observation, observation_size, previous_reward, action, action_size) })
}

/// One step, with an observation of doubles.
///
/// # Safety
///
/// As [`aaren_act`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_act_double(
    stream: *mut Stream,
    observation: *const f64,
    observation_size: usize,
    previous_reward: f64,
    action: *mut f32,
    action_size: usize,
) -> c_int {
    guard(-1, || unsafe { act(stream, observation, observation_size, previous_reward, action, action_size) })
}

/// # Safety
///
/// As [`aaren_act`].
unsafe fn act<T: Copy + Into<f64>>(
    stream: *mut Stream,
    observation: *const T,
    observation_size: usize,
    previous_reward: f64,
    action: *mut f32,
    action_size: usize,
) -> Result<c_int, Failure> {
    let stream = unsafe { given_mut(stream, "stream") }?;
    let observation = unsafe { given_slice(observation, observation_size, "observation") }?;
    unsafe { has_room(action, action_size, stream.policy().action_space().entries()) }?;
    let answer = stream.act(observation, previous_reward)?;
    // The caller's memory may be uninitialised, and may overlap the observation: no reference.
    unsafe { std::ptr::copy(answer.as_ptr(), action, action_size) };
    Ok(0)
}

/// # Safety
///
/// `action` is null or a pointer.
unsafe fn has_room(action: *const f32, size: usize, expected: usize) -> Result<(), Failure> {
    unsafe { given(action, "action") }?;
    if size == expected {
        return Ok(());
    }
    Err(Failure(format!("the action has room for {size} entries, the policy gives {expected}")))
}

/// Copies `from` to the caller if there is room for it; its length.
///
/// # Safety
///
/// `to` is valid for writes of `capacity` bytes.
unsafe fn hand_out(from: &[u8], to: *mut u8, capacity: usize) -> Result<usize, Failure> {
    if from.len() <= capacity {
        if to.is_null() {
            return Err(Failure("the place to write to is NULL".into()));
        }
        unsafe { std::ptr::copy(from.as_ptr(), to, from.len()) };
    }
    Ok(from.len())
}

/// Bytes that the stream must keep of its episode between two steps.
///
/// # Safety
///
/// `stream` is null or a live stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_state_size(stream: *const Stream) -> usize {
    guard(0, || Ok(unsafe { given(stream, "stream") }?.state_bytes()))
}

/// Save a stream.
///
/// # Safety
///
/// `stream` is null or a live stream; `bytes` is valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_save(stream: *const Stream, bytes: *mut u8, capacity: usize) -> usize {
    guard(0, || unsafe { hand_out(&given(stream, "stream")?.save(), bytes, capacity) })
}

/// Go on from a saved stream.
///
/// # Safety
///
/// `stream` is null or a live stream that no other thread uses; `bytes` is null or valid for reads
/// of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_restore(stream: *mut Stream, bytes: *const u8, length: usize) -> c_int {
    guard(-1, || {
        unsafe { given_mut(stream, "stream") }?.restore(unsafe { given_slice(bytes, length, "bytes") }?)?;
        Ok(0)
    })
}

/// Several streams that are stepped together, in the regime the file names.
///
/// # Safety
///
/// `policy` is null or a live policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_new(policy: *const Policy, count: usize) -> *mut Streams {
    guard(std::ptr::null_mut(), || {
        Ok(Box::into_raw(Box::new(unsafe { given(policy, "policy") }?.streams(count)?)))
    })
}

/// Free several streams.
///
/// # Safety
///
/// `streams` is null or came from `aaren_streams_new` and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_free(streams: *mut Streams) {
    unsafe { free(streams) }
}

/// Begin an episode in one of the streams.
///
/// # Safety
///
/// `streams` is null or live streams that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_reset(
    streams: *mut Streams,
    index: usize,
    target_return: f64,
) -> c_int {
    guard(-1, || {
        let streams = unsafe { given_mut(streams, "streams") }?;
        is_one(streams, index)?;
        streams.reset(index, target_return);
        Ok(0)
    })
}

/// How much an asked return counts in all streams.
///
/// # Safety
///
/// `streams` is null or live streams that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_set_guidance(streams: *mut Streams, guidance: f64) -> c_int {
    guard(-1, || {
        unsafe { given_mut(streams, "streams") }?.set_guidance(guidance)?;
        Ok(0)
    })
}

/// One step of all streams.
///
/// # Safety
///
/// `streams` is null or live streams that no other thread uses; `observations` is null or valid for
/// reads of `observations_size` doubles, `previous_rewards` of `rewards_size`, `actions` for writes of
/// `actions_size` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_act(
    streams: *mut Streams,
    observations: *const f64,
    observations_size: usize,
    previous_rewards: *const f64,
    rewards_size: usize,
    actions: *mut f32,
    actions_size: usize,
) -> c_int {
    guard(-1, || {
        let streams = unsafe { given_mut(streams, "streams") }?;
        let observations = unsafe { given_slice(observations, observations_size, "observations") }?;
        let rewards = unsafe { given_slice(previous_rewards, rewards_size, "previous_rewards") }?;
        let expected = streams.len() * streams.policy().action_space().entries();
        unsafe { has_room(actions, actions_size, expected) }?;
        let answer = streams.act(observations, rewards)?;
        unsafe { std::ptr::copy(answer.as_ptr(), actions, actions_size) };
        Ok(0)
    })
}

/// Save one of the streams.
///
/// # Safety
///
/// `streams` is null or live streams; `bytes` is valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_save(
    streams: *const Streams,
    index: usize,
    bytes: *mut u8,
    capacity: usize,
) -> usize {
    guard(0, || {
        let streams = unsafe { given(streams, "streams") }?;
        is_one(streams, index)?;
        unsafe { hand_out(&streams.save(index), bytes, capacity) }
    })
}

/// One of the streams goes on from a saved one.
///
/// # Safety
///
/// `streams` is null or live streams that no other thread uses; `bytes` is null or valid for reads of
/// `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_restore(
    streams: *mut Streams,
    index: usize,
    bytes: *const u8,
    length: usize,
) -> c_int {
    guard(-1, || {
        let streams = unsafe { given_mut(streams, "streams") }?;
        is_one(streams, index)?;
        streams.restore(index, unsafe { given_slice(bytes, length, "bytes") }?)?;
        Ok(0)
    })
}

/// Save all of the streams.
///
/// # Safety
///
/// `streams` is null or live streams; `bytes` is valid for writes of `capacity` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_save_all(
    streams: *const Streams,
    bytes: *mut u8,
    capacity: usize,
) -> usize {
    guard(0, || unsafe { hand_out(&given(streams, "streams")?.save_all(), bytes, capacity) })
}

/// All of the streams go on from saved ones.
///
/// # Safety
///
/// `streams` is null or live streams that no other thread uses; `bytes` is null or valid for reads of
/// `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_streams_restore_all(
    streams: *mut Streams,
    bytes: *const u8,
    length: usize,
) -> c_int {
    guard(-1, || {
        let bytes = unsafe { given_slice(bytes, length, "bytes") }?;
        unsafe { given_mut(streams, "streams") }?.restore_all(bytes)?;
        Ok(0)
    })
}

fn is_one(streams: &Streams, index: usize) -> Result<(), Failure> {
    if index < streams.len() {
        return Ok(());
    }
    Err(Failure(format!("there is no stream {index} among {}", streams.len())))
}

/// The message of this thread's last failure.
#[unsafe(no_mangle)]
pub extern "C" fn aaren_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
