//! The `dataflow` command with this crate's operator and prompt linked in: `cargo run --bin own-operator -- run examples/own-operator/shorten.yaml`

use own_operator as _; // a crate that nothing names is not linked, and its operators are not registered

fn main() -> std::process::ExitCode {
    dataflow::command_line::main()
}
