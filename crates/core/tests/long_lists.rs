//! Lists whose rows are on a scratch file: the same list as in memory, in whatever order it is read.

// `allow-unwrap-in-tests` of clippy.toml does not reach the functions that these tests share.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Seek, SeekFrom, Write};

use depeche_core::contact::{ContactList, Expression, ListError, ReadOptions, Source, load};

/// Rows of many lengths, so that none of them ends where a piece of the file does; every 100th is bad,
/// every 101st has opted out, every 97th is the one before it once more.
fn text(rows: usize) -> String {
    let mut text = "email,first_name,outlet,status,tier\n".to_owned();
    for n in 0..rows {
        let who = if n % 97 == 96 { n - 1 } else { n };
        let outlet = "Le Progrès \u{2014} ".repeat(n % 23);
        let status = if n % 101 == 100 { "désinscrit" } else { "" };
        text.push_str(&match n % 100 {
            99 => format!("j{n}.example,,,,\n"),
            _ => format!("j{who}@example.org,Zoé {n},\"{outlet}\",{status},{}\n", n % 4),
        });
    }
    text
}

fn on_disk(text: &str) -> ContactList {
    let sources = vec![Source::new("a.csv", text.as_bytes())];
    ContactList::read(sources, &ReadOptions::default(), tempfile::tempfile().unwrap()).unwrap()
}

#[test]
fn a_list_on_disk_is_the_list_in_memory() {
    let text = text(9_000);
    let list = on_disk(&text);
    let memory = load(vec![Source::new("a.csv", text.as_bytes())], &ReadOptions::default()).unwrap();

    let kept: Vec<usize> = list.kept().collect();
    assert_eq!(kept.len(), memory.contacts.len());
    // Backwards, and in strides, as tiers make it.
    for place in (0..kept.len()).rev().chain((0..kept.len()).step_by(41)) {
        let (contact, at) = list.contact(kept[place]).unwrap();
        assert_eq!((&contact, &at), (&memory.contacts[place], &memory.places[place]));
        assert_eq!(list.tier(kept[place]), contact.tier);
    }
    let left_out: Vec<_> = list.left_out().map(Result::unwrap).collect();
    let duplicates: Vec<_> = list.duplicates().map(Result::unwrap).collect();
    assert_eq!((left_out, duplicates), (memory.left_out, memory.duplicates));
    // By hand, of 9 000 rows: 90 bad ones.
    assert_eq!(list.left_out().filter(|row| row.as_ref().unwrap().is_defect()).count(), 90);
}

#[test]
fn contacts_are_taken_out_by_expression_by_key_and_by_what_the_release_uses() {
    let mut list = on_disk(
        "email,outlet,lang\nzoe@example.org,Matin,fr\nbob@example.org,\"Ma\ntin\",fr\nEve@example.org,Soir,en\nana@example.org,Soir,fr\n",
    );
    let other = on_disk("email,status\nANA@example.org,unsubscribed\nnobody@example.org,\nbad,\n");
    let selection = Expression::parse("lang = fr").unwrap().bind(list.columns()).unwrap();

    assert_eq!(list.select(&selection).unwrap(), 1);
    let mut gone = 0;
    for key in other.keys() {
        gone += usize::from(list.exclude(&key.unwrap()).unwrap());
    }
    let mut seen = Vec::new();
    let unusable = list.leave_out_unusable(&["outlet"], |contact| seen.push(contact.address.to_string()));

    assert_eq!((gone, unusable.unwrap()), (1, 1));
    assert_eq!(seen, ["zoe@example.org"]);
    assert_eq!(list.kept().collect::<Vec<_>>(), [0]);
    let left_out: Vec<_> = list.left_out().map(Result::unwrap).collect();
    assert_eq!((left_out.len(), left_out[0].place.row, left_out[0].problems[0].line), (1, 3, Some(3)));
}

/// A disk that is full after some pieces.
struct Full(std::fs::File, usize);

impl Read for Full {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(out)
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

impl Write for Full {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        self.1 -= 1;
        self.0.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn a_full_disk_is_an_error_and_never_a_shorter_list() {
    let text = text(9_000);
    let sources = vec![Source::new("a.csv", text.as_bytes())];

    let full = Full(tempfile::tempfile().unwrap(), 3);
    let errors = ContactList::read(sources, &ReadOptions::default(), full).err().unwrap();

    assert_eq!(errors.len(), 1);
    assert!(matches!(errors[0].error, ListError::Scratch(_)), "{:?}", errors[0]);
}
