//! A report as one HTML file that fetches nothing: it opens from `file://`, and can be sent as it is.
//!
//! Tables, protocol and YAML are plain HTML, there without a script too. The script sorts tables and draws lines with
//! uPlot 1.6.32 (`uplot-*` beside this file, from the npm package of that name; MIT, its licence goes into the page):
//! it has logarithmic axes, bands and gaps in 51 kB; Chart.js has four times that, Plotly seventy times.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::html::escaped;
use crate::plot::{Figure, Scale, reach};
use crate::{Pictures, Summary, Table};

const SCRIPTS: [&str; 2] = [include_str!("uplot-1.6.32.iife.min.js"), include_str!("page.js")];
const STYLES: [&str; 2] = [include_str!("uplot-1.6.32.min.css"), include_str!("page.css")];
const LICENCE: &str = include_str!("uplot-LICENSE");

/// One experiment of a page.
#[derive(Debug)]
pub struct Section {
    /// What it is of: dataset, environment, what a grid varies.
    pub name: String,
    /// Scores, costs, protocol.
    pub summary: Summary,
    /// Curves; absent where only the report was kept.
    pub pictures: Option<Pictures>,
    /// Its YAML with every default.
    pub yaml: Option<String>,
    /// Films of its policies.
    pub films: Vec<Film>,
}

/// A film that lies in a results folder.
#[derive(Debug)]
pub struct Film {
    /// The file's name.
    pub name: String,
    /// `image/gif` or `video/mp4`.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A table over all experiments of a page, with its heading and what there is to say below it.
#[derive(Debug)]
pub struct Overview {
    /// Heading.
    pub title: String,
    /// The table.
    pub table: Table,
    /// What was measured; nothing where the table before it says so.
    pub about: String,
}

impl Overview {
    fn html(&self) -> String {
        let Overview { title, table, about } = self;
        let about =
            if about.is_empty() { String::new() } else { format!("<p class=about>{}</p>", prose(about)) };
        format!("<section><h2>{}</h2>{}{about}</section>", escaped(title), table.to_html())
    }
}

/// A text in which names stand between backticks.
fn prose(text: &str) -> String {
    let part =
        |(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { String::from(part) };
    escaped(text).split('`').enumerate().map(part).collect()
}

/// The page: a note below its title, the tables over several datasets, the experiments, and other tables.
pub fn page(
    title: &str,
    note: &str,
    overviews: &[Overview],
    sections: &[Section],
    others: &[Overview],
) -> String {
    let mut body: String = overviews.iter().map(Overview::html).collect();
    let mut charts = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        body += &section.html(index);
        charts.push(section.charts());
    }
    body.extend(others.iter().map(Overview::html));
    let contents = sections.iter().enumerate();
    let contents: String = contents
        .map(|(index, section)| format!("<li><a href=#experiment-{index}>{}</a>", escaped(&section.name)))
        .collect();
    let contents = if sections.len() > 1 { format!("<nav><ul>{contents}</ul></nav>") } else { String::new() };
    // What ends a script is no part of one.
    let data = Value::Array(charts).to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta name=color-scheme content=\"light dark\"><title>{title}</title>\n<style>{styles}</style></head>\n\
         <body><header><h1>{title}</h1><button id=theme type=button hidden>Dark</button></header>\
         <p class=about>{note}</p>{contents}<main>{body}</main>\n<footer><details><summary>Licence of uPlot, which draws the lines</summary>\
         <pre>{licence}</pre></details></footer>\n\
         <script type=\"application/json\" id=charts>{data}</script>\n<script>{plots}</script>\n<script>{script}</script>\
         </body></html>\n",
        title = escaped(title),
        note = prose(note),
        styles = STYLES.join("\n"),
        licence = escaped(LICENCE),
        plots = SCRIPTS[0],
        script = SCRIPTS[1],
    )
}

impl Section {
    fn html(&self, index: usize) -> String {
        let Section { name, summary, yaml, films, .. } = self;
        let mut html = format!(
            "<section class=experiment id=experiment-{index}><h2>{}</h2>{}<p class=about>Scores of the last update, {}; \
             intervals: {}. State bytes and median µs per step are of timestep 1000 on one core. {}</p>\
             <div class=charts data-experiment={index}></div>",
            escaped(name),
            summary.table().to_html()
                + &summary.target_table().map_or_else(String::new, |table| table.to_html()),
            escaped(&summary.asked()),
            escaped(&summary.protocol.interval),
            escaped(&summary.asked_columns().about()),
        );
        for Film { name, media_type, bytes } in films {
            let source = format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(bytes));
            let name = escaped(name);
            html += &match *media_type {
                "video/mp4" => format!("<figure><video controls loop src=\"{source}\"></video>"),
                _ => format!("<figure><img alt=\"{name}\" src=\"{source}\">"),
            };
            html += &format!("<figcaption>{name}</figcaption></figure>");
        }
        let protocol = serde_json::to_string_pretty(&summary.protocol).unwrap_or_default();
        let mut fold = |title: &str, text: &str| {
            html += &format!("<details><summary>{title}</summary><pre>{}</pre></details>", escaped(text));
        };
        fold("Protocol and provenance", &protocol);
        if let Some(yaml) = yaml {
            fold("Experiment (YAML, every default written out)", yaml);
        }
        html + "</section>\n"
    }

    fn charts(&self) -> Value {
        let figures = self.pictures.iter().flat_map(Pictures::figures);
        figures.map(|(_, figure)| chart(&figure)).collect()
    }
}

/// A figure as the script reads it.
fn chart(figure: &Figure) -> Value {
    let Figure { x, y, series, levels, .. } = figure;
    let lines = series.iter().filter(|series| !series.reference).map(|series| {
        let (xs, ys): (Vec<f64>, Vec<f64>) = series.points.iter().copied().unzip();
        let band = series.band.as_ref().map(|band| {
            let (low, high): (Vec<f64>, Vec<f64>) = band.iter().copied().unzip();
            json!([rounded(&low), rounded(&high)])
        });
        let (width, dashes) = series.look.stroke();
        let dashes: Vec<f64> = dashes.split_whitespace().filter_map(|length| length.parse().ok()).collect();
        json!({
            "name": series.name, "x": xs, "y": rounded(&ys), "band": band,
            "colour": series.look.hue(), "width": width, "dashes": dashes,
        })
    });
    json!({
        "x": x.label, "log_x": x.scale == Scale::Log,
        "y": y.label, "log_y": y.scale == Scale::Log, "reach": reach(series, levels),
        "lines": lines.collect::<Value>(),
        "levels": levels.iter().map(|level| json!([level.label, level.y])).collect::<Value>(),
    })
}

/// Five digits: more than a picture shows.
fn rounded(values: &[f64]) -> Vec<Value> {
    let round = |value: &f64| format!("{value:.4e}").parse::<f64>().ok().filter(|value| value.is_finite());
    values.iter().map(|value| round(value).map_or(Value::Null, |value| json!(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a user called a policy or a dataset is text, not a part of the page.
    #[test]
    fn nothing_of_a_name_is_taken_for_html() {
        let mut table = Table::new(1, ["policy", "<script>"]);
        table.row(["</table><b>", "&"]);
        let overview = Overview { title: "\"<i>".into(), table, about: "<!--".into() };
        let html = page("<title>", "<b>", &[], &[], &[overview]);
        let body = html.split("<body>").nth(1).unwrap().split("<footer>").next().unwrap();
        for tag in ["<script", "<b>", "<i>", "<!--", "<title>", "</table><b>"] {
            assert!(!body.contains(tag), "{tag} in {body}");
        }
        assert!(body.contains("&lt;/table&gt;&lt;b&gt;") && body.contains("&amp;"), "{body}");
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "it fetches something");
    }
}
