//! Axes: range, ticks, and numbers in plain style.

use super::style::{AXIS, FONT_SIZE, GAP, GRID, SOLID};
use super::svg::{Anchor, Svg, text_width};

/// How values map to positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart; only positive values can be drawn.
    Log,
}

/// What an axis shows.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// How values map to positions.
    pub scale: Scale,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), scale: Scale::Linear }
    }

    /// A logarithmic axis.
    pub fn log(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), scale: Scale::Log }
    }
}

/// A mark on an axis.
pub(super) struct Tick {
    pub value: f64,
    /// Absent on the marks between two numbers.
    pub label: Option<String>,
}

impl Tick {
    /// Pixels that it stands out.
    pub fn length(&self) -> f64 {
        if self.label.is_some() { 4.0 } else { 2.0 }
    }
}

/// Room for a horizontal axis' numbers and label.
pub(super) const BELOW: f64 = 4.0 + FONT_SIZE + GAP + FONT_SIZE;

impl Axis {
    /// Below the data, from left to right, with its grid from the top down.
    pub(super) fn draw_across(
        &self,
        domain: &Domain,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
        svg: &mut Svg,
    ) {
        for tick in domain.ticks_across(right - left) {
            let x = left + domain.position(tick.value) * (right - left);
            if let Some(label) = &tick.label {
                svg.line((x, top), (x, bottom), GRID, 0.8, SOLID);
                svg.text((x, bottom + 4.0 + FONT_SIZE), Anchor::Middle, label);
            }
            svg.line((x, bottom), (x, bottom + tick.length()), AXIS, 0.8, SOLID);
        }
        svg.line((left, bottom), (right, bottom), AXIS, 1.0, SOLID);
        svg.text(((left + right) / 2.0, bottom + BELOW), Anchor::Middle, &self.label);
    }
}

/// The part of an axis that a figure shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Domain {
    scale: Scale,
    low: f64,
    high: f64,
}

/// Larger magnitudes would overflow in differences; no quantity of ours comes near.
const LARGEST: f64 = 1e100;

/// Room between the outermost data and the end of the axis, as part of the range.
const PADDING: f64 = 0.04;

impl Scale {
    /// Whether a value has a place on such an axis.
    pub(super) fn draws(self, value: f64) -> bool {
        match self {
            Scale::Linear => value.abs() <= LARGEST,
            Scale::Log => (1.0 / LARGEST..=LARGEST).contains(&value),
        }
    }

    /// Position along the axis, before it is stretched to pixels.
    fn measure(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
        }
    }
}

impl Domain {
    /// The range of the values that can be drawn, with some room; a linear one starts at 0 if the data come
    /// near it.
    pub fn covering(scale: Scale, values: impl Iterator<Item = f64>) -> Domain {
        let (low, high) = values
            .filter(|&value| scale.draws(value))
            .map(|value| scale.measure(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Domain { scale, low: 0.0, high: 1.0 };
        }
        // All values alike, or differing by rounding only: show some surroundings.
        if high - low <= 1e-9 * high.abs().max(low.abs()) {
            let room = match scale {
                Scale::Linear if high == 0.0 => 1.0,
                Scale::Linear => 0.5 * high.abs(),
                Scale::Log => 0.5,
            };
            return Domain { scale, low: low - room, high: high + room };
        }
        let padding = PADDING * (high - low);
        let (from_zero, to_zero) = match scale {
            Scale::Linear => (low >= 0.0 && low <= 0.5 * high, high <= 0.0 && high >= 0.5 * low),
            Scale::Log => (false, false),
        };
        Domain {
            scale,
            low: if from_zero { 0.0 } else { low - padding },
            high: if to_zero { 0.0 } else { high + padding },
        }
    }

    /// Where a drawable value lies: 0 at the low end, 1 at the high end. What lies outside (the lower edge
    /// of a band at 0, on a logarithmic axis) moves to the end.
    pub fn position(&self, value: f64) -> f64 {
        let measure = match self.scale {
            Scale::Log if value <= 0.0 => self.low,
            scale => scale.measure(value),
        };
        ((measure - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Marks inside the range, about `count` of them with a number.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(count),
            Scale::Log => self.log_ticks(count),
        }
    }

    /// Marks whose numbers stand side by side in `room` pixels.
    pub fn ticks_across(&self, room: f64) -> Vec<Tick> {
        let fits = |ticks: &[Tick]| {
            let labels = ticks.iter().filter_map(|tick| tick.label.as_deref());
            labels.map(|label| text_width(label) + 12.0).sum::<f64>() <= room
        };
        let fewer = [6, 5, 4, 3, 2].into_iter().map(|count| self.ticks(count));
        fewer.into_iter().find(|ticks| fits(ticks)).unwrap_or_else(|| self.ticks(1))
    }

    fn linear_ticks(&self, count: usize) -> Vec<Tick> {
        let step = nice_step((self.high - self.low) / count as f64);
        let (first, last) = ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
        let values: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        let labels = linear_labels(&values, step);
        values.into_iter().zip(labels).map(|(value, label)| Tick { value, label: Some(label) }).collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<Tick> {
        let within = |value: f64| (self.low - 1e-9..=self.high + 1e-9).contains(&value.log10());
        let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
        let powers: Vec<i32> = decades.clone().filter(|&power| within(10f64.powi(power))).collect();
        if powers.len() < 3 {
            // Too few powers of ten to read the axis by: number 1, 2 and 5, or all if that is still too few.
            let digits: Vec<(i32, i32)> =
                decades.flat_map(|power| (1..10).map(move |digit| (power, digit))).collect();
            let inside: Vec<(i32, i32)> = digits
                .into_iter()
                .filter(|&(power, digit)| within(f64::from(digit) * 10f64.powi(power)))
                .collect();
            let few = inside.iter().filter(|(_, digit)| matches!(digit, 1 | 2 | 5)).count() < 2;
            if inside.len() < 2 {
                return self.log_ticks_by_value(count);
            }
            return inside
                .into_iter()
                .map(|(power, digit)| Tick {
                    value: f64::from(digit) * 10f64.powi(power),
                    label: (few || matches!(digit, 1 | 2 | 5)).then(|| short_power(digit, power)),
                })
                .collect();
        }
        // Written out as long as all of them are short.
        let plain = powers.iter().all(|power| (-2..=4).contains(power));
        let number = |power| {
            if plain { short_power(1, power) } else { power_of_ten(power) }
        };
        let every = powers.len().div_ceil(count) as i32;
        let numbered = |power: i32| power.rem_euclid(every) == 0;
        let digits = if every == 1 { 1..10 } else { 1..2 };
        decades
            .flat_map(|power| digits.clone().map(move |digit| (power, digit)))
            .map(|(power, digit)| Tick {
                value: f64::from(digit) * 10f64.powi(power),
                label: (digit == 1 && numbered(power)).then(|| number(power)),
            })
            .filter(|tick| within(tick.value))
            .collect()
    }

    /// A range so narrow that no round number of one digit lies in it: ticks as on a linear axis.
    fn log_ticks_by_value(&self, count: usize) -> Vec<Tick> {
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        Domain { scale: Scale::Linear, low, high }.linear_ticks(count)
    }
}

/// The 1, 2 or 5 times a power of ten nearest to `rough` in ratio.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    // Between 1, 2, 5 and 10 the geometric means divide.
    match rough / power {
        digit if digit < 1.414 => power,
        digit if digit < 3.162 => 2.0 * power,
        digit if digit < 7.071 => 5.0 * power,
        _ => 10.0 * power,
    }
}

/// Numbers of evenly spaced ticks: as many decimals as the step needs, k, M or G when long.
fn linear_labels(values: &[f64], step: f64) -> Vec<String> {
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let (unit, suffix) = match largest {
        l if !(1e-3..1e13).contains(&l) => {
            return values.iter().map(|&value| scientific(value, step)).collect();
        }
        l if l >= 1e9 => (1e9, "G"),
        l if l >= 1e6 => (1e6, "M"),
        l if l >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(step / unit).log10().floor()).clamp(0.0, 9.0) as usize;
    values
        .iter()
        .map(|&value| match value / unit {
            zero if zero.abs() < 1e-12 => "0".into(),
            number => minus(format!("{number:.decimals$}{suffix}")),
        })
        .collect()
}

fn scientific(value: f64, step: f64) -> String {
    if value.abs() < step / 2.0 {
        return "0".into();
    }
    let power = value.abs().log10().floor();
    let decimals = (power - step.log10().floor()).clamp(0.0, 9.0) as usize;
    let digits = value / 10f64.powf(power);
    minus(format!("{digits:.decimals$}·{}", power_of_ten(power as i32)))
}

/// `digit · 10^power`, written out where that is short.
fn short_power(digit: i32, power: i32) -> String {
    match power {
        0..=3 => format!("{}", digit * 10i32.pow(power as u32)),
        4..=5 => format!("{}k", digit * 10i32.pow(power as u32 - 3)),
        -3..=-1 => format!("{:.*}", power.unsigned_abs() as usize, f64::from(digit) * 10f64.powi(power)),
        _ if digit == 1 => power_of_ten(power),
        _ => format!("{digit}·{}", power_of_ten(power)),
    }
}

fn power_of_ten(power: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let superscript = power
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]))
        .collect::<String>();
    format!("10{superscript}")
}

/// A minus sign instead of a hyphen.
fn minus(number: String) -> String {
    number.replace('-', "−")
}
