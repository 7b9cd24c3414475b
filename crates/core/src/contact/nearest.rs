//! "Did you mean": the nearest of a few known words.

/// The longest word that is compared; longer ones are no slip of the finger.
const LONGEST: usize = 40;

/// The candidate nearest to `word`, when at most `most` letters differ; the first of equals.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let measured = candidates.into_iter().filter_map(|candidate| {
        let other: Vec<char> = candidate.chars().take(LONGEST + 1).collect();
        let distance = distance(&word, &other);
        // A word of three letters with two wrong ones is another word.
        (other.len() <= LONGEST && distance <= most && distance * 2 < word.len().max(2))
            .then_some((distance, candidate))
    });
    measured.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Levenshtein distance with neighbouring letters exchanged counting as one.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut line = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(line[j] + 1);
            let exchanged = i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b;
            if exchanged {
                cost = cost.min(before[j - 1] + 1);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or(0)
}
