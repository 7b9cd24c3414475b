//! A proposed change over live DNS: what the file speaks about comes from the file, all else from below.
//!
//! A file with a SOA is a zone, and speaks for every name below it. Lines to paste
//! ([`Zone::into_fragment`]) speak for their own record sets; of the TXT records at an ordinary name they
//! replace those of the same version (`v=spf1`) alone, because the texts of others (a provider's code, a
//! proof of ownership) stand in the same set and stay when a line is pasted. Aliases lead from the one into
//! the other as often as the records say.

use async_trait::async_trait;

use super::zone::Zone;
use super::{Answer, Data, Dns, MAX_ALIASES, Record, RecordType, Status};

/// A zone file over another source of answers.
#[derive(Debug)]
pub struct Layered<D> {
    zone: Zone,
    below: D,
}

impl<D: Dns> Layered<D> {
    /// The zone's answers first; `below` for all that it does not speak about.
    pub fn new(zone: Zone, below: D) -> Self {
        Self { zone, below }
    }

    /// What the file says at the end of its aliases, beside the texts that stay.
    async fn with_texts_that_stay(&self, at: &str, kind: RecordType, first: Answer) -> Answer {
        let is_shared = kind == RecordType::Txt && first.status == Status::Found && is_for_many(at);
        if !is_shared || !self.zone.is_set_alone(at) {
            return first;
        }
        let live = self.below.lookup(at, kind).await;
        if live.status.is_temporary() {
            return Answer { aliases: first.aliases, ..live };
        }
        // An alias has to go before a text can stand in its place.
        let stay = if live.aliases.is_empty() { live.records } else { Vec::new() };
        let mut records = first.records;
        let is_replaced = |old: &Record| {
            let same = |new: &Record| {
                new.data == old.data || (version(new).is_some() && version(new) == version(old))
            };
            records.iter().any(same)
        };
        let stay: Vec<_> = stay.into_iter().filter(|old| !is_replaced(old)).collect();
        records.extend(stay);
        Answer { records, ..first }
    }
}

#[async_trait]
impl<D: Dns> Dns for Layered<D> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let mut at = name.to_owned();
        let mut aliases = Vec::new();
        while aliases.len() <= MAX_ALIASES {
            let mut first = self.zone.lookup(&at, kind).await;
            if let Some(target) = first.final_alias() {
                at = target.to_owned();
            }
            aliases.append(&mut first.aliases);
            if first.status != Status::NotAsked {
                let answer = self.with_texts_that_stay(&at, kind, first).await;
                return Answer { aliases, ..answer };
            }
            let mut second = self.below.lookup(&at, kind).await;
            let back = second.aliases.iter().position(|alias| self.zone.answers(&alias.target, kind));
            let Some(place) = back else {
                aliases.append(&mut second.aliases);
                return bounded(Answer { aliases, ..second });
            };
            second.aliases.truncate(place + 1);
            if let Some(target) = second.final_alias() {
                at = target.to_owned();
            }
            aliases.append(&mut second.aliases);
        }
        Answer { aliases, ..Answer::without_records(Status::AliasLoop) }
    }
}

fn bounded(answer: Answer) -> Answer {
    if answer.aliases.len() <= MAX_ALIASES {
        return answer;
    }
    Answer { aliases: answer.aliases, ..Answer::without_records(Status::AliasLoop) }
}

/// Whether texts of several owners stand at a name: below a label such as `_dmarc` or `_domainkey` all texts
/// have one purpose (RFC 8552, section 1.1).
fn is_for_many(name: &str) -> bool {
    !name.split('.').any(|label| label.starts_with('_'))
}

/// The version that a text begins with, in lower case: `v=spf1`.
fn version(record: &Record) -> Option<String> {
    let Data::Txt(strings) = &record.data else { return None };
    let text = strings.concat();
    let word = text.split(|octet| matches!(octet, b' ' | b';' | b'\t')).next().unwrap_or_default();
    let word = String::from_utf8_lossy(word).to_ascii_lowercase();
    word.starts_with("v=").then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alias_of_the_proposed_zone_is_followed_into_live_dns() {
        let proposed = Zone::parse("k2._domainkey CNAME dkim2.mcsv.net.\n", "exemple.fr").unwrap();
        let live = Zone::parse("dkim2 TXT \"v=DKIM1; p=AAAA\"\n", "mcsv.net").unwrap();

        let answer = Layered::new(proposed, live).lookup("k2._domainkey.exemple.fr", RecordType::Txt).await;

        assert_eq!(answer.status, Status::Found);
        assert_eq!(answer.final_alias(), Some("dkim2.mcsv.net"));
    }

    const LIVE: &str = "@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n@ MX 1 mx\nmx A 192.0.2.1\n@ TXT \"v=spf1 mx -all\"\n\
        @ TXT \"brevo-code:1234\"\n@ TXT \"google-site-verification=abc\"\n\
        _dmarc TXT \"v=DMARC1; p=none\"\n_dmarc TXT \"a leftover\"\n\
        key CNAME end\nend TXT \"old\"\nold CNAME other.example.net.\n";

    fn over(fragment: &str) -> Layered<Zone> {
        let proposed = Zone::parse(fragment, "exemple.fr").unwrap().into_fragment();
        Layered::new(proposed, Zone::parse(LIVE, "exemple.fr").unwrap())
    }

    async fn texts(dns: &Layered<Zone>, name: &str) -> Vec<String> {
        let found = dns.lookup(name, RecordType::Txt).await.joined_texts();
        found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    /// RFC 1035, section 3.2.1: a record is of a name *and* a type; a line to paste adds or replaces one.
    #[tokio::test]
    async fn lines_to_paste_leave_all_that_they_do_not_speak_of_as_it_is() {
        let dns = over("@ TXT \"v=spf1 a ~all\"\n_dmarc TXT \"v=DMARC1; p=reject\"\nnew TXT \"x\"\n");

        let expected = ["v=spf1 a ~all", "brevo-code:1234", "google-site-verification=abc"];
        assert_eq!(texts(&dns, "exemple.fr").await, expected);
        assert_eq!(texts(&dns, "_dmarc.exemple.fr").await, ["v=DMARC1; p=reject"]);
        assert_eq!(texts(&dns, "new.exemple.fr").await, ["x"]);
        for (name, kind) in [("exemple.fr", RecordType::Mx), ("mx.exemple.fr", RecordType::A)] {
            assert_eq!(dns.lookup(name, kind).await.status, Status::Found, "{name}");
        }
        assert_eq!(dns.lookup("exemple.fr", RecordType::Aaaa).await.status, Status::NoData);
        assert_eq!(dns.lookup("gone.exemple.fr", RecordType::A).await.status, Status::NxDomain);
        assert_eq!(dns.lookup("new.exemple.fr", RecordType::A).await.status, Status::NxDomain);
    }

    #[tokio::test]
    async fn a_file_with_a_soa_is_the_whole_zone() {
        let dns = over("@ SOA ns1 h 1 1 1 1 1\n@ TXT \"v=spf1 a ~all\"\n");

        assert_eq!(texts(&dns, "exemple.fr").await, ["v=spf1 a ~all"]);
        assert_eq!(dns.lookup("exemple.fr", RecordType::Mx).await.status, Status::NoData);
        assert_eq!(dns.lookup("_dmarc.exemple.fr", RecordType::Txt).await.status, Status::NxDomain);
    }

    #[tokio::test]
    async fn a_live_alias_that_leads_into_the_proposed_lines_ends_there() {
        let dns = over("end TXT \"new\"\n");
        assert_eq!(texts(&dns, "key.exemple.fr").await, ["new", "old"]);

        let dns = over("end._domainkey TXT \"new\"\nsel._domainkey CNAME key\n");
        assert_eq!(texts(&dns, "sel._domainkey.exemple.fr").await, ["old"]);

        let dns = over("end CNAME key\n");
        let answer = dns.lookup("key.exemple.fr", RecordType::Txt).await;
        assert_eq!(answer.status, Status::AliasLoop);

        // An alias that stands there now goes when a text is pasted.
        assert_eq!(texts(&over("old TXT \"mine\"\n"), "old.exemple.fr").await, ["mine"]);
    }
}
