//! Runs the pipeline `general_reasoning` over its example data, or over a file that `--input` names.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::general_reasoning)
}
