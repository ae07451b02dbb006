//! Plays a dialogue of a user, an assistant that calls functions, and the functions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dataflow_core::key::{Any, Input, Messages, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::{Prompt, PromptTemplate};
use dataflow_core::reply::{find_json, tagged};
use dataflow_core::row::Row;
use dataflow_core::serving::{Chat, Message, Role};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, context, operator, prompt};
use serde_json::Value;

/// Plays a dialogue in which an assistant does a task by calling functions. One model plays the user, the assistant and the functions, a turn at a time.
///
/// The user opens with the task. Then the assistant thinks and either calls functions, several at once where they do not depend on each other, or gives its final
/// answer; the functions return made-up results that fit what they returned before. After `max_rounds` turns of the assistant the dialogue has to be finished.
///
/// What is written begins with a system message that describes the functions, and says nothing of the sub-tasks; turns of the assistant hold
/// `<thought>`, `<func_call>` and `<final>`, results have the role `tool` and hold `<func_return>`. A dialogue without a final answer fails its row, since half of one
/// teaches a model to stop midway: with a higher `max_rounds` such a row can be run again, and goes on where it stood, because its turns are in the journal.
/// At most `2 * max_rounds` calls a row.
///
/// # 中文
///
/// 生成助手调用函数完成任务的多轮对话：由同一模型逐轮扮演用户、助手与函数。
///
/// 用户先提出任务；此后助手每轮先思考，再调用函数（互不依赖的可同时调用多个）或给出最终答复；函数返回与先前结果一致的模拟数据。助手最多说 `max_rounds` 轮。
///
/// 写入的对话以介绍函数的系统消息开头，不透露子任务；助手消息含 `<thought>`、`<func_call>`、`<final>`，函数结果的角色为 `tool`，含 `<func_return>`。
/// 没有最终答复的对话会使该行失败，因为半截对话会教模型中途停下：调高 `max_rounds` 后可重跑该行，已有的轮次在日志中，不会重复付费。
/// 每行最多提问 `2 * max_rounds` 次。
#[operator(conversations, generate, AskModel)]
pub struct MultiTurnConversationGenerator {
    /// How many turns the assistant has at most. 中文：助手最多的轮数。
    pub max_rounds: u32,
    /// Asks for the user's opening. 中文：要求写出用户开场白的提示词。
    #[prompts(allowed(ConversationUserPrompt), variables(task))]
    pub user_prompt: PromptTemplate,
    /// Tells the assistant what it is to do. 中文：说明助手职责的提示词。
    #[prompts(allowed(ConversationAssistantPrompt), variables(sub_tasks, functions))]
    pub assistant_prompt: PromptTemplate,
    /// Asks for what the called functions return. 中文：要求给出函数返回值的提示词。
    #[prompts(allowed(ConversationToolPrompt), variables(functions, history, calls))]
    pub tool_prompt: PromptTemplate,
    /// The system message with which the written dialogue begins. 中文：写入对话开头的系统消息。
    #[prompts(allowed(ConversationSystemPrompt), variables(functions))]
    pub system_prompt: PromptTemplate,
    /// The task that the user wants done. 中文：用户任务列。
    pub input_task_key: Input<Text>,
    /// The steps that the task is made of. 中文：组成任务的各子任务列。
    pub input_sub_tasks_keys: Vec<Input<Text>>,
    /// The functions that can be called, as JSON. 中文：可调用函数列（JSON）。
    pub input_functions_key: Input<Any>,
    /// Where the dialogue goes. 中文：写入对话的列。
    pub output_conversations_key: Output<Messages>,
}

impl Default for MultiTurnConversationGenerator {
    fn default() -> Self {
        Self {
            max_rounds: 5,
            user_prompt: ConversationUserPrompt.into(),
            assistant_prompt: ConversationAssistantPrompt.into(),
            tool_prompt: ConversationToolPrompt.into(),
            system_prompt: ConversationSystemPrompt.into(),
            input_task_key: "composition_task".into(),
            input_sub_tasks_keys: vec!["atom_task".into(), "subsequent_task".into()],
            input_functions_key: "functions".into(),
            output_conversations_key: "conversations".into(),
        }
    }
}

impl AskModel for MultiTurnConversationGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let functions = &*row.text(&self.input_functions_key)?;
        let names = function_names(functions);
        let mut sub_tasks: Vec<String> = Vec::new();
        for key in self.input_sub_tasks_keys.iter().filter(|key| !row.is_blank(*key)) {
            sub_tasks.push(row.text(key)?.into_owned());
        }
        let opening = model.ask(self.user_prompt.build_prompt(context! { task => row.text(&self.input_task_key)? })?).parsed(opening).await?;
        let mut chat = Chat::system(self.assistant_prompt.build_prompt(context! { sub_tasks, functions })?).user(opening.clone());
        let mut dialogue = vec![message(Role::System, self.system_prompt.build_prompt(context! { functions })?), message(Role::User, opening)];
        let mut history: Vec<String> = Vec::new();
        for round in 1..=self.max_rounds {
            let turn = model.ask(chat.clone()).parsed(|reply| Turn::parse(reply, &names)).await?;
            dialogue.push(message(Role::Assistant, turn.to_string()));
            let Does::Call(calls) = turn.does else {
                return Ok(Cells::new().set(&self.output_conversations_key, dialogue).into());
            };
            if round == self.max_rounds {
                break; // nobody would read what the functions return
            }
            let asked = self.tool_prompt.build_prompt(context! { functions, history => &history, calls => Value::from(calls.clone()).to_string() })?;
            let results = model.ask(asked).parsed(|reply| returned(reply, calls.len())).await?;
            let text = format!("<func_return>{results}</func_return>");
            // Services take the role `tool` only as the answer to a call in their own format, so the model is told the results as a user.
            chat = chat.assistant(dialogue.last().map(|said| said.content.clone()).unwrap_or_default()).user(text.clone());
            dialogue.push(message(Role::Tool, text));
            history.push(serde_json::json!({ "calls": calls, "results": results }).to_string());
        }
        let last = dialogue.last().map(|said| said.content.as_str()).unwrap_or_default();
        Err(Error::unparsed(
            format!("the dialogue has no `<final>` after {} turns of the assistant (raise `max_rounds` to go on with it)", self.max_rounds),
            last,
        ))
    }

    fn calls_per_row(&self) -> u64 {
        2 * u64::from(self.max_rounds)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.max_rounds == 0 {
            problems.push("`max_rounds` is 0, and the assistant has to speak at least once".into());
        }
        if self.input_sub_tasks_keys.is_empty() {
            problems.push("`input_sub_tasks_keys` names no column".into());
        }
        problems
    }
}

fn message(role: Role, content: String) -> Message {
    Message { role, content }
}

/// The names of all functions, in a plain list or grouped by sub-task; empty where the text cannot be read, and then any name will do.
fn function_names(functions: &str) -> BTreeSet<String> {
    fn gather(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, names)),
            Value::Object(object) => match (object.get("func_list").or(object.get("function")), object.get("name")) {
                (Some(inner), _) => gather(inner, names),
                (None, Some(Value::String(name))) => _ = names.insert(name.clone()),
                _ => {}
            },
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    if let Some(value) = find_json(functions, |value| value.is_array() || value.is_object()) {
        gather(&value, &mut names);
    }
    names
}

fn opening(reply: &str) -> Result<String, String> {
    match tagged(reply, "human") {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("what the user says was expected between `<human>` and `</human>`".into()),
    }
}

/// What the assistant does in a turn.
#[derive(Debug, PartialEq)]
enum Does {
    Call(Vec<Value>),
    Answer(String),
}

/// A turn of the assistant.
#[derive(Debug, PartialEq)]
struct Turn {
    thought: Option<String>,
    does: Does,
}

impl Turn {
    fn parse(reply: &str, names: &BTreeSet<String>) -> Result<Self, String> {
        let thought = tagged(reply, "thought").filter(|thought| !thought.is_empty()).map(str::to_owned);
        let does = match (tagged(reply, "func_call"), tagged(reply, "final")) {
            (Some(_), Some(_)) => return Err("either `<func_call>` or `<final>` was expected, and both are there".into()),
            (None, None) => return Err("`<func_call>…</func_call>` or `<final>…</final>` was expected, and neither is there".into()),
            (None, Some("")) => return Err("`<final>` is empty".into()),
            (None, Some(text)) => Does::Answer(text.to_owned()),
            (Some(text), None) => Does::Call(calls(text, names)?),
        };
        Ok(Self { thought, does })
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(thought) = &self.thought {
            writeln!(formatter, "<thought>{thought}</thought>")?;
        }
        match &self.does {
            Does::Call(calls) => write!(formatter, "<func_call>{}</func_call>", Value::from(calls.clone())),
            Does::Answer(text) => write!(formatter, "<final>{text}</final>"),
        }
    }
}

/// The calls in a `<func_call>`: a list, or one alone.
fn calls(text: &str, names: &BTreeSet<String>) -> Result<Vec<Value>, String> {
    let calls = match find_json(text, |value| value.is_array() || value.is_object()) {
        Some(Value::Array(calls)) if !calls.is_empty() => calls,
        Some(call @ Value::Object(_)) => vec![call],
        _ => return Err("a JSON list of calls was expected in `<func_call>`".into()),
    };
    for call in &calls {
        let name = call["name"].as_str().ok_or_else(|| format!("each call should be {{\"name\": …, \"arguments\": {{…}}}}, found {call}"))?;
        if !call["arguments"].is_object() {
            return Err(format!("the arguments of `{name}` should be a JSON object, found {}", call["arguments"]));
        }
        if !names.is_empty() && !names.contains(name) {
            return Err(format!("there is no function `{name}`; there are {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")));
        }
    }
    Ok(calls)
}

/// The results of `count` calls, one each.
fn returned(reply: &str, count: usize) -> Result<Value, String> {
    let text = tagged(reply, "func_return").ok_or("the results were expected between `<func_return>` and `</func_return>`")?;
    match find_json(text, |value| value.is_array() || value.is_object()) {
        Some(Value::Array(results)) if results.len() == count => Ok(results.into()),
        Some(result @ Value::Object(_)) if count == 1 => Ok(vec![result].into()),
        Some(Value::Array(results)) => Err(format!("a JSON list with one result for each of the {count} calls was expected, found {}", results.len())),
        _ => Err(format!("a JSON list with {count} results was expected in `<func_return>`")),
    }
}

/// Asks for the first thing that a user says who wants a task done.
///
/// # 中文
///
/// 要求写出用户提出任务时说的第一句话。
#[prompt]
pub struct ConversationUserPrompt;

impl Prompt for ConversationUserPrompt {
    fn template(&self) -> Cow<'_, str> {
        "Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.\n\n\
         What you want done:\n{{ task }}\n\n\
         - Write as people do: in the first person, in your own words, in the language of the task.\n\
         - Give every name, date, amount and wish that the assistant needs. Where the task leaves one open, make up a plausible one.\n\
         - Say what you want and not how to get there: no steps, no plan, no mention of tools or functions.\n\
         - One message, no greeting back, nothing on behalf of the assistant.\n\n\
         Put the message between <human> and </human>, and write nothing else."
            .into()
    }
}

/// Tells the assistant of a dialogue what it can call and in which form it answers.
///
/// # 中文
///
/// 说明对话中的助手可以调用哪些函数，以及用什么格式作答。
#[prompt]
pub struct ConversationAssistantPrompt;

impl Prompt for ConversationAssistantPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"You are an assistant that does what the user asks with the help of functions.

The request can be done in these steps, which the user does not know of:
{% for sub_task in sub_tasks %}{{ loop.index }}. {{ sub_task }}
{% endfor %}
Functions:
{{ functions }}

Each of your turns has two parts. First, between <thought> and </thought>, what is known so far and what comes next; in your first turn, the plan for the whole request. Then one of these, never both:
- <func_call>[{"name": "...", "arguments": {"...": "..."}}]</func_call> to call functions. Calls that do not need each other's results go into one list; a call that needs the result of another waits for it. Use only the functions above and only arguments that the user or an earlier result has given.
- <final>...</final> as soon as the request is done: a complete answer to the user, in the user's language, that rests on the results.

Results reach you as <func_return>[...]</func_return>, one for each call in order. Do not write them yourself, do not ask the user anything, and do not mention these instructions."#
            .into()
    }
}

/// Asks for what the called functions return.
///
/// # 中文
///
/// 要求给出被调用函数的返回结果。
#[prompt]
pub struct ConversationToolPrompt;

impl Prompt for ConversationToolPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"Play the functions of a system. Make up what they return to the calls below.

Functions:
{{ functions }}
{% if history %}
What was called and returned before:
{% for turn in history %}{{ turn }}
{% endfor %}{% endif %}
Calls:
{{ calls }}

- Give one result for each call, in the order of the calls, with the fields that the function's description promises.
- Results are concrete and plausible: real-looking names, numbers, dates, identifiers. They agree with the arguments and with everything that was returned before.
- A call with an unknown function or with arguments that cannot be used returns {"error": "..."}.
- No explanations: data alone.

Reply with a JSON list between <func_return> and </func_return>, and write nothing else."#
            .into()
    }
}

/// The system message with which a written dialogue begins: the functions, and the form of calls and answers.
///
/// # 中文
///
/// 写入对话开头的系统消息：可用函数，以及调用与答复的格式。
#[prompt]
pub struct ConversationSystemPrompt;

impl Prompt for ConversationSystemPrompt {
    fn template(&self) -> Cow<'_, str> {
        r#"You are a helpful assistant that can call functions.

Functions:
{{ functions }}

Think between <thought> and </thought>. Then either call functions with <func_call>[{"name": "...", "arguments": {...}}]</func_call>, whose results come as <func_return>[...]</func_return>, or answer the user with <final>...</final>."#
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(MultiTurnConversationGenerator);

    fn row() -> Value {
        json!({
            "composition_task": "Find the weather in Rome and in Oslo and book a table in the warmer city.",
            "atom_task": "Find the weather.",
            "subsequent_task": null,
            "functions": r#"[{"sub_task": "weather", "func_list": [{"name": "weather"}, {"name": "book"}]}]"#,
        })
    }

    const HUMAN: &str = "<human>Is Rome or Oslo warmer today? Book me a table there.</human>";
    const BOTH: &str = r#"<thought>Both first.</thought><func_call>[{"name": "weather", "arguments": {"city": "Rome"}}, {"name": "weather", "arguments": {"city": "Oslo"}}]</func_call>"#;
    const WEATHER: &str = r#"<func_return>[{"celsius": 25}, {"celsius": 9}]</func_return>"#;
    const BOOK: &str = r#"<thought>Rome.</thought><func_call>{"name": "book", "arguments": {"city": "Rome"}}</func_call>"#;
    const BOOKED: &str = r#"<func_return>{"table": 4}</func_return>"#;
    const FINAL: &str = "<thought>Done.</thought>\n<final>Rome is warmer, and table 4 is yours.</final>";

    /// The part that tells what the row becomes.
    fn ending(told: &str) -> String {
        told.lines().skip_while(|line| !["-> ", "failed ", "skipped"].iter().any(|start| line.starts_with(start))).collect::<Vec<_>>().join("\n")
    }

    /// What the row becomes, and what each call was: the last message's first line.
    fn outcome(operator: &MultiTurnConversationGenerator, row: Value, replies: &[&str]) -> String {
        let model = ScriptedModel::replies(replies.iter().copied());
        let told = check_row(operator, &model, row);
        let calls = model.asked().into_iter().map(|chat| {
            let last = chat.messages.last().map(|message| message.content.lines().next().unwrap_or_default().to_owned()).unwrap_or_default();
            format!("{} messages, last: {last}", chat.messages.len())
        });
        format!("{}\n{}", calls.collect::<Vec<_>>().join("\n"), ending(&told))
    }

    #[test]
    fn user_assistant_and_functions_speak_in_turn() {
        let operator = MultiTurnConversationGenerator { system_prompt: PromptTemplate::text("Call functions."), ..Default::default() };
        let model = ScriptedModel::replies([HUMAN, BOTH, WEATHER, FINAL]);
        assert_snapshot!(check_row(&operator, &model, row()), @r#"
        [user] Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.

        What you want done:
        Find the weather in Rome and in Oslo and book a table in the warmer city.

        - Write as people do: in the first person, in your own words, in the language of the task.
        - Give every name, date, amount and wish that the assistant needs. Where the task leaves one open, make up a plausible one.
        - Say what you want and not how to get there: no steps, no plan, no mention of tools or functions.
        - One message, no greeting back, nothing on behalf of the assistant.

        Put the message between <human> and </human>, and write nothing else.
        ---
        [system] You are an assistant that does what the user asks with the help of functions.

        The request can be done in these steps, which the user does not know of:
        1. Find the weather.

        Functions:
        [{"sub_task": "weather", "func_list": [{"name": "weather"}, {"name": "book"}]}]

        Each of your turns has two parts. First, between <thought> and </thought>, what is known so far and what comes next; in your first turn, the plan for the whole request. Then one of these, never both:
        - <func_call>[{"name": "...", "arguments": {"...": "..."}}]</func_call> to call functions. Calls that do not need each other's results go into one list; a call that needs the result of another waits for it. Use only the functions above and only arguments that the user or an earlier result has given.
        - <final>...</final> as soon as the request is done: a complete answer to the user, in the user's language, that rests on the results.

        Results reach you as <func_return>[...]</func_return>, one for each call in order. Do not write them yourself, do not ask the user anything, and do not mention these instructions.
        [user] Is Rome or Oslo warmer today? Book me a table there.
        ---
        [user] Play the functions of a system. Make up what they return to the calls below.

        Functions:
        [{"sub_task": "weather", "func_list": [{"name": "weather"}, {"name": "book"}]}]

        Calls:
        [{"name":"weather","arguments":{"city":"Rome"}},{"name":"weather","arguments":{"city":"Oslo"}}]

        - Give one result for each call, in the order of the calls, with the fields that the function's description promises.
        - Results are concrete and plausible: real-looking names, numbers, dates, identifiers. They agree with the arguments and with everything that was returned before.
        - A call with an unknown function or with arguments that cannot be used returns {"error": "..."}.
        - No explanations: data alone.

        Reply with a JSON list between <func_return> and </func_return>, and write nothing else.
        ---
        [system] You are an assistant that does what the user asks with the help of functions.

        The request can be done in these steps, which the user does not know of:
        1. Find the weather.

        Functions:
        [{"sub_task": "weather", "func_list": [{"name": "weather"}, {"name": "book"}]}]

        Each of your turns has two parts. First, between <thought> and </thought>, what is known so far and what comes next; in your first turn, the plan for the whole request. Then one of these, never both:
        - <func_call>[{"name": "...", "arguments": {"...": "..."}}]</func_call> to call functions. Calls that do not need each other's results go into one list; a call that needs the result of another waits for it. Use only the functions above and only arguments that the user or an earlier result has given.
        - <final>...</final> as soon as the request is done: a complete answer to the user, in the user's language, that rests on the results.

        Results reach you as <func_return>[...]</func_return>, one for each call in order. Do not write them yourself, do not ask the user anything, and do not mention these instructions.
        [user] Is Rome or Oslo warmer today? Book me a table there.
        [assistant] <thought>Both first.</thought>
        <func_call>[{"name":"weather","arguments":{"city":"Rome"}},{"name":"weather","arguments":{"city":"Oslo"}}]</func_call>
        [user] <func_return>[{"celsius":25},{"celsius":9}]</func_return>
        -> conversations=Messages([Message { role: System, content: "Call functions." }, Message { role: User, content: "Is Rome or Oslo warmer today? Book me a table there." }, Message { role: Assistant, content: "<thought>Both first.</thought>\n<func_call>[{\"name\":\"weather\",\"arguments\":{\"city\":\"Rome\"}},{\"name\":\"weather\",\"arguments\":{\"city\":\"Oslo\"}}]</func_call>" }, Message { role: Tool, content: "<func_return>[{\"celsius\":25},{\"celsius\":9}]</func_return>" }, Message { role: Assistant, content: "<thought>Done.</thought>\n<final>Rome is warmer, and table 4 is yours.</final>" }])
        "#);
    }

    #[test]
    fn earlier_results_are_shown_to_the_functions() {
        let model = ScriptedModel::replies([HUMAN, BOTH, WEATHER, BOOK, BOOKED, FINAL]);
        check_row(&MultiTurnConversationGenerator::default(), &model, row());
        let asked = model.asked();
        assert_eq!(asked.len(), 6, "no call after the final answer");
        assert!(
            asked[4].messages[0].content.contains("What was called and returned before:\n{\"calls\":[{\"name\":\"weather\""),
            "{}",
            asked[4].messages[0].content
        );
        assert!(asked.iter().flat_map(|chat| &chat.messages).all(|message| message.role != Role::Tool), "no service is sent the role tool");
    }

    #[test]
    fn a_dialogue_without_an_end_fails_its_row() {
        let operator = MultiTurnConversationGenerator { max_rounds: 2, ..Default::default() };
        assert_snapshot!(outcome(&operator, row(), &[HUMAN, BOTH, WEATHER, BOOK]), @r#"
        1 messages, last: Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.
        2 messages, last: Is Rome or Oslo warmer today? Book me a table there.
        1 messages, last: Play the functions of a system. Make up what they return to the calls below.
        4 messages, last: <func_return>[{"celsius":25},{"celsius":9}]</func_return>
        failed (unparsed): the reply does not fit: the dialogue has no `<final>` after 2 turns of the assistant (raise `max_rounds` to go on with it); it begins `<thought>Rome.</thought>
        <func_call>[{"name":"book","arguments":{"city":"Rome"}}]</func_call>`
        "#);
    }

    #[test]
    fn a_turn_that_does_not_fit_is_asked_for_again() {
        let operator = MultiTurnConversationGenerator { system_prompt: PromptTemplate::text("Call functions."), max_rounds: 1, ..Default::default() };
        assert_snapshot!(outcome(&operator, row(), &["Hello!", HUMAN, "Let me see.", FINAL]), @r#"
        1 messages, last: Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.
        3 messages, last: That reply cannot be used: what the user says was expected between `<human>` and `</human>`. Answer the request again, in the form that it asked for and with nothing else.
        2 messages, last: Is Rome or Oslo warmer today? Book me a table there.
        4 messages, last: That reply cannot be used: `<func_call>…</func_call>` or `<final>…</final>` was expected, and neither is there. Answer the request again, in the form that it asked for and with nothing else.
        -> conversations=Messages([Message { role: System, content: "Call functions." }, Message { role: User, content: "Is Rome or Oslo warmer today? Book me a table there." }, Message { role: Assistant, content: "<thought>Done.</thought>\n<final>Rome is warmer, and table 4 is yours.</final>" }])
        "#);
        assert_snapshot!(outcome(&operator, row(), &[HUMAN, "<func_call>[]</func_call><final>x</final>", "<final></final>"]), @r"
        1 messages, last: Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.
        2 messages, last: Is Rome or Oslo warmer today? Book me a table there.
        4 messages, last: That reply cannot be used: either `<func_call>` or `<final>` was expected, and both are there. Answer the request again, in the form that it asked for and with nothing else.
        failed (unparsed): the reply does not fit: `<final>` is empty; it begins `<final></final>`
        ");
        assert_snapshot!(outcome(&operator, row(), &[HUMAN]), @r"
        1 messages, last: Play a person who turns to an assistant to have something done. Write the message with which you open the conversation.
        2 messages, last: Is Rome or Oslo warmer today? Book me a table there.
        failed (transient): the script has no reply
        ");
    }

    #[test]
    fn calls_are_held_to_the_functions_that_there_are() {
        let names = function_names(r#"[{"name": "a"}, {"type": "function", "function": {"name": "b"}}]"#);
        assert_eq!(names, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert!(function_names("a(x), b(y)").is_empty());
        let wrong = |text: &str| calls(text, &names).unwrap_err();
        assert_snapshot!(wrong(r#"[{"name": "c", "arguments": {}}]"#), @"there is no function `c`; there are `a`, `b`");
        assert_snapshot!(wrong(r#"[{"name": "a", "arguments": "x"}]"#), @r#"the arguments of `a` should be a JSON object, found "x""#);
        assert_snapshot!(wrong(r#"[{"function": "a"}]"#), @r#"each call should be {"name": …, "arguments": {…}}, found {"function":"a"}"#);
        assert_snapshot!(wrong("call a"), @"a JSON list of calls was expected in `<func_call>`");
        assert_eq!(calls("```json\n{\"name\": \"a\", \"arguments\": {}}\n```", &names).unwrap().len(), 1);
        assert_snapshot!(returned("<func_return>[{}]</func_return>", 2).unwrap_err(), @"a JSON list with one result for each of the 2 calls was expected, found 1");
        assert_snapshot!(returned("[{}, {}]", 2).unwrap_err(), @"the results were expected between `<func_return>` and `</func_return>`");
        assert_snapshot!(returned("<FUNC_RETURN>none</FUNC_RETURN>", 1).unwrap_err(), @"a JSON list with 1 results was expected in `<func_return>`");
    }
}
