//! The colours of the style sheet, measured: states stay apart for everybody, text can be read on every ground.

use super::assets::STYLE;

const STATES: [&str; 6] = ["op", "mt", "dg", "po", "mo", "un"];
/// Ordinary palettes of green, yellow, orange and red fall to 11.7.
const APART_MIN: f64 = 24.0;

type Colour = [f64; 3];
type Matrix = [Colour; 3];

/// Machado, Oliveira and Fernandes 2009 (<https://doi.org/10.1109/TVCG.2009.113>), severity 1, on linear light.
const VISIONS: [(&str, Matrix); 4] = [
    ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    ("protanopia", [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    ("deuteranopia", [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    ("tritanopia", [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
];

/// Of a variable, in light and dark: `--op: light-dark(#0f8a5f, #5eead4)`.
fn themes(name: &str) -> [Colour; 2] {
    let start = format!("--{name}: light-dark(");
    let inside = STYLE.split(&start).nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_else(|| panic!("no colour {name}"));
    let colours: Vec<Colour> = inside.split(',').map(|text| linear(text.trim())).collect();
    colours.try_into().expect("a light and a dark one")
}

fn linear(hex: &str) -> Colour {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("#rrggbb")) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    [channel(1), channel(3), channel(5)]
}

fn times(matrix: &Matrix, c: Colour) -> Colour {
    matrix.map(|row| row[0] * c[0] + row[1] * c[1] + row[2] * c[2]).map(|value| value.clamp(0.0, 1.0))
}

/// CIE 1976 L*a*b* under D65.
fn lab(c: Colour) -> Colour {
    const XYZ: Matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
    let scale = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    let [x, y, z] = XYZ.map(|row| row[0] * c[0] + row[1] * c[1] + row[2] * c[2]);
    let [x, y, z] = [scale(x / 0.95047), scale(y), scale(z / 1.08883)];
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn distance(a: Colour, b: Colour) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// WCAG 2.2.
fn contrast(a: Colour, b: Colour) -> f64 {
    let light = |c: Colour| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2] + 0.05;
    let (a, b) = (light(a), light(b));
    a.max(b) / a.min(b)
}

#[test]
fn states_stay_apart_for_everybody() {
    for (nth, theme) in ["light", "dark"].iter().enumerate() {
        for (vision, matrix) in VISIONS {
            for (place, one) in STATES.iter().enumerate() {
                for other in &STATES[place + 1..] {
                    let seen = |name: &str| lab(times(&matrix, themes(name)[nth]));
                    let apart = distance(seen(one), seen(other));
                    assert!(apart >= APART_MIN, "{theme}, {vision}: {one} and {other} are {apart:.1} apart");
                }
            }
        }
    }
}

#[test]
fn the_palette_is_the_one_that_was_measured() {
    let want = [
        ("op", "#0f8a5f", "#5eead4"),
        ("mt", "#1d4ed8", "#6ea0ff"),
        ("dg", "#f0c419", "#ffe27a"),
        ("po", "#d9660a", "#e8832a"),
        ("mo", "#b00020", "#e11d48"),
        ("un", "#9aa3af", "#7c8594"),
    ];
    for (name, light, dark) in want {
        assert_eq!(themes(name), [linear(light), linear(dark)], "{name}");
    }
}

#[test]
fn text_can_be_read_on_every_ground() {
    for (text, ground, least) in [
        ("ink", "page", 12.0),
        ("ink", "card", 12.0),
        ("ink", "sunk", 12.0),
        ("soft", "page", 4.5),
        ("soft", "card", 4.5),
        ("soft", "sunk", 4.5),
        ("link", "page", 4.5),
        ("link", "card", 4.5),
        ("p50", "card", 4.5),
        // Of what is no text: shapes, and lines of charts. Yellow and grey have an outline instead.
        ("p95", "card", 3.0),
        ("op", "card", 3.0),
        ("mt", "card", 3.0),
        ("po", "card", 3.0),
        ("mo", "card", 3.0),
    ] {
        for (nth, theme) in ["light", "dark"].iter().enumerate() {
            let has = contrast(themes(text)[nth], themes(ground)[nth]);
            assert!(has >= least, "{theme}: {text} on {ground} has {has:.2}");
        }
    }
    assert!((contrast(linear("#ffffff"), linear("#000000")) - 21.0).abs() < 0.01);
}
