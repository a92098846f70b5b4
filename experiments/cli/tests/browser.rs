//! The page of `aaren report --html` in a browser: `make page-test`, which leaves its screenshots in `target/page`. It
//! takes Chromium (Debian and Ubuntu: `apt install chromium`), or what AAREN_CHROMIUM names.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Experiment, YAML};
use serde_json::Value;

/// Says in the page what a user would see there.
const PROBE: &str = r#"<script>
addEventListener("load", () => setTimeout(() => {
  const pixels = (plot, colour) => {
    const wanted = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
    const { width, height } = plot.ctx.canvas;
    const { data } = plot.ctx.getImageData(0, 0, width, height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] > 200 && wanted.every((value, i) => Math.abs(data[at + i] - value) < 12)) count++;
    }
    return count;
  };
  const { plots } = document.querySelector(".charts");
  const buttons = [...document.querySelectorAll(".legend button")];
  const colours = buttons.map(button => button.querySelector("path").getAttribute("stroke"));
  const counts = () => plots.map(plot => pixels(plot, colours[0]));
  const others = () => pixels(plots[0], colours[1]);
  const said = { lines: buttons.map(button => button.textContent), plots: plots.length, before: counts(), others: [others()] };
  buttons[0].click();
  setTimeout(() => {
    Object.assign(said, { after: counts(), pressed: buttons[0].getAttribute("aria-pressed") });
    said.others.push(others());
    buttons[0].click();
    const heads = [...document.querySelectorAll(".experiment th button")];
    const column = heads.findIndex(head => head.textContent === "µs/step");
    const times = () => [...document.querySelectorAll(".experiment tbody tr")].map(row => Number(row.cells[column].textContent));
    heads[column].click();
    said.down = times();
    heads[column].click();
    said.up = times();
    const box = document.querySelector(".plot");
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    const paper = () => getComputedStyle(document.body).backgroundColor;
    said.papers = [paper()];
    document.getElementById("theme").click();
    said.papers.push(paper());
    document.getElementById("theme").click();
    setTimeout(() => {
      said.values = box.querySelector(".values").textContent;
      said.wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
      const shown = document.createElement("pre");
      shown.id = "probe";
      shown.textContent = JSON.stringify(said);
      document.body.append(shown);
    }, 300);
  }, 300);
}, 1500));
</script></body>"#;

fn browser(arguments: &[&str], page: &Path) -> (String, String) {
    let program = std::env::var("AAREN_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let output = Command::new(&program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"])
        .args(["--virtual-time-budget=8000"])
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; install chromium, or name one in AAREN_CHROMIUM")
        });
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/page");
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "needs Chromium: make page-test"]
fn the_page_shows_what_the_table_says_and_does_what_is_clicked() {
    let experiment = Experiment::new(&YAML.replace("every: 5,", "every: 4,"));
    experiment.finish("results");
    let aaren = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aaren"));
        let output = command.current_dir(experiment.path("")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    aaren(&[
        "render",
        "results/tiny/aaren-seed0",
        "--out",
        "results/tiny/film.gif",
        "--steps",
        "5",
        "--size",
        "64",
    ]);
    aaren(&["report", "results/tiny", "--html", "--out", "out"]);
    let page = experiment.path("out/report.html");
    let html = fs::read_to_string(&page).unwrap();
    // Each cell of the terminal's table, in its order.
    let summary = fs::read_to_string(experiment.path("results/tiny/summary.md")).unwrap();
    let section = html.split("class=experiment").nth(1).unwrap();
    let mut rest = section;
    for row in summary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| --")) {
        for cell in row.trim_matches('|').split('|').map(str::trim) {
            let cell = format!(">{cell}</t");
            let place = rest.find(&cell).unwrap_or_else(|| panic!("{cell} is not where it should be"));
            rest = &rest[place + cell.len()..];
        }
    }
    assert!(section.contains("data:image/gif;base64,R0lGOD") && section.contains("name: tiny"));

    let probed = experiment.path("out/probed.html");
    fs::write(&probed, html.replace("</body>", PROBE)).unwrap();
    for width in [1200, 390] {
        let (shown, log) = browser(&["--dump-dom", &format!("--window-size={width},900")], &probed);
        // Chromium's advice to who reads a canvas is for the probe.
        let says = |line: &&str| line.contains("CONSOLE") && !line.contains("willReadFrequently");
        let complaints: Vec<&str> = log.lines().filter(says).collect();
        assert_eq!(complaints, Vec::<&str>::new());
        let said = shown.rsplit("<pre id=\"probe\">").next().and_then(|rest| rest.split("</pre>").next());
        let said: Value =
            serde_json::from_str(said.unwrap()).unwrap_or_else(|error| panic!("{error}: {log}"));
        let numbers = |key: &str| -> Vec<f64> {
            said[key].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        assert_eq!(said["plots"], 4, "{said}");
        assert_eq!(
            (&said["lines"][0], &said["lines"][1]),
            (&"aaren".into(), &"transformer".into()),
            "{said}"
        );
        let (before, after, others) = (numbers("before"), numbers("after"), numbers("others"));
        assert!(before[0] > 50.0 && before[1] > 50.0 && after.iter().all(|count| *count == 0.0), "{said}");
        // Nothing else goes.
        assert!(said["pressed"] == "false" && others.iter().all(|count| *count > 50.0), "{said}");
        assert!(numbers("down").is_sorted_by(|a, b| a >= b) && numbers("up").is_sorted(), "{said}");
        let values = said["values"].as_str().unwrap();
        assert!(
            values.starts_with("Updates 4: aaren -") && values.matches("transformer").count() == 1,
            "{said}"
        );
        assert_ne!(said["papers"][0], said["papers"][1]);
        assert_eq!(said["wider"], 0, "{said}");
    }
    for (name, scheme, size) in
        [("light", "1", "1200,1500"), ("dark", "0", "1200,1500"), ("narrow", "1", "390,1500")]
    {
        let path = screenshots().join(format!("{name}.png"));
        let (path, scheme) = (
            format!("--screenshot={}", path.display()),
            format!("--blink-settings=preferredColorScheme={scheme}"),
        );
        browser(&[&path, &scheme, &format!("--window-size={size}")], &page);
    }
}
