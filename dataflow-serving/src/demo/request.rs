//! What the demo model sees in a question: its language, what it is about, and a number to draw from.

use dataflow_core::serving::{Chat, Role};

/// A question as the demo model sees it.
pub(super) struct Request {
    /// All that was said.
    pub whole: String,
    /// What the question is about: its last line that is no instruction.
    pub subject: String,
    /// The answer is to be in Chinese.
    pub chinese: bool,
    seed: u64,
}

impl Request {
    pub fn of(chat: &Chat) -> Self {
        let whole = chat.messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n");
        let asked = chat.messages.iter().rev().find(|message| message.role == Role::User).map_or("", |message| message.content.as_str());
        let subject = subject_of(asked);
        let seed = whole.bytes().fold(mix(chat.sample), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let wants = |phrases: &[&str]| phrases.iter().any(|phrase| whole.contains(phrase));
        let chinese = if wants(&["into Chinese", "in Chinese", "to Chinese", "成中文", "为中文"]) {
            true
        } else if wants(&["into English", "in English", "to English", "成英文", "为英文", "成英语"]) {
            false
        } else {
            is_chinese(&subject)
        };
        Self { whole, subject, chinese, seed }
    }

    /// A number below `count` that depends on the question and on what it is for.
    pub fn draw(&self, what_for: &str, count: usize) -> usize {
        let hash = what_for.bytes().fold(self.seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        (mix(hash) % count.max(1) as u64) as usize
    }

    /// One text of several.
    pub fn choose<'a>(&self, what_for: &str, texts: &[&'a str]) -> &'a str {
        texts.get(self.draw(what_for, texts.len())).copied().unwrap_or_default()
    }

    /// Mostly true.
    pub fn verdict(&self, what_for: &str) -> bool {
        self.draw(what_for, 8) != 0
    }

    /// The scale that the question names, such as `1 to 5`; 1 to 5 where it names none.
    pub fn scale(&self) -> (i64, i64) {
        let numbers_around = |separator: &str| {
            self.whole.match_indices(separator).find_map(|(at, _)| {
                let before = &self.whole[..at];
                let from = before[before.trim_end_matches(|character: char| character.is_ascii_digit()).len()..].parse().ok()?;
                let after = &self.whole[at + separator.len()..];
                let to = after[..after.len() - after.trim_start_matches(|character: char| character.is_ascii_digit()).len()].parse().ok()?;
                (from < to && to <= 100).then_some((from, to))
            })
        };
        [" to ", "-", "–", "~", "到", "至", " and "].into_iter().find_map(numbers_around).unwrap_or((1, 5))
    }

    /// A number of a scale's upper half.
    pub fn score(&self, what_for: &str, low: i64, high: i64) -> i64 {
        let middle = low + high.saturating_sub(low) / 2;
        middle + self.draw(what_for, usize::try_from(high.saturating_sub(middle)).unwrap_or(0).saturating_add(1)) as i64
    }
}

/// Spreads a number over all bits (SplitMix64's finish).
pub(super) fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn subject_of(asked: &str) -> String {
    const LENGTH: usize = 80;
    let instructs = |line: &str| {
        let lower = line.to_lowercase();
        lower.contains("json")
            || lower.ends_with([':', '：'])
            || ["reply", "only", "return", "output", "respond", "write in", "请", "只", "q:", "a:"].iter().any(|word| lower.starts_with(word))
    };
    let lines: Vec<&str> = asked.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.iter().rev().find(|line| !instructs(line)).or(lines.last()).copied().unwrap_or_default();
    match line.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Whether at least a fifth of a text's letters are Chinese characters.
fn is_chinese(text: &str) -> bool {
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let chinese = text.chars().filter(|character| ('\u{3400}'..='\u{9FFF}').contains(character)).count();
    chinese > 0 && chinese * 5 >= letters
}
