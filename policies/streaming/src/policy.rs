//! A trained policy: read, checked, and packed for streaming.

#[cfg(feature = "std")]
use alloc::borrow::ToOwned;
use alloc::{sync::Arc, vec::Vec};

use crate::Error;
use crate::file::File;
use crate::network::Network;
use crate::simd::InstructionSet;
use aaren_format::{ActionSpace, Header, Precision, Regime, fnv1a};

/// The weights of a trained policy, shared by all its streams: cloning copies a pointer.
#[derive(Clone)]
pub struct Policy(Arc<Weights>);

/// How a policy is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How the matrices of the encoder, or of the hidden layers, are kept in memory. Those of an int8 file stay
    /// int8.
    pub precision: Precision,
    /// What the kernels are compiled for.
    pub instructions: InstructionSet,
}

impl Default for Options {
    /// float32 and the widest instructions that the processor has.
    fn default() -> Options {
        Options { precision: Precision::Float32, instructions: InstructionSet::best() }
    }
}

/// Everything of a [`Policy`].
pub(crate) struct Weights {
    pub(crate) header: Header,
    pub(crate) instructions: InstructionSet,
    /// Mean and standard deviation that observations are normalised with.
    pub(crate) mean: Vec<f32>,
    pub(crate) std: Vec<f32>,
    pub(crate) network: Network,
    /// Identifies the policy a saved state belongs to.
    pub(crate) fingerprint: u64,
}

impl Policy {
    /// Load a policy file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or as [`from_bytes`](Self::from_bytes).
    #[cfg(feature = "std")]
    pub fn from_file(path: impl AsRef<std::path::Path>) -> Result<Policy, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let wrong = |source| Error::File { path: path.to_owned(), source: Box::new(source) };
        Policy::from_bytes(&bytes).map_err(wrong)
    }

    /// Load a policy from the bytes of a policy file.
    ///
    /// # Errors
    ///
    /// If the bytes are not a safetensors file with the header of a policy, if a tensor is missing,
    /// has another type or shape than the header asks for, or holds a number that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Policy, Error> {
        Policy::from_bytes_with(bytes, Options::default())
    }

    /// Load a policy from bytes in a chosen precision or for chosen instructions.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes), and if the processor lacks the instructions.
    pub fn from_bytes_with(bytes: &[u8], options: Options) -> Result<Policy, Error> {
        if !InstructionSet::available().any(|set| set == options.instructions) {
            return Err(Error::InstructionSet(options.instructions));
        }
        let (header, file) = File::open(bytes)?;
        let (mean, std) = file.scale(&header)?;
        let network = Network::read(&file, &header, options.precision)?;
        let (instructions, fingerprint) = (options.instructions, fnv1a(bytes.iter().copied()));
        Ok(Policy(Arc::new(Weights { header, instructions, mean, std, network, fingerprint })))
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The name the policy was trained under.
    pub fn name(&self) -> &str {
        &self.0.header.policy
    }

    /// Entries of an observation.
    pub fn observation_size(&self) -> usize {
        self.0.header.observation_size
    }

    /// What actions look like.
    pub fn action_space(&self) -> &ActionSpace {
        &self.0.header.action
    }

    /// The roll-out regime the file names.
    pub fn regime(&self) -> Regime {
        self.0.header.regime()
    }

    /// Returns to ask for, the first being the one to start with.
    pub fn target_returns(&self) -> &[f64] {
        &self.0.header.target_returns
    }

    /// A guidance that was asked for, as its streams act with it: what hears of no return is always free.
    pub(crate) fn guidance(&self, asked: f64) -> Result<f64, Error> {
        let Some(decision) = self.header().decision() else { return Ok(1.0) };
        decision.check_guidance(asked)?;
        Ok(asked)
    }

    /// The instructions its kernels use.
    pub fn instructions(&self) -> InstructionSet {
        self.0.instructions
    }

    /// Bytes of the packed weights that one step reads: the encoder's, or a perceptron's hidden layers'.
    pub fn encoder_bytes(&self) -> usize {
        self.0.network.bytes()
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.0
    }
}

impl core::fmt::Debug for Policy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Policy")
            .field("header", &self.0.header)
            .field("instructions", &self.0.instructions)
            .finish_non_exhaustive()
    }
}
