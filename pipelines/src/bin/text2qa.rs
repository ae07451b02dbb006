//! Runs the pipeline `text2qa` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::text2qa)
}
