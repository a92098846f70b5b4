//! What stands for whom, above the data.

use super::style::{FONT_SIZE, GAP, Look, MARGIN, WIDTH};
use super::svg::{Anchor, Svg, shortened, text_width};

/// One name of a legend.
pub(super) struct Entry {
    pub name: String,
    pub look: Look,
    /// Width and dashes of the line.
    pub stroke: (f64, &'static str),
    /// Whether its mark is drawn on the line.
    pub marked: bool,
}

/// Names in rows as wide as the picture; an entry without a name has no place in them.
pub(super) struct Legend {
    /// Entries with their x positions.
    rows: Vec<Vec<(Entry, f64)>>,
}

const SAMPLE: f64 = 36.0;
const ROW: f64 = 17.0;
/// Names are cut at this width.
const LONGEST_NAME: f64 = WIDTH - 2.0 * MARGIN - SAMPLE - GAP;

impl Legend {
    pub fn new(entries: impl Iterator<Item = Entry>) -> Self {
        let mut rows: Vec<Vec<(Entry, f64)>> = Vec::new();
        let mut x = f64::INFINITY;
        for mut entry in entries.filter(|entry| !entry.name.is_empty()) {
            entry.name = shortened(&entry.name, LONGEST_NAME);
            let width = SAMPLE + GAP + text_width(&entry.name) + 10.0;
            if x + width > WIDTH {
                x = MARGIN;
                rows.push(Vec::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push((entry, x));
            }
            x += width;
        }
        Self { rows }
    }

    pub fn height(&self) -> f64 {
        ROW * self.rows.len() as f64
    }

    pub fn draw(&self, svg: &mut Svg, top: f64) {
        for (row, names) in self.rows.iter().enumerate() {
            let y = top + row as f64 * ROW + FONT_SIZE / 2.0;
            for (entry, x) in names {
                let (hue, (width, dashes)) = (entry.look.hue(), entry.stroke);
                svg.path(&[(*x, y), (x + SAMPLE, y)], hue, width, dashes);
                if entry.marked {
                    svg.marker((x + SAMPLE / 2.0, y), entry.look.mark, hue);
                }
                svg.text((x + SAMPLE + GAP, y + 0.35 * FONT_SIZE), Anchor::Start, &entry.name);
            }
        }
    }
}
