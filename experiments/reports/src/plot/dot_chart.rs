//! Dots with intervals in rows: scores by policy, or by dataset and policy.

use super::axis::{Axis, BELOW, Domain};
use super::figure::Level;
use super::legend::{Entry, Legend};
use super::style::{COMPUTED, FONT_SIZE, GAP, LEVEL, Look, MARGIN, SOLID, WIDTH};
use super::svg::{Anchor, Svg, text_width, wrapped};

/// Rows of named values on one axis.
#[derive(Clone, Debug)]
pub struct DotChart {
    /// Printed above; a figure with a caption does without.
    pub title: Option<String>,
    /// Axis of the values.
    pub axis: Axis,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Whom the dots of a row stand for, where a row has several.
    pub legend: Vec<(String, Look)>,
    /// Values to compare with, drawn through all rows (`Level::y` is the value).
    pub levels: Vec<Level>,
}

/// One row of a dot chart.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name at the left.
    pub name: String,
    /// One, whose value is printed at the right, or one for each name of the legend.
    pub dots: Vec<Dot>,
}

/// One value of a dot chart.
#[derive(Clone, Debug)]
pub struct Dot {
    /// Such as a mean over seeds.
    pub value: f64,
    /// Interval (low, high) around it, such as the mean's 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// What the value sums up, such as the score of each seed; drawn small and pale.
    pub samples: Vec<f64>,
    /// Colour, marks and dashes: a policy keeps its own in every figure.
    pub look: Look,
}

const ROW_HEIGHT: f64 = 26.0;
/// Width of an interval's line.
const INTERVAL: f64 = 2.0;
/// Several dots of a row stand so far apart, and rows of several dots.
const DOT_HEIGHT: f64 = 8.0;
const ROW_GAP: f64 = 10.0;
/// A row of `n` lines is `n` font sizes high, and this many more.
const AROUND_LINES: f64 = 0.5;
/// A name has so many lines at least before it is cut, and more where the dots of its row leave room.
const LINES: usize = 4;

impl DotChart {
    /// The chart as a complete SVG document.
    pub fn to_svg(&self) -> String {
        let draws = |value: &f64| self.axis.scale.draws(*value);
        let dots = || self.rows.iter().flat_map(|row| &row.dots);
        let values = dots().flat_map(|dot| {
            let ends = dot.interval.map(|(low, high)| [low, high]);
            std::iter::once(dot.value).chain(ends.into_iter().flatten()).chain(dot.samples.iter().copied())
        });
        let domain = Domain::covering(self.axis.scale, values.chain(self.levels.iter().map(|level| level.y)));
        let levels: Vec<&Level> = self.levels.iter().filter(|level| draws(&level.y)).collect();

        let names = self.rows.iter().map(|row| text_width(&row.name)).fold(0.0, f64::max);
        let numbers: Vec<String> = self.rows.iter().map(|row| row.number()).collect();
        let widest = numbers.iter().map(|number| text_width(number)).fold(0.0, f64::max);
        let entry = |(name, look): &(String, Look)| Entry {
            name: name.clone(),
            look: *look,
            stroke: (INTERVAL, SOLID),
            marked: true,
        };
        let legend = Legend::new(self.title.as_deref(), self.legend.iter().map(entry));
        let most = self.rows.iter().map(|row| row.dots.len()).max().unwrap_or(0);
        // Long names do not push the data out of the picture: they get lines. The widest that fits has exactly its width.
        let room = names.min(0.55 * WIDTH - MARGIN - GAP - 4.0);
        let left = MARGIN + room + GAP + 4.0;
        let of_dots = if most > 1 { DOT_HEIGHT * most as f64 + ROW_GAP } else { ROW_HEIGHT };
        let most_lines = LINES.max((of_dots / FONT_SIZE - AROUND_LINES) as usize);
        let lines: Vec<Vec<String>> =
            self.rows.iter().map(|row| wrapped(&row.name, room, most_lines)).collect();
        let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
        let row_height = of_dots.max((longest as f64 + AROUND_LINES) * FONT_SIZE);
        let levels_height = if levels.is_empty() { 0.0 } else { FONT_SIZE + 4.0 };
        let top = legend.bottom() + levels_height;
        let bottom = top + row_height * self.rows.len().max(1) as f64;
        let right = WIDTH - MARGIN - widest - GAP;
        let x_at = |value: f64| left + domain.position(value) * (right - left);
        let mut svg = Svg::new(WIDTH, bottom + BELOW + MARGIN);

        legend.draw(&mut svg);
        self.axis.draw_across(&domain, (left, right), (top, bottom), &mut svg);
        for level in levels {
            let x = x_at(level.y);
            svg.line((x, top), (x, bottom), LEVEL, 1.0, COMPUTED);
            // Kept inside the picture at either end.
            let half = text_width(&level.label) / 2.0;
            let middle = x.min(WIDTH - MARGIN - half).max(MARGIN + half);
            svg.faint_text((middle, top - GAP), Anchor::Middle, &level.label);
        }
        for (index, ((row, number), lines)) in self.rows.iter().zip(&numbers).zip(&lines).enumerate() {
            let y = top + row_height * (index as f64 + 0.5);
            for (place, line) in lines.iter().enumerate() {
                let y = y + FONT_SIZE * (place as f64 - (lines.len() - 1) as f64 / 2.0 + 0.35);
                svg.text((left - GAP - 4.0, y), Anchor::End, line);
            }
            for (place, dot) in row.dots.iter().enumerate() {
                let y = y + DOT_HEIGHT * (place as f64 - (row.dots.len() - 1) as f64 / 2.0);
                let hue = dot.look.hue();
                for &sample in dot.samples.iter().filter(|value| draws(value)) {
                    svg.circle((x_at(sample), y), 2.2, hue, 0.35);
                }
                if let Some((low, high)) = dot.interval.filter(|(low, high)| draws(low) && draws(high)) {
                    svg.line((x_at(low), y), (x_at(high), y), hue, INTERVAL, SOLID);
                }
                if draws(&dot.value) {
                    svg.marker((x_at(dot.value), y), dot.look.mark, hue);
                }
            }
            svg.text((WIDTH - MARGIN, y + 0.35 * FONT_SIZE), Anchor::End, number);
        }
        svg.finish(self.title.as_ref().unwrap_or(&self.axis.label))
    }
}

impl Row {
    /// Its value, where it is one.
    fn number(&self) -> String {
        if let [dot] = self.dots.as_slice() { number(dot.value) } else { String::new() }
    }
}

/// Three or four digits, as scores and times are quoted.
fn number(value: f64) -> String {
    let text = match value.abs() {
        _ if !value.is_finite() => return "–".into(),
        0.0 => "0".into(),
        v if !(1e-3..1e6).contains(&v) => format!("{value:.1e}"),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    };
    text.replace('-', "−")
}
