//! Runs the pipeline `reasoning_filter` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::reasoning_filter)
}
