//! Lines with bands over two axes.

use super::axis::{Axis, BELOW, Domain, Scale};
use super::histogram::Histogram;
use super::legend::{Entry, Legend};
use super::style::{AXIS, COMPUTED, FONT_SIZE, GAP, GRID, LEVEL, Look, MARGIN, SOLID, WIDTH};
use super::svg::{Anchor, Svg, shortened, text_width};

/// Series over two axes.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Printed above; a figure with a caption does without.
    pub title: Option<String>,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What is drawn, later ones on top.
    pub series: Vec<Series>,
    /// Horizontal lines to compare with.
    pub levels: Vec<Level>,
    /// How often what lies on the horizontal axis occurs, drawn below the lines.
    pub histogram: Option<Histogram>,
}

/// One line of a figure.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Measured points (x, y) in order of x, each marked.
    pub points: Vec<(f64, f64)>,
    /// Interval (low, high) around each point, such as the 95 % interval of its mean: whiskers where the points are few,
    /// else a band.
    pub band: Option<Vec<(f64, f64)>>,
    /// Colour, marks and dashes: a policy keeps its own in every figure.
    pub look: Look,
    /// Not measured but computed, as a fitted power: thin, dashed, without marks.
    pub reference: bool,
}

/// A value of y to compare with, such as the expert's score.
#[derive(Clone, Debug)]
pub struct Level {
    /// Where.
    pub y: f64,
    /// Name at the right end.
    pub label: String,
}

impl Series {
    /// Measured points without intervals.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>, look: Look) -> Self {
        Self { name: name.into(), points, band: None, look, reference: false }
    }

    fn has_whiskers(&self) -> bool {
        self.band.is_some() && self.points.len() <= MOST_WHISKERS
    }

    fn marked(&self) -> bool {
        !self.reference && self.points.len() <= MOST_MARKED
    }

    /// Width and dashes of its line.
    fn stroke(&self) -> (f64, &'static str) {
        if self.reference { (1.0, COMPUTED) } else { self.look.stroke() }
    }

    fn entry(&self) -> Entry {
        Entry { name: self.name.clone(), look: self.look, stroke: self.stroke(), marked: self.marked() }
    }
}

const PLOT_HEIGHT: f64 = 190.0;
/// Names of levels are cut at this width.
const LONGEST_LEVEL: f64 = 120.0;
/// Beyond this many points marks would hide the line.
const MOST_MARKED: usize = 60;

/// The rectangle of the data, with the two axes that span it.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Domain,
    y: Domain,
}

impl Frame {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x_at(x), self.y_at(y))
    }

    /// The same, moved aside and kept inside.
    fn beside(&self, point: (f64, f64), aside: f64) -> (f64, f64) {
        let (x, y) = self.at(point);
        ((x + aside).clamp(self.left, self.right), y)
    }

    fn x_at(&self, x: f64) -> f64 {
        self.left + self.x.position(x) * (self.right - self.left)
    }

    fn y_at(&self, y: f64) -> f64 {
        self.bottom - self.y.position(y) * (self.bottom - self.top)
    }
}

impl Figure {
    /// Series alone.
    pub fn new(x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { title: None, x, y, series, levels: Vec::new(), histogram: None }
    }

    /// The figure as a complete SVG document.
    pub fn to_svg(&self) -> String {
        let mut series: Vec<Series> = self.series.iter().map(|series| self.drawable(series)).collect();
        let levels: Vec<Level> = self
            .levels
            .iter()
            .filter(|level| self.y.scale.draws(level.y))
            .map(|level| Level { y: level.y, label: shortened(&level.label, LONGEST_LEVEL) })
            .collect();
        let counted = self.histogram.iter().flat_map(|histogram| [histogram.low, histogram.high]);
        let placed = series.iter().flat_map(|series| &series.points).map(|point| point.0);
        let x = Domain::covering(self.x.scale, placed.chain(counted));
        if let Scale::Linear = self.y.scale {
            cut(&mut series, &levels);
        }
        let bands = series
            .iter()
            .flat_map(|series| series.band.iter().flatten())
            .flat_map(|&(low, high)| [low, high]);
        let points = series.iter().flat_map(|series| &series.points).map(|point| point.1);
        let y = Domain::covering(self.y.scale, points.chain(bands).chain(levels.iter().map(|level| level.y)));

        let legend = Legend::new(self.title.as_deref(), series.iter().map(Series::entry));
        let top = legend.bottom() + 4.0;
        let widest = |labels: &mut dyn Iterator<Item = f64>| labels.fold(0.0, f64::max);
        let y_ticks = y.ticks(5);
        let numbers = widest(&mut y_ticks.iter().filter_map(|tick| tick.label.as_deref()).map(text_width));
        let level_labels = widest(&mut levels.iter().map(|level| text_width(&level.label) + GAP));
        let frame = Frame {
            left: MARGIN + FONT_SIZE + GAP + numbers + GAP,
            // The last number of the x axis hangs over by half its width.
            right: WIDTH - MARGIN - level_labels.max(8.0),
            top,
            bottom: top + PLOT_HEIGHT,
            x,
            y,
        };
        let strip = self.histogram.as_ref().map_or(0.0, |_| Histogram::HEIGHT);
        let mut svg = Svg::new(WIDTH, frame.bottom + strip + BELOW + MARGIN);

        legend.draw(&mut svg);
        self.draw_axes(&mut svg, &frame, strip);
        draw_levels(&mut svg, &levels, &frame);
        let aside = aside(&series);
        for (series, &aside) in series.iter().zip(&aside) {
            draw_band(&mut svg, series, aside, &frame);
        }
        // Computed lines below measured ones.
        let (references, measured): (Vec<_>, Vec<_>) =
            series.iter().zip(&aside).partition(|(series, _)| series.reference);
        for (series, &aside) in references.into_iter().chain(measured) {
            draw_line(&mut svg, series, aside, &frame);
        }
        if series.iter().all(|series| series.points.is_empty()) {
            let middle = ((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0);
            svg.faint_text(middle, Anchor::Middle, "no data");
        }
        svg.finish(self.title.as_ref().unwrap_or(&format!("{} by {}", self.y.label, self.x.label)))
    }

    /// The points that have a place on both axes, with their part of the band.
    fn drawable(&self, series: &Series) -> Series {
        let draws = |&(x, y): &(f64, f64)| self.x.scale.draws(x) && self.y.scale.draws(y);
        let keep: Vec<bool> = series.points.iter().map(draws).collect();
        let kept = |values: &[(f64, f64)]| {
            values.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| *value).collect::<Vec<_>>()
        };
        let points = kept(&series.points);
        let band = series.band.as_ref().map(|band| {
            // A missing or undrawable edge falls back on the point itself; a zero on a log axis is clipped.
            let edge = |edge: f64, y: f64| {
                if edge.is_finite() && edge.abs() <= 1e100 { edge } else { y }
            };
            points
                .iter()
                .zip(kept(band))
                .map(|(&(_, y), (low, high))| (edge(low, y).min(y), edge(high, y).max(y)))
                .collect()
        });
        let name = match points.is_empty() && !series.points.is_empty() {
            true => format!("{} (not on this axis)", series.name),
            false => series.name.clone(),
        };
        Series { points, band, name, ..series.clone() }
    }

    /// The horizontal axis stands below the strip, which is so high.
    fn draw_axes(&self, svg: &mut Svg, frame: &Frame, strip: f64) {
        for tick in frame.y.ticks(5) {
            let y = frame.y_at(tick.value);
            if let Some(label) = &tick.label {
                svg.line((frame.left, y), (frame.right, y), GRID, 0.8, SOLID);
                svg.text((frame.left - GAP, y + 0.35 * FONT_SIZE), Anchor::End, label);
            }
            svg.line((frame.left - tick.length(), y), (frame.left, y), AXIS, 0.8, SOLID);
        }
        svg.line((frame.left, frame.top), (frame.left, frame.bottom), AXIS, 1.0, SOLID);
        let (across, bottom) = ((frame.left, frame.right), frame.bottom + strip);
        self.x.draw_across(&frame.x, across, (frame.top, bottom), svg);
        if let Some(histogram) = &self.histogram {
            histogram.draw(svg, &frame.x, across, (frame.bottom, bottom));
        }
        svg.upright_text((MARGIN + FONT_SIZE - 2.0, (frame.top + frame.bottom) / 2.0), &self.y.label);
    }
}

/// How far a linear picture reaches: half the height of the points and levels beyond these. Of two seeds an interval may be
/// many times as wide as all that was measured, which would be a flat line then. Noise of a few per cent does not fill a
/// picture either. `None` where nothing is to be cut.
pub(crate) fn reach(series: &[Series], levels: &[Level]) -> Option<(f64, f64)> {
    let points = series.iter().flat_map(|series| &series.points).map(|point| point.1);
    let points = points.chain(levels.iter().map(|level| level.y)).filter(|y| y.is_finite());
    let (low, high) =
        points.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let beyond = ((high - low) / 2.0).max(0.05 * low.abs().max(high.abs()));
    (beyond.is_finite() && beyond > 0.0).then_some((low - beyond, high + beyond))
}

/// Cuts bands off where the picture ends.
fn cut(series: &mut [Series], levels: &[Level]) {
    let Some((least, most)) = reach(series, levels) else { return };
    for (lower, upper) in series.iter_mut().flat_map(|series| series.band.iter_mut().flatten()) {
        *lower = lower.max(least);
        *upper = upper.min(most);
    }
}

fn draw_levels(svg: &mut Svg, levels: &[Level], frame: &Frame) {
    // Names that would overlap move apart, from below upwards.
    let mut labels: Vec<(f64, &str)> =
        levels.iter().map(|level| (frame.y_at(level.y), level.label.as_str())).collect();
    labels.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut above = f64::INFINITY;
    for (y, label) in labels {
        svg.line((frame.left, y), (frame.right, y), LEVEL, 1.0, COMPUTED);
        let text_y = y.min(above);
        svg.faint_text((frame.right + GAP, text_y + 0.35 * FONT_SIZE), Anchor::Start, label);
        above = text_y - FONT_SIZE - 1.0;
    }
}

/// Up to so many points have whiskers: bands of several series would hide each other.
const MOST_WHISKERS: usize = 12;
/// Series whose points lie above each other stand so far apart.
const ASIDE: f64 = 3.0;

/// How far each series is moved aside, so that whiskers do not cover each other.
fn aside(series: &[Series]) -> Vec<f64> {
    let count = series.iter().filter(|series| series.has_whiskers()).count();
    let mut place = 0.0;
    let mut shift = |series: &Series| {
        if !series.has_whiskers() {
            return 0.0;
        }
        place += 1.0;
        ASIDE * (place - (count as f64 + 1.0) / 2.0)
    };
    series.iter().map(&mut shift).collect()
}

fn draw_band(svg: &mut Svg, series: &Series, aside: f64, frame: &Frame) {
    let Some(band) = &series.band else { return };
    let edges = series.points.iter().zip(band);
    if series.has_whiskers() {
        for (&(x, _), &(low, high)) in edges {
            let ends = [low, high].map(|y| frame.beside((x, y), aside));
            svg.line(ends[0], ends[1], series.look.hue(), 1.1, SOLID);
        }
        return;
    }
    let lower = edges.clone().map(|(&(x, _), &(low, _))| frame.at((x, low)));
    let upper = edges.rev().map(|(&(x, _), &(_, high))| frame.at((x, high)));
    let outline: Vec<(f64, f64)> = lower.chain(upper).collect();
    svg.area(&outline, series.look.hue(), 0.12);
}

fn draw_line(svg: &mut Svg, series: &Series, aside: f64, frame: &Frame) {
    let points: Vec<(f64, f64)> = series.points.iter().map(|&point| frame.beside(point, aside)).collect();
    let (width, dashes) = series.stroke();
    svg.path(&points, series.look.hue(), width, dashes);
    if series.marked() {
        points.iter().for_each(|&point| svg.marker(point, series.look.mark, series.look.hue()));
    }
}
