//! Simple drawings in an environment's own coordinates, and their pixels.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Colours that tell each other apart for most eyes (Okabe and Ito 2008).
pub mod colour {
    /// Nearly black: bodies and outlines.
    pub const BLACK: [u8; 3] = [0x20, 0x20, 0x24];
    /// Grey: marks.
    pub const GREY: [u8; 3] = [0x99, 0x99, 0x99];
    /// Pale grey: ground.
    pub const PALE: [u8; 3] = [0xdd, 0xdd, 0xdd];
    /// Blue: what acts.
    pub const BLUE: [u8; 3] = [0x00, 0x72, 0xb2];
    /// Orange: what is moved.
    pub const ORANGE: [u8; 3] = [0xe6, 0x9f, 0x00];
    /// Green: what is wanted.
    pub const GREEN: [u8; 3] = [0x00, 0x9e, 0x73];
    /// Red: what is not.
    pub const RED: [u8; 3] = [0xd5, 0x5e, 0x00];
}

/// What an environment looks like, in its own coordinates, y upwards.
pub struct Drawing {
    /// The corner of what has to be seen, left below.
    pub low: [f64; 2],
    /// The opposite corner.
    pub high: [f64; 2],
    /// Drawn in this order.
    pub shapes: Vec<Shape>,
}

/// A shape, its lengths in the units of its drawing.
pub struct Shape {
    form: Form,
    colour: [u8; 3],
}

enum Form {
    Line { points: Vec<[f64; 2]>, width: f64 },
    Disc { centre: [f64; 2], radius: f64 },
    Rectangle { corner: [f64; 2], size: [f64; 2] },
}

impl Shape {
    /// A line of round ends.
    pub fn line(from: [f64; 2], to: [f64; 2], width: f64, colour: [u8; 3]) -> Self {
        Self::curve(vec![from, to], width, colour)
    }

    /// A line through the points, of round ends and corners.
    pub fn curve(points: Vec<[f64; 2]>, width: f64, colour: [u8; 3]) -> Self {
        Self { form: Form::Line { points, width }, colour }
    }

    /// A filled circle.
    pub fn disc(centre: [f64; 2], radius: f64, colour: [u8; 3]) -> Self {
        Self { form: Form::Disc { centre, radius }, colour }
    }

    /// A filled rectangle; `corner` is the one left below.
    pub fn rectangle(corner: [f64; 2], size: [f64; 2], colour: [u8; 3]) -> Self {
        Self { form: Form::Rectangle { corner, size }, colour }
    }
}

impl Drawing {
    /// Its pixels `[height, width, 3]` on white: all of it, in the middle, as large as fits.
    pub(crate) fn rgb(&self, width: usize, height: usize) -> Vec<u8> {
        let mut pixels = Pixmap::new(width as u32, height as u32).expect("a camera's sides are not 0");
        pixels.fill(Color::WHITE);
        let [across, up] = [self.high[0] - self.low[0], self.high[1] - self.low[1]];
        let scale = (width as f64 / across).min(height as f64 / up);
        let middle = [(self.low[0] + self.high[0]) / 2.0, (self.low[1] + self.high[1]) / 2.0];
        let to_pixels = Transform::from_row(
            scale as f32,
            0.0,
            0.0,
            -scale as f32,
            (width as f64 / 2.0 - scale * middle[0]) as f32,
            (height as f64 / 2.0 + scale * middle[1]) as f32,
        );
        for shape in &self.shapes {
            shape.draw(&mut pixels, to_pixels);
        }
        pixels.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
    }
}

impl Shape {
    /// A shape without area, or with a NaN, is not drawn.
    fn draw(&self, pixels: &mut Pixmap, to_pixels: Transform) {
        let mut paint = Paint::default();
        let [red, green, blue] = self.colour;
        paint.set_color_rgba8(red, green, blue, 255);
        let mut path = PathBuilder::new();
        match &self.form {
            Form::Line { points, width } => {
                for (index, &[x, y]) in points.iter().enumerate() {
                    let (x, y) = (x as f32, y as f32);
                    if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
                }
                let (width, line_cap, line_join) = (*width as f32, LineCap::Round, LineJoin::Round);
                let stroke = Stroke { width, line_cap, line_join, ..Stroke::default() };
                if let Some(path) = path.finish() {
                    pixels.stroke_path(&path, &paint, &stroke, to_pixels, None);
                }
                return;
            }
            Form::Disc { centre, radius } => {
                path.push_circle(centre[0] as f32, centre[1] as f32, *radius as f32);
            }
            Form::Rectangle { corner, size } => {
                let [x, y, width, height] = [corner[0], corner[1], size[0], size[1]].map(|x| x as f32);
                if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
                    path.push_rect(rectangle);
                }
            }
        }
        if let Some(path) = path.finish() {
            pixels.fill_path(&path, &paint, FillRule::Winding, to_pixels, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red square below left of the middle and a blue disc above right of it, in a picture wider than high.
    #[test]
    fn shapes_lie_where_their_coordinates_say() {
        let shapes = vec![
            Shape::rectangle([0.0, 0.0], [0.5, 0.5], [255, 0, 0]),
            Shape::disc([0.75, 0.75], 0.25, [0, 0, 255]),
            Shape::line([f64::NAN, 0.0], [1.0, 1.0], 0.1, [0; 3]),
        ];
        let drawing = Drawing { low: [0.0, 0.0], high: [1.0, 1.0], shapes };
        let (width, height) = (60, 40);
        let rgb = drawing.rgb(width, height);
        assert_eq!(rgb.len(), width * height * 3);
        let at = |x: usize, y: usize| [0, 1, 2].map(|channel| rgb[3 * (y * width + x) + channel]);
        assert_eq!(at(11, 38), [255, 0, 0], "the square's corner: x = 10 is the drawing's left edge");
        assert_eq!(at(28, 22), [255, 0, 0]);
        assert_eq!(at(40, 10), [0, 0, 255], "the disc's centre");
        assert_eq!([at(8, 38), at(31, 22), at(49, 1), at(11, 1)], [[255; 3]; 4], "white elsewhere");
    }
}
