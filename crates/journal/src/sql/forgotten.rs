//! People who are to be forgotten, and are never to be mailed again all the same.
//!
//! Their address is replaced by a pseudonym ([`depeche_core::journal::pseudonym`]), under a random key that the
//! journal made for itself. The pseudonym stands on the suppression list, and every address that is asked about is asked about under its pseudonym too. The
//! same person has the same pseudonym, so that the index over (release, recipient) holds on.
//!
//! # Not covered
//!
//! Whoever has the journal has its key, and can try addresses out: this is a pseudonym in the sense of the
//! GDPR (article 4, 5), not anonymity. Files outside the journal are the user's.

use std::collections::{BTreeMap, BTreeSet};

use depeche_core::address::RecipientKey;
use depeche_core::event::ProviderEvent;
pub(crate) use depeche_core::journal::pseudonym::is_pseudonym;
use depeche_core::journal::{AuditEntry, Forgotten, JournalError, RunId, pseudonym};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::rows::{column, micros, run_id};
use super::{Connection, Row, events, keeping, nobody_freezes, numbered, read_failed, write_failed};

/// Where the key stands in `state`.
const NAME: &str = "forgotten";
/// So many are asked for at once; SQLite takes 32 766 values.
const KEYS: usize = 500;

/// Makes pseudonyms, once somebody was forgotten.
pub(crate) struct Pseudonyms(Option<pseudonym::Pseudonyms>);

impl Pseudonyms {
    pub(crate) async fn load(c: &mut Connection) -> Result<Self, JournalError> {
        Ok(Self(stored(c).await?.map(|key| pseudonym::Pseudonyms::new(&key))))
    }

    /// The pseudonym of a recipient; `None` as long as nobody was forgotten, and of a pseudonym itself.
    pub(crate) fn of(&self, key: &str) -> Option<String> {
        self.0.as_ref()?.of(key)
    }

    /// Those of `keys` who are forgotten, by their pseudonyms.
    pub(crate) async fn among(
        &self,
        c: &mut Connection,
        keys: &[RecipientKey],
    ) -> Result<BTreeMap<String, RecipientKey>, JournalError> {
        let mut found = BTreeMap::new();
        let hashed: Vec<(String, &RecipientKey)> =
            keys.iter().filter_map(|key| Some((self.of(key.as_str())?, key))).collect();
        for part in hashed.chunks(KEYS) {
            let places = vec!["?"; part.len()].join(", ");
            let text = format!("SELECT recipient_key FROM suppression WHERE recipient_key IN ({places})");
            // Only places are put into the text.
            let mut query = sqlx::query_as::<_, (String,)>(AssertSqlSafe(numbered(text)));
            for (pseudonym, _) in part {
                query = query.bind(pseudonym);
            }
            let rows = query.fetch_all(&mut *c).await.map_err(|error| read_failed(&error))?;
            let listed: BTreeSet<String> = rows.into_iter().map(|(key,)| key).collect();
            let ours = part.iter().filter(|(pseudonym, _)| listed.contains(pseudonym));
            found.extend(ours.map(|(pseudonym, key)| (pseudonym.clone(), (*key).clone())));
        }
        Ok(found)
    }

    /// `keys` in their order, those who are forgotten by their pseudonyms.
    pub(crate) async fn replaced(
        &self,
        c: &mut Connection,
        keys: Vec<RecipientKey>,
    ) -> Result<Vec<RecipientKey>, JournalError> {
        let forgotten = self.among(c, &keys).await?;
        if forgotten.is_empty() {
            return Ok(keys);
        }
        let name = |key: RecipientKey| match self.of(key.as_str()).filter(|one| forgotten.contains_key(one)) {
            Some(pseudonym) => RecipientKey::from_stored(pseudonym),
            None => key,
        };
        Ok(keys.into_iter().map(name).collect())
    }

    /// An event about somebody forgotten, without the address and without words that may hold it.
    pub(crate) async fn scrub(
        &self,
        c: &mut Connection,
        event: &ProviderEvent,
        owner: Option<&RecipientKey>,
    ) -> Result<Option<ProviderEvent>, JournalError> {
        if self.0.is_none() {
            return Ok(None);
        }
        let known = owner.map(|key| key.as_str().to_owned()).filter(|key| is_pseudonym(key));
        let pseudonym = match (known, key_of(&event.recipient)) {
            (Some(known), _) => Some(known),
            (None, Some(key)) => self.among(c, &[key]).await?.into_keys().next(),
            (None, None) => None,
        };
        let scrubbed = |recipient| ProviderEvent { recipient, reason: None, ..event.clone() };
        Ok(pseudonym.map(scrubbed))
    }
}

async fn stored(c: &mut Connection) -> Result<Option<Vec<u8>>, JournalError> {
    let found: Option<(Vec<u8>,)> = sqlx::query_as("SELECT value FROM state WHERE name = $1")
        .bind(NAME)
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?;
    Ok(found.map(|(key,)| key))
}

/// The key of the pseudonyms, once there is one.
pub(crate) async fn key(c: &mut Connection) -> Result<Option<[u8; 32]>, JournalError> {
    let unreadable = |_| JournalError::Corrupt("the key of those who were forgotten".to_owned());
    stored(c).await?.map(|key| key.try_into().map_err(unreadable)).transpose()
}

/// Makes `key` that of the pseudonyms, if there is none.
pub(crate) async fn adopt(c: &mut Connection, key: &[u8]) -> Result<(), JournalError> {
    nobody_freezes(&mut *c).await?;
    sqlx::query("INSERT INTO state (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(NAME)
        .bind(key)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}

fn key_of(address: &str) -> Option<RecipientKey> {
    depeche_core::address::EmailAddress::parse(address).ok().map(|address| address.key())
}

/// Runs in which the person is pending or on the wire.
pub(crate) async fn open_runs(c: &mut Connection, key: &RecipientKey) -> Result<Vec<RunId>, JournalError> {
    let found = sqlx::query(
        "SELECT DISTINCT run FROM delivery WHERE recipient_key = $1 AND state IN ('pending', 'intent')",
    )
    .bind(key.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    found.iter().map(|row| run_id(column(row, "run")?)).collect()
}

/// Replaces the person by a pseudonym wherever the journal names them. `fresh` becomes the journal's key if
/// it has none.
pub(crate) async fn forget(
    c: &mut Connection,
    key: &RecipientKey,
    fresh: &[u8],
    at: Timestamp,
) -> Result<Forgotten, JournalError> {
    // Asks that no list is being frozen, too.
    adopt(&mut *c, fresh).await?;
    let pseudonyms = Pseudonyms::load(c).await?;
    let pseudonym = pseudonyms.of(key.as_str()).unwrap_or_else(|| key.as_str().to_owned());
    let spellings = spellings(c, key).await?;
    let events = forget_events(c, key, &pseudonym).await?;
    let deliveries = forget_deliveries(c, key, &pseudonym, at).await?;
    for text in TEXTS {
        for spelling in &spellings {
            forget_words(c, text, spelling, &pseudonym).await?;
        }
    }
    forget_entry(c, key, &pseudonym, at).await?;
    let detail = pseudonym.clone();
    keeping::audit(c, &AuditEntry { at, run: None, action: "suppress forget".to_owned(), detail }).await?;
    Ok(Forgotten { pseudonym: RecipientKey::from_stored(pseudonym), deliveries, events, swept: false })
}

/// Words that may name anybody: table, column, and what names a row.
const TEXTS: [(&str, &str, &str); 5] = [
    ("audit", "detail", "id"),
    ("run", "left_out", "id"),
    ("run", "note", "id"),
    ("breaker", "reason", "provider"),
    ("suppression", "reason", "recipient_key"),
];

/// How the person's address is written anywhere.
async fn spellings(c: &mut Connection, key: &RecipientKey) -> Result<Vec<String>, JournalError> {
    let found: Vec<(String,)> =
        sqlx::query_as("SELECT DISTINCT address FROM delivery WHERE recipient_key = $1")
            .bind(key.as_str())
            .fetch_all(c)
            .await
            .map_err(|error| read_failed(&error))?;
    let mut spellings: Vec<String> =
        found.into_iter().map(|(address,)| address.to_ascii_lowercase()).collect();
    spellings.push(key.as_str().to_ascii_lowercase());
    spellings.sort();
    spellings.dedup();
    Ok(spellings)
}

async fn forget_deliveries(
    c: &mut Connection,
    key: &RecipientKey,
    pseudonym: &str,
    at: Timestamp,
) -> Result<u64, JournalError> {
    sqlx::query(
        "UPDATE attempt SET reply = NULL WHERE delivery IN (SELECT id FROM delivery WHERE recipient_key = $1)",
    )
    .bind(key.as_str())
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    let changed = sqlx::query(
        "UPDATE delivery SET recipient_key = $2, address = $2, fields = '{}', reply = NULL, fence = fence + 1,
         at = CASE WHEN state = 'pending' THEN $3 ELSE at END,
         state = CASE WHEN state = 'pending' THEN 'suppressed' ELSE state END WHERE recipient_key = $1",
    )
    .bind(key.as_str())
    .bind(pseudonym)
    .bind(micros(at))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(changed.rows_affected())
}

/// Events of their deliveries, and events of no delivery that name them.
async fn forget_events(c: &mut Connection, key: &RecipientKey, pseudonym: &str) -> Result<u64, JournalError> {
    let found = sqlx::query(
        "SELECT * FROM event WHERE delivery IN (SELECT id FROM delivery WHERE recipient_key = $1)
         OR delivery IS NULL",
    )
    .bind(key.as_str())
    .fetch_all(&mut *c)
    .await
    .map_err(|error| read_failed(&error))?;
    let mut changed = 0;
    for row in &found {
        if column::<Option<i64>>(row, "delivery")?.is_none()
            && key_of(column(row, "recipient")?).as_ref() != Some(key)
        {
            continue;
        }
        changed += forget_event(c, row, pseudonym).await?;
    }
    Ok(changed)
}

/// What makes two tellings one is made anew, so that a repetition is known still.
async fn forget_event(c: &mut Connection, row: &Row, pseudonym: &str) -> Result<u64, JournalError> {
    let (source, event) = events::told(row)?;
    let event = ProviderEvent { recipient: pseudonym.to_owned(), reason: None, ..event };
    let (id, identity): (i64, _) = (column(row, "id")?, event.identity(&source));
    // The same thing told under two spellings of the address is one event now.
    sqlx::query("DELETE FROM event WHERE identity = $1 AND id <> $2")
        .bind(identity.as_slice())
        .bind(id)
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    let done = sqlx::query("UPDATE event SET identity = $2, recipient = $3, reason = NULL WHERE id = $1")
        .bind(id)
        .bind(identity.as_slice())
        .bind(&event.recipient)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(done.rows_affected())
}

async fn forget_words(
    c: &mut Connection,
    (table, text, name): (&str, &str, &str),
    address: &str,
    pseudonym: &str,
) -> Result<(), JournalError> {
    // Table and columns are fixed names of this file.
    let question = format!(
        "SELECT CAST({name} AS TEXT) AS name, {text} AS words FROM {table} WHERE LOWER({text}) LIKE $1"
    );
    // What LIKE reads as a wildcard finds too much at the most; `without` looks again.
    let found = sqlx::query(AssertSqlSafe(question)).bind(format!("%{address}%")).fetch_all(&mut *c).await;
    for row in &found.map_err(|error| read_failed(&error))? {
        let words: String = column(row, "words")?;
        let Some(changed) = without(&words, address, pseudonym) else { continue };
        let change = format!("UPDATE {table} SET {text} = $2 WHERE CAST({name} AS TEXT) = $1");
        sqlx::query(AssertSqlSafe(change))
            .bind(column::<String>(row, "name")?)
            .bind(changed)
            .execute(&mut *c)
            .await
            .map_err(|error| write_failed(&error))?;
    }
    Ok(())
}

/// `words` with `pseudonym` in place of the address, in whatever case, where it is not part of a longer
/// one; `None` when it is not there.
fn without(words: &str, address: &str, pseudonym: &str) -> Option<String> {
    // ASCII only: the positions stay those of the original.
    let lower = words.to_ascii_lowercase();
    let address = address.to_ascii_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || "._%+-@".contains(c);
    let (mut changed, mut from, mut copied) = (String::new(), 0, 0);
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find(&address)).map(|at| at + from) {
        let end = at + address.len();
        let before = lower.get(..at).and_then(|text| text.chars().next_back());
        let mut after = lower.get(end..).unwrap_or_default().chars();
        // A full stop ends a sentence or goes on with the domain.
        let goes_on = match (after.next(), after.next()) {
            (Some('.'), next) => next.is_some_and(char::is_alphanumeric),
            (Some(next), _) => is_part(next),
            (None, _) => false,
        };
        if !before.is_some_and(is_part) && !goes_on {
            changed.push_str(words.get(copied..at).unwrap_or_default());
            changed.push_str(pseudonym);
            copied = end;
        }
        from = end;
    }
    (copied > 0).then(|| changed + words.get(copied..).unwrap_or_default())
}

async fn forget_entry(
    c: &mut Connection,
    key: &RecipientKey,
    pseudonym: &str,
    at: Timestamp,
) -> Result<(), JournalError> {
    sqlx::query("DELETE FROM suppression WHERE recipient_key = $1")
        .bind(key.as_str())
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    sqlx::query(
        "INSERT INTO suppression (recipient_key, reason, source, quarantined, at)
         VALUES ($1, 'forgotten', 'manual', 0, $2) ON CONFLICT (recipient_key) DO NOTHING",
    )
    .bind(pseudonym)
    .bind(micros(at))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn an_address_is_taken_out_of_words_but_not_out_of_another_address() {
        let table = [
            ("ann@x.example: asked", Some("P: asked")),
            ("Ann@X.example, ann@x.example.", Some("P, P.")),
            ("550 <ann@x.example> no", Some("550 <P> no")),
            ("é ANN@x.example é", Some("é P é")),
            ("joann@x.example", None),
            ("ann@x.example.org", None),
            ("ann@x.examples", None),
            ("j.ann@x.example and ann@x.example", Some("j.ann@x.example and P")),
            ("nobody", None),
        ];
        for (words, expected) in table {
            assert_eq!(without(words, "ann@x.example", "P").as_deref(), expected, "{words}");
        }
    }
}
