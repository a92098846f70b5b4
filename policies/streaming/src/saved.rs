//! Saving a stream in the middle of an episode, and going on from there.

use alloc::{format, string::ToString, vec::Vec};

use crate::episode::Episode;
use crate::policy::Weights;
use crate::{Error, Regime, Stream, Streams};

/// Begins every saved state; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"aaren-s2";

impl Stream {
    /// The stream as bytes: the episode so far, as much of it as the regime needs.
    ///
    /// All numbers little-endian: magic, policy fingerprint, regime, timestep, return-to-go, tokens
    /// in the state, then the window's or the last timestep's inputs and the encoder's state. What
    /// [`set_guidance`](Self::set_guidance) set is not in them.
    pub fn save(&self) -> Vec<u8> {
        self.episode.save(self.policy.weights(), self.regime)
    }

    /// Go on from what [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// If the bytes come from another policy or regime, are cut short or too long, or hold what no
    /// stream can reach. The stream is then as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.episode.restore(self.policy.weights(), self.regime, bytes)
    }
}

impl Streams {
    /// One of the streams as bytes, those of [`Stream::save`].
    ///
    /// # Panics
    ///
    /// If there is no such stream.
    pub fn save(&self, index: usize) -> Vec<u8> {
        self.episodes[index].save(self.policy.weights(), self.regime)
    }

    /// One of the streams goes on from what [`save`](Self::save) or [`Stream::save`] returned.
    ///
    /// # Errors
    ///
    /// As [`Stream::restore`].
    ///
    /// # Panics
    ///
    /// If there is no such stream.
    pub fn restore(&mut self, index: usize, bytes: &[u8]) -> Result<(), Error> {
        self.episodes[index].restore(self.policy.weights(), self.regime, bytes)
    }

    /// All streams as bytes: for each the length (u64, little-endian) of what [`save`](Self::save) gives, and that.
    pub fn save_all(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for episode in &self.episodes {
            let start = all.len();
            all.extend([0; size_of::<u64>()]);
            episode.write(self.policy.weights(), self.regime, &mut all);
            let length = (all.len() - start - size_of::<u64>()) as u64;
            all[start..start + size_of::<u64>()].copy_from_slice(&length.to_le_bytes());
        }
        all
    }

    /// All streams go on from what [`save_all`](Self::save_all) of as many streams returned.
    ///
    /// # Errors
    ///
    /// As [`Stream::restore`], and for another number of streams. All streams are then as they were.
    pub fn restore_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut parts = Vec::new();
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let Some((part, after)) = after.split_at_checked(length) else { break };
            parts.push(part);
            rest = after;
        }
        let expected = self.episodes.len();
        if !rest.is_empty() || parts.len() != expected {
            let found = if rest.is_empty() {
                format!("{} streams", parts.len())
            } else {
                format!("{} bytes that are not whole streams", bytes.len())
            };
            return Err(Error::Saved { found, expected: format!("{expected} streams") });
        }
        let weights = self.policy.weights();
        let read = |(episode, part): (&Episode, &[u8])| episode.read(weights, self.regime, part);
        let saved = self.episodes.iter().zip(parts).map(read).collect::<Result<Vec<_>, _>>()?;
        self.episodes.iter_mut().zip(saved).for_each(|(episode, saved)| episode.go_on(weights, &saved));
        Ok(())
    }
}

/// A saved episode that was checked.
struct Saved {
    timestep: u64,
    return_to_go: f64,
    tokens: u64,
    /// Tokens that the caches hold.
    held: usize,
    /// Inputs of the last timesteps, as many floats as `inputs`; then the encoder's state.
    floats: Vec<f32>,
    inputs: usize,
}

impl Episode {
    fn save(&self, weights: &Weights, regime: Regime) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(weights, regime, &mut bytes);
        bytes
    }

    fn write(&self, weights: &Weights, regime: Regime, bytes: &mut Vec<u8>) {
        bytes.extend(MAGIC);
        let mut put = |number: u64| bytes.extend(number.to_le_bytes());
        put(weights.fingerprint);
        let (kind, length) = numbered(regime);
        put(kind);
        put(length);
        put(self.timestep);
        put(self.return_to_go.to_bits());
        let recomputed = weights.network.recomputes(regime);
        put(if recomputed { 0 } else { self.state.tokens });
        let mut put = |x: &f32| bytes.extend(x.to_le_bytes());
        let remembered = self.timestep.min(kept(weights, regime));
        for t in self.timestep - remembered..self.timestep {
            self.row(t).iter().for_each(&mut put);
        }
        if !recomputed {
            for memory in &self.state.layers {
                memory.fixed.iter().chain(memory.cache.floats()).for_each(&mut put);
            }
        }
    }

    fn restore(&mut self, weights: &Weights, regime: Regime, bytes: &[u8]) -> Result<(), Error> {
        let saved = self.read(weights, regime, bytes)?;
        self.go_on(weights, &saved);
        Ok(())
    }

    /// What the bytes hold, where an episode of this policy and regime can reach it.
    fn read(&self, weights: &Weights, regime: Regime, bytes: &[u8]) -> Result<Saved, Error> {
        let mismatch = |found: &dyn core::fmt::Display, expected: &dyn core::fmt::Display| Error::Saved {
            found: found.to_string(),
            expected: expected.to_string(),
        };
        let Some((numbers, floats)) = bytes.split_at_checked(7 * size_of::<u64>()) else {
            return Err(mismatch(&format!("{} bytes", bytes.len()), &"at least 56"));
        };
        let numbers: Vec<u64> = words(numbers);
        if numbers[0] != u64::from_le_bytes(*MAGIC) {
            return Err(mismatch(&"another beginning", &"`aaren-s2`, this version's"));
        }
        if numbers[1] != weights.fingerprint {
            return Err(mismatch(
                &"the state of another policy",
                &format!("one of `{}`", weights.header.policy),
            ));
        }
        if (numbers[2], numbers[3]) != numbered(regime) {
            let found = format!("regime {} of {}", numbers[2], numbers[3]);
            return Err(mismatch(&found, &format!("{regime:?}")));
        }
        let (timestep, return_to_go, tokens) = (numbers[4], f64::from_bits(numbers[5]), numbers[6]);
        if timestep > 1 << 53 {
            return Err(mismatch(&format!("timestep {timestep}"), &"one that can be reached"));
        }
        if !return_to_go.is_finite() && weights.header.check_target(return_to_go).is_err() {
            return Err(mismatch(&format!("a return to go of {return_to_go}"), &"a finite one"));
        }
        if weights.network.tokens(regime, timestep) != Some(tokens) {
            return Err(mismatch(
                &format!("{tokens} tokens at timestep {timestep}"),
                &"what the regime gives",
            ));
        }

        let rows = timestep.min(kept(weights, regime)) as usize;
        let inputs = rows * self.row_length;
        let held = weights.network.held(regime, tokens);
        // What the regime recomputes is not saved.
        let recomputed = weights.network.recomputes(regime);
        let memories = if recomputed { &[][..] } else { &self.state.layers };
        let lengths = memories
            .iter()
            .map(|memory| (held as usize).checked_mul(memory.cache.row())?.checked_add(memory.fixed.len()));
        let state = lengths.into_iter().try_fold(inputs, |sum, length| sum.checked_add(length?));
        let expected = state.and_then(|floats| floats.checked_mul(size_of::<f32>()));
        if expected != Some(floats.len()) {
            let expected = expected.map_or("fewer timesteps".to_string(), |bytes| format!("{bytes}"));
            return Err(mismatch(&format!("{} bytes of numbers", floats.len()), &expected));
        }
        let floats: Vec<f32> =
            floats.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        // An Aaren that has seen no token has maxima of −∞.
        let (seen, state) = floats.split_at(inputs);
        let fits = |x: &f32| x.is_finite() || (tokens == 0 && *x == f32::NEG_INFINITY);
        if !seen.iter().all(|x| x.is_finite()) || !state.iter().all(fits) {
            return Err(mismatch(&"a number that is not finite", &"finite numbers"));
        }
        Ok(Saved { timestep, return_to_go, tokens, held: held as usize, floats, inputs })
    }

    fn go_on(&mut self, weights: &Weights, saved: &Saved) {
        let &Saved { timestep, return_to_go, tokens, held, ref floats, inputs } = saved;
        let (inputs, state) = floats.split_at(inputs);
        self.reset(weights, return_to_go);
        let row_length = self.row_length;
        let rows = (inputs.len() / row_length) as u64;
        for (t, row) in (timestep - rows..timestep).zip(inputs.chunks_exact(row_length)) {
            let start = (t % self.rows) as usize * row_length;
            if self.inputs.len() < start + row_length {
                self.inputs.resize(start + row_length, 0.0);
            }
            self.inputs[start..start + row_length].copy_from_slice(row);
        }
        self.timestep = timestep;
        self.state.tokens = tokens;
        // What the regime recomputes is not saved.
        if !state.is_empty() {
            let mut rest = state;
            for memory in &mut self.state.layers {
                let (fixed, after) = rest.split_at(memory.fixed.len());
                let (rows, after) = after.split_at(held * memory.cache.row());
                memory.fixed.copy_from_slice(fixed);
                memory.cache.restore(tokens - held as u64, rows);
                rest = after;
            }
        }
    }
}

/// How many timesteps' inputs a saved state keeps at most.
fn kept(weights: &Weights, regime: Regime) -> u64 {
    weights.network.kept(regime).1 as u64
}

/// A regime as two numbers.
fn numbered(regime: Regime) -> (u64, u64) {
    match regime {
        Regime::Unbounded => (0, 0),
        Regime::Window(length) => (1, length as u64),
        Regime::Reset(length) => (2, length as u64),
        Regime::Sliding(length) => (3, length as u64),
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes
        .chunks_exact(8)
        .map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
        .collect()
}
