//! Figures as SVG: lines over an axis, and dots with intervals.
//!
//! Sized for one column of a paper (about 85 mm), on white, readable in grey and by the colour-blind: the
//! palette of Okabe and Ito (2008), and a marker or a dash of its own for every series of a colour. The legend stands above the
//! data, never on it. What cannot be drawn (not finite, zero on a logarithmic axis) is left out.
//!
//! Written by hand because the chart libraries at hand round every coordinate to a pixel and leave the
//! decades of a logarithmic axis to chance.

mod axis;
mod dot_chart;
mod figure;
mod legend;
mod style;
mod svg;

#[cfg(test)]
mod tests;

pub use axis::{Axis, Scale};
pub use dot_chart::{Dot, DotChart, Row};
pub use figure::{Figure, Level, Series};
pub use style::Look;
