//! `dataflow check`.

use std::fmt::Write;
use std::path::PathBuf;

use crate::Result;
use crate::terminal::Exit;
use clap::Args;

use super::{give, run::overridden};

#[derive(Args)]
pub struct Arguments {
    /// The pipeline file
    file: PathBuf,
    /// Read the rows from here
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Count the calls of the first rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Replace a value of the file; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = crate::pipeline_file::assignment)]
    set: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let compiled = overridden(&arguments.file, &arguments.set, &[("input", arguments.input.as_ref())])?.pipeline()?.compile()?;
    let mut text = String::new();
    for warning in compiled.warnings() {
        let _ = writeln!(text, "warning: {warning}"); // a String takes every write
    }
    let most = compiled.most_calls(arguments.limit);
    let rows = most.source_rows.map_or_else(|| "an unknown number of".to_owned(), |rows| rows.to_string());
    let steps = compiled.spec().steps.len();
    let _ = writeln!(text, "pipeline `{}` compiles: {steps} {}, {rows} rows in the data set", compiled.name(), if steps == 1 { "step" } else { "steps" });
    let _ = match most.calls {
        Some(0) => writeln!(text, "a run asks no model"),
        Some(calls) => writeln!(text, "a run makes at most {calls} model calls, and one more for each reply that has to be asked for again"),
        None => writeln!(text, "how many model calls a run makes cannot be told before the data set is read"),
    };
    for (name, steps) in compiled.llm_serving_list() {
        let _ = writeln!(text, "serving `{name}`: {steps} {}", if steps == 1 { "step" } else { "steps" });
    }
    let columns: Vec<String> = compiled.schema().iter().map(|(name, data_type)| format!("{name} ({data_type})")).collect();
    let _ = writeln!(text, "columns of the output: {}", columns.join(", "));
    give(text.as_bytes(), None)?;
    Ok(Exit::Well)
}
