//! The pictures are well-formed and show what they are given.

use std::collections::HashSet;

use proptest::prelude::*;
use roxmltree::Document;

use super::axis::{Domain, Scale};
use super::style::WIDTH;
use super::svg::{Svg, text_width};
use super::*;

fn ticks(scale: Scale, low: f64, high: f64) -> Vec<String> {
    let ticks = Domain::covering(scale, [low, high].into_iter()).ticks(5);
    ticks.into_iter().filter_map(|tick| tick.label).collect()
}

#[test]
fn numbers_are_plain_and_round() {
    assert_eq!(ticks(Scale::Linear, 3.0, 98.0), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(ticks(Scale::Linear, 2500.0, 10_000.0), ["0", "2k", "4k", "6k", "8k", "10k"]);
    assert_eq!(ticks(Scale::Linear, 0.0, 2.5e6), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]);
    assert_eq!(
        ticks(Scale::Linear, -1500.0, -900.0),
        ["−1500", "−1400", "−1300", "−1200", "−1100", "−1000", "−900"]
    );
    assert_eq!(ticks(Scale::Linear, 1e-5, 5e-5), ["0", "1·10⁻⁵", "2·10⁻⁵", "3·10⁻⁵", "4·10⁻⁵", "5·10⁻⁵"]);
    assert_eq!(ticks(Scale::Log, 1.0, 10_000.0), ["1", "10", "100", "1000", "10k"]);
    assert_eq!(ticks(Scale::Log, 1632.0, 9e7), ["10⁴", "10⁵", "10⁶", "10⁷", "10⁸"]);
    assert_eq!(ticks(Scale::Log, 20.0, 1000.0), ["20", "50", "100", "200", "500", "1000"]);
    assert_eq!(ticks(Scale::Log, 1e-30, 1e30), ["10⁻²⁶", "10⁻¹³", "10⁰", "10¹³", "10²⁶"]);
}

#[test]
fn points_lie_where_their_values_say() {
    let domain = Domain::covering(Scale::Log, [1.0, 10_000.0].into_iter());
    assert!((domain.position(100.0) - 0.5).abs() < 1e-12);
    assert_eq!(domain.position(0.0), 0.0);
    let domain = Domain::covering(Scale::Linear, [0.0, 100.0].into_iter());
    assert_eq!(domain.position(0.0), 0.0);
    assert!((domain.position(26.0) - 0.25).abs() < 1e-12);
}

/// Measured points that can be drawn are marked, others leave no trace.
#[test]
fn what_cannot_be_drawn_is_left_out() {
    let points = [
        (0.0, 1.0),
        (1.0, 0.0),
        (1.0, 5.0),
        (10.0, f64::NAN),
        (f64::INFINITY, 2.0),
        (100.0, -3.0),
        (100.0, 7.0),
    ];
    let marks = |x, y| {
        let svg = Figure::new(x, y, vec![Series::new("", points.to_vec(), Look::default())]).to_svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        Document::parse(&svg).unwrap().descendants().filter(|node| node.has_tag_name("circle")).count()
    };
    assert_eq!(marks(Axis::linear("x"), Axis::linear("y")), 5);
    assert_eq!(marks(Axis::log("x"), Axis::linear("y")), 4);
    assert_eq!(marks(Axis::log("x"), Axis::log("y")), 2);
}

#[test]
fn texts_are_escaped_and_kept_inside() {
    let long = "a <very> \"long\" & winding \u{1} name ".repeat(5);
    let series = Series::new(&long, vec![(1.0, 1.0)], Look::default());
    let levels = vec![Level { y: 1.0, label: long.clone() }];
    let plain = Figure::new(Axis::linear("x < y"), Axis::log("y"), vec![series]);
    let svg = Figure { levels, ..plain }.to_svg();
    let document = Document::parse(&svg).unwrap();
    assert!(document.descendants().any(|node| node.text() == Some("x < y")));
    let dot = Dot { value: 1.0, interval: None, samples: Vec::new(), look: Look::default() };
    let legend = vec![(long.clone(), dot.look), ("short".into(), dot.look)];
    let rows = vec![Row { name: long, dots: vec![dot.clone(), dot] }];
    let chart = DotChart { title: None, axis: Axis::linear("x"), rows, legend, levels: Vec::new() };
    Document::parse(&chart.to_svg()).unwrap();
}

#[test]
fn a_long_title_stands_in_lines() {
    let titled = |title: &str| {
        let series = Series::new("aaren", vec![(1.0, 1.0)], Look::default());
        let plain = Figure::new(Axis::linear("x"), Axis::linear("y"), vec![series]);
        let svg = Figure { title: Some(title.into()), ..plain }.to_svg();
        let document = Document::parse(&svg).unwrap();
        let bold = document.descendants().filter(|node| node.attribute("font-weight").is_some());
        bold.map(|node| node.text().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titled("hopper-medium"), ["hopper-medium"]);
    let title = "walker2d-medium-expert, hidden velocities, context of 20 timesteps, learned recency";
    assert_eq!(titled(title).join(" "), title);
    for endless in [title.repeat(9), "w".repeat(999)] {
        let lines = titled(&endless);
        assert!(lines.len() <= 3 && lines.last().is_some_and(|line| line.ends_with('…')), "{lines:?}");
        assert!(lines.iter().all(|line| text_width(line) < WIDTH), "{lines:?}");
    }
}

/// Whatever its width is rounded to.
#[test]
fn a_name_that_fits_stands_in_one_line() {
    let dot = Dot { value: 1.0, interval: None, samples: Vec::new(), look: Look::default() };
    let drawn = |name: &str, dots: usize| {
        let rows = vec![Row { name: name.into(), dots: vec![dot.clone(); dots] }];
        DotChart { title: None, axis: Axis::linear("x"), rows, legend: Vec::new(), levels: Vec::new() }
            .to_svg()
    };
    let height = |svg: &str| {
        Document::parse(svg).unwrap().root_element().attribute("height").map(str::to_owned).unwrap()
    };
    for letters in 1..20 {
        let name = format!("of-{}", "a".repeat(letters));
        for dots in [1, 2] {
            let svg = drawn(&name, dots);
            assert!(svg.contains(&format!(">{name}<")), "{name}, {dots} dots");
            assert_eq!(height(&svg), height(&drawn("a", dots)), "{name}, {dots} dots");
        }
    }
}

/// Of ten lines and of twelve marks of one colour no two are alike.
#[test]
fn many_of_one_kind_can_be_told_apart() {
    let look = |variant| Look { colour: 0, mark: variant, dash: variant };
    let points: Vec<(f64, f64)> = (0..100).map(|x| (f64::from(x), 1.0)).collect();
    let series = (0..10).map(|variant| Series::new("aaren", points.clone(), look(variant))).collect();
    let figure = Figure::new(Axis::linear("x"), Axis::linear("y"), series).to_svg();
    let document = Document::parse(&figure).unwrap();
    let lines = document.descendants().filter(|node| node.attribute("stroke") == Some(look(0).hue()));
    let lines: HashSet<_> =
        lines.map(|node| (node.attribute("stroke-width"), node.attribute("stroke-dasharray"))).collect();
    assert_eq!(lines.len(), 10, "{lines:?}");

    let mark = |variant| {
        let mut svg = Svg::new(9.0, 9.0);
        svg.marker((4.0, 4.0), variant, look(variant).hue());
        svg.finish("")
    };
    assert_eq!((0..12).map(mark).collect::<HashSet<_>>().len(), 12);
}

/// A row is as high as its name's lines, whatever its dots need; only an endless one is cut.
#[test]
fn a_long_name_stands_in_lines() {
    let dot = Dot { value: 1.0, interval: None, samples: Vec::new(), look: Look::default() };
    let drawn = |name: &str, dots: usize| {
        let rows = vec![Row { name: name.into(), dots: vec![dot.clone(); dots] }];
        let chart =
            DotChart { title: None, axis: Axis::linear("x"), rows, legend: Vec::new(), levels: Vec::new() };
        let svg = chart.to_svg();
        let document = Document::parse(&svg).unwrap();
        let texts = document.descendants().filter(|node| node.attribute("text-anchor") == Some("end"));
        texts.filter_map(|node| node.text()).collect::<Vec<_>>().join(" ")
    };
    let name = "halfcheetah-full-replay, positions, train.learning_rate 1.0e-3, context.batch 2, train.updates 30000";
    for dots in [1, 2, 9] {
        assert!(drawn(name, dots).starts_with(name), "{dots} dots: {}", drawn(name, dots));
    }
    let endless = drawn(&name.repeat(9), 1);
    assert!(endless.contains('…'), "{endless}");
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -1e4..1e4,
        Just(0.0),
        Just(1.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(1e100)
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    any::<bool>().prop_map(|log| if log { Axis::log("log") } else { Axis::linear("linear") })
}

proptest! {
    /// Any numbers give a well-formed picture with every coordinate inside it.
    #[test]
    fn any_numbers_can_be_plotted(
        x in axis(), y in axis(), level in value(),
        points in prop::collection::vec((value(), value()), 0..8),
        band in proptest::option::of(prop::collection::vec((value(), value()), 0..8)),
    ) {
        let series = Series { band, ..Series::new("policy", points.clone(), Look::default()) };
        let levels = vec![Level { y: level, label: "level".into() }];
        let look = Look { colour: 1, mark: 7, dash: 3 };
        let dots = points.iter().map(|&(value, other)| Dot { value, interval: Some((value, other)), samples: vec![other], look });
        let rows = (0..2).map(|row| Row { name: "policy".into(), dots: dots.clone().skip(row).collect() });
        let legend = vec![("policy".into(), look)];
        let chart = DotChart { title: None, axis: y.clone(), rows: rows.collect(), legend, levels: levels.clone() };
        let figure = Figure { title: Some("title".into()), x, y, series: vec![series], levels, histogram: None };
        for svg in [figure.to_svg(), chart.to_svg()] {
            let document = Document::parse(&svg).unwrap();
            let size = |name| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
            let inside = |x: f64, y: f64| (0.0..=size("width")).contains(&x) && (0.0..=size("height")).contains(&y);
            for node in document.descendants() {
                if let Some(data) = node.attribute("d") {
                    for point in data.split(['M', 'L', 'Z']).filter(|point| !point.is_empty()) {
                        let (x, y) = point.split_once(' ').unwrap();
                        prop_assert!(inside(x.parse().unwrap(), y.parse().unwrap()), "{} in {}", data, svg);
                    }
                }
                if let (Some(x), Some(y)) = (node.attribute("x"), node.attribute("y")) {
                    prop_assert!(inside(x.parse().unwrap(), y.parse().unwrap()), "{:?} in {}", node, svg);
                }
            }
        }
    }
}

/// An interval of two seeds, many times as wide as what was measured, leaves the points their height.
#[test]
fn a_band_is_cut_off_at_half_the_height_of_the_points() {
    let points = [(0.0, 0.0), (1.0, 100.0)];
    let highest = |high: f64| {
        let line = Series::new("policy", points.to_vec(), Look::default());
        let series = Series { band: Some(vec![(0.0, high); 2]), ..line };
        let svg = Figure::new(Axis::linear("x"), Axis::linear("y"), vec![series]).to_svg();
        let document = Document::parse(&svg).unwrap();
        let ticks = document.descendants().filter(|node| node.attribute("text-anchor") == Some("end"));
        ticks.filter_map(|node| node.text()?.parse::<f64>().ok()).fold(0.0, f64::max)
    };
    assert_eq!((highest(120.0), highest(150.0), highest(1e6)), (120.0, 140.0, 140.0));
}

/// A bar for each bin that holds something, as high as its count, between the lines and the axis.
#[test]
fn a_histogram_stands_below_the_lines() {
    let series = Series::new("aaren", vec![(1.0, 1.0), (2.0, 2.0)], Look::default());
    let plain = Figure::new(Axis::linear("x"), Axis::linear("y"), vec![series]);
    let counts = vec![2, 0, 4];
    let histogram = Some(Histogram { low: 0.0, high: 3.0, counts, label: "data".into() });
    let svg = Figure { histogram, ..plain }.to_svg();
    let document = Document::parse(&svg).unwrap();
    let bars = document.descendants().filter(|node| node.attribute("fill-opacity") == Some("0.7"));
    let corners = bars.map(|bar| {
        let data = bar.attribute("d").unwrap().trim_start_matches('M').trim_end_matches('Z');
        let points = data.split('L').map(|point| point.split_once(' ').unwrap());
        points.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect::<Vec<(f64, f64)>>()
    });
    let bars: Vec<_> = corners.collect();
    assert_eq!(bars.len(), 2);
    let (width, height) =
        (|bar: usize| bars[bar][2].0 - bars[bar][1].0, |bar: usize| bars[bar][0].1 - bars[bar][1].1);
    assert!((width(0) - width(1)).abs() < 0.02 && (2.0 * height(0) - height(1)).abs() < 0.02, "{bars:?}");
    let circles = document.descendants().filter(|node| node.has_tag_name("circle"));
    let lowest = circles.map(|node| node.attribute("cy").unwrap().parse().unwrap()).fold(0.0, f64::max);
    assert!(lowest < bars[1][1].1, "a mark at {lowest} stands in the histogram");
}
