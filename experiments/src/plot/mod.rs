//! Figures as SVG: lines with bands over two axes.
//!
//! Sized for one column of a paper (about 85 mm), on white, readable in grey and by the colour-blind: the
//! palette of Okabe and Ito (2008), and a marker of its own for every series. The legend stands above the
//! data, never on it. What cannot be drawn (not finite, zero on a logarithmic axis) is left out.
//!
//! Written by hand because the chart libraries at hand round every coordinate to a pixel and leave the
//! decades of a logarithmic axis to chance.

mod axis;
mod figure;
mod style;
mod svg;

pub use axis::Axis;
pub use figure::{Figure, Level, Series};
