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

/// Letters put in, left out, changed, or two neighbours swapped (optimal string alignment).
fn distance(left: &[char], right: &str) -> usize {
    let right: Vec<char> = right.chars().take(80).collect();
    let left = &left[..left.len().min(80)];
    let mut lines: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 0..left.len() {
        let mut line = vec![i + 1];
        for j in 0..right.len() {
            let changed = lines[i][j] + usize::from(left[i] != right[j]);
            let mut least = changed.min(lines[i][j + 1] + 1).min(line[j] + 1);
            if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
                least = least.min(lines[i - 1][j - 1] + 1);
            }
            line.push(least);
        }
        lines.push(line);
    }
    lines.last().and_then(|line| line.last()).copied().unwrap_or(0)
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
            ("prot", Some("port")),
            ("hots", Some("host")),
            ("porte", Some("port")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
