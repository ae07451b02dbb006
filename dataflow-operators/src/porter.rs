//! Porter's stemmer, with the extensions that NLTK makes to it.
//!
//! M. F. Porter, "An algorithm for suffix stripping", Program 14, 1980; the extensions are those of NLTK's `PorterStemmer` in its own mode.

/// The stem of a word, in lower case.
pub(crate) fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    if let Some((_, stem)) = IRREGULAR.iter().find(|(forms, _)| forms.contains(&word.as_str())) {
        return (*stem).to_owned();
    }
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() <= 2 {
        return word;
    }
    step_1a(&mut letters);
    step_1b(&mut letters);
    step_1c(&mut letters);
    step_2(&mut letters);
    step_3(&mut letters);
    step_4(&mut letters);
    step_5a(&mut letters);
    step_5b(&mut letters);
    letters.into_iter().collect()
}

const IRREGULAR: &[(&[&str], &str)] = &[
    (&["sky", "skies"], "sky"),
    (&["dying"], "die"),
    (&["lying"], "lie"),
    (&["tying"], "tie"),
    (&["news"], "news"),
    (&["inning", "innings"], "inning"),
    (&["outing", "outings"], "outing"),
    (&["canning", "cannings"], "canning"),
    (&["howe"], "howe"),
    (&["proceed"], "proceed"),
    (&["exceed"], "exceed"),
    (&["succeed"], "succeed"),
];

fn is_consonant(letters: &[char], at: usize) -> bool {
    match letters[at] {
        'a' | 'e' | 'i' | 'o' | 'u' => false,
        'y' => at == 0 || !is_consonant(letters, at - 1),
        _ => true,
    }
}

/// How often consonants follow vowels: m in [C](VC)^m[V].
fn measure(stem: &[char]) -> usize {
    (1..stem.len()).filter(|at| is_consonant(stem, *at) && !is_consonant(stem, at - 1)).count()
}

fn has_vowel(stem: &[char]) -> bool {
    (0..stem.len()).any(|at| !is_consonant(stem, at))
}

fn ends_double(letters: &[char]) -> bool {
    matches!(letters, [.., before, last] if before == last) && is_consonant(letters, letters.len() - 1)
}

/// Consonant, vowel, consonant other than w, x and y; with NLTK's extension also a vowel and a consonant alone.
fn ends_cvc(letters: &[char]) -> bool {
    let length = letters.len();
    (length >= 3
        && is_consonant(letters, length - 3)
        && !is_consonant(letters, length - 2)
        && is_consonant(letters, length - 1)
        && !matches!(letters[length - 1], 'w' | 'x' | 'y'))
        || (length == 2 && !is_consonant(letters, 0) && is_consonant(letters, 1))
}

fn ends(letters: &[char], suffix: &str) -> bool {
    let from = letters.len().checked_sub(suffix.len()); // suffixes are ASCII
    from.is_some_and(|from| letters[from..].iter().copied().eq(suffix.chars()))
}

fn replace(letters: &mut Vec<char>, suffix: &str, by: &str) {
    letters.truncate(letters.len() - suffix.chars().count());
    letters.extend(by.chars());
}

/// Applies the first rule whose suffix is there, if its condition holds of the stem; whether one was there.
fn first_of(letters: &mut Vec<char>, rules: &[(&str, &str)], holds: impl Fn(&[char], &str) -> bool) -> bool {
    let Some((suffix, by)) = rules.iter().find(|(suffix, _)| ends(letters, suffix)) else { return false };
    let stem = letters.len() - suffix.chars().count();
    if holds(&letters[..stem], suffix) {
        replace(letters, suffix, by);
    }
    true
}

fn step_1a(letters: &mut Vec<char>) {
    if ends(letters, "ies") && letters.len() == 4 {
        return replace(letters, "ies", "ie"); // flies -> fli, but dies -> die
    }
    first_of(letters, &[("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")], |_, _| true);
}

fn step_1b(letters: &mut Vec<char>) {
    if ends(letters, "ied") {
        let by = if letters.len() == 4 { "ie" } else { "i" };
        return replace(letters, "ied", by);
    }
    if ends(letters, "eed") {
        if measure(&letters[..letters.len() - 3]) > 0 {
            replace(letters, "eed", "ee");
        }
        return;
    }
    let Some(suffix) = ["ed", "ing"].into_iter().find(|suffix| ends(letters, suffix) && has_vowel(&letters[..letters.len() - suffix.len()])) else { return };
    replace(letters, suffix, "");
    if ["at", "bl", "iz"].iter().any(|ending| ends(letters, ending)) {
        letters.push('e');
    } else if ends_double(letters) {
        if !matches!(letters.last(), Some('l' | 's' | 'z')) {
            letters.pop();
        }
    } else if measure(letters) == 1 && ends_cvc(letters) {
        letters.push('e');
    }
}

fn step_1c(letters: &mut Vec<char>) {
    let length = letters.len();
    // The extension: only after a consonant, and not in words of two letters, so that `say` and `by` stay.
    if letters.last() == Some(&'y') && length > 2 && is_consonant(letters, length - 2) {
        replace(letters, "y", "i");
    }
}

fn step_2(letters: &mut Vec<char>) {
    if ends(letters, "alli") && measure(&letters[..letters.len() - 4]) > 0 {
        replace(letters, "alli", "al");
        return step_2(letters);
    }
    let rules = [
        ("ational", "ate"),
        ("tional", "tion"),
        ("enci", "ence"),
        ("anci", "ance"),
        ("izer", "ize"),
        ("bli", "ble"),
        ("alli", "al"),
        ("entli", "ent"),
        ("eli", "e"),
        ("ousli", "ous"),
        ("ization", "ize"),
        ("ation", "ate"),
        ("ator", "ate"),
        ("alism", "al"),
        ("iveness", "ive"),
        ("fulness", "ful"),
        ("ousness", "ous"),
        ("aliti", "al"),
        ("iviti", "ive"),
        ("biliti", "ble"),
        ("fulli", "ful"),
    ];
    if first_of(letters, &rules, |stem, _| measure(stem) > 0) {
        return;
    }
    // The `l` of `-logi` belongs to the stem that is measured.
    if ends(letters, "logi") && measure(&letters[..letters.len() - 3]) > 0 {
        replace(letters, "logi", "log");
    }
}

fn step_3(letters: &mut Vec<char>) {
    let rules = [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];
    first_of(letters, &rules, |stem, _| measure(stem) > 0);
}

fn step_4(letters: &mut Vec<char>) {
    let rules = [
        ("al", ""),
        ("ance", ""),
        ("ence", ""),
        ("er", ""),
        ("ic", ""),
        ("able", ""),
        ("ible", ""),
        ("ant", ""),
        ("ement", ""),
        ("ment", ""),
        ("ent", ""),
        ("ion", ""),
        ("ou", ""),
        ("ism", ""),
        ("ate", ""),
        ("iti", ""),
        ("ous", ""),
        ("ive", ""),
        ("ize", ""),
    ];
    first_of(letters, &rules, |stem, suffix| measure(stem) > 1 && (suffix != "ion" || matches!(stem.last(), Some('s' | 't'))));
}

fn step_5a(letters: &mut Vec<char>) {
    if letters.last() != Some(&'e') {
        return;
    }
    let stem = &letters[..letters.len() - 1];
    if measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem)) {
        letters.pop();
    }
}

fn step_5b(letters: &mut Vec<char>) {
    if ends(letters, "ll") && measure(&letters[..letters.len() - 1]) > 1 {
        letters.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_paper_and_of_the_extensions() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("cats", "cat"),
            ("feed", "feed"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("motoring", "motor"),
            ("conflated", "conflat"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("filing", "file"),
            ("happy", "happi"),
            ("say", "say"),
            ("dies", "die"),
            ("flies", "fli"),
            ("relational", "relat"),
            ("vietnamization", "vietnam"),
            ("formalize", "formal"),
            ("revival", "reviv"),
            ("adoption", "adopt"),
            ("probate", "probat"),
            ("controll", "control"),
            ("biology", "biolog"),
            ("hopefully", "hope"),
            ("skies", "sky"),
            ("A", "a"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}
