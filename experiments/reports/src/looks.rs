//! Colours, marks and dashes of policies, the same in every picture of an experiment.

use aaren_format::{EncoderKind, Header, Regime};
use aaren_spec::{Cost, Spec};

use crate::plot::Look;

/// What decides a policy's colour: its encoder, if it has one.
pub type Kind = Option<EncoderKind>;

/// The kind of a policy file.
pub fn kind_of_file(header: &Header) -> Kind {
    header.decision().map(|decision| decision.model.encoder())
}

/// Place in the palette of policies without an encoder; encoders have the others.
const WITHOUT_ENCODER: usize = 3;

fn colour(kind: Kind) -> usize {
    let place = EncoderKind::ALL.iter().position(|encoder| Some(*encoder) == kind);
    place.map_or(WITHOUT_ENCODER, |place| place + usize::from(place >= WITHOUT_ENCODER))
}

/// A look for each policy of an experiment, in its order: the colour is of its kind, marks and dashes are of its place
/// among the policies of that kind.
pub fn looks(kinds: &[Kind]) -> Vec<Look> {
    let look = |(place, kind): (usize, &Kind)| {
        let variant = kinds[..place].iter().filter(|other| *other == kind).count();
        Look { colour: colour(*kind), mark: variant, dash: variant }
    };
    kinds.iter().enumerate().map(look).collect()
}

/// A look for each policy of an experiment, in its order.
pub fn looks_of(spec: &Spec) -> Vec<Look> {
    looks(&spec.policies.iter().map(|policy| policy.agent.encoder()).collect::<Vec<_>>())
}

/// What a cost is called in a legend: by its memory too, unless that is all of the episode and the policy's own.
pub fn cost_name(cost: &Cost, kind: Kind, own: bool) -> String {
    match cost.regime {
        Regime::Unbounded if own => cost.policy.clone(),
        _ if kind.is_none() => cost.policy.clone(),
        regime => format!("{}, {regime}", cost.policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_of_kinds_and_marks_of_variants() {
        let [aaren, transformer] = [EncoderKind::Aaren, EncoderKind::Transformer].map(Some);
        let found = looks(&[transformer, None, aaren, transformer, None]);
        let found: Vec<_> = found.iter().map(|look| (look.colour, look.mark, look.dash)).collect();
        assert_eq!(found, [(1, 0, 0), (3, 0, 0), (0, 0, 0), (1, 1, 1), (3, 1, 1)]);
        let mut colours: Vec<usize> = EncoderKind::ALL.map(|kind| colour(Some(kind))).to_vec();
        colours.push(colour(None));
        colours.sort_unstable();
        assert_eq!(colours, (0..=EncoderKind::ALL.len()).collect::<Vec<_>>());
        assert!(colours.iter().all(|&colour| colour < Look::COMPUTED.colour), "{colours:?}");
    }
}
