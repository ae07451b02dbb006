//! `dataflow token`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::Result;
use crate::process::{Mode, ProcessConfiguration, ProcessOptions};
use crate::terminal::{Exit, say};

#[derive(Args)]
pub struct Arguments {
    /// The configuration file, AI-DataFlux's as it is
    #[arg(short, long, default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    /// What is counted; `token_estimation.mode` of the file without it
    #[arg(long)]
    mode: Option<Counts>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Counts {
    /// The questions of all rows
    In,
    /// The replies that stand in the table
    Out,
    /// Both
    Io,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let configuration = ProcessConfiguration::read(&arguments.config)?;
    for warning in &configuration.warnings {
        say(&format!("warning: {warning}"));
    }
    let mode = match arguments.mode {
        Some(Counts::In) => Mode::In,
        Some(Counts::Out) => Mode::Out,
        Some(Counts::Io) => Mode::Io,
        None => Mode::named(&configuration.token_estimation.mode),
    };
    let estimate = configuration.estimate(mode)?;
    let mut text =
        format!("{} ({}), tokens of {}\n{}", configuration.name, configuration.datasource.kind, configuration.token_estimation.encoding, estimate.table());
    let pool = configuration.pool(ProcessOptions::default())?;
    match configuration.prices(pool.as_deref()) {
        Some(prices) => {
            text += &format!("money: {:.4}, at {} a million tokens of questions and {} of replies\n", estimate.money(prices), prices.input, prices.output);
        }
        None => text += "money: not known; `prices: {in: 2.5, out: 10}` at each model, for a million tokens, would tell\n",
    }
    super::give(text.as_bytes(), None)?;
    Ok(Exit::Well)
}
