//! Runs the pipeline `text_sft_filter` over its example data.

fn main() -> std::process::ExitCode {
    dataflow::terminal::main(pipelines::text_sft_filter)
}
