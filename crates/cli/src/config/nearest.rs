//! "Did you mean": the nearest of a few known words.

/// The candidate nearest to `word`, when few enough letters differ.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().collect();
    let most = match word.len() {
        0..=2 => return None,
        3..=5 => 1,
        _ => 3,
    };
    let measured = candidates.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    measured.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// Levenshtein distance.
fn distance(left: &[char], right: &str) -> usize {
    let right: Vec<char> = right.chars().take(80).collect();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().take(80).enumerate() {
        let mut line = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            line.push((last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(line[j] + 1));
        }
        last = line;
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["username", "password", "port", "host"];
        for (word, found) in [
            ("usrname", Some("username")),
            ("pasword", Some("password")),
            ("prot", None),
            ("porte", Some("port")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
