//! What stands above the data: a title, and what stands for whom.

use super::style::{FONT_SIZE, GAP, Look, MARGIN, WIDTH};
use super::svg::{Anchor, Svg, shortened, text_width, wrapped};

/// One name of a legend.
pub(super) struct Entry {
    pub name: String,
    pub look: Look,
    /// Width and dashes of the line.
    pub stroke: (f64, &'static str),
    /// Whether its mark is drawn on the line.
    pub marked: bool,
}

/// A title, and names in rows as wide as the picture; an entry without a name has no place in them.
pub(super) struct Legend {
    title: Vec<String>,
    /// Entries with their x positions.
    rows: Vec<Vec<(Entry, f64)>>,
}

const SAMPLE: f64 = 36.0;
const ROW: f64 = 17.0;
/// Lines of a title: what is longer belongs into a caption.
const TITLE_LINES: usize = 3;
const TITLE_LINE: f64 = FONT_SIZE + 3.0;
/// Names are cut at this width.
const LONGEST_NAME: f64 = WIDTH - 2.0 * MARGIN - SAMPLE - GAP;

impl Legend {
    pub fn new(title: Option<&str>, entries: impl Iterator<Item = Entry>) -> Self {
        // Bold letters are wider.
        let lines = |title| wrapped(title, (WIDTH - 2.0 * MARGIN) / 1.1, TITLE_LINES);
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
        Self { title: title.map_or_else(Vec::new, lines), rows }
    }

    fn title_height(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { TITLE_LINE * self.title.len() as f64 + 6.0 }
    }

    /// From the top of the picture.
    pub fn bottom(&self) -> f64 {
        MARGIN + self.title_height() + ROW * self.rows.len() as f64
    }

    pub fn draw(&self, svg: &mut Svg) {
        for (row, line) in self.title.iter().enumerate() {
            svg.bold_text((MARGIN, MARGIN + FONT_SIZE + row as f64 * TITLE_LINE), Anchor::Start, line);
        }
        for (row, names) in self.rows.iter().enumerate() {
            let y = MARGIN + self.title_height() + row as f64 * ROW + FONT_SIZE / 2.0;
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
