//! A proposed zone over live DNS: what the file speaks about comes from the file, all else from below.

use async_trait::async_trait;

use super::zone::Zone;
use super::{Answer, Dns, MAX_ALIASES, RecordType, Status};

/// A zone file over another source of answers.
#[derive(Debug)]
pub struct Layered<D> {
    zone: Zone,
    below: D,
}

impl<D: Dns> Layered<D> {
    /// The zone's answers first; `below` for every name that it does not speak about.
    pub fn new(zone: Zone, below: D) -> Self {
        Self { zone, below }
    }
}

#[async_trait]
impl<D: Dns> Dns for Layered<D> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let first = self.zone.lookup(name, kind).await;
        if first.status != Status::NotAsked {
            return first;
        }
        let at = first.final_alias().unwrap_or(name).to_owned();
        let mut second = self.below.lookup(&at, kind).await;
        let mut aliases = first.aliases;
        aliases.append(&mut second.aliases);
        if aliases.len() > MAX_ALIASES {
            return Answer { aliases, ..Answer::without_records(Status::AliasLoop) };
        }
        Answer { aliases, ..second }
    }
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
}
