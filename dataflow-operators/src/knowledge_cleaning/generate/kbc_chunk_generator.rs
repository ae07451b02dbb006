//! Takes documents apart.

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};

use crate::knowledge_cleaning::chunk::{LEAST, Lengths, SplitMethod, chunks, read_document};
use crate::tokens::Tokenizer;

/// Reads the text file that a row names, and makes a row of each part of its text.
///
/// A part has at most `chunk_size` tokens, and as many as go into it. Words stay whole, and sentences and paragraphs too where `split_method` says so and they are short enough; what has more tokens without white space is cut between them. Paths start
/// from the current folder. A file without text leaves its row, with a null.
///
/// Tokens are those of a built-in vocabulary or of a model's `tokenizer.json`, where DataFlow downloads one (`tokenizer_name`); the special tokens that a model's tokenizer puts around a text are
/// not counted. DataFlow's `semantic` needs a model of embeddings and is not here.
///
/// # 中文
///
/// 读取每行所指的文本文件，并为文本的每一段生成一行。每段至多 `chunk_size` 个词元，并尽量填满；不拆开单词，并按 `split_method` 尽量保持句子与段落完整；没有空白而超出长度的文字在词元之间切开。路径相对当前目录。
/// 没有文本的文件保留原行，写入空值。词元按内置词表或模型的 `tokenizer.json` 计数，DataFlow 则下载词表（`tokenizer_name`）；分词器在文本首尾添加的特殊词元不计。DataFlow 的 `semantic` 需要嵌入模型，此处没有。
#[operator(knowledge_cleaning, generate, AskModel)]
pub struct KBCChunkGenerator {
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
    /// Where the part goes. 中文：写入文本段的列。
    pub output_key: Output<Text>,
}

impl Default for KBCChunkGenerator {
    fn default() -> Self {
        Self {
            chunk_size: 512,
            chunk_overlap: 50,
            split_method: SplitMethod::Token,
            min_tokens_per_chunk: LEAST,
            tokenizer: Tokenizer::O200kBase,
            input_key: "text_path".into(),
            output_key: "raw_chunk".into(),
        }
    }
}

impl KBCChunkGenerator {
    fn lengths(&self) -> Lengths {
        Lengths::of(self.split_method, self.chunk_size, self.chunk_overlap, self.min_tokens_per_chunk)
    }
}

impl AskModel for KBCChunkGenerator {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let path = row.text(&self.input_key)?;
        let text = read_document(&path)?;
        let parts = chunks(&text, self.split_method, self.lengths(), &self.tokenizer)?;
        if parts.is_empty() {
            return Ok(Cells::new().set_option(&self.output_key, None::<String>).into());
        }
        Ok(Outcome::become_rows(parts.into_iter().map(|part| Cells::new().set(&self.output_key, part.to_owned()))))
    }

    fn calls_per_row(&self) -> u64 {
        0
    }

    fn rows_per_row(&self) -> u64 {
        u64::MAX
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
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(KBCChunkGenerator);

    fn operator() -> KBCChunkGenerator {
        KBCChunkGenerator { chunk_size: 3, chunk_overlap: 1, min_tokens_per_chunk: 0, tokenizer: Tokenizer::Whitespace, ..Default::default() }
    }

    fn check(path: &std::path::Path) -> String {
        check_row(&operator(), &ScriptedModel::replies([""; 0]), json!({ "text_path": path }))
    }

    #[test]
    fn a_file_becomes_a_row_a_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owls.md");
        std::fs::write(&path, "Owls count you first, and then they sleep.").unwrap();
        let told = check(&path);
        let parts: Vec<&str> = told.lines().filter_map(|line| line.split_once("raw_chunk=")).map(|(_, part)| part.trim_end_matches(" (AsParent)")).collect();
        assert_eq!(parts, ["Owls count you", "you first, and", "and then they", "they sleep."]);
        for empty in [" \n", "\u{feff}", "\u{feff}\n"] {
            std::fs::write(&path, empty).unwrap();
            assert_eq!(check(&path), "-> raw_chunk=null");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owls.md");
        std::fs::write(&path, "\u{feff}Owls count").unwrap();
        assert!(check(&path).contains("raw_chunk=Owls count"), "{}", check(&path));
    }

    #[test]
    fn a_file_that_is_no_text_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.pdf");
        std::fs::write(&path, [0xff, 0xfe, 0x00, 0xd8]).unwrap();
        assert!(check(&path).contains("hint: a text file in UTF-8 was expected"), "{}", check(&path));
        assert!(check(&folder.path().join("none.md")).contains("cannot read"));
    }

    #[test]
    fn senseless_lengths_are_problems() {
        let problems = Operator::problems(&KBCChunkGenerator { chunk_size: 50, ..Default::default() });
        assert_eq!(problems, ["`chunk_overlap` should be less than `chunk_size`, found 50 and 50"]);
        let least =
            |least, size| Operator::problems(&KBCChunkGenerator { chunk_size: size, chunk_overlap: 0, min_tokens_per_chunk: least, ..Default::default() });
        assert_eq!(least(10_000, 512), ["`min_tokens_per_chunk` should be at most `chunk_size`, found 10000 and 512"]);
        assert_eq!(least(LEAST, 80), [""; 0], "the default goes with any size");
    }

    #[test]
    fn a_part_never_has_more_tokens_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        let sizes = |words: usize, chunk_size| {
            std::fs::write(&path, "word ".repeat(words)).unwrap();
            let operator = KBCChunkGenerator { chunk_size, chunk_overlap: 0, tokenizer: Tokenizer::Whitespace, ..Default::default() };
            let told = check_row(&operator, &ScriptedModel::replies([""; 0]), json!({ "text_path": path }));
            told.lines().map(|line| line.matches("word").count()).filter(|words| *words > 0).collect::<Vec<_>>()
        };
        assert_eq!(sizes(13, 10), [7, 6]);
        assert_eq!(sizes(1100, 512), [512, 488, 100]);
        assert!(sizes(2000, 80).iter().all(|words| *words <= 80));
    }

    #[test]
    fn a_method_that_is_not_here_says_why() {
        let problems = Operator::problems(&KBCChunkGenerator { split_method: SplitMethod::Semantic, ..Default::default() });
        assert_eq!(
            problems,
            ["`split_method: semantic` needs a model of embeddings, which is not built in\nhint: it is one of `token`, `sentence`, `recursive`"]
        );
    }
}
