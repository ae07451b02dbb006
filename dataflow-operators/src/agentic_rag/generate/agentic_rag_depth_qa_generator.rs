//! Makes a question deeper, round by round.

use std::borrow::Cow;

use dataflow_core::key::{Input, Integer, List, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator, prompt};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::filled::Filled;

/// Makes a question deeper: each round describes what the question names by something wider, so that one more step of search is needed to answer it.
///
/// A round makes five calls. The model names something wider that holds the question's subject, and the one relation that leads back from it; checks that the wider
/// thing is a true superset and the relation leads to one subject alone; and rewrites the question so that the subject is reached through both, with the same answer. Then it
/// answers the new question from memory, and compares that with the known answer. A round holds where the check is passed and memory does not
/// have the answer. The rounds of a row end with the first that does not hold.
///
/// A row in which no round holds is not a failure: it stays, `depth_question` is null, `depth_rounds` is 0 and the lists are empty.
/// At most `1 + 5 * n_rounds` calls a row.
///
/// # 中文
///
/// 逐轮加深问题：每一轮用更大范围的事物来间接描述问题的主体，使回答多需要一步检索。
///
/// 每轮提问五次：给出包含问题主体的更大范围及能唯一指回主体的关系；检查该范围确为真超集、关系确能唯一确定主体；据此改写问题，答案不变；
/// 不看资料直接回答新问题；再与已知答案比较。检查通过且凭记忆答不出，该轮才成立。某轮不成立，则该行到此为止。
///
/// 一轮都不成立不算失败：该行保留，`depth_question` 为空，`depth_rounds` 为 0，各列表为空。每行最多提问 `1 + 5 * n_rounds` 次。
#[operator(agentic_rag, generate, AskModel)]
pub struct AgenticRAGDepthQAGenerator {
    /// How many times the question is made deeper, at most. 中文：最多加深的轮数。
    pub n_rounds: u32,
    /// Asks for the subject of the question. 中文：询问问题主体的提示词。
    #[prompts(allowed(DepthQAGeneratorGetIdentifierPrompt), variables(question))]
    pub identifier_prompt: PromptTemplate,
    /// Asks for something wider, and for the relation that leads back. 中文：询问更大范围及指回关系的提示词。
    #[prompts(allowed(DepthQAGeneratorBackwardTaskPrompt), variables(question, identifier))]
    pub backward_prompt: PromptTemplate,
    /// Asks whether the wider thing is a true superset. 中文：检查是否为真超集的提示词。
    #[prompts(allowed(DepthQAGeneratorSupersetCheckPrompt), variables(identifier, superset, relation))]
    pub superset_check_prompt: PromptTemplate,
    /// Asks for the deeper question. 中文：要求写出更深问题的提示词。
    #[prompts(allowed(DepthQAGeneratorQuestionPrompt), variables(question, identifier, superset, relation, answer))]
    pub question_prompt: PromptTemplate,
    /// Asks for an answer from memory. 中文：要求凭记忆作答的提示词。
    #[prompts(allowed(DepthQAGeneratorAnswerPrompt), variables(question))]
    pub answer_prompt: PromptTemplate,
    /// Asks how that answer compares with the known one. 中文：比较两个答案的提示词。
    #[prompts(allowed(DepthQAGeneratorRecallScorePrompt), variables(question, answer, other_answer))]
    pub recall_score_prompt: PromptTemplate,
    /// The question. 中文：问题列。
    pub input_key: Input<Text>,
    /// The known answer, no longer than it has to be. 中文：已知答案列，应尽量精简。
    pub input_refined_answer_key: Input<Text>,
    /// The subject of the question, such as the column `identifier`; the model is asked for it where there is none. 中文：问题主体列（如 `identifier`）；未给出或为空时由模型给出。
    pub input_identifier_key: Option<Input<Text>>,
    /// Where the deepest question goes. 中文：写入最深一轮问题的列。
    pub output_key: Output<Text>,
    /// Where the number of rounds that held goes. 中文：写入成立轮数的列。
    pub output_rounds_key: Output<Integer>,
    /// Where the question of each round goes. 中文：写入各轮问题的列。
    pub output_questions_key: Output<List<Text>>,
    /// Where the wider thing of each round goes. 中文：写入各轮更大范围的列。
    pub output_identifiers_key: Output<List<Text>>,
    /// Where the relation of each round goes. 中文：写入各轮关系的列。
    pub output_relations_key: Output<List<Text>>,
}

impl Default for AgenticRAGDepthQAGenerator {
    fn default() -> Self {
        Self {
            n_rounds: 2,
            identifier_prompt: DepthQAGeneratorGetIdentifierPrompt.into(),
            backward_prompt: DepthQAGeneratorBackwardTaskPrompt.into(),
            superset_check_prompt: DepthQAGeneratorSupersetCheckPrompt.into(),
            question_prompt: DepthQAGeneratorQuestionPrompt.into(),
            answer_prompt: DepthQAGeneratorAnswerPrompt.into(),
            recall_score_prompt: DepthQAGeneratorRecallScorePrompt.into(),
            input_key: "question".into(),
            input_refined_answer_key: "refined_answer".into(),
            input_identifier_key: None,
            output_key: "depth_question".into(),
            output_rounds_key: "depth_rounds".into(),
            output_questions_key: "depth_questions".into(),
            output_identifiers_key: "depth_identifiers".into(),
            output_relations_key: "depth_relations".into(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Subject {
    identifier: Filled,
}

#[derive(Deserialize, JsonSchema)]
struct Wider {
    superset: Filled,
    relation: Filled,
}

#[derive(Deserialize, JsonSchema)]
struct Check {
    verdict: Verdict,
}

#[derive(Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
}

#[derive(Deserialize, JsonSchema)]
struct NewQuestion {
    question: Filled,
}

#[derive(Deserialize, JsonSchema)]
struct Recall {
    /// 0: the answer is missing or wrong; 1: it is there, among other things; 2: it is the same.
    #[serde(deserialize_with = "recall_score")]
    #[schemars(range(min = 0, max = 2))]
    score: u8,
}

fn recall_score<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let score = u8::deserialize(deserializer)?;
    if score <= 2 { Ok(score) } else { Err(D::Error::custom(format!("a score of 0, 1 or 2 was expected, found {score}"))) }
}

/// What a round that held has given.
struct Round {
    superset: String,
    relation: String,
    question: String,
}

impl AgenticRAGDepthQAGenerator {
    /// One round; `None` where it does not hold.
    async fn deepen(&self, question: &str, identifier: &str, answer: &str, model: &Model) -> Result<Option<Round>> {
        let wider: Wider = model.ask(self.backward_prompt.build_prompt(context! { question, identifier })?).json().await?;
        let (superset, relation) = (wider.superset.as_str(), wider.relation.as_str());
        if superset.to_lowercase() == identifier.to_lowercase() {
            return Ok(None); // a thing is no superset of itself: no need to pay for the check
        }
        let check: Check = model.ask(self.superset_check_prompt.build_prompt(context! { identifier, superset, relation })?).json().await?;
        if check.verdict == Verdict::Invalid {
            return Ok(None);
        }
        let deeper: NewQuestion = model.ask(self.question_prompt.build_prompt(context! { question, identifier, superset, relation, answer })?).json().await?;
        let question = deeper.question.as_str();
        let other_answer = model.ask(self.answer_prompt.build_prompt(context! { question })?).text().await?;
        let recall: Recall = model.ask(self.recall_score_prompt.build_prompt(context! { question, answer, other_answer })?).json().await?;
        if recall.score >= 1 {
            return Ok(None);
        }
        Ok(Some(Round { superset: wider.superset.into_string(), relation: wider.relation.into_string(), question: deeper.question.into_string() }))
    }

    async fn identifier(&self, row: &Row<'_>, question: &str, model: &Model) -> Result<String> {
        if let Some(key) = self.input_identifier_key.as_ref().filter(|key| !row.is_blank(*key)) {
            return Ok(row.text(key)?.into_owned());
        }
        let subject: Subject = model.ask(self.identifier_prompt.build_prompt(context! { question })?).json().await?;
        Ok(subject.identifier.into_string())
    }
}

impl AskModel for AgenticRAGDepthQAGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let (question, answer) = (row.text(&self.input_key)?, row.text(&self.input_refined_answer_key)?);
        let identifier = self.identifier(row, &question, model).await?;
        let mut rounds: Vec<Round> = Vec::new();
        for _ in 0..self.n_rounds {
            let (question, identifier) = rounds.last().map_or((&*question, &*identifier), |last| (&last.question, &last.superset));
            match self.deepen(question, identifier, &answer, model).await? {
                Some(round) => rounds.push(round),
                None => break,
            }
        }
        let list = |part: fn(&Round) -> &String| rounds.iter().map(|round| part(round).clone()).collect::<Vec<String>>();
        Ok(Cells::new()
            .set_option(&self.output_key, rounds.last().map(|last| last.question.clone()))
            .set(&self.output_rounds_key, rounds.len() as i64)
            .set(&self.output_questions_key, list(|round| &round.question))
            .set(&self.output_identifiers_key, list(|round| &round.superset))
            .set(&self.output_relations_key, list(|round| &round.relation))
            .into())
    }

    fn calls_per_row(&self) -> u64 {
        1 + 5 * u64::from(self.n_rounds)
    }

    fn problems(&self) -> Vec<String> {
        if self.n_rounds == 0 { vec!["`n_rounds` is 0, and nothing would be made deeper".into()] } else { Vec::new() }
    }
}

/// Asks what a question is about: the one thing that it names.
///
/// # 中文
///
/// 询问问题的主体，即问题所指的那个事物。
#[prompt]
pub struct DepthQAGeneratorGetIdentifierPrompt;

impl Prompt for DepthQAGeneratorGetIdentifierPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Name the subject of the question below: the one entity, work, event, place or term that the question names and that its answer depends on.

- Give the name as the question has it, without the words around it.
- Where several things are named, choose the most specific one: the one without which the question cannot be answered.
- Keep the language of the question.

Question:
{{ question }}

Reply with JSON alone: {"identifier": "..."}"#
            .into()
    }
}

/// Asks for something wider that holds the subject, and for the relation that leads from it back to the subject.
///
/// # 中文
///
/// 询问包含主体的更大范围，以及由它唯一指回主体的关系。
#[prompt]
pub struct DepthQAGeneratorBackwardTaskPrompt;

impl Prompt for DepthQAGeneratorBackwardTaskPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"A question about "{{ identifier }}" is to be made harder by describing its subject instead of naming it. Find a way to the subject from something wider.

Question:
{{ question }}

Give two things:
1. "superset": something wider that truly holds "{{ identifier }}" as a member, part or instance: a series it belongs to, a body it is part of, a place it lies in, the author whose work it is. It has a name of its own that can be searched for.
2. "relation": what picks "{{ identifier }}" out of that superset and fits nothing else in it: a position, a date, a role, a distinction. It has to be a fact that can be looked up and does not change.

Neither may contain the name "{{ identifier }}", a translation, an abbreviation or a synonym of it. Use the language of the question.

Reply with JSON alone: {"superset": "...", "relation": "..."}"#
            .into()
    }
}

/// Asks whether a wider thing truly holds the subject, and whether the relation leads to the subject alone.
///
/// # 中文
///
/// 检查更大范围是否真正包含主体，且关系能否唯一确定主体。
#[prompt]
pub struct DepthQAGeneratorSupersetCheckPrompt;

impl Prompt for DepthQAGeneratorSupersetCheckPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Check whether a subject can be found from something wider.

Subject: {{ identifier }}
Superset: {{ superset }}
Relation: {{ relation }}

The verdict is "valid" only where all of this holds:
- The superset is wider than the subject and truly holds it. It is not the subject under another name, in another language or at another level of detail.
- The relation is true of the subject.
- Within the superset, the relation fits the subject and nothing else, so that a reader who knows both finds exactly this subject.
- Neither of the two gives the subject's name away.

Where one of these fails, or you cannot tell, the verdict is "invalid".

Reply with JSON alone: {"verdict": "valid"} or {"verdict": "invalid"}"#
            .into()
    }
}

/// Asks for the question again, its subject reached through the wider thing and the relation.
///
/// # 中文
///
/// 要求改写问题：不点名主体，而由更大范围与关系指向它。
#[prompt]
pub struct DepthQAGeneratorQuestionPrompt;

impl Prompt for DepthQAGeneratorQuestionPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Rewrite a question so that it takes one more step to answer: whoever answers it has to find out first what it is about.

Question: {{ question }}
Its subject: {{ identifier }}
Something wider that holds the subject: {{ superset }}
What picks the subject out of it: {{ relation }}
The answer, which stays the same: {{ answer }}

- Do not name "{{ identifier }}". Describe it through the wider thing and the relation, in one natural sentence.
- Ask for the same thing as before, with every condition of the question kept, so that the answer is still exactly the one above.
- Do not mention the answer, and give no other hint of it.
- The question stands on its own: no "the above", no reference to a text. Use the language of the question.

Reply with JSON alone: {"question": "..."}"#
            .into()
    }
}

/// Asks for an answer from memory, without any document.
///
/// # 中文
///
/// 要求不查资料、凭记忆作答。
#[prompt]
pub struct DepthQAGeneratorAnswerPrompt;

impl Prompt for DepthQAGeneratorAnswerPrompt {
    fn template(&self) -> Cow<'_, str> {
        "Answer the question from what you know. Give the answer alone, as short as it can be; where several answers seem possible, list them on lines of their own. \
         If you do not know, say so in one short sentence.\n\nQuestion:\n{{ question }}"
            .into()
    }
}

/// Asks whether an answer has what the known answer says: 0 for no, 1 for yes among other things, 2 for the same.
///
/// # 中文
///
/// 比较一个答案与已知答案：0 表示缺失或矛盾，1 表示包含但另有其他内容，2 表示一致。
#[prompt]
pub struct DepthQAGeneratorRecallScorePrompt;

impl Prompt for DepthQAGeneratorRecallScorePrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Compare an answer with the known answer to a question. Judge what is said and not how: other wording, other units of the same amount and another order do not matter.

Question: {{ question }}
Known answer: {{ answer }}

Answer to judge:
{{ other_answer }}

Score:
2 - it says the same as the known answer and nothing more;
1 - it has all of the known answer, and more beside it;
0 - all or part of the known answer is missing or contradicted, or it says that the answer is not known.

Reply with JSON alone, the reason first: {"reason": "...", "score": 0}"#
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(AgenticRAGDepthQAGenerator);

    fn row() -> serde_json::Value {
        json!({ "question": "In which year was the Eiffel Tower finished?", "refined_answer": "1889", "identifier": "Eiffel Tower" })
    }

    fn given() -> AgenticRAGDepthQAGenerator {
        AgenticRAGDepthQAGenerator { input_identifier_key: Some("identifier".into()), ..Default::default() }
    }

    const WIDER: &str = r#"{"superset": "the towers of Paris", "relation": "the tallest of them"}"#;
    const VALID: &str = r#"{"verdict": "valid"}"#;
    const DEEPER: &str = r#"{"question": "In which year was the tallest of the towers of Paris finished?"}"#;
    const UNKNOWN: &str = "I do not know.";
    const MISSING: &str = r#"{"reason": "not known", "score": 0}"#;

    /// The part that tells what the row becomes.
    fn ending(told: &str) -> String {
        told.lines().skip_while(|line| !["-> ", "failed ", "skipped"].iter().any(|start| line.starts_with(start))).collect::<Vec<_>>().join("\n")
    }

    /// What the row becomes, and how each call began; the prompts themselves stand in one snapshot.
    fn outcome(operator: &AgenticRAGDepthQAGenerator, row: serde_json::Value, replies: &[&str]) -> String {
        let model = ScriptedModel::replies(replies.iter().copied());
        let told = check_row(operator, &model, row);
        let calls = model
            .asked()
            .iter()
            .map(|chat| format!("{} messages, {}", chat.messages.len(), chat.messages[0].content.split(['.', ',', ':', '"']).next().unwrap_or_default().trim()))
            .collect::<Vec<_>>();
        format!("{}\n{}", calls.join("\n"), ending(&told)).trim_start().to_owned()
    }

    #[test]
    fn a_round_asks_for_superset_check_question_answer_and_score() {
        let operator = AgenticRAGDepthQAGenerator { n_rounds: 1, ..Default::default() };
        let model = ScriptedModel::replies([r#"{"identifier": "Eiffel Tower"}"#, WIDER, VALID, DEEPER, UNKNOWN, MISSING]);
        assert_snapshot!(check_row(&operator, &model, row()), @r#"
        [user] Name the subject of the question below: the one entity, work, event, place or term that the question names and that its answer depends on.

        - Give the name as the question has it, without the words around it.
        - Where several things are named, choose the most specific one: the one without which the question cannot be answered.
        - Keep the language of the question.

        Question:
        In which year was the Eiffel Tower finished?

        Reply with JSON alone: {"identifier": "..."}
        (with a JSON schema)
        ---
        [user] A question about "Eiffel Tower" is to be made harder by describing its subject instead of naming it. Find a way to the subject from something wider.

        Question:
        In which year was the Eiffel Tower finished?

        Give two things:
        1. "superset": something wider that truly holds "Eiffel Tower" as a member, part or instance: a series it belongs to, a body it is part of, a place it lies in, the author whose work it is. It has a name of its own that can be searched for.
        2. "relation": what picks "Eiffel Tower" out of that superset and fits nothing else in it: a position, a date, a role, a distinction. It has to be a fact that can be looked up and does not change.

        Neither may contain the name "Eiffel Tower", a translation, an abbreviation or a synonym of it. Use the language of the question.

        Reply with JSON alone: {"superset": "...", "relation": "..."}
        (with a JSON schema)
        ---
        [user] Check whether a subject can be found from something wider.

        Subject: Eiffel Tower
        Superset: the towers of Paris
        Relation: the tallest of them

        The verdict is "valid" only where all of this holds:
        - The superset is wider than the subject and truly holds it. It is not the subject under another name, in another language or at another level of detail.
        - The relation is true of the subject.
        - Within the superset, the relation fits the subject and nothing else, so that a reader who knows both finds exactly this subject.
        - Neither of the two gives the subject's name away.

        Where one of these fails, or you cannot tell, the verdict is "invalid".

        Reply with JSON alone: {"verdict": "valid"} or {"verdict": "invalid"}
        (with a JSON schema)
        ---
        [user] Rewrite a question so that it takes one more step to answer: whoever answers it has to find out first what it is about.

        Question: In which year was the Eiffel Tower finished?
        Its subject: Eiffel Tower
        Something wider that holds the subject: the towers of Paris
        What picks the subject out of it: the tallest of them
        The answer, which stays the same: 1889

        - Do not name "Eiffel Tower". Describe it through the wider thing and the relation, in one natural sentence.
        - Ask for the same thing as before, with every condition of the question kept, so that the answer is still exactly the one above.
        - Do not mention the answer, and give no other hint of it.
        - The question stands on its own: no "the above", no reference to a text. Use the language of the question.

        Reply with JSON alone: {"question": "..."}
        (with a JSON schema)
        ---
        [user] Answer the question from what you know. Give the answer alone, as short as it can be; where several answers seem possible, list them on lines of their own. If you do not know, say so in one short sentence.

        Question:
        In which year was the tallest of the towers of Paris finished?
        ---
        [user] Compare an answer with the known answer to a question. Judge what is said and not how: other wording, other units of the same amount and another order do not matter.

        Question: In which year was the tallest of the towers of Paris finished?
        Known answer: 1889

        Answer to judge:
        I do not know.

        Score:
        2 - it says the same as the known answer and nothing more;
        1 - it has all of the known answer, and more beside it;
        0 - all or part of the known answer is missing or contradicted, or it says that the answer is not known.

        Reply with JSON alone, the reason first: {"reason": "...", "score": 0}
        (with a JSON schema)
        -> depth_question=In which year was the tallest of the towers of Paris finished? depth_rounds=1 depth_questions=List([Text("In which year was the tallest of the towers of Paris finished?")]) depth_identifiers=List([Text("the towers of Paris")]) depth_relations=List([Text("the tallest of them")])
        "#);
    }

    #[test]
    fn the_second_round_starts_from_the_first() {
        let second =
            [r#"{"superset": "the towers of France", "relation": "those of its capital"}"#, VALID, r#"{"question": "Deeper still?"}"#, UNKNOWN, MISSING];
        assert_snapshot!(outcome(&given(), row(), &[&[WIDER, VALID, DEEPER, UNKNOWN, MISSING], &second[..]].concat()), @r#"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        1 messages, Answer the question from what you know
        1 messages, Compare an answer with the known answer to a question
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        1 messages, Answer the question from what you know
        1 messages, Compare an answer with the known answer to a question
        -> depth_question=Deeper still? depth_rounds=2 depth_questions=List([Text("In which year was the tallest of the towers of Paris finished?"), Text("Deeper still?")]) depth_identifiers=List([Text("the towers of Paris"), Text("the towers of France")]) depth_relations=List([Text("the tallest of them"), Text("those of its capital")])
        "#);
        let model = ScriptedModel::replies([&[WIDER, VALID, DEEPER, UNKNOWN, MISSING], &second[..]].concat());
        check_row(&given(), &model, row());
        let asked = model.asked();
        assert!(asked[5].messages[0].content.contains("\"the towers of Paris\""), "the wider thing is the next subject");
        assert!(asked[3].messages[0].content.contains("the tallest of the towers"), "the new question is answered from memory, not the old one");
    }

    #[test]
    fn a_round_that_does_not_hold_ends_the_rounds_and_the_row_stays() {
        assert_snapshot!(outcome(&given(), row(), &[WIDER, r#"{"verdict": "invalid"}"#]), @r"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        -> depth_question=null depth_rounds=0 depth_questions=List([]) depth_identifiers=List([]) depth_relations=List([])
        ");
        assert_snapshot!(outcome(&given(), row(), &[WIDER, VALID, DEEPER, "1889", r#"{"reason": "same", "score": 2}"#]), @r"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        1 messages, Answer the question from what you know
        1 messages, Compare an answer with the known answer to a question
        -> depth_question=null depth_rounds=0 depth_questions=List([]) depth_identifiers=List([]) depth_relations=List([])
        ");
        assert_snapshot!(outcome(&given(), row(), &[r#"{"superset": "eiffel tower", "relation": "itself"}"#]), @r"
        1 messages, A question about
        -> depth_question=null depth_rounds=0 depth_questions=List([]) depth_identifiers=List([]) depth_relations=List([])
        ");
        assert_snapshot!(outcome(&given(), row(), &[WIDER, VALID, DEEPER, UNKNOWN, MISSING, WIDER, r#"{"verdict": "invalid"}"#]), @r#"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        1 messages, Answer the question from what you know
        1 messages, Compare an answer with the known answer to a question
        1 messages, A question about
        -> depth_question=In which year was the tallest of the towers of Paris finished? depth_rounds=1 depth_questions=List([Text("In which year was the tallest of the towers of Paris finished?")]) depth_identifiers=List([Text("the towers of Paris")]) depth_relations=List([Text("the tallest of them")])
        "#);
    }

    #[test]
    fn replies_are_read_out_of_fences_and_prose_and_asked_for_again_where_they_do_not_fit() {
        let fenced = format!("Here it is:\n```json\n{WIDER}\n```");
        assert_snapshot!(outcome(&given(), row(), &[&fenced, "I think that it is {\"verdict\": \"invalid\"}, sadly."]), @r"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        -> depth_question=null depth_rounds=0 depth_questions=List([]) depth_identifiers=List([]) depth_relations=List([])
        ");
        assert_snapshot!(outcome(&given(), row(), &[WIDER, VALID, DEEPER, UNKNOWN, r#"{"score": 5}"#, r#"{"score": 1}"#]), @r"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        1 messages, Answer the question from what you know
        1 messages, Compare an answer with the known answer to a question
        3 messages, Compare an answer with the known answer to a question
        -> depth_question=null depth_rounds=0 depth_questions=List([]) depth_identifiers=List([]) depth_relations=List([])
        ");
        assert_snapshot!(outcome(&given(), row(), &[r#"{"superset": " ", "relation": "x"}"#, "No."]), @r"
        1 messages, A question about
        3 messages, A question about
        failed (unparsed): the reply does not fit: a JSON value was expected, and there is none; it begins `No.`
        ");
    }

    #[test]
    fn a_failed_call_fails_the_row_and_a_missing_identifier_is_asked_for() {
        assert_snapshot!(outcome(&given(), row(), &[WIDER, VALID]), @r"
        1 messages, A question about
        1 messages, Check whether a subject can be found from something wider
        1 messages, Rewrite a question so that it takes one more step to answer
        failed (transient): the script has no reply
        ");
        assert_snapshot!(outcome(&given(), json!({ "question": "Who?", "refined_answer": "x", "identifier": " " }), &[r#"{"identifier": "Who"}"#]), @r"
        1 messages, Name the subject of the question below
        1 messages, A question about
        failed (transient): the script has no reply
        ");
        assert_snapshot!(outcome(&given(), json!({ "question": "Who?", "refined_answer": null, "identifier": "a" }), &[]), @"skipped");
    }
}
