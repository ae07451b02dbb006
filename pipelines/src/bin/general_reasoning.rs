//! Runs the pipeline `general_reasoning` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::general_reasoning)
}
