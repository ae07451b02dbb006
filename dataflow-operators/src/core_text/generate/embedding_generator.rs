//! Turns texts into vectors.

use dataflow_core::key::{Float, Input, List, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator};

/// Writes the vector that an embedding model gives for a text, which `SemDeduplicateFilter` compares.
///
/// The step's serving has to be one of embeddings. A vector is a call; it is not kept in the journal, so a run that is repeated asks again.
///
/// # 中文
///
/// 写入嵌入模型为文本给出的向量，供 `SemDeduplicateFilter` 比较。该步骤的模型服务须支持嵌入。每个向量一次调用，且不存入日志，重新运行会再次请求。
#[operator(core_text, generate, AskModel)]
pub struct EmbeddingGenerator {
    /// The text. 中文：文本列。
    pub input_key: Input<Text>,
    /// Where the vector goes. 中文：写入向量的列。
    pub output_key: Output<List<Float>>,
}

impl Default for EmbeddingGenerator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "embeddings".into() }
    }
}

impl AskModel for EmbeddingGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let texts = [row.text(&self.input_key)?.into_owned()];
        let found = model.embed(&texts).await?.vectors;
        let [vector] = <[Vec<f32>; 1]>::try_from(found)
            .map_err(|vectors| Error::unparsed(format!("one vector was expected, and {} came", vectors.len()), "the reply to an embedding"))?;
        Ok(Cells::new().set(&self.output_key, vector.into_iter().map(f64::from).collect::<Vec<f64>>()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(EmbeddingGenerator);

    #[test]
    fn a_text_becomes_the_vector_of_the_serving() {
        let told = check_row(&EmbeddingGenerator::default(), &ScriptedModel::replies([""; 0]), json!({ "text": "owls" }));
        assert_eq!(told, "-> embeddings=List([Float(0.0), Float(1.0)])");
    }
}
