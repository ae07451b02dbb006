//! Makes instructions and answers out of nothing, spread over topics.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::key::{Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Seed;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::shape::MakeRows;
use dataflow_core::{Cells, Result, context, operator, prompt};
use futures::future::join_all;
use rand::seq::{IndexedRandom, SliceRandom};
use serde::Deserialize;

use crate::filled::Filled;

/// Makes instructions with answers out of nothing: for a theme, three questions of rising difficulty, and an answer to each.
///
/// Themes come from a tree of topics, domains and themes, shuffled by the pipeline's seed; none comes twice before all have come. One call
/// asks for the three questions of a theme, and one more for each answer, all three at once. There are `num_samples` rows; where that is no multiple of three,
/// the last theme gives its easier questions alone. A call that fails, fails the three rows of its theme, and what was answered of them is not paid for again.
///
/// # 中文
///
/// 凭空生成指令与答案：每个主题由易到难提出三个问题，并分别作答。
///
/// 主题取自“话题—领域—主题”三级标签树，顺序由流水线的随机种子打乱，全部用过一遍之前不会重复。每个主题先用一次提问得到三个问题，再同时提问得到三个答案。
/// 共生成 `num_samples` 行；不是三的倍数时，最后一个主题只保留较易的问题。某次提问失败，则该主题的三行都失败，其中已得到的回答不会重复付费。
#[operator(text_sft, generate, MakeRows)]
pub struct CondorGenerator {
    /// How many rows are made. 中文：生成的行数。
    pub num_samples: u32,
    /// Whether each theme is also given a kind of task, such as role play. 中文：是否为每个主题另指定任务场景（如角色扮演）。
    pub use_task_diversity: bool,
    /// Asks for the three questions. 中文：要求提出三个问题的提示词。
    #[prompts(allowed(CondorQuestionPrompt), variables(topic, domain, theme, scenario))]
    pub prompt_template: PromptTemplate,
    /// Asks for an answer. 中文：要求作答的提示词。
    #[prompts(allowed(CondorAnswerPrompt), variables(question))]
    pub answer_prompt: PromptTemplate,
    /// Where the difficulty goes: `easy`, `medium` or `hard`. 中文：写入难度的列，取 `easy`、`medium`、`hard`。
    pub output_difficulty_key: Output<Text>,
    /// Where the question goes. 中文：写入问题的列。
    pub output_instruction_key: Output<Text>,
    /// Where the answer goes. 中文：写入答案的列。
    pub output_output_key: Output<Text>,
    /// Where the topic goes, if anywhere. 中文：写入话题的列，可不写。
    pub output_topic_key: Option<Output<Text>>,
    /// Where the domain goes, if anywhere. 中文：写入领域的列，可不写。
    pub output_domain_key: Option<Output<Text>>,
    /// Where the theme goes, if anywhere. 中文：写入主题的列，可不写。
    pub output_theme_key: Option<Output<Text>>,
    /// Where the kind of task goes, if anywhere; null without task diversity. 中文：写入任务场景的列，可不写；未启用任务多样性时为空。
    pub output_scenario_key: Option<Output<Text>>,
}

impl Default for CondorGenerator {
    fn default() -> Self {
        Self {
            num_samples: 15,
            use_task_diversity: true,
            prompt_template: CondorQuestionPrompt.into(),
            answer_prompt: CondorAnswerPrompt.into(),
            output_difficulty_key: "difficulty".into(),
            output_instruction_key: "instruction".into(),
            output_output_key: "output".into(),
            output_topic_key: Some("topic".into()),
            output_domain_key: Some("domain".into()),
            output_theme_key: Some("theme".into()),
            output_scenario_key: Some("scenario".into()),
        }
    }
}

const QUESTIONS_PER_THEME: u64 = 3;

/// A leaf of the tag tree, with the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tag {
    topic: &'static str,
    domain: &'static str,
    theme: &'static str,
}

/// All leaves, in the order of the file: a topic on a line of its own, then its domains, indented, each with its themes.
static TAGS: LazyLock<Vec<Tag>> = LazyLock::new(|| {
    let (mut tags, mut topic) = (Vec::new(), "");
    for line in include_str!("condor_generator/tags.txt").lines() {
        match line.strip_prefix("  ").and_then(|line| line.split_once(": ")) {
            Some((domain, themes)) => tags.extend(themes.split("; ").map(|theme| Tag { topic, domain, theme })),
            None => topic = line,
        }
    }
    tags
});

const SCENARIOS: [&str; 7] = [
    "an everyday conversation: somebody asks in passing, as one would ask a friend",
    "a creative task: something is to be written, invented or designed",
    "role play: the answer is to be given as a certain person in a certain situation",
    "problem solving: there is a concrete situation with facts and limits, and something has to be decided or worked out",
    "teaching: something is to be explained to a learner whose level is told",
    "emotional support: somebody tells what weighs on them and hopes for understanding and advice",
    "looking something up: somebody needs facts, put in order",
];

impl CondorGenerator {
    /// The theme of a seed: the tree is gone through in a shuffled order, and in another one each time it has been used up.
    fn tag(seed: &Seed) -> Tag {
        let (lap, place) = (seed.number / TAGS.len() as u64, seed.number % TAGS.len() as u64);
        let mut order: Vec<Tag> = TAGS.clone();
        order.shuffle(&mut seed.random_of_step(&format!("themes {lap}")));
        order[place as usize]
    }
}

#[derive(Deserialize, JsonSchema)]
struct Questions {
    easy: Filled,
    medium: Filled,
    hard: Filled,
}

impl MakeRows for CondorGenerator {
    fn seeds(&self) -> u64 {
        u64::from(self.num_samples).div_ceil(QUESTIONS_PER_THEME)
    }

    async fn rows(&self, seed: &Seed, model: &Model) -> Result<Vec<Cells>> {
        let Tag { topic, domain, theme } = Self::tag(seed);
        let scenario = self.use_task_diversity.then(|| SCENARIOS.choose(&mut seed.random("scenario")).copied()).flatten();
        let asked = self.prompt_template.build_prompt(context! { topic, domain, theme, scenario })?;
        let Questions { easy, medium, hard } = model.ask(asked).json().await?;
        let wanted = u64::from(self.num_samples).saturating_sub(seed.number * QUESTIONS_PER_THEME).min(QUESTIONS_PER_THEME) as usize;
        let questions = [("easy", easy), ("medium", medium), ("hard", hard)].into_iter().take(wanted);
        // All are waited for, also when one fails: an answer that is dropped on its way is paid for and in no journal.
        let rows = join_all(questions.map(|(difficulty, question)| async move {
            let question = question.as_str();
            let answer = model.ask(self.answer_prompt.build_prompt(context! { question })?).text().await?;
            let mut cells =
                Cells::new().set(&self.output_difficulty_key, difficulty).set(&self.output_instruction_key, question).set(&self.output_output_key, answer);
            let tags = [
                (&self.output_topic_key, Some(topic)),
                (&self.output_domain_key, Some(domain)),
                (&self.output_theme_key, Some(theme)),
                (&self.output_scenario_key, scenario),
            ];
            for (key, tag) in tags {
                if let Some(key) = key {
                    cells = cells.set_option(key, tag);
                }
            }
            Ok(cells)
        }))
        .await;
        rows.into_iter().collect()
    }

    fn calls_per_seed(&self) -> u64 {
        1 + QUESTIONS_PER_THEME
    }

    fn rows_per_seed(&self) -> u64 {
        QUESTIONS_PER_THEME
    }

    fn problems(&self) -> Vec<String> {
        if self.num_samples == 0 { vec!["`num_samples` is 0, and no row would be made".into()] } else { Vec::new() }
    }
}

/// Asks for three questions of rising difficulty on a theme.
///
/// # 中文
///
/// 要求就一个主题由易到难提出三个问题。
#[prompt]
pub struct CondorQuestionPrompt;

impl Prompt for CondorQuestionPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Write three instructions that people could give to an assistant.

Topic: {{ topic }}
Domain: {{ domain }}
Theme: {{ theme }}
{% if scenario %}All three are of this kind: {{ scenario }}.
{% endif %}
- "easy": a beginner's question, answered with common knowledge in a few sentences.
- "medium": needs experience in the domain, or several facts put together.
- "hard": needs deep knowledge of the domain and several steps of thought; it names concrete circumstances and limits that the answer has to respect.

Each stands on its own: everything needed to answer it is in it, including any numbers or texts that it speaks of. The three differ in what they ask and not only in how much. Vary how they begin, and write them as their authors would, not as an exam does.

Reply with JSON alone: {"easy": "...", "medium": "...", "hard": "..."}"#
            .into()
    }
}

/// Asks for an answer to a question, truthful and complete.
///
/// # 中文
///
/// 要求如实、完整地回答一个问题。
#[prompt]
pub struct CondorAnswerPrompt;

impl Prompt for CondorAnswerPrompt {
    fn template(&self) -> Cow<'_, str> {
        "Answer the following as well as you can. Be truthful: say what is known, how sure it is where that matters, and what you cannot know. \
         Do all that is asked, in the form that is asked for, in the language of the question, and as long as it needs to be.\n\n{{ question }}"
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_seed, conformance};
    use insta::assert_snapshot;

    conformance!(CondorGenerator);

    const THREE: &str = r#"{"easy": "What is mulch?", "medium": "Which mulch for roses?", "hard": "Plan mulching\nfor a clay slope."}"#;

    #[test]
    fn a_theme_gives_three_questions_and_an_answer_to_each() {
        let model = ScriptedModel::replies([THREE, "It covers soil.", "Bark.", "In three steps."]);
        assert_snapshot!(check_seed(&CondorGenerator::default(), &model, 0), @r#"
        [user] Write three instructions that people could give to an assistant.

        Topic: Geography and earth
        Domain: Maps
        Theme: projections
        All three are of this kind: teaching: something is to be explained to a learner whose level is told.

        - "easy": a beginner's question, answered with common knowledge in a few sentences.
        - "medium": needs experience in the domain, or several facts put together.
        - "hard": needs deep knowledge of the domain and several steps of thought; it names concrete circumstances and limits that the answer has to respect.

        Each stands on its own: everything needed to answer it is in it, including any numbers or texts that it speaks of. The three differ in what they ask and not only in how much. Vary how they begin, and write them as their authors would, not as an exam does.

        Reply with JSON alone: {"easy": "...", "medium": "...", "hard": "..."}
        (with a JSON schema)
        ---
        [user] Answer the following as well as you can. Be truthful: say what is known, how sure it is where that matters, and what you cannot know. Do all that is asked, in the form that is asked for, in the language of the question, and as long as it needs to be.

        What is mulch?
        ---
        [user] Answer the following as well as you can. Be truthful: say what is known, how sure it is where that matters, and what you cannot know. Do all that is asked, in the form that is asked for, in the language of the question, and as long as it needs to be.

        Which mulch for roses?
        ---
        [user] Answer the following as well as you can. Be truthful: say what is known, how sure it is where that matters, and what you cannot know. Do all that is asked, in the form that is asked for, in the language of the question, and as long as it needs to be.

        Plan mulching
        for a clay slope.
        -> difficulty=easy instruction=What is mulch? output=It covers soil. topic=Geography and earth domain=Maps theme=projections scenario=teaching: something is to be explained to a learner whose level is told
        -> difficulty=medium instruction=Which mulch for roses? output=Bark. topic=Geography and earth domain=Maps theme=projections scenario=teaching: something is to be explained to a learner whose level is told
        -> difficulty=hard instruction=Plan mulching
        for a clay slope. output=In three steps. topic=Geography and earth domain=Maps theme=projections scenario=teaching: something is to be explained to a learner whose level is told
        "#);
    }

    #[test]
    fn the_last_theme_gives_no_more_rows_than_are_wanted() {
        let operator = CondorGenerator {
            num_samples: 4,
            use_task_diversity: false,
            output_topic_key: None,
            output_domain_key: None,
            output_theme_key: None,
            ..Default::default()
        };
        assert_eq!(operator.seeds(), 2);
        let model = ScriptedModel::replies([THREE, "It covers soil."]);
        assert_snapshot!(check_seed(&operator, &model, 1).lines().last().unwrap(), @"-> difficulty=easy instruction=What is mulch? output=It covers soil. scenario=null");
        assert!(!model.asked()[0].messages[0].content.contains("of this kind"), "no kind of task is named");
    }

    #[test]
    fn a_reply_without_three_questions_is_asked_for_again_and_a_failed_answer_fails_the_theme() {
        let last = |replies: &[&str]| {
            check_seed(&CondorGenerator { num_samples: 1, ..Default::default() }, &ScriptedModel::replies(replies.iter().copied()), 0)
                .lines()
                .last()
                .unwrap()
                .to_owned()
        };
        let fenced = format!("Sure!\n```json\n{THREE}\n```");
        assert!(last(&[r#"{"easy": "One?", "medium": "", "hard": "Three?"}"#, &fenced, "It covers soil."]).contains("output=It covers soil."));
        assert_snapshot!(last(&["[Easy] What?", "[Easy] What?"]), @"failed (unparsed): the reply does not fit: a JSON value was expected, and there is none; it begins `[Easy] What?`");
        assert_snapshot!(last(&[THREE]), @"failed (transient): the script has no reply");
        assert_snapshot!(last(&[THREE, " ", ""]), @"failed (unparsed): the reply does not fit: a text was expected, and the reply is empty; it begins ``");
    }

    #[test]
    fn every_theme_comes_once_before_one_comes_again() {
        let count = TAGS.len() as u64;
        let lap = |from: u64| (from..from + count).map(|number| CondorGenerator::tag(&Seed::new(number, 7))).collect::<Vec<_>>();
        let (first, second) = (lap(0), lap(count));
        assert_eq!(first.iter().collect::<std::collections::HashSet<_>>().len(), TAGS.len());
        assert_ne!(first, second);
        assert_ne!(first[..9], (0..9).map(|number| CondorGenerator::tag(&Seed::new(number, 8))).collect::<Vec<_>>());
        assert_eq!(first.iter().map(|tag| tag.topic).collect::<BTreeSet<_>>().len(), 41);
    }
}
