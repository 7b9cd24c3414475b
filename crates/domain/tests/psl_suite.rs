//! The public suffix list's own test cases, through the one place where the list is used: the registrable domain
//! that hints about DNSSEC, name servers and operators speak of. DMARC does not use it (RFC 9989 walks the tree).

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use depeche_domain::name::registrable;

#[test]
fn every_case_of_the_public_suffix_list_ends_as_it_says() {
    let Some(file) = common::suite("psl/tests.txt") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let cases: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("//"))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let complaint = |(input, expected): &(&str, &str)| {
        let input = if *input == "null" { "" } else { input };
        let found = registrable(input);
        let right = found.as_deref() == Some(*expected).filter(|word| *word != "null");
        (!right).then(|| format!("{input}: {found:?} instead of {expected}"))
    };
    let wrong: Vec<String> = cases.iter().filter_map(complaint).collect();

    eprintln!("public suffix list: {} of {} cases", cases.len() - wrong.len(), cases.len());
    assert!(cases.len() >= 70, "{}", cases.len());
    assert_eq!(wrong, Vec::<String>::new());
}
