//! Where tensors live.

use alloc::format;
use core::fmt;
use core::str::FromStr;

use serde::{Serialize, Serializer};

use crate::Invalid;

/// Where tensors live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The CUDA device of that index.
    Cuda(usize),
}

impl Device {
    /// What names one.
    pub const EXPECTED: &'static str = "`cpu`, `cuda` or `cuda:N`";
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        let index = match word {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            // An index beyond any machine's would overflow what libtorch keeps it in.
            _ => word.strip_prefix("cuda:").and_then(|index| index.parse().ok()).filter(|&index| index < 128),
        };
        index.map(Device::Cuda).ok_or_else(|| Invalid {
            key: "train.device",
            found: format!("{word:?}"),
            expected: Self::EXPECTED.into(),
            cure: word.eq_ignore_ascii_case("gpu").then(|| "write `cuda`".into()),
        })
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn devices_are_named_as_libtorch_names_them() {
        for (word, device) in [("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))] {
            assert_eq!(word.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for word in ["", "gpu", "cuda:", "cuda:-1", "cuda:128", "CPU"] {
            assert!(word.parse::<Device>().is_err(), "{word}");
        }
        assert!("GPU".parse::<Device>().unwrap_err().to_string().contains("write `cuda`"));
    }
}
