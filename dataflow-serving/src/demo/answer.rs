//! Answers in words: a short list of forms that prompts ask for, and a plain answer otherwise.

use serde_json::{Map, Value};

use super::request::Request;

/// The forms that are known, in the order in which they are looked for. Each gives an answer where the question asks for its form.
const FORMS: [fn(&Request) -> Option<String>; 6] = [end_of_dialogue, json_as_shown, tags_as_shown, question_and_answer_lines, bare_score, yes_or_no];

/// An answer to a question in words.
pub(super) fn to(request: &Request) -> String {
    FORMS.iter().find_map(|form| form(request)).unwrap_or_else(|| plain(request))
}

/// `When all is done, wrap the answer in <final>`: a dialogue with tools that ends at once.
fn end_of_dialogue(request: &Request) -> Option<String> {
    request.whole.contains("<final>").then(|| format!("<thought>{}</thought><final>{}</final>", text_for("thought", request), plain(request)))
}

/// `Reply with JSON: {"judgement_test": true, "why": "..."}`: the same keys, with values of the kinds that are shown.
fn json_as_shown(request: &Request) -> Option<String> {
    if !request.whole.to_lowercase().contains("json") {
        return None;
    }
    let shown = last_object(&request.whole)?;
    let mut fields = Map::new();
    let mut rest = shown;
    while let Some((_, after)) = rest.split_once('"') {
        let (name, after) = after.split_once('"')?;
        let Some(after) = after.trim_start().strip_prefix([':', '：']) else {
            rest = after;
            continue;
        };
        let example = after.trim_start();
        let lower = example.to_lowercase();
        let value: Value = if lower.starts_with(['{', '[']) {
            vec![text_for(name, request)].into()
        } else if lower.starts_with(['t', 'f']) || lower.starts_with("<true") || lower.starts_with("<bool") {
            request.verdict(name).into()
        } else if lower.starts_with(|character: char| character.is_ascii_digit())
            || ["<n", "<int", "<score", "n,", "n}", "int", "num"].iter().any(|word| lower.starts_with(word))
        {
            let (low, high) = request.scale();
            request.score(name, low, high).into()
        } else {
            text_for(name, request).into()
        };
        fields.insert(name.to_owned(), value);
        // Past a text that is shown, so that its quotes are not taken for a key's.
        rest = example.strip_prefix('"').and_then(|text| text.split_once('"')).map_or(example, |(_, after)| after);
    }
    (!fields.is_empty()).then(|| Value::Object(fields).to_string())
}

/// The last `{…}` of a text that holds a quoted key.
fn last_object(text: &str) -> Option<&str> {
    let end = text.rfind('}')?;
    let start = text[..end].rfind('{')?;
    let object = &text[start..=end];
    if object.contains('"') { Some(object) } else { last_object(&text[..start]) }
}

/// `Reply with <ans>yes</ans> or <ans>no</ans>`: each pair of tags that is shown, once.
fn tags_as_shown(request: &Request) -> Option<String> {
    let mut answers: Vec<String> = Vec::new();
    let mut rest = request.whole.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some((name, inner)) = after.split_once('>') else { break };
        let is_name = !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        let Some((shown, _)) = inner.split_once(&format!("</{name}>")).filter(|_| is_name && !is_markup(name)) else { continue };
        let answer = match shown.trim().to_lowercase().as_str() {
            "yes" | "no" | "yes/no" | "yes or no" => if request.verdict(name) { "yes" } else { "no" }.to_owned(),
            _ => text_for(name, request),
        };
        let answer = format!("<{name}>{answer}</{name}>");
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    (!answers.is_empty()).then(|| answers.join("\n"))
}

/// Tags that are in the text to work on, not in the form to keep.
fn is_markup(name: &str) -> bool {
    [
        "think", "a", "b", "i", "p", "div", "span", "br", "html", "body", "head", "title", "script", "style", "table", "tr", "td", "th", "ul", "ol", "li",
        "h1", "h2", "h3", "em", "strong", "code", "pre",
    ]
    .contains(&name.to_lowercase().as_str())
}

/// Lines that begin with `Q:` and `A:`.
fn question_and_answer_lines(request: &Request) -> Option<String> {
    let shows = |mark: &str| request.whole.lines().any(|line| line.trim_start().starts_with(mark));
    (shows("Q:") && shows("A:")).then(|| format!("Q: {}\nA: {}", text_for("question", request), text_for("answer", request)))
}

/// `Only output the score`, `只输出分数`.
fn bare_score(request: &Request) -> Option<String> {
    let lower = request.whole.to_lowercase();
    let names = ["score", "rating", "grade", "分数", "评分", "打分"].iter().any(|word| lower.contains(word));
    let alone = ["only", "alone", "nothing else", "just the", "只输出", "仅输出", "只回答"].iter().any(|word| lower.contains(word));
    let (low, high) = request.scale();
    (names && alone).then(|| request.score("score", low, high).to_string())
}

/// `Answer yes or no`, `回答是或否`.
fn yes_or_no(request: &Request) -> Option<String> {
    let lower = request.whole.to_lowercase();
    let words = if lower.contains("yes or no") || lower.contains("yes/no") {
        ["yes", "no"]
    } else if lower.contains("是或否") || lower.contains("是/否") {
        ["是", "否"]
    } else {
        return None;
    };
    Some(words[usize::from(!request.verdict("yes"))].to_owned())
}

fn plain(request: &Request) -> String {
    let lower = request.whole.to_lowercase();
    let text = if lower.contains("translat") || lower.contains("翻译") {
        let subject = &request.subject;
        if request.chinese { format!("（示例译文）{subject}") } else { format!("(demo translation) {subject}") }
    } else {
        text_for("answer", request)
    };
    if lower.contains("boxed") { format!("{text} \\boxed{{{}}}", 1 + request.draw("boxed", 99)) } else { text }
}

/// A text about what the question is about, plausible by the name of what it is for: `question`, `answer`, `reason`, `language`.
pub(super) fn text_for(path: &str, request: &Request) -> String {
    let name = path.rsplit('.').find(|part| !part.chars().all(|character| character.is_ascii_digit())).unwrap_or(path).to_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let subject = &request.subject;
    let number = request.draw(path, 90) + 10;
    if is(&["lang"]) {
        return if request.chinese { "zh" } else { "en" }.to_owned();
    }
    if is(&["domain", "category", "topic", "subject"]) {
        return if request.chinese {
            request.choose(path, &["数学", "物理", "历史", "日常生活"])
        } else {
            request.choose(path, &["mathematics", "physics", "history", "daily life"])
        }
        .to_owned();
    }
    if is(&["question", "problem", "instruction", "prompt", "query"]) {
        return if request.chinese {
            format!("{}“{subject}”？（示例问题 {number}）", request.choose(path, &["如何理解", "有哪些原因可以解释", "怎样用一个例子说明"]))
        } else {
            format!(
                "{} \"{subject}\"? (demo question {number})",
                request.choose(path, &["What follows from", "Which reasons speak for", "How would you show by an example"])
            )
        };
    }
    if is(&["reason", "feedback", "explanation", "why", "thought", "comment", "error"]) {
        return if request.chinese {
            format!("示例理由 {number}：表述清楚，所需条件齐全。")
        } else {
            format!("Demo reason {number}: it is stated clearly, and nothing that is needed is missing.")
        };
    }
    if request.chinese {
        let step = request.choose(path, &["先把已知条件逐一列出", "先看一个简单的例子", "先说明所用的概念"]);
        let next = request.choose(&format!("{path} next"), &["再检查每一步是否成立", "再比较不同的情形", "再把结果代回原题"]);
        format!("这是关于“{subject}”的示例回答：{step}，{next}，由此得到结果 {number}。")
    } else {
        let step = request.choose(path, &["List what is known", "Look at a simple case", "Say what the words mean"]);
        let next = request.choose(&format!("{path} next"), &["check each step", "compare the cases", "put the result back into the question"]);
        format!("A demo answer about \"{subject}\": {step} first, then {next}; the result is {number}.")
    }
}
