//! The `dataflow` command, a file a verb.

mod check;
mod describe;
mod gateway;
mod graph;
mod journal;
mod new;
mod operator_pages;
mod process;
mod run;
mod token;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::terminal::{Exit, start_up, tell};
use crate::{Error, Result};

/// Prepares data for language models: tables flow through operators that generate, evaluate, filter and refine rows.
#[derive(Parser)]
#[command(name = "dataflow", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline file
    Run(run::Arguments),
    /// Tell all problems and warnings of a pipeline file, and how many model calls a run would make at most
    Check(check::Arguments),
    /// Draw a pipeline file's graph
    Graph(graph::Arguments),
    /// List the operators, or describe one
    Operators(describe::Arguments),
    /// List the prompts, or describe one
    Prompts(describe::Arguments),
    /// Serve the models of a configuration at one address that speaks OpenAI's interface
    Gateway(gateway::Arguments),
    /// Ask about the rows of a table and write the replies back, as an AI-DataFlux configuration file says
    Process(process::Arguments),
    /// Count the tokens of the questions and replies of such a file's table, and what they cost
    Token(token::Arguments),
    /// Look into a journal of paid answers
    Journal(journal::Arguments),
    /// Write a file that compiles and says what to fill in
    New(new::Arguments),
    /// Print the completions of a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// The `main` of the `dataflow` command. A crate with operators of its own calls it to have every verb for them too.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     dataflow::command_line::main()
/// }
/// ```
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Before there are any; what a program has not set is set as for all commands.
    let logs = match &command {
        Command::Gateway(arguments) => arguments.logs().map(Some),
        Command::Process(arguments) => arguments.logs(),
        _ => Ok(None),
    };
    let started = logs.and_then(|logs| Ok((start_up()?, logs)));
    let done = started.and_then(|(runtime, _logs)| match command {
        Command::Run(arguments) => runtime.block_on(run::run(&arguments)),
        Command::Process(arguments) => process::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Operators(arguments) => describe::operators(&arguments),
        Command::Prompts(arguments) => describe::prompts(&arguments),
        Command::Gateway(arguments) => gateway::run(&arguments),
        Command::Journal(arguments) => journal::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "dataflow", &mut std::io::stdout());
            Ok(Exit::Well)
        }
    });
    done.unwrap_or_else(|error| {
        tell(&error);
        Exit::of_error(&error)
    })
    .into()
}

/// Tells that arguments do not go together, which each by itself are right.
fn called_wrongly(message: &str) -> Exit {
    tell(&Error::Configuration(message.to_owned()));
    Exit::CalledWrongly
}

/// Writes what was asked for to a file, or to stdout.
fn give(content: &[u8], to: Option<&Path>) -> Result<()> {
    if let Some(path) = to {
        return std::fs::write(path, content).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Configuration(format!("cannot write {}: its folder is not there", path.display())),
            _ => Error::storage(format!("cannot write {}", path.display()), error),
        });
    }
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::storage("cannot write to stdout", error)),
        _ => Ok(()),
    }
}
