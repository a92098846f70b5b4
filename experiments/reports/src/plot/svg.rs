//! The few SVG elements that a figure needs.

use std::fmt::Write;

use super::style::{FONT_SIZE, INK};
use crate::html::escaped;

/// Where text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG document under construction; lengths are CSS pixels.
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Svg {
        Svg { body: String::new(), width, height }
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, width: f64, dashes: &str) {
        self.path(&[from, to], stroke, width, dashes);
    }

    pub fn path(&mut self, points: &[(f64, f64)], stroke: &str, width: f64, dashes: &str) {
        if points.is_empty() {
            return;
        }
        let dashes = match dashes {
            "" => String::new(),
            dashes => format!(r#" stroke-dasharray="{dashes}""#),
        };
        let data = data(points);
        self.push(format_args!(
            r#"<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dashes}/>"#
        ));
    }

    pub fn area(&mut self, outline: &[(f64, f64)], fill: &str, opacity: f64) {
        if outline.is_empty() {
            return;
        }
        let data = data(outline);
        self.push(format_args!(r#"<path d="{data}Z" fill="{fill}" fill-opacity="{opacity}"/>"#));
    }

    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, fill: &str, opacity: f64) {
        let (x, y) = (coordinate(x), coordinate(y));
        self.push(format_args!(
            r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" fill-opacity="{opacity}"/>"#
        ));
    }

    /// A mark of shape number `shape`, about 6 pixels across: the first six filled and rimmed in white to stand off lines, the next
    /// six hollow.
    pub fn marker(&mut self, (x, y): (f64, f64), shape: usize, hue: &str) {
        let (cx, cy) = (coordinate(x), coordinate(y));
        let (fill, rim, width) =
            if (shape / 6).is_multiple_of(2) { (hue, "#fff", 0.8) } else { ("#fff", hue, 1.4) };
        let style = format!(r#"fill="{fill}" stroke="{rim}" stroke-width="{width}""#);
        let corners: &[(f64, f64)] = match shape % 6 {
            0 => {
                return self.push(format_args!(r#"<circle cx="{cx}" cy="{cy}" r="3.2" {style}/>"#));
            }
            1 => &[(-2.9, -2.9), (2.9, -2.9), (2.9, 2.9), (-2.9, 2.9)],
            2 => &[(0.0, -3.8), (3.5, 2.5), (-3.5, 2.5)],
            3 => &[(0.0, -4.1), (4.1, 0.0), (0.0, 4.1), (-4.1, 0.0)],
            4 => &[(0.0, 3.8), (3.5, -2.5), (-3.5, -2.5)],
            _ => &[
                (-3.8, -1.4),
                (-1.4, -1.4),
                (-1.4, -3.8),
                (1.4, -3.8),
                (1.4, -1.4),
                (3.8, -1.4),
                (3.8, 1.4),
                (1.4, 1.4),
                (1.4, 3.8),
                (-1.4, 3.8),
                (-1.4, 1.4),
                (-3.8, 1.4),
            ],
        };
        let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        let data = data(&corners);
        self.push(format_args!(r#"<path d="{data}Z" {style}/>"#));
    }

    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text(at, anchor, text, "");
    }

    pub fn bold_text(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text(at, anchor, text, r#" font-weight="bold""#);
    }

    pub fn faint_text(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text(at, anchor, text, r##" fill="#666""##);
    }

    /// Text read from below to above, centred on `at`.
    pub fn upright_text(&mut self, (x, y): (f64, f64), text: &str) {
        let turn = format!(r#" transform="rotate(-90 {} {})""#, coordinate(x), coordinate(y));
        self.styled_text((x, y), Anchor::Middle, text, &turn);
    }

    fn styled_text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str, style: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, text) = (coordinate(x), coordinate(y), escape(text));
        self.push(format_args!(r#"<text x="{x}" y="{y}"{anchor}{style}>{text}</text>"#));
    }

    fn push(&mut self, element: std::fmt::Arguments) {
        writeln!(self.body, "{element}").expect("writing to a String");
    }

    /// The whole document; `title` is what screen readers say.
    pub fn finish(self, title: &str) -> String {
        let (width, height, body, title) =
            (coordinate(self.width), coordinate(self.height), self.body, escape(title));
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif" font-size="{FONT_SIZE}" fill="{INK}">
<title>{title}</title>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
        )
    }
}

fn data(points: &[(f64, f64)]) -> String {
    let mut data = String::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        write!(data, "{command}{} {}", coordinate(x), coordinate(y)).expect("writing to a String");
    }
    data
}

/// Hundredths of a pixel are enough.
fn coordinate(value: f64) -> f64 {
    // Adding zero turns -0 into 0.
    (value * 100.0).round() / 100.0 + 0.0
}

/// Text between tags; characters that XML forbids are replaced.
fn escape(text: &str) -> String {
    escaped(&text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}").replace(char::is_control, " "))
}

/// Width of text in pixels, estimated from above: no font is at hand, and the viewer chooses it.
pub(super) fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '(' | ')'
        | '-' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        c if c.is_uppercase() => 0.72,
        c if c.is_ascii() => 0.6,
        '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' | '·' => 0.42,
        c if (c as u32) < 0x2e80 => 0.65,
        _ => 1.05,
    };
    FONT_SIZE * text.chars().map(em).sum::<f64>()
}

/// `text` in lines of `room` pixels, broken after spaces and hyphens; what is left after `most` lines is shortened.
pub(super) fn wrapped(text: &str, room: f64, most: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while lines.len() + 1 < most && text_width(rest) > room {
        let fits = |end: &usize| text_width(&rest[..*end]) <= room;
        let mut places = rest.match_indices([' ', '-']).map(|(at, separator)| at + separator.len());
        let Some(end) = places.rfind(fits) else { break };
        lines.push(rest[..end].trim_end().to_owned());
        rest = &rest[end..];
    }
    lines.push(shortened(rest, room));
    lines
}

/// `text`, or as much of it as fits in `room` pixels with an ellipsis.
pub(super) fn shortened(text: &str, room: f64) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if text_width(&short) + text_width("m…") > room {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}
