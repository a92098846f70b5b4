//! The device that training runs on.

use std::sync::OnceLock;

use tch::{Cuda, Device, Kind, Tensor};

use crate::Error;

/// Opens a device.
///
/// The build links libtorch's CPU library only. Its CUDA library is opened here, at run time and
/// before the first CUDA query (a query made earlier would cache "no backend", tch-rs#907), so that
/// one build serves both kinds of machine.
///
/// # Errors
/// [`Error::Device`] where the CUDA libraries are not installed, or no GPU answers.
pub fn open_device(device: aaren_format::Device) -> Result<Device, Error> {
    let fail = |reason: String| Error::Device { device: device.to_string(), reason };
    let aaren_format::Device::Cuda(index) = device else { return Ok(Device::Cpu) };
    load_cuda_library().map_err(fail)?;
    let found = Cuda::device_count();
    if found <= index as i64 {
        return Err(fail(format!(
            "no such GPU: libtorch sees {found} CUDA devices (is the NVIDIA driver installed?); set `device: cpu` to train without one"
        )));
    }
    let device = Device::Cuda(index);
    let _ = Tensor::f_zeros([1], (Kind::Float, device)).map_err(|error| {
        let text = error.to_string();
        fail(format!("the GPU does not answer: {}", text.lines().next().unwrap_or_default()))
    })?;
    Ok(device)
}

fn load_cuda_library() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
            // SAFETY: the initialisers of libtorch_cuda only register its kernels with libtorch.
            match unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) } {
                Ok(library) => {
                    std::mem::forget(library); // its kernels stay registered until the process ends
                    Ok(())
                }
                Err(error) => Err(format!(
                    "libtorch's CUDA library cannot be opened ({error}); install it with `make deps CUDA=1`, or set `device: cpu`"
                )),
            }
        })
        .clone()
}
