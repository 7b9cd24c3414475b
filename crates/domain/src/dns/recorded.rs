//! Answers kept in a file: what one check asked and heard, to be looked at or checked again offline.
//!
//! The file is JSON. A question that it does not hold is [`Status::NotAsked`], never "no such name".

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Alias, Answer, Data, Dns, Record, RecordType, Status};
use crate::name;

/// Answers that were recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    answers: BTreeMap<(String, RecordType), Answer>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// Not the JSON of a recording.
    #[error("not a recording of DNS answers: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("a recording of version {version}; this version reads 1")]
    Version {
        /// The version that the file names.
        version: u32,
    },
}

impl Recorded {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// [`RecordedError`] when it is not the JSON of a recording of version 1.
    pub fn from_json(text: &str) -> Result<Self, RecordedError> {
        let file: File = serde_json::from_str(text)?;
        if file.version != 1 {
            return Err(RecordedError::Version { version: file.version });
        }
        let mut answers = BTreeMap::new();
        for kept in file.answers {
            answers.insert((name::normal(&kept.name), kept.kind), kept.into_answer());
        }
        Ok(Self { answers })
    }

    /// Adds an answer by hand, replacing an older one to the same question.
    pub fn insert(&mut self, name: &str, kind: RecordType, answer: Answer) {
        self.answers.insert((name::normal(name), kind), answer);
    }
}

#[async_trait]
impl Dns for Recorded {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let kept = self.answers.get(&(name::normal(name), kind)).cloned();
        kept.unwrap_or_else(|| Answer::without_records(Status::NotAsked))
    }
}

/// Asks another source and keeps every answer.
#[derive(Debug)]
pub struct Recorder<D> {
    below: D,
    kept: Mutex<Recorded>,
}

impl<D: Dns> Recorder<D> {
    /// Keeps what `below` answers.
    pub fn new(below: D) -> Self {
        Self { below, kept: Mutex::default() }
    }

    /// The recording so far, as JSON, in the order of the names.
    #[must_use]
    pub fn to_json(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = kept.answers.iter().map(|((name, kind), answer)| Kept::of(name, *kind, answer));
        let file = File { version: 1, answers: answers.collect() };
        serde_json::to_string_pretty(&file).expect("plain strings and numbers always serialise")
    }
}

#[async_trait]
impl<D: Dns> Dns for Recorder<D> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let answer = self.below.lookup(name, kind).await;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name, kind, answer.clone());
        answer
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    answers: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    #[serde(rename = "type")]
    kind: RecordType,
    status: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Alias>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<KeptRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    authenticated: bool,
}

#[derive(Serialize, Deserialize)]
struct KeptRecord {
    ttl: u32,
    #[serde(flatten)]
    data: KeptData,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeptData {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(String),
    Mx(u16, String),
    Ns(String),
    Ptr(String),
    Soa(String, u32),
    Txt(Vec<KeptString>),
    Other(()),
}

/// A string of a TXT record: text where it is UTF-8, octets otherwise.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeptString {
    Text(String),
    Octets(Vec<u8>),
}

impl Kept {
    fn of(name: &str, kind: RecordType, answer: &Answer) -> Self {
        let records = answer.records.iter().map(KeptRecord::of).collect();
        Self {
            name: name.to_owned(),
            kind,
            status: answer.status,
            aliases: answer.aliases.clone(),
            records,
            authenticated: answer.authenticated,
        }
    }

    fn into_answer(self) -> Answer {
        let records = self.records.into_iter().map(KeptRecord::into_record).collect();
        Answer { status: self.status, records, aliases: self.aliases, authenticated: self.authenticated }
    }
}

impl KeptRecord {
    fn of(record: &Record) -> Self {
        let data = match record.data.clone() {
            Data::A(ip) => KeptData::A(ip),
            Data::Aaaa(ip) => KeptData::Aaaa(ip),
            Data::Cname(name) => KeptData::Cname(name),
            Data::Mx { preference, exchange } => KeptData::Mx(preference, exchange),
            Data::Ns(name) => KeptData::Ns(name),
            Data::Ptr(name) => KeptData::Ptr(name),
            Data::Soa { primary, minimum } => KeptData::Soa(primary, minimum),
            Data::Txt(strings) => KeptData::Txt(strings.into_iter().map(KeptString::of).collect()),
            Data::Other => KeptData::Other(()),
        };
        Self { ttl: record.ttl, data }
    }

    fn into_record(self) -> Record {
        let data = match self.data {
            KeptData::A(ip) => Data::A(ip),
            KeptData::Aaaa(ip) => Data::Aaaa(ip),
            KeptData::Cname(name) => Data::Cname(name),
            KeptData::Mx(preference, exchange) => Data::Mx { preference, exchange },
            KeptData::Ns(name) => Data::Ns(name),
            KeptData::Ptr(name) => Data::Ptr(name),
            KeptData::Soa(primary, minimum) => Data::Soa { primary, minimum },
            KeptData::Txt(strings) => Data::Txt(strings.into_iter().map(KeptString::octets).collect()),
            KeptData::Other(()) => Data::Other,
        };
        Record { data, ttl: self.ttl }
    }
}

impl KeptString {
    fn of(octets: Vec<u8>) -> Self {
        String::from_utf8(octets).map_or_else(|error| Self::Octets(error.into_bytes()), Self::Text)
    }

    fn octets(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Octets(octets) => octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    #[tokio::test]
    async fn what_was_recorded_is_heard_again() {
        let zone =
            Zone::parse("@ TXT \"a\\233b\" c\n@ MX 10 mx\nw CNAME @\n@ SOA @ @ 1 2 3 4 5\n", "example.org");
        let recorder = Recorder::new(zone.unwrap());
        let asked = [
            ("example.org", RecordType::Txt),
            ("w.example.org", RecordType::Mx),
            ("example.org", RecordType::Soa),
            ("none.example.org", RecordType::A),
        ];
        for (name, kind) in asked {
            recorder.lookup(name, kind).await;
        }

        let replay = Recorded::from_json(&recorder.to_json()).unwrap();

        for (name, kind) in asked {
            assert_eq!(replay.lookup(name, kind).await, recorder.lookup(name, kind).await, "{name} {kind}");
        }
        assert_eq!(replay.lookup("example.org", RecordType::Ns).await.status, Status::NotAsked);
    }
}
