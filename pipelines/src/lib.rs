//! Ready-made pipelines. Each is a function here, a binary of its name, and a YAML file of its name beside this crate.
//!
//! Paths start from the repository's root, where `cargo run --bin translate` is called.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod code_pt_filter;
mod general_reasoning;
mod reasoning_filter;
mod text2qa;
mod text_filter;
mod text_pt_filter;
mod text_sft_filter;
mod translate;

pub use code_pt_filter::code_pt_filter;
pub use general_reasoning::general_reasoning;
pub use reasoning_filter::reasoning_filter;
pub use text_filter::text_filter;
pub use text_pt_filter::text_pt_filter;
pub use text_sft_filter::text_sft_filter;
pub use text2qa::text2qa;
pub use translate::translate;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataflow::Pipeline;
    use dataflow::pipeline_file::PipelineFile;
    use serde_json::Value;

    type Make = fn() -> dataflow::Result<Pipeline>;

    /// The pipeline as its file would have it, with every path made absolute.
    fn value(pipeline: &Pipeline, base: &Path) -> Value {
        let mut value = serde_json::to_value(pipeline.to_spec()).unwrap();
        for (_, path) in
            value["storage"].as_object_mut().unwrap().iter_mut().filter(|(key, _)| ["input", "output", "cache_path", "journal"].contains(&key.as_str()))
        {
            if let Some(text) = path.as_str() {
                *path = Value::String(normal(&base.join(text)));
            }
        }
        value
    }

    fn normal(path: &Path) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.to_str().unwrap().split('/') {
            match part {
                "." | "" => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    #[test]
    fn a_pipeline_in_rust_and_its_file_are_one_value() {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_folder.parent().unwrap();
        std::env::set_current_dir(root).unwrap(); // where the binaries are called; the only test of this program
        let all: [(&str, Make); 8] = [
            ("code_pt_filter", super::code_pt_filter),
            ("general_reasoning", super::general_reasoning),
            ("reasoning_filter", super::reasoning_filter),
            ("text2qa", super::text2qa),
            ("text_filter", super::text_filter),
            ("text_pt_filter", super::text_pt_filter),
            ("text_sft_filter", super::text_sft_filter),
            ("translate", super::translate),
        ];
        for (name, make) in all {
            let file = PipelineFile::read(crate_folder.join(format!("{name}.yaml"))).unwrap().pipeline().unwrap();
            let own = make().unwrap();
            assert_eq!(value(&own, root), value(&file, crate_folder), "{name}");
            own.compile().unwrap();
        }
    }
}
