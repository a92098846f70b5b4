//! The C interface; `include/aaren_streaming.h` documents every function for its callers.
//!
//! Every entry point catches panics, and turns failures into a message of the calling thread.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use aaren_streaming::{ActionSpace, Policy, Stream};

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

/// Load a policy from a file.
///
/// # Safety
///
/// `path` is null or a string that ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aaren_load(path: *const c_char) -> *mut Policy {
    guard(std::ptr::null_mut(), || {
        unsafe { given(path, "path") }?;
        let path = unsafe { CStr::from_ptr(path) }.to_str()?;
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
    if !policy.is_null() {
        guard((), || {
            drop(unsafe { Box::from_raw(policy) });
            Ok(())
        });
    }
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
    guard(0, || {
        Ok(match unsafe { given(policy, "policy") }?.action_space() {
            ActionSpace::Continuous { low, .. } => low.len(),
            ActionSpace::Discrete { .. } => 1,
        })
    })
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
    if !stream.is_null() {
        guard((), || {
            drop(unsafe { Box::from_raw(stream) });
            Ok(())
        });
    }
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
    guard(-1, || {
        let stream = unsafe { given_mut(stream, "stream") }?;
        let observation = unsafe { given_slice(observation, observation_size, "observation") }?;
        unsafe { given(action, "action") }?;
        let expected = unsafe { aaren_action_size(stream.policy()) };
        if action_size != expected {
            return Err(Failure(format!(
                "the action has room for {action_size} entries, the policy gives {expected}"
            )));
        }
        let answer = stream.act(observation, previous_reward)?;
        // The caller's memory may be uninitialised, and may overlap the observation: no reference.
        unsafe { std::ptr::copy(answer.as_ptr(), action, action_size) };
        Ok(0)
    })
}

/// Bytes of what the stream remembers.
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
    guard(0, || {
        let saved = unsafe { given(stream, "stream") }?.save();
        if saved.len() <= capacity {
            unsafe { given(bytes, "bytes") }?;
            unsafe { std::ptr::copy(saved.as_ptr(), bytes, saved.len()) };
        }
        Ok(saved.len())
    })
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

/// The message of this thread's last failure.
#[unsafe(no_mangle)]
pub extern "C" fn aaren_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
