//! Takes documents apart, a file of parts a document.

use std::path::Path;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator, whole_file};
use serde_json::{Value, json};

use crate::knowledge_cleaning::chunk::{LEAST, Lengths, SplitMethod, chunks, read_document};
use crate::tokens::Tokenizer;

/// Reads the text file that a row names, and writes the parts of its text to a file of their own.
///
/// The file is `extract/<name>_chunk.json` beside the text: a list of records with `raw_chunk`. Texts are taken apart as `KBCChunkGenerator` does, which makes rows of the parts and suits
/// pipelines better: nothing of a part is lost between two steps there. Two files of one name and folder that differ by their endings have one file of parts, that of the later row.
///
/// # 中文
///
/// 读取每行所指的文本文件，并将文本的各段写入单独的文件：文本旁的 `extract/<名称>_chunk.json`，内容为含 `raw_chunk` 的记录列表。切分方式与 `KBCChunkGenerator` 相同，后者将各段写成行，更适合流水线。
/// 同一目录下仅扩展名不同的两个文件共用一个分段文件，以后一行为准。
#[operator(knowledge_cleaning, generate, AskModel)]
pub struct KBCChunkGeneratorBatch {
    /// The most tokens of a part; a single character stays whole where it alone has more. 中文：每段的最多词元数；单个字符的词元更多时不拆开。
    pub chunk_size: u32,
    /// The most tokens that a part repeats of the one before it; `recursive` repeats none. 中文：与上一段重复的最多词元数；`recursive` 不重复。
    pub chunk_overlap: u32,
    /// Where a text may be parted: `token`, `sentence` or `recursive`; DataFlow's `semantic` is refused. 中文：切分位置，`token`、`sentence` 或 `recursive`；DataFlow 的 `semantic` 会被拒绝。
    pub split_method: SplitMethod,
    /// A last part of fewer tokens takes words, sentences or paragraphs from the one before it, until the two are even at most; parts are never joined beyond `chunk_size`. 中文：末段不足此词元数时从上一段移入单词、句子或段落，至多使两段均等；合并绝不超过 `chunk_size`。
    pub min_tokens_per_chunk: u32,
    /// What counts as a token: `o200k_base`, `cl100k_base`, `whitespace`, or the path of a model's `tokenizer.json`. 中文：词元的计数方式：`o200k_base`、`cl100k_base`、`whitespace`，或模型的 `tokenizer.json` 路径。
    #[path(json)]
    pub tokenizer: Tokenizer,
    /// The path of the text file. 中文：文本文件路径列。
    #[path(named)]
    pub input_key: Input<Text>,
    /// Where the path of the file of parts goes. 中文：写入分段文件路径的列。
    pub output_key: Output<Text>,
}

impl Default for KBCChunkGeneratorBatch {
    fn default() -> Self {
        Self {
            chunk_size: 512,
            chunk_overlap: 50,
            split_method: SplitMethod::Token,
            min_tokens_per_chunk: LEAST,
            tokenizer: Tokenizer::O200kBase,
            input_key: "text_path".into(),
            output_key: "chunk_path".into(),
        }
    }
}

impl KBCChunkGeneratorBatch {
    fn lengths(&self) -> Lengths {
        Lengths::of(self.split_method, self.chunk_size, self.chunk_overlap, self.min_tokens_per_chunk)
    }
}

impl AskModel for KBCChunkGeneratorBatch {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let path = row.text(&self.input_key)?;
        let text = read_document(&path)?;
        let parts: Vec<Value> =
            chunks(&text, self.split_method, self.lengths(), &self.tokenizer)?.into_iter().map(|part| json!({ "raw_chunk": part })).collect();
        let path = Path::new(&*path);
        let name = format!("{}_chunk.json", path.file_stem().unwrap_or_default().to_string_lossy());
        let written = path.parent().unwrap_or(Path::new("")).join("extract").join(name);
        whole_file::write(&written, Value::Array(parts).to_string().as_bytes())?;
        Ok(Cells::new().set(&self.output_key, written.to_string_lossy()).into())
    }

    fn calls_per_row(&self) -> u64 {
        0
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.lengths().problems();
        problems.extend(self.split_method.problem());
        problems.extend(self.tokenizer.problem().map(|problem| format!("`tokenizer`: {problem}")));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};

    conformance!(KBCChunkGeneratorBatch);

    #[test]
    fn a_file_becomes_a_file_of_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owls.md");
        std::fs::write(&path, "Owls count you first, and then they sleep.").unwrap();
        let operator =
            KBCChunkGeneratorBatch { chunk_size: 4, chunk_overlap: 0, min_tokens_per_chunk: 0, tokenizer: Tokenizer::Whitespace, ..Default::default() };
        let written = folder.path().join("extract/owls_chunk.json");
        let told = check_row(&operator, &ScriptedModel::replies([""; 0]), json!({ "text_path": path }));
        assert_eq!(told, format!("-> chunk_path={}", written.display()));
        let parts = std::fs::read_to_string(written).unwrap();
        assert_eq!(parts, r#"[{"raw_chunk":"Owls count you first,"},{"raw_chunk":"and then they sleep."}]"#);
    }
}
