//! What all figures share.

/// Palette of Okabe and Ito (2008) without its yellow, which white swallows.
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555"];

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

pub(super) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}
