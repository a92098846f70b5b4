//! What all figures share.

/// Palette of Okabe and Ito (2008) with Tol's wine (2021) in the place of its yellow, which white swallows.
const COLOURS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#555555"];

pub(super) const INK: &str = "#222";
pub(super) const AXIS: &str = "#555";
pub(super) const GRID: &str = "#e4e4e4";
pub(super) const LEVEL: &str = "#888";

/// Width of a figure; at 85 mm its text is 7 pt.
pub(super) const WIDTH: f64 = 400.0;
pub(super) const FONT_SIZE: f64 = 12.0;
/// Space around everything.
pub(super) const MARGIN: f64 = 10.0;
/// Between an axis and its numbers.
pub(super) const GAP: f64 = 6.0;

/// How a series looks. What it stands for keeps its look in every figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Place in the palette.
    pub colour: usize,
    /// Shape of its marks.
    pub mark: usize,
    /// Dashes of its line, 0 for none; after the last of them lines are thin.
    pub dash: usize,
}

impl Look {
    /// Of what is computed, not measured: the palette's grey.
    pub const COMPUTED: Look = Look { colour: COLOURS.len() - 1, mark: 0, dash: 0 };

    /// As CSS writes it.
    pub(crate) fn hue(self) -> &'static str {
        colour(self.colour)
    }

    /// Width of its line, and the value of SVG's `stroke-dasharray`.
    pub(crate) fn stroke(self) -> (f64, &'static str) {
        let width = if (self.dash / DASHES.len()).is_multiple_of(2) { 1.8 } else { 0.9 };
        (width, DASHES[self.dash % DASHES.len()])
    }
}

/// Patterns that stay apart at a glance, the first a line without gaps.
const DASHES: [&str; 5] = ["", "7 3", "2 2.5", "9 2.5 2 2.5", "14 3"];
/// Of computed lines and of levels.
pub(super) const COMPUTED: &str = "4 3";
/// No dashes.
pub(super) const SOLID: &str = "";

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}
