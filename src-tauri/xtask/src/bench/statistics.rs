//! Medians, their spread, and the table.

use serde_json::{Value, json};

/// One quantity of one program, measured several times.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub what: String,
    pub unit: &'static str,
    pub who: &'static str,
    pub values: Vec<f64>,
}

impl Figure {
    /// The value at the share `q` (0..=1) of the ordered values; 0 when there is none.
    fn quantile(&self, q: f64) -> f64 {
        let mut ordered = self.values.clone();
        ordered.sort_by(f64::total_cmp);
        let place = q * ordered.len().saturating_sub(1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        match (ordered.get(low), ordered.get(high)) {
            (Some(low), Some(high)) => low + (high - low) * place.fract(),
            _ => 0.0,
        }
    }

    fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// A table in Markdown: a row for each quantity, ours and the peer's side by side with their ratio.
pub fn table(figures: &[Figure]) -> String {
    let mut rows = String::from(
        "| quantity | Deskline: median (10 %–90 %) | runs | peer: median (10 %–90 %) | Deskline ÷ peer |\n|---|---|---|---|---|\n",
    );
    for ours in figures.iter().filter(|figure| figure.who == "deskline") {
        let peer = figures.iter().find(|figure| figure.who != "deskline" && figure.what == ours.what);
        let ratio = peer.filter(|peer| peer.median() > 0.0).map(|peer| format!("{:.2}", ours.median() / peer.median()));
        rows.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            if ours.unit.is_empty() { ours.what.clone() } else { format!("{}, {}", ours.what, ours.unit) },
            cell(ours),
            ours.values.len(),
            peer.map_or("–".to_owned(), |peer| format!("{} {}", peer.who, cell(peer))),
            ratio.unwrap_or("–".to_owned())
        ));
    }
    rows
}

/// Everything, for programs.
pub fn json(figures: &[Figure], machine: &str) -> Value {
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            json!({
                "what": figure.what, "unit": figure.unit, "who": figure.who, "median": figure.median(),
                "p10": figure.quantile(0.1), "p90": figure.quantile(0.9), "values": figure.values,
            })
        })
        .collect();
    json!({ "machine": machine, "figures": figures })
}

fn cell(figure: &Figure) -> String {
    let digits = if figure.median().abs() < 10.0 { 2 } else { 1 };
    format!("{:.digits$} ({:.digits$}–{:.digits$})", figure.median(), figure.quantile(0.1), figure.quantile(0.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(who: &'static str, values: &[f64]) -> Figure {
        Figure { what: "delay".to_owned(), unit: "ms", who, values: values.to_vec() }
    }

    #[test]
    fn median_is_that_of_the_ordered_values() {
        assert_eq!(figure("deskline", &[9.0, 1.0, 5.0]).median(), 5.0);
        assert_eq!(figure("deskline", &[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(figure("deskline", &[]).median(), 0.0);
    }

    #[test]
    fn table_puts_both_programs_into_one_row() {
        let text = table(&[figure("deskline", &[50.0]), figure("baresip", &[100.0])]);
        assert!(
            text.ends_with("| delay, ms | 50.0 (50.0–50.0) | 1 | baresip 100.0 (100.0–100.0) | 0.50 |\n"),
            "{text}"
        );
    }
}
