//! Runs the pipeline `translate` over its example data, or over a file that `--input` names.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::translate)
}
