//! Rotation of pairs of channels by learned phases: how heads tell when something was.
//!
//! Pair j of head h, the channels 2j and 2j + 1, turns by ω_hj at each timestep. A sum that turns with every timestep,
//! R(ω)·w + v, is at timestep n Σ R(ω (n − t_i)) v_i = R(ω n) Σ R(−ω t_i) v_i: values turned back by their own timestep,
//! summed up as they are without rotation, and turned on by the reader's. So the scan and its kernels serve unchanged.

use aaren_format::Model;
use tch::{Kind, Tensor, nn};

use crate::wanted::Wanted;

/// Where tokens stand in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'t> {
    /// Tokens before them since the state was empty.
    pub before: i64,
    /// Tokens of a timestep.
    pub each: i64,
    /// Which of them begin an episode, `[batch, tokens]` bool: nothing before such a token reaches it or later ones.
    pub begins: Option<&'t Tensor>,
}

/// A decay after which nothing is left, and beside whose sums in float64 the decays of one token count.
pub(crate) const ALL: f64 = 1e6;

impl Place<'_> {
    /// `decay`, which broadcasts against `like` `[batch, heads, tokens]`, where tokens that begin an episode decay all before
    /// them: a monoid that can be reset anywhere (arXiv 2402.09900, theorem 4.2), by the decay that its elements have.
    pub(crate) fn reset(self, decay: Option<Tensor>, like: &Tensor) -> Option<Tensor> {
        let Some(begins) = self.begins else { return decay };
        let decay = decay.unwrap_or_else(|| Tensor::zeros([1, 1], (like.kind(), like.device())));
        Some(decay.expand(like.size(), false).masked_fill(&begins.unsqueeze(1), ALL))
    }

    /// Timesteps from that of token number `from`, counted from 0, to those of `tokens` tokens: float64.
    fn timesteps(self, from: i64, tokens: i64) -> Tensor {
        let first = from.div_euclid(self.each);
        let at = |token: i64| ((self.before + token).div_euclid(self.each) - first) as f64;
        Tensor::from_slice(&(0..tokens).map(at).collect::<Vec<f64>>())
    }

    /// Timesteps from that of the last token before them.
    pub(crate) fn since(self, tokens: i64) -> Tensor {
        self.timesteps(self.before - 1, tokens)
    }

    /// Timesteps since the state was empty.
    pub(crate) fn absolute(self, tokens: i64) -> Tensor {
        self.timesteps(0, tokens)
    }

    /// Timesteps since the state was empty of the last `tokens` tokens before them.
    pub(crate) fn of_past(self, tokens: i64) -> Tensor {
        Place { before: self.before - tokens, ..self }.absolute(tokens)
    }
}

/// ω of each pair of channels of the heads that turn, in radians for each timestep: `[heads that turn, pairs]`.
#[derive(Debug)]
pub(crate) struct Phases(Tensor);

impl Phases {
    /// Those of a layer, created under `path`; `None` where nothing turns. Periods begin at 2 timesteps and go to `longest`,
    /// each longer than the one before by one factor, alike for all heads.
    pub(crate) fn new(path: &nn::Path, model: &Model, longest: usize) -> Option<Self> {
        let (heads, pairs) = (model.rotated_heads() as i64, model.rotated_pairs() as i64);
        if heads == 0 {
            return None;
        }
        let place = Tensor::arange(pairs, (Kind::Double, path.device())) / (pairs - 1).max(1) as f64;
        let period = (place * (longest as f64 / 2.0).max(1.0).ln()).exp() * 2.0;
        let phases = (std::f64::consts::TAU / period).expand([heads, pairs], false);
        Some(Self(path.var_copy("phase", &phases)))
    }

    pub(crate) fn parameter(&self) -> &Tensor {
        &self.0
    }

    /// The turn at each of `timesteps` (float64).
    pub(crate) fn at(&self, timesteps: &Tensor) -> Turn {
        let timesteps = timesteps.to_device(self.0.device());
        // A phase of thousands of radians: float64 until it is a sine.
        let angle = timesteps.view([-1, 1, 1]) * self.0.to_kind(Kind::Double);
        let part = |x: Tensor| x.to_kind(Kind::Float);
        Turn { timesteps, cis: Tensor::complex(&part(angle.cos()), &part(angle.sin())) }
    }
}

/// Turns at some timesteps.
#[derive(Debug)]
pub(crate) struct Turn {
    timesteps: Tensor,
    /// e^{iωt}, `[timesteps, heads that turn, pairs]`.
    cis: Tensor,
}

impl Turn {
    /// The turns of the wanted tokens.
    pub(crate) fn of(&self, wanted: Wanted) -> Turn {
        Turn { timesteps: wanted.of(&self.timesteps, 0), cis: wanted.of(&self.cis, 0) }
    }

    /// The turn of the last token.
    pub(crate) fn last(&self) -> Turn {
        let last = self.timesteps.size()[0] - 1;
        Turn { timesteps: self.timesteps.narrow(0, last, 1), cis: self.cis.narrow(0, last, 1) }
    }

    /// `x` `[batch, tokens, heads, width of a head]` turned on.
    pub(crate) fn on(&self, x: &Tensor) -> Tensor {
        self.by(x, &self.cis)
    }

    /// `x` turned back.
    pub(crate) fn back(&self, x: &Tensor) -> Tensor {
        self.by(x, &self.cis.conj())
    }

    fn by(&self, x: &Tensor, cis: &Tensor) -> Tensor {
        let turned = (self.pairs(x) * cis).view_as_real().flatten(3, 4).to_kind(x.kind());
        let (heads, channels) = (turned.size()[2], turned.size()[3]);
        let (all_heads, all_channels) = (x.size()[2], x.size()[3]);
        let mut whole = turned;
        if channels < all_channels {
            let rest = x.narrow(2, 0, heads).narrow(3, channels, all_channels - channels);
            whole = Tensor::cat(&[whole, rest], 3);
        }
        if heads < all_heads {
            whole = Tensor::cat(&[whole, x.narrow(2, heads, all_heads - heads)], 2);
        }
        whole
    }

    /// The channels that turn, as complex numbers.
    fn pairs(&self, x: &Tensor) -> Tensor {
        let (heads, pairs) = (self.cis.size()[1], self.cis.size()[2]);
        let channels = x.narrow(2, 0, heads).narrow(3, 0, 2 * pairs).to_kind(Kind::Float);
        channels.contiguous().unflatten(3, [pairs, 2]).view_as_complex()
    }

    /// The gradient of ω where `turned` was turned on and `flow` is the gradient of that; the opposite where it was
    /// turned back.
    pub(crate) fn flow(&self, turned: &Tensor, flow: &Tensor) -> Tensor {
        // With y = x e^{iθ}, dθ = Re(y)·Im(dy) − Im(y)·Re(dy).
        let angles =
            (self.pairs(turned).conj() * self.pairs(flow)).imag().sum_dim_intlist(0, false, Kind::Double);
        (angles * self.timesteps.view([-1, 1, 1])).sum_dim_intlist(0, false, Kind::Float)
    }
}

/// `x` `[batch, tokens, width]` by head.
pub(crate) fn by_head(x: &Tensor, heads: i64) -> Tensor {
    let [batch, tokens, width] = [0, 1, 2].map(|axis: usize| x.size()[axis]);
    x.view([batch, tokens, heads, width / heads])
}

#[cfg(test)]
mod tests {
    use aaren_format::{EncoderKind, Mixer, Norm, Positions, Settings};
    use tch::{Device, nn};

    use super::*;

    #[test]
    fn periods_are_spread_from_two_timesteps_to_the_longest() {
        let store = nn::VarStore::new(Device::Cpu);
        let mixer = Mixer::new(EncoderKind::Aaren, Settings { heads: 3, ..Settings::default() });
        let (positions, norm) = (Positions::Rotary, Norm::Post);
        let model = Model { width: 30, layers: 1, norm, past_actions: true, positions, mixer };
        let phases = Phases::new(&store.root(), &model, 512).unwrap();
        let periods = Vec::<f64>::try_from((std::f64::consts::TAU / phases.parameter()).view([-1])).unwrap();
        for (found, expected) in periods.iter().zip([2.0, 8.0, 32.0, 128.0, 512.0].repeat(3)) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{periods:?}");
        }
    }
}
