//! Runs the pipeline `translate` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::translate)
}
