//! Pictures of another size.

use tiny_skia::{Color, ColorU8, FilterQuality, Pixmap, PixmapPaint, Transform};

use super::Picture;

/// A picture of the size `from` (width, height; `[height, width, 3]` bytes) as large as it fits into `to`, in its middle;
/// none where the bytes are not as many as the size says.
pub(super) fn fit(from: [usize; 2], rgb: &[u8], to: [usize; 2]) -> Option<Picture> {
    if rgb.len() != 3 * from[0] * from[1] {
        return None;
    }
    let [width, height] = to;
    if from == to {
        return Some(Picture { width, height, rgb: rgb.to_vec() });
    }
    let mut source = Pixmap::new(from[0] as u32, from[1] as u32)?;
    for (pixel, colour) in source.pixels_mut().iter_mut().zip(rgb.chunks_exact(3)) {
        *pixel = ColorU8::from_rgba(colour[0], colour[1], colour[2], 255).premultiply();
    }
    let scale = (width as f32 / from[0] as f32).min(height as f32 / from[1] as f32);
    let left = (width as f32 - scale * from[0] as f32) / 2.0;
    let top = (height as f32 - scale * from[1] as f32) / 2.0;
    let mut canvas = Pixmap::new(width as u32, height as u32)?;
    canvas.fill(Color::WHITE);
    let paint = PixmapPaint { quality: FilterQuality::Bicubic, ..PixmapPaint::default() };
    let placed = Transform::from_row(scale, 0.0, 0.0, scale, left, top);
    canvas.draw_pixmap(0, 0, source.as_ref(), &paint, placed, None);
    let rgb = canvas.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    Some(Picture { width, height, rgb })
}

#[cfg(test)]
mod tests {
    use super::fit;

    /// Twice as wide as high, left half red, right half blue.
    #[test]
    fn a_picture_keeps_its_shape_and_lies_in_the_middle() {
        let row = [[255, 0, 0].repeat(8), [0, 0, 255].repeat(8)].concat();
        let picture = fit([16, 8], &row.repeat(8), [32, 32]).unwrap();
        let at = |x: usize, y: usize| {
            let place = 3 * (y * 32 + x);
            [picture.rgb()[place], picture.rgb()[place + 1], picture.rgb()[place + 2]]
        };
        assert_eq!((at(16, 2), at(16, 29)), ([255; 3], [255; 3]), "bars above and below");
        assert_eq!((at(4, 16), at(28, 16)), ([255, 0, 0], [0, 0, 255]));
        assert!(fit([16, 8], &row, [32, 32]).is_none(), "too few bytes");
    }
}
