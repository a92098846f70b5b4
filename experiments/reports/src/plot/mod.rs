//! Figures as SVG: lines over an axis, and dots with intervals.
//!
//! Sized for one column of a paper (about 85 mm), on white, readable in grey and by the colour-blind: the
//! palette of Okabe and Ito (2008), and a marker or a dash of its own for every series of a colour. The legend stands above the
//! data, never on it. What cannot be drawn (not finite, zero on a logarithmic axis) is left out.
//!
//! Written by hand: most chart libraries at hand round every coordinate to a pixel. kuva 0.6 draws in floats, but its legend
//! shows a line's dashes or its marks, not both, and its logarithmic axis of less than a decade has a number or two. With that
//! and the rows of dots still written here it would save a fifth of these lines.

mod axis;
mod dot_chart;
mod figure;
mod histogram;
mod legend;
mod style;
mod svg;

#[cfg(test)]
mod tests;

pub use axis::{Axis, Scale};
pub use dot_chart::{Dot, DotChart, Row};
pub(crate) use figure::reach;
pub use figure::{Figure, Level, Series};
pub use histogram::Histogram;
pub use style::Look;
