//! Runs the pipeline `code_pt_filter` over its example data, or over a file that `--input` names.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::code_pt_filter)
}
