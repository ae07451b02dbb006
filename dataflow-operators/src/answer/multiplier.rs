//! Words that multiply the number before them: `million`, `万`.

const MULTIPLIERS: [(&str, u64); 11] = [
    ("hundred", 100),
    ("thousand", 1000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
    ("百", 100),
    ("千", 1000),
    ("万", 10_000),
    ("萬", 10_000),
    ("亿", 100_000_000),
    ("億", 100_000_000),
];

/// What makes a unit of 千: `千米`, `千瓦`.
const THOUSANDS: &str = "米克瓦卡帕赫伏焦兆字";

/// What a word multiplies by.
pub(super) fn multiplier(word: &str) -> Option<u64> {
    MULTIPLIERS.iter().find(|(known, _)| *known == word).map(|(_, by)| *by)
}

/// By what the first words of a unit multiply, as in `5 million dollars` and `5万元`, and the unit without them.
pub(super) fn multiplied(unit: &str) -> (f64, &str) {
    let (mut times, mut rest) = (1.0, unit);
    while let Some((word, by)) = MULTIPLIERS.iter().find(|(word, _)| rest.starts_with(word)) {
        let after = &rest[word.len()..];
        // 千米 and 百分点 are units, and a hundredth is a part.
        let is_unit = match *word {
            "千" => after.starts_with(|next| THOUSANDS.contains(next)),
            "百" => after.starts_with('分'),
            _ => after.starts_with("th"),
        };
        if is_unit {
            break;
        }
        times *= *by as f64;
        rest = after.strip_prefix('s').filter(|after| !after.starts_with(char::is_alphabetic)).unwrap_or(after).trim_start();
    }
    (times, rest)
}

/// What multiplies a number, as a pattern, with the unit of 千, of 百 or of money behind it: which of these it is, is for the comparison to tell.
pub(super) fn written_out() -> String {
    let (english, chinese): (Vec<&str>, Vec<&str>) = MULTIPLIERS.iter().map(|(word, _)| *word).partition(|word| word.is_ascii());
    format!(r"(?:(?:{})s?\b\s*)+|[{}]+[{THOUSANDS}分元]?", english.join("|"), chinese.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{answers_match, solution_matches};

    #[test]
    fn each_of_them_multiplies_wherever_a_number_is_read() {
        for (word, by) in MULTIPLIERS {
            let space = if word.is_ascii() { " " } else { "" };
            let value = (3 * by).to_string();
            assert!(answers_match(&format!("3{space}{word}"), &value), "{word}");
            for solution in [
                format!("The answer is $3${space}{word}."),
                format!("答案是$3${space}{word}。"),
                format!("a total of 3{space}{word}"),
                format!("It is $3${space}{word}."),
            ] {
                assert!(solution_matches(&solution, &value), "{solution}");
                assert!(!solution_matches(&solution, "3"), "{solution}");
            }
            let written = if word.is_ascii() { "three " } else { "三" };
            assert!(answers_match(&format!("{written}{word}"), &value), "{written}{word}");
        }
        assert_eq!(multiplied("millions of dollars"), (1e6, "of dollars"));
        assert_eq!((multiplied("千米"), multiplied("hundredths")), ((1.0, "千米"), (1.0, "hundredths")));
    }
}
