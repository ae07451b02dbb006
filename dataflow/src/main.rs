//! The `dataflow` command.

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use dataflow::terminal::{Exit, start_up, tell};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    Run(commands::run::Arguments),
    /// Tell all problems and warnings of a pipeline file, and how many model calls a run would make at most
    Check(commands::check::Arguments),
    /// Draw a pipeline file's graph
    Graph(commands::graph::Arguments),
    /// List the operators, or describe one
    Operators(commands::describe::Arguments),
    /// List the prompts, or describe one
    Prompts(commands::describe::Arguments),
    /// Look into a journal of paid answers
    Journal(commands::journal::Arguments),
    /// Write a file that compiles and says what to fill in
    New(commands::new::Arguments),
    /// Print the completions of a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let done = start_up().and_then(|runtime| match command {
        Command::Run(arguments) => runtime.block_on(commands::run::run(&arguments)),
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::Graph(arguments) => commands::graph::run(&arguments),
        Command::Operators(arguments) => commands::describe::operators(&arguments),
        Command::Prompts(arguments) => commands::describe::prompts(&arguments),
        Command::Journal(arguments) => commands::journal::run(&arguments),
        Command::New(arguments) => commands::new::run(&arguments),
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
