//! How often the values of a figure's horizontal axis occur: bars in a strip below its lines.

use super::axis::Domain;
use super::style::{AXIS, FONT_SIZE, LEVEL, SOLID};
use super::svg::{Anchor, Svg};

/// Counts in bins of equal width.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last one ends.
    pub high: f64,
    /// By bin.
    pub counts: Vec<usize>,
    /// What is counted.
    pub label: String,
}

impl Histogram {
    /// Room that it takes below the lines.
    pub(super) const HEIGHT: f64 = 44.0;

    /// Bars up from `bottom`, the highest of which leaves room for the label below `top`; `x_at` places values.
    pub(super) fn draw(
        &self,
        svg: &mut Svg,
        x: &Domain,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
    ) {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let width = (self.high - self.low) / self.counts.len() as f64;
        let x_at = |bin: usize| left + x.position(self.low + width * bin as f64) * (right - left);
        for (bin, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            // Values that are all alike still show.
            let (from, to) = (x_at(bin), x_at(bin + 1).max(x_at(bin) + 1.0));
            let height = (bottom - top - FONT_SIZE - 2.0) * count as f64 / most;
            let corners = [(from, bottom), (from, bottom - height), (to, bottom - height), (to, bottom)];
            svg.area(&corners, LEVEL, 0.7);
        }
        svg.line((left, top), (right, top), AXIS, 1.0, SOLID);
        svg.faint_text((right, top + FONT_SIZE), Anchor::End, &self.label);
    }
}
