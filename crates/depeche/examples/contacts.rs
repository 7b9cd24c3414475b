//! Contacts from any stream: rows that another thread is still fetching, and rows that never were CSV.
//!
//! `cargo run -p depeche --example contacts`

// An example shows what it does.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};

use depeche::address::EmailAddress;
use depeche::clock::{Clock, SystemClock, SystemEntropy};
use depeche::contact::{Contact, ContactReader, Expression, ReadOptions, Source, Verdict, load};
use depeche::journal::{Journal, NewDelivery, NewRun, RunId};
use depeche::release::{Assets, Identity, Release, new_message_id};
use depeche::sqlite::SqliteJournal;

const ROWS: usize = 20_000;
const RELEASE: &str = "---\ntitle: Une annonce\nlang: fr\n---\nBonjour {{ contact.first_name }},\n\nVoici.\n";

/// Bytes as they come: a database cursor, an HTTP body, a pipe. Nothing is held but one block.
struct Stream {
    blocks: Receiver<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() {
            // The other side is gone: the end of the stream.
            self.block = self.blocks.recv().unwrap_or_default();
            self.at = 0;
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// A list that another thread fetches, a block of rows at a time, at most four blocks ahead.
fn fetched() -> Stream {
    let (blocks, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut block = b"email;Pr\xc3\xa9nom;lang\n".to_vec();
        for number in 0..ROWS {
            // Two rows are wrong, one of them stands twice.
            let row = match number {
                7 => "ana.silva;Ana;fr\n".to_owned(),
                9 => "j8@journal.example;Zo\u{e9};fr\n".to_owned(),
                _ => format!("j{number}@journal.example;Zo\u{e9};{}\n", ["fr", "en"][number % 2]),
            };
            block.extend_from_slice(row.as_bytes());
            if block.len() > 8_192 && blocks.send(std::mem::take(&mut block)).is_err() {
                return;
            }
        }
        let _ = blocks.send(block);
    });
    Stream { blocks: receiver, block: Vec::new(), at: 0 }
}

/// The whole example.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    // Row by row, without keeping any.
    let (mut good, mut bad) = (0, Vec::new());
    for row in ContactReader::open(fetched(), &ReadOptions::default())? {
        match row?.verdict {
            Verdict::Contact(_) => good += 1,
            Verdict::Bad(problems) => bad.extend(problems),
            _ => {}
        }
    }
    println!("{good} rows are good; {} is not: {}", bad.len(), bad[0]);

    // As one list: duplicates folded, a selection on its columns.
    let mut list = load(vec![Source::new("the press database", fetched())], &ReadOptions::default())
        .map_err(|mut errors| errors.remove(0))?;
    let chosen =
        Expression::parse("lang = fr")?.bind(list.columns()).map_err(|mut errors| errors.remove(0))?;
    let not_chosen = list.select(&chosen);
    println!(
        "{} contacts chosen, {not_chosen} not, {} left out, {} twice",
        list.contacts.len(),
        list.left_out.len(),
        list.duplicates.len()
    );

    // Rows that never were CSV: an address is parsed, and a field is a text under its name.
    let fields = BTreeMap::from([("first_name".to_owned(), "Lou".to_owned())]);
    let address = EmailAddress::parse("lou@exemple.fr")?;
    let by_hand =
        Contact { row: 0, address, tier: 1, embargo_trusted: true, fields: fields.into_iter().collect() };

    let (identity, now) = (Identity::example(), jiff::ZonedDateTime::now());
    let release = Release::parse(RELEASE).map_err(|mut problems| problems.remove(0))?;
    let frozen =
        release.freeze(&identity, &Assets::empty(), &now).map_err(|mut problems| problems.remove(0))?;
    let everybody: Vec<&Contact> = [&by_hand].into_iter().chain(&list.contacts).collect();
    let deliveries: Vec<NewDelivery> = everybody
        .iter()
        .zip(0..)
        .map(|(contact, place)| {
            NewDelivery::to(contact, place, new_message_id(&SystemEntropy, identity.from.address.domain()))
        })
        .collect();
    let journal = SqliteJournal::in_memory().await?;
    let run = RunId::new("20261203-annonce")?;
    let new_run = NewRun::real(run.clone(), &frozen, deliveries.len() as u64, SystemClock.now())?;
    journal.freeze(new_run, deliveries).await?;

    let totals = journal.totals(&run).await?;
    println!("{} are frozen, the first is {}", totals.recipients, by_hand.address);
    assert_eq!((good, bad.len(), list.left_out.len(), list.duplicates.len()), (ROWS - 1, 1, 1, 1));
    // Even numbers are French; row 7 and the double of row 8 are not among them, Lou is.
    assert_eq!(totals.recipients, ROWS as u64 / 2 + 1);
    Ok(())
}
