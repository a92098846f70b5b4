//! How a timestep is told to the network of a decision agent.

use alloc::format;

use serde::{Deserialize, Serialize};

use crate::config::is_default;
use crate::words::words;
use crate::{Bins, Invalid, values};

/// Where the return-to-go enters a network that has one token for each timestep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReturnIn {
    /// With the observation, in the timestep's token: what the encoder remembers depends on what was asked for.
    #[default]
    Token,
    /// In the head alone: it scales and shifts what the encoder says (FiLM, Perez et al. 2018; for the last return
    /// only, as in the Decoupled Decision Transformer). The tokens hold no returns, so one state serves any target.
    Head,
}

words!(ReturnIn: Token = "token", Head = "head");

/// The tokens of a timestep: `tokens`, `return`, `return_rate` and `return_bins` in YAML and JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub enum Layout {
    /// One each for return-to-go, observation and, where past actions are seen, action: the Decision Transformer's.
    #[default]
    Separate,
    /// One token: the observation; where past actions are seen, with the action and the reward before it.
    Joint {
        /// Where the return-to-go enters.
        return_in: ReturnIn,
        /// Whether the return for each remaining timestep is told beside the return-to-go.
        rate: bool,
        /// Bins whose shares are told beside the return-to-go; 0: none.
        bins: usize,
    },
}

impl Layout {
    /// How many times the return-to-go that for each remaining timestep can be, in the units of [`ask`](Self::ask).
    pub const STEEPEST: f32 = 10.0;

    /// Tokens of a timestep.
    pub fn tokens(self, past_actions: bool) -> usize {
        match self {
            Layout::Separate => 2 + usize::from(past_actions),
            Layout::Joint { .. } => 1,
        }
    }

    /// The place of the token, among a timestep's, at which actions are read.
    pub fn read_at(self) -> usize {
        match self {
            Layout::Separate => 1,
            Layout::Joint { .. } => 0,
        }
    }

    /// Whether returns enter the head alone.
    pub fn in_head(self) -> bool {
        matches!(self, Layout::Joint { return_in: ReturnIn::Head, .. })
    }

    /// Whether it is told if a return is asked for at all.
    pub fn may_be_free(self) -> bool {
        matches!(self, Layout::Joint { .. })
    }

    /// Numbers that say what is asked for.
    pub fn asked_size(self) -> usize {
        match self {
            Layout::Separate => 1,
            Layout::Joint { rate, bins, .. } => 2 + usize::from(rate) + bins,
        }
    }

    /// Bins whose shares are told beside the return-to-go.
    pub fn bins(self) -> usize {
        match self {
            Layout::Separate => 0,
            Layout::Joint { bins, .. } => bins,
        }
    }

    /// Writes what is asked for at a timestep: the scaled return-to-go; where it is told, that for each remaining
    /// timestep, in units of the one that spreads it over a whole episode; 1, for there being a return; and the shares of
    /// the bins, if there are any. All are 0 where none is asked for. Beyond nine tenths of the longest episode the
    /// remaining timesteps count as a tenth of it, so that what is still asked for at its end is no huge number
    /// ([`STEEPEST`](Self::STEEPEST)).
    ///
    /// # Panics
    /// If `to` does not have [`asked_size`](Self::asked_size) entries.
    pub fn ask(self, return_to_go: f32, timestep: u64, max_timesteps: usize, bins: &Bins, to: &mut [f32]) {
        let (numbers, shares) = to.split_at_mut(self.asked_size() - self.bins());
        match self {
            Layout::Separate => numbers.copy_from_slice(&[return_to_go]),
            Layout::Joint { rate: false, .. } => numbers.copy_from_slice(&[return_to_go, 1.0]),
            Layout::Joint { rate: true, .. } => {
                let whole = max_timesteps as f32;
                let left = (max_timesteps as u64).saturating_sub(timestep) as f32;
                let share = whole / left.max(whole / Self::STEEPEST);
                numbers.copy_from_slice(&[return_to_go, return_to_go * share, 1.0]);
            }
        }
        assert_eq!(shares.len(), self.bins(), "as many numbers as are asked for");
        bins.tell(return_to_go, shares);
    }
}

/// A layout as YAML and JSON spell it. Separate tokens are those of files from before there were others: their model's
/// `past_actions` says how many.
#[derive(Serialize, Deserialize)]
struct Flat {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    #[serde(default, rename = "return", skip_serializing_if = "Option::is_none")]
    return_in: Option<ReturnIn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    return_rate: Option<bool>,
    #[serde(default, deserialize_with = "values::bins", skip_serializing_if = "is_default")]
    return_bins: usize,
}

impl From<Layout> for Flat {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Separate => Flat { tokens: None, return_in: None, return_rate: None, return_bins: 0 },
            Layout::Joint { return_in, rate, bins } => Flat {
                tokens: Some(1),
                return_in: Some(return_in),
                return_rate: Some(rate),
                return_bins: bins,
            },
        }
    }
}

impl TryFrom<Flat> for Layout {
    type Error = Invalid;

    fn try_from(flat: Flat) -> Result<Self, Invalid> {
        match flat {
            Flat { tokens: None, return_in: None, return_rate: None | Some(false), return_bins: 0 } => {
                Ok(Layout::Separate)
            }
            Flat { tokens: Some(1), return_in: Some(return_in), return_rate, return_bins } => {
                Ok(Layout::Joint { return_in, rate: return_rate.unwrap_or(false), bins: return_bins })
            }
            Flat { tokens, return_in, .. } => Err(Invalid {
                key: "model.tokens",
                found: match (tokens, return_in) {
                    (None, _) => "`return`, `return_rate` or `return_bins` without it".into(),
                    (Some(1), _) => "1 without `return`".into(),
                    (Some(tokens), _) => format!("{tokens}"),
                },
                expected: "1 with `return: token` or `return: head`, or none of these keys".into(),
                cure: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_layout_is_written_flat_and_read_again() {
        for written in [
            "{}",
            r#"{"tokens":1,"return":"token","return_rate":false}"#,
            r#"{"tokens":1,"return":"head","return_rate":true}"#,
            r#"{"tokens":1,"return":"token","return_rate":false,"return_bins":16}"#,
        ] {
            let layout: Layout = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&layout).unwrap(), written);
        }
        // Files in which no `false` was written.
        let layout: Layout = serde_json::from_str(r#"{"tokens":1,"return":"head"}"#).unwrap();
        assert_eq!(layout, Layout::Joint { return_in: ReturnIn::Head, rate: false, bins: 0 });
        for (written, found) in [
            (r#"{"tokens":2}"#, "found 2,"),
            (r#"{"tokens":1}"#, "found 1 without `return`,"),
            (r#"{"return":"head"}"#, "found `return`, `return_rate` or `return_bins` without it,"),
            (r#"{"return_rate":true}"#, "found `return`, `return_rate` or `return_bins` without it,"),
            (r#"{"return_bins":2}"#, "found `return`, `return_rate` or `return_bins` without it,"),
            (
                r#"{"tokens":1,"return":"head","return_bins":1}"#,
                "expected 0, or a whole number from 2 to 256",
            ),
        ] {
            let refusal = serde_json::from_str::<Layout>(written).unwrap_err().to_string();
            assert!(refusal.contains(found), "{written}: {refusal}");
        }
    }

    #[test]
    fn the_rate_is_the_return_over_the_share_of_the_episode_that_is_left() {
        let rate = |timestep| {
            let layout = Layout::Joint { return_in: ReturnIn::Head, rate: true, bins: 3 };
            let mut asked = [f32::NAN; 6];
            layout.ask(2.0, timestep, 1000, &Bins::new(3, [0.0, 64.0], 8.0), &mut asked);
            assert_eq!((asked[0], &asked[2..]), (2.0, &[1.0, 0.5, 0.5, 0.0][..]));
            asked[1]
        };
        assert_eq!([0, 500, 900, 999, 5000].map(rate), [2.0, 4.0, 20.0, 20.0, 20.0]);
    }
}
