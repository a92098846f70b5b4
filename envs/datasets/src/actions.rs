//! What the actions of a dataset are: the environment decides, or the data's own space, or the numbers themselves.

use aaren_envs::ActionSpace;

use crate::Dataset;
use crate::error::Fault;
use crate::reading::Actions;
use crate::space::Space;

/// Whole numbers below this are exact in float32.
pub(crate) const EXACT: f32 = 16_777_216.0;

impl Dataset {
    /// Reads the actions as `asked`, else as an environment takes them, else as the data say.
    pub(crate) fn with_actions(
        mut self,
        asked: Option<Actions>,
        env: Option<(&str, &ActionSpace)>,
    ) -> Result<Self, Fault> {
        let size = self.action_size;
        let one_hot = || size > 1 && self.actions.chunks_exact(size).all(is_one_hot);
        let kind = match (asked, env, &self.said.action_space) {
            (Some(kind), _, _) => kind,
            (None, Some((_, ActionSpace::Continuous { .. })), _) => Actions::Continuous,
            (None, Some((_, ActionSpace::Discrete { .. })), _) if size == 1 => Actions::Discrete,
            (None, Some((_, ActionSpace::Discrete { .. })), _) => Actions::OneHot,
            (None, Some((_, ActionSpace::MultiDiscrete { .. })), _) => Actions::MultiDiscrete,
            (None, None, Some(Space::Box { .. })) => Actions::Continuous,
            (None, None, Some(Space::Discrete { .. })) if size == 1 => Actions::Discrete,
            (None, None, Some(Space::Discrete { .. })) => Actions::OneHot,
            (None, None, Some(Space::MultiDiscrete { .. } | Space::MultiBinary { .. })) => {
                Actions::MultiDiscrete
            }
            (None, None, _) if one_hot() => Actions::OneHot,
            (None, None, _) if !self.integer_actions || self.actions.iter().any(|&x| x < 0.0) => {
                Actions::Continuous
            }
            (None, None, _) if size == 1 => Actions::Discrete,
            (None, None, _) => Actions::MultiDiscrete,
        };
        if asked.is_none() && self.said.action_space.as_ref().is_some_and(Space::mixes_choices) {
            let expected = "Box, Discrete, MultiDiscrete or MultiBinary actions; `actions: continuous` takes the numbers \
                            as they are";
            return Err(Fault::new("a dictionary or tuple with choices", expected));
        }
        self.fits(kind, asked, env)?;
        let start: Vec<f32> = match &self.said.action_space {
            Some(Space::Discrete { start, .. }) => vec![*start as f32],
            Some(Space::MultiDiscrete { start, .. }) => start.iter().map(|&first| first as f32).collect(),
            _ => Vec::new(),
        };
        let start = if start.len() == size { start } else { vec![0.0; size] };
        match kind {
            Actions::Continuous => {}
            Actions::Discrete | Actions::MultiDiscrete => {
                if kind == Actions::Discrete && size != 1 {
                    let cure = "`actions: one-hot` or `actions: multi-discrete` reads several";
                    return Err(self.unfit("one column", cure));
                }
                if start.iter().any(|&first| first != 0.0) {
                    for row in self.actions.chunks_exact_mut(size) {
                        row.iter_mut().zip(&start).for_each(|(choice, first)| *choice -= first);
                    }
                    let shown = start.iter().map(f32::to_string).collect::<Vec<_>>().join(", ");
                    self.said
                        .notes
                        .push(format!("choices are counted from {shown} in the data, from 0 here"));
                }
                // Beyond it float32 does not tell whole numbers apart.
                if let Some(largest) = self.actions.iter().find(|choice| **choice >= EXACT) {
                    let expected = format!("choices below {EXACT:.0}; number them from 0 on");
                    return Err(Fault::new(format!("choice {largest:.0}"), expected));
                }
                if let Some(place) = self.actions.iter().position(|x| x.fract() != 0.0 || *x < 0.0) {
                    let start = start[place % size];
                    let found = self.actions[place] + start;
                    let expected = format!(
                        "choices, whole numbers from {start} on; `actions: continuous` reads vectors"
                    );
                    return Err(Fault::new(format!("{found} at transition {}", place / size), expected));
                }
            }
            Actions::OneHot => {
                if let Some(place) = self.actions.chunks_exact(size).position(|row| !is_one_hot(row)) {
                    let row = &self.actions[place * size..][..size];
                    let found = format!("{row:?} at transition {place}");
                    return Err(Fault::new(found, "one 1 and else zeros in each row, one-hot"));
                }
                self.said.notes.push(format!(
                    "actions are read as one-hot, one of {size} choices (`actions: multi-discrete` or `continuous` reads them otherwise)"
                ));
                let index = |row: &[f32]| row.iter().position(|&x| x == 1.0).unwrap_or(0) as f32;
                self.actions = self.actions.chunks_exact(size).map(index).collect();
                self.choices = vec![size];
                self.action_size = 1;
            }
        }
        self.discrete = kind != Actions::Continuous;
        if self.discrete && kind != Actions::OneHot {
            self.choices = match (&self.said.action_space, kind) {
                (Some(Space::Discrete { n, .. }), Actions::Discrete) => vec![*n],
                (Some(Space::MultiDiscrete { nvec, .. }), _) => nvec.clone(),
                (Some(Space::MultiBinary { n }), _) => vec![2; *n],
                _ => Vec::new(),
            };
            let mut most = vec![0usize; size];
            for row in self.actions.chunks_exact(size) {
                most.iter_mut().zip(row).for_each(|(most, &choice)| *most = (*most).max(choice as usize + 1));
            }
            if self.choices.len() != size {
                self.choices = most;
            } else if let Some(column) = (0..size).find(|&column| most[column] > self.choices[column]) {
                let found = format!("choice {} in column {column}", most[column] - 1);
                let expected =
                    format!("less than {}, as the data's own action space has", self.choices[column]);
                return Err(Fault::new(found, expected));
            }
        }
        Ok(self)
    }

    fn unfit(&self, expected: &str, cure: &str) -> Fault {
        let kind = if self.integer_actions { "whole numbers" } else { "floats" };
        let columns = if self.action_size == 1 { "column" } else { "columns" };
        Fault::new(format!("{} {columns} of {kind}", self.action_size), format!("{expected}; {cure}"))
    }

    /// Whether actions of this kind and size are those that an environment takes.
    fn fits(
        &self,
        kind: Actions,
        asked: Option<Actions>,
        env: Option<(&str, &ActionSpace)>,
    ) -> Result<(), Fault> {
        let Some((id, space)) = env else { return Ok(()) };
        let (size, other) = (self.action_size, "choose the environment of these data");
        let discrete = matches!(self.said.action_space, Some(Space::Discrete { .. }));
        match (space, kind) {
            (ActionSpace::Continuous { low, .. }, Actions::Continuous) if size != low.len() => {
                Err(self.unfit(&format!("{} columns, as {id} takes", low.len()), other))
            }
            (ActionSpace::Continuous { low, .. }, Actions::Continuous) => {
                let choices = discrete || size == 1 && self.integer_actions && asked.is_none();
                if !choices {
                    return Ok(());
                }
                let cure = format!("{other}, or `actions: continuous` takes them as they are");
                let expected = format!("vectors of {} entries, as {id} takes", low.len());
                Err(Fault::new("discrete actions", format!("{expected}; {cure}")))
            }
            (ActionSpace::Discrete { .. }, Actions::Discrete) if size == 1 => Ok(()),
            (ActionSpace::Discrete { choices }, Actions::OneHot) if size == *choices => Ok(()),
            (ActionSpace::Discrete { choices }, _) => {
                let expected = format!("one column of choices, or {choices} of one-hot ones, as {id} takes");
                Err(self.unfit(&expected, other))
            }
            (ActionSpace::MultiDiscrete { choices }, Actions::MultiDiscrete) if size == choices.len() => {
                Ok(())
            }
            (ActionSpace::MultiDiscrete { choices }, _) => {
                Err(self.unfit(&format!("{} columns of choices, as {id} takes", choices.len()), other))
            }
            (ActionSpace::Continuous { low, .. }, _) => {
                Err(self.unfit(&format!("vectors of {} entries, as {id} takes", low.len()), other))
            }
        }
    }

    /// The actions that a policy learned from these data takes, where no environment says it: the data's own space, else
    /// the choices that occur, else the bounds of each entry in the data.
    pub fn action_space(&self) -> ActionSpace {
        if self.discrete {
            let choices = self.choices.clone();
            return match choices[..] {
                [choices] => ActionSpace::Discrete { choices },
                _ => ActionSpace::MultiDiscrete { choices },
            };
        }
        if let Some(Space::Box { bounds: Some((low, high)), .. }) = &self.said.action_space
            && low.len() == self.action_size
        {
            return ActionSpace::Continuous { low: low.clone(), high: high.clone() };
        }
        let (mut low, mut high) =
            (vec![f32::INFINITY; self.action_size], vec![f32::NEG_INFINITY; self.action_size]);
        for row in self.actions.chunks_exact(self.action_size) {
            low.iter_mut().zip(row).for_each(|(low, &x)| *low = low.min(x));
            high.iter_mut().zip(row).for_each(|(high, &x)| *high = high.max(x));
        }
        for (low, high) in low.iter_mut().zip(&mut high) {
            // Within [−1, 1] that is what is meant; an entry that never moves still needs two bounds.
            if (-1.0..=1.0).contains(low) && (-1.0..=1.0).contains(high) {
                (*low, *high) = (-1.0, 1.0);
            } else if low >= high {
                let margin = low.abs().max(1.0);
                (*low, *high) = (*low - margin, *high + margin);
            }
        }
        ActionSpace::Continuous { low, high }
    }
}

fn is_one_hot(row: &[f32]) -> bool {
    let mut ones = 0;
    row.iter().all(|&x| {
        ones += usize::from(x == 1.0);
        x == 0.0 || x == 1.0
    }) && ones == 1
}
