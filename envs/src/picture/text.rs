//! Words on pictures.

use embedded_graphics::Drawable;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};

use super::Picture;

/// What is written upon.
const BAND: [u8; 3] = [0x20, 0x20, 0x24];

impl Picture {
    /// Writes the lines into a dark band at the top, in letters of 10 × 20 pixels, in a picture of fewer than 400
    /// pixels a row of 6 × 10; what does not fit is cut off.
    pub fn write(&mut self, lines: &[String]) {
        let font: &MonoFont = if self.width < 400 { &FONT_6X10 } else { &FONT_10X20 };
        let line = font.character_size.height as usize + 2;
        let band = (lines.len() * line + 4).min(self.height);
        for pixel in self.rgb[..3 * band * self.width].chunks_exact_mut(3) {
            pixel.copy_from_slice(&BAND);
        }
        let style = MonoTextStyle::new(font, Rgb888::WHITE);
        for (index, text) in lines.iter().enumerate() {
            let corner = Point::new(6, (3 + index * line) as i32);
            let Ok(_) = Text::with_baseline(text, corner, style, Baseline::Top).draw(self);
        }
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            if x < self.width && y < self.height {
                let pixel = &mut self.rgb[3 * (y * self.width + x)..][..3];
                pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
