//! End-to-end tests, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests say what went wrong by failing")]

mod bad_days;
mod command_line;
mod duplicates;
mod faults;
mod first_run;
mod gateway;
mod gateway_in_browser;
mod graph_in_browser;
mod kill;
mod local;
mod process;
mod process_laws;
mod scaffold;
mod tables;
