//! Runs the pipeline `reasoning_filter` over its example data, or over a file that `--input` names.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::reasoning_filter)
}
