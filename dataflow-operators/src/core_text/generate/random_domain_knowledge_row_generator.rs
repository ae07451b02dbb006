//! Makes training samples of randomly drawn domains.

use std::borrow::Cow;

use dataflow_core::key::{Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Seed;
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::serving::Chat;
use dataflow_core::shape::MakeRows;
use dataflow_core::{Cells, Error, Result, context, operator, prompt};
use rand::seq::IndexedRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes `generation_num` training samples out of nothing, each of a domain that is drawn from `domain_keys`.
///
/// Each row is a sample of its own: rows whose questions are equal do not share an answer. The reply has the fields `instruction`,
/// `input`, `output` and `domain`, and is written as JSON text.
///
/// # 中文
///
/// 从零生成 `generation_num` 条训练样本，每条的领域从 `domain_keys` 中随机抽取。每行独立采样：提问相同的行也不会共用一个回答。
/// 回复包含 `instruction`、`input`、`output`、`domain` 四个字段，以 JSON 文本写入。
#[operator(core_text, generate, MakeRows)]
pub struct RandomDomainKnowledgeRowGenerator {
    /// How many rows to make. 中文：生成的行数。
    pub generation_num: u64,
    /// The domains, as a list or as one text with commas. 中文：候选领域，可为列表，也可为以逗号分隔的文本。
    pub domain_keys: Domains,
    /// How to ask for a sample. 中文：请求样本所用的提示词。
    #[prompts(allowed(SFTFromScratchGeneratorPrompt), variables(domain))]
    pub prompt_template: PromptTemplate,
    /// Where the sample goes. 中文：写入样本的列。
    pub output_key: Output<Text>,
}

/// Names of domains: a list, or one text in which commas divide them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Domains {
    /// A list of names.
    List(Vec<String>),
    /// Names with commas between them, western or Chinese.
    Text(String),
}

impl Domains {
    fn names(&self) -> Vec<&str> {
        let names: Vec<&str> = match self {
            Self::List(names) => names.iter().map(String::as_str).collect(),
            Self::Text(text) => text.split([',', '，', '、']).collect(),
        };
        names.into_iter().map(str::trim).filter(|name| !name.is_empty()).collect()
    }
}

impl Default for RandomDomainKnowledgeRowGenerator {
    fn default() -> Self {
        let domains = ["mathematics", "programming", "natural science", "medicine", "law", "finance", "history", "literature", "education", "everyday life"];
        Self {
            generation_num: 10,
            domain_keys: Domains::List(domains.map(str::to_owned).to_vec()),
            prompt_template: SFTFromScratchGeneratorPrompt.into(),
            output_key: "generated_content".into(),
        }
    }
}

/// One training sample.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Sample {
    /// What the user asks for.
    instruction: String,
    /// Context that the instruction needs; empty where it needs none.
    input: String,
    /// The expert's answer.
    output: String,
    /// The domain that the sample is of.
    domain: String,
}

impl MakeRows for RandomDomainKnowledgeRowGenerator {
    fn seeds(&self) -> u64 {
        self.generation_num
    }

    async fn rows(&self, seed: &Seed, model: &Model) -> Result<Vec<Cells>> {
        let names = self.domain_keys.names();
        let domain = *names.choose(&mut seed.random("domain")).ok_or_else(|| Error::Configuration("`domain_keys` names no domain".into()))?;
        let chat = Chat::from(self.prompt_template.build_prompt(context! { domain })?).sample(seed.number);
        let sample: Sample = model
            .ask(chat)
            .json_checked(|sample: &Sample| {
                let blank = [("instruction", &sample.instruction), ("output", &sample.output)].into_iter().find(|(_, text)| text.trim().is_empty());
                blank.map_or(Ok(()), |(name, _)| Err(format!("`{name}` is empty")))
            })
            .await?;
        let text = serde_json::to_string(&sample).map_err(|error| Error::Data(error.to_string()))?;
        Ok(vec![Cells::new().set(&self.output_key, text)])
    }

    fn problems(&self) -> Vec<String> {
        if self.domain_keys.names().is_empty() { vec!["`domain_keys` names no domain".into()] } else { Vec::new() }
    }
}

/// Asks for one training sample of a domain, as JSON.
///
/// # 中文
///
/// 请求一条指定领域的训练样本，以 JSON 返回。
#[prompt]
pub struct SFTFromScratchGeneratorPrompt;

impl Prompt for SFTFromScratchGeneratorPrompt {
    fn template(&self) -> Cow<'_, str> {
        include_str!("sft_from_scratch_generator_prompt.jinja").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_seed, conformance};
    use insta::assert_snapshot;

    conformance!(RandomDomainKnowledgeRowGenerator);

    const GOOD: &str = r#"{"instruction": "Explain tides.", "input": "", "output": "The Moon pulls on the sea.", "domain": "physics"}"#;

    fn generator(domains: &str) -> RandomDomainKnowledgeRowGenerator {
        RandomDomainKnowledgeRowGenerator { domain_keys: Domains::Text(domains.into()), ..Default::default() }
    }

    #[test]
    fn a_sample_is_asked_for_and_written_as_json() {
        let model = ScriptedModel::replies([format!("Here it is:\n```json\n{GOOD}\n```")]);
        assert_snapshot!(check_seed(&generator("physics"), &model, 3), @r#"
        [user] Write one training sample for instruction tuning in this domain: physics.

        What makes the sample good:
        - The instruction is a request that a real person could send: concrete, complete and answerable from what is given.
        - "input" holds the material that the instruction works on, such as a passage, a table or a piece of code. Where nothing is needed, it is an empty text.
        - The output is what an expert of the domain would answer: correct, complete, as long as the request deserves, and without remarks about being a model.
        - Choose freely among kinds of task (explain, compare, rewrite, extract, plan, calculate, debug, advise), among levels from beginner to specialist, and among cultures and settings. Prefer what is rarely asked to what everybody asks first.
        - The sample is safe: no personal data, nothing that helps to do harm, no slur or stereotype.

        Reply with one line of JSON and nothing else, all four values being texts:
        {"instruction": "...", "input": "...", "output": "...", "domain": "..."}
        (with a JSON schema)
        (sample 3)
        -> generated_content={"instruction":"Explain tides.","input":"","output":"The Moon pulls on the sea.","domain":"physics"}
        "#);
    }

    #[test]
    fn the_domain_is_drawn_by_the_seed_and_each_row_is_a_sample_of_its_own() {
        let operator = generator("physics, 法律、history");
        let asked = |number| {
            let model = ScriptedModel::replies([GOOD]);
            check_seed(&operator, &model, number);
            model.asked().remove(0)
        };
        assert_eq!(asked(4), asked(4));
        assert_eq!(asked(4).sample, 4);
        for domain in ["physics", "法律", "history"] {
            assert!((0..40).any(|number| asked(number).messages[0].content.contains(domain)), "{domain}");
        }
    }

    #[test]
    fn a_sample_without_an_answer_is_asked_for_again_and_fails_then() {
        let empty = GOOD.replace("The Moon pulls on the sea.", " ");
        let mended = check_seed(&generator("physics"), &ScriptedModel::replies([empty.as_str(), GOOD]), 0);
        assert!(mended.contains("That reply cannot be used: `output` is empty"), "{mended}");
        assert!(mended.contains("\n-> generated_content={\"instruction\":\"Explain tides.\""), "{mended}");
        let failed = check_seed(&generator("physics"), &ScriptedModel::replies(["I cannot.", "Really not."]), 0);
        assert!(
            failed.ends_with("failed (unparsed): the reply does not fit: a JSON value was expected, and there is none; it begins `Really not.`"),
            "{failed}"
        );
    }

    #[test]
    fn no_domain_is_a_problem() {
        assert_eq!(Operator::problems(&generator(" , ")), ["`domain_keys` names no domain"]);
    }
}
