//! `aaren render`: films of trained policies.

mod common;

use std::fs::File;
use std::path::Path;
use std::process::Command;

use common::{Experiment, YAML};

/// `aaren render` in the folder of an experiment: exit code, standard output, standard error.
fn render(experiment: &Experiment, arguments: &[&str]) -> (Option<i32>, String, String) {
    aaren(experiment, &[&["render"], arguments].concat(), "no-ffmpeg-here")
}

fn aaren(experiment: &Experiment, arguments: &[&str], ffmpeg: &str) -> (Option<i32>, String, String) {
    let mut aaren = Command::new(env!("CARGO_BIN_EXE_aaren"));
    let output = aaren.current_dir(experiment.path("")).args(arguments).env("AAREN_FFMPEG", ffmpeg);
    let output = output.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Width, height, and the pictures of a GIF.
fn decode(path: &Path) -> (u16, u16, Vec<Vec<u8>>) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let (width, height) = (decoder.width(), decoder.height());
    let mut pictures = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        pictures.push(frame.buffer.to_vec());
    }
    (width, height, pictures)
}

/// The return that a line of `aaren render` ends with.
fn total_return(line: &str) -> f64 {
    let (_, end) = line.split_once(": return ").unwrap();
    end.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn a_film_shows_the_episode_that_an_evaluation_played() {
    let experiment = Experiment::new(&YAML.replace("every: 5", "every: 60"));
    experiment.finish("results");
    let [one, two] = ["results/tiny/aaren-seed0", "results/tiny/transformer-seed0"];

    // 30 timesteps: the start, every fourth, and the last.
    let arguments = ["--out", "one.gif", "--every", "4", "--size", "64", "--seed", "5", "--episode", "2"];
    let (code, said, message) = render(&experiment, &[&[one], &arguments[..]].concat());
    assert_eq!(code, Some(0), "{message}");
    let (width, height, pictures) = decode(&experiment.path("one.gif"));
    assert_eq!((width, height, pictures.len()), (64, 64, 9), "{said}");
    let below_the_words = |picture: &Vec<u8>| picture[4 * 64 * 42..].to_vec();
    for pair in pictures.windows(2) {
        assert_ne!(below_the_words(&pair[0]), below_the_words(&pair[1]), "the pendulum moves");
    }
    assert!(said.contains("aaren in Pendulum-v1, unbounded, episode 2 of seed 5"), "{said}");

    let evaluate = ["evaluate", one, "--episodes", "3", "--seed", "5", "--json"];
    let (_, json, _) = aaren(&experiment, &evaluate, "");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["episodes"][2]["total_return"].as_f64().unwrap(), total_return(&said), "to the last bit");

    // Side by side, cut short; each with the return that it has alone.
    let cut = ["--out", "two.gif", "--steps", "7", "--every", "1", "--size", "50"];
    let (code, both, message) = render(&experiment, &[&[one, two], &cut[..]].concat());
    assert_eq!(code, Some(0), "{message}");
    let (width, height, pictures) = decode(&experiment.path("two.gif"));
    assert_eq!((width, height, pictures.len()), (100, 50, 8));
    let (_, alone, _) = render(&experiment, &[&[two], &cut[..]].concat());
    assert_eq!(both.lines().nth(1), alone.lines().next());

    let (code, _, message) = render(&experiment, &[one, "--out", "film.webm"]);
    assert!(code == Some(2) && message.contains("expected .gif or .mp4"), "{message}");
    let (code, _, message) = render(&experiment, &[one, "--out", "film.mp4"]);
    assert!(code == Some(1) && message.contains("name one in AAREN_FFMPEG, or write a .gif"), "{message}");
    let (code, _, message) = render(&experiment, &[one, "--out", "no/such/folder.gif", "--size", "32"]);
    assert!(code == Some(1) && message.contains("no/such/folder.gif"), "{message}");
    let left: Vec<_> =
        std::fs::read_dir(experiment.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("film")), "{left:?}");
}

/// A program in ffmpeg's place that counts what it is given: every picture whole, in order, and its failures reported.
#[cfg(unix)]
#[test]
fn ffmpeg_is_given_every_picture() {
    use std::os::unix::fs::PermissionsExt;
    let experiment = Experiment::new(&YAML.replace("every: 5", "every: 60"));
    experiment.finish("results");
    let script = |name: &str, text: &str| {
        std::fs::write(experiment.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(experiment.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        experiment.path(name).to_str().unwrap().to_owned()
    };
    let arguments = [
        "render",
        "results/tiny/aaren-seed0",
        "--out",
        "film.mp4",
        "--steps",
        "4",
        "--every",
        "2",
        "--size",
        "33",
    ];
    let copies = script("copies", r#"for last; do :; done; echo "$@" > arguments; cat > "$last""#);
    let (code, said, message) = aaren(&experiment, &arguments, &copies);
    assert_eq!(code, Some(0), "{message}");
    let given = std::fs::read(experiment.path("film.mp4")).unwrap();
    assert_eq!(given.len(), 3 * 33 * 33 * 3, "{said}");
    let words = std::fs::read_to_string(experiment.path("arguments")).unwrap();
    assert!(words.contains("-f rawvideo -pix_fmt rgb24 -s 33x33 -r 30 -i pipe:0"), "{words}");

    // A real one, where there is one: it gives back as many pictures.
    let real = std::env::var("AAREN_FFMPEG").unwrap_or_else(|_| "ffmpeg".into());
    if Command::new(&real).arg("-version").output().is_ok() {
        let (code, _, message) = aaren(&experiment, &arguments, &real);
        assert_eq!(code, Some(0), "{message}");
        let decode = ["-loglevel", "error", "-i", "film.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        let decoded = Command::new(&real).current_dir(experiment.path("")).args(decode).output().unwrap();
        assert_eq!(decoded.stdout.len(), 3 * 34 * 34 * 3, "sides are even in an MP4");
    } else {
        println!("skipped the part with ffmpeg itself: {real} cannot be started");
    }

    let given = std::fs::read(experiment.path("film.mp4")).unwrap();
    let fails = script("fails", "cat > /dev/null; echo no such encoder >&2; exit 3");
    let (code, _, message) = aaren(&experiment, &arguments, &fails);
    assert!(code == Some(1) && message.contains("no such encoder"), "{message}");
    assert_eq!(std::fs::read(experiment.path("film.mp4")).unwrap(), given, "the film before it is unharmed");
    assert!(!experiment.path("film.mp4.tmp").exists());
}
