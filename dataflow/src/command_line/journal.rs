//! `dataflow journal`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::terminal::{Exit, say};
use crate::{Error, Result};
use clap::{Args, Subcommand};
use dataflow_serving::journal::{PruneOptions, export, prune, stats};

use super::give;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Count the answers, by model
    Stats {
        /// The journal's folder
        path: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the answers out as JSON lines
    Export {
        /// The journal's folder
        path: PathBuf,
        /// Write them here instead of to stdout
        #[arg(short, long, value_name = "PATH")]
        output: Option<PathBuf>,
    },
    /// Forget answers and give their space back; without a condition, only the space of what was replaced
    Prune {
        /// The journal's folder
        path: PathBuf,
        /// Forget what is older, such as 30d, 12h or 90m
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
        /// Forget what this model answered
        #[arg(long)]
        model: Option<String>,
    },
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    match &arguments.what {
        What::Stats { path, json } => {
            let stats = stats(existing(path)?)?;
            let text = if *json {
                format!("{}\n", serde_json::to_string_pretty(&stats).unwrap_or_default())
            } else {
                let time =
                    |time: Option<chrono::DateTime<chrono::Utc>>| time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string());
                let mut text = format!(
                    "{} answers in {} files, {} bytes; {} forgotten\noldest: {}\nnewest: {}\n",
                    stats.entries,
                    stats.segments,
                    stats.bytes,
                    stats.forgotten,
                    time(stats.oldest),
                    time(stats.newest)
                );
                for (model, counts) in &stats.models {
                    let _ = writeln!(text, "{model}: {} answers, {} tokens in, {} out", counts.entries, counts.input_tokens, counts.output_tokens); // a String takes every write
                }
                text
            };
            give(text.as_bytes(), None)?;
        }
        What::Export { path, output } => {
            let path = existing(path)?;
            match output {
                Some(output) => {
                    let failed = |error| Error::storage(format!("cannot write {}", output.display()), error);
                    let mut file = std::io::BufWriter::new(std::fs::File::create(output).map_err(failed)?);
                    let count = export(path, &mut file)?;
                    file.flush().map_err(failed)?;
                    say(&format!("wrote {count} answers to {}", output.display()));
                }
                None => match export(path, std::io::stdout().lock()) {
                    Err(Error::Journal { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {} // whoever read it has enough
                    done => _ = done?,
                },
            }
        }
        What::Prune { path, older_than, model } => {
            let report = prune(existing(path)?, &PruneOptions { older_than: *older_than, model: model.clone() })?;
            say(&format!("{} answers kept, {} forgotten; {} bytes before, {} now", report.kept, report.removed, report.bytes_before, report.bytes_after));
        }
    }
    Ok(Exit::Well)
}

fn existing(path: &Path) -> Result<&Path> {
    if dataflow_serving::journal::is_journal(path) {
        Ok(path)
    } else {
        Err(Error::NotFound(format!("there is no journal at {}\nhint: a pipeline's journal is at `<cache_path>/journal`", path.display())))
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a number and d, h, m or s, such as 30d, found `{text}`");
    let (number, unit) = text.split_at(text.len().saturating_sub(text.chars().last().map_or(0, char::len_utf8)));
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(expected()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_units() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(720)));
        assert!(age("30").is_err() && age("").is_err() && age("d").is_err());
    }
}
