//! Runs the pipeline `code_pt_filter` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::code_pt_filter)
}
