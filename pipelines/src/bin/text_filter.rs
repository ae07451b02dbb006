//! Runs the pipeline `text_filter` over its example data, or over a file that `--input` names.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::text_filter)
}
