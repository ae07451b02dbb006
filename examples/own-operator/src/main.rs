//! The `dataflow` way to run a pipeline file, with this crate's operator and prompt linked in.
//!
//! `cargo run --bin own-operator -- examples/own-operator/shorten.yaml`

use own_operator as _; // a crate that nothing names is not linked, and its operators are not registered

use dataflow::pipeline_file::PipelineFile;

fn main() -> std::process::ExitCode {
    let path = std::env::args().nth(1).unwrap_or_else(|| "examples/own-operator/shorten.yaml".to_owned());
    dataflow::terminal::main(|| PipelineFile::read(path)?.pipeline())
}
