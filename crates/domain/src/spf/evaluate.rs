//! `check_host()` (RFC 7208, section 4): one evaluation, with its limits, its ledger, its explanation.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use tokio::time::timeout;

use super::ledger::{Ledger, LedgerEntry, Outcome, Query};
use super::macros::{DomainSpec, Place, Values};
use super::record::{Directive, DualCidr, Mechanism, Qualifier, Record, Term, TermKind};
use super::verdict::{Problem, Request, SpfResult, Verdict};
use super::{MAX_LOOKUPS, MAX_NAMES, MAX_TIME, MAX_VOID_LOOKUPS, is_spf, parse};
use crate::dns::{Answer, Dns, RecordType, Status, reverse_name};
use crate::name;
use crate::span::Span;
use crate::text::{Text, both};

/// Evaluates the SPF record of the sender's domain. Ends within 20 s.
pub async fn check_host(dns: &dyn Dns, request: &Request) -> Verdict {
    let mut evaluation = Evaluation {
        dns,
        request,
        lookups: 0,
        voids: 0,
        ledger: Ledger::default(),
        explain: None,
        matched: None,
        problem: None,
    };
    let result = if is_checkable(&request.domain) {
        match timeout(MAX_TIME, evaluation.check(request.domain.clone(), true)).await {
            Ok(result) => result,
            Err(_) => evaluation.too_slow(),
        }
    } else {
        SpfResult::None
    };
    let explanation = match (result, evaluation.explain.take()) {
        (SpfResult::Fail, Some((domain, spec))) => evaluation.explanation(&domain, &spec).await,
        _ => None,
    };
    Verdict {
        result,
        explanation,
        lookups: evaluation.lookups,
        void_lookups: evaluation.voids,
        domain: request.domain.clone(),
        matched: evaluation.matched,
        problem: evaluation.problem,
        ledger: evaluation.ledger.into_tree(),
    }
}

struct Evaluation<'a> {
    dns: &'a dyn Dns,
    request: &'a Request,
    lookups: u32,
    voids: u32,
    ledger: Ledger,
    /// Where the explanation of a fail is: the record's domain and its `exp=`.
    explain: Option<(String, DomainSpec)>,
    matched: Option<String>,
    problem: Option<Problem>,
}

/// The end of an evaluation before its last term.
#[derive(Clone, Copy)]
enum Stop {
    Temp,
    Perm,
}

type Matched = Result<bool, Stop>;
type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

impl<'a> Evaluation<'a> {
    /// `check_host()` for one domain. `own`: not below an `include`, so that `exp=` counts.
    fn check<'f>(&'f mut self, domain: String, own: bool) -> Boxed<'f, SpfResult>
    where
        'a: 'f,
    {
        Box::pin(async move {
            let line = self.open(&domain, None, false);
            let record = match self.fetch(line, &domain).await {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.ledger.close(line, Outcome::NoMatch);
                    return SpfResult::None;
                }
                Err(stop) => return self.stop(line, stop),
            };
            self.ledger.at(line).outcome = Outcome::Record;
            let result = match self.terms(&domain, &record, own).await {
                Ok(result) => result,
                Err(stop) => return self.stop(line, stop),
            };
            self.ledger.close(line, Outcome::Record);
            result
        })
    }

    fn stop(&mut self, line: usize, stop: Stop) -> SpfResult {
        let (outcome, result) = match stop {
            Stop::Temp => (Outcome::TempError, SpfResult::Temperror),
            Stop::Perm => (Outcome::PermError, SpfResult::Permerror),
        };
        self.ledger.close(line, outcome);
        result
    }

    /// The domain's one SPF record (RFC 7208, sections 4.4 and 4.5).
    async fn fetch(&mut self, line: usize, domain: &str) -> Result<Option<Record>, Stop> {
        let answer = self.ask(line, domain, RecordType::Txt).await;
        if answer.status.is_unknown() {
            let (words, mots) = (answer.status.words(), answer.status.mots());
            let message = both!(
                "the look-up of the record of {domain} {words}",
                "le DNS n'a pas donné l'enregistrement de {domain} ({mots})"
            );
            return Err(self.fail(Stop::Temp, message, domain, None, None));
        }
        let texts: Vec<_> = answer.joined_texts().into_iter().filter(|text| is_spf(text)).collect();
        let [text] = texts.as_slice() else {
            if texts.is_empty() {
                return Ok(None);
            }
            let message = both!(
                "{domain} has {} SPF records; it may have one",
                "{domain} a {} enregistrements SPF ; un seul est permis",
                texts.len()
            );
            return Err(self.fail(Stop::Perm, message, domain, None, None));
        };
        let record = parse(text);
        // One wrong term anywhere spoils the whole record (section 4.6).
        match record.errors.first().cloned() {
            Some(error) => {
                let text = Some(record.text.clone());
                Err(self.fail(Stop::Perm, error.message, domain, text, Some(error.span)))
            }
            None => Ok(Some(record)),
        }
    }

    /// The terms from left to right (section 4.6.2), then `redirect` (6.1), then neutral (4.7).
    async fn terms(&mut self, domain: &str, record: &Record, own: bool) -> Result<SpfResult, Stop> {
        for term in &record.terms {
            let TermKind::Directive(directive) = &term.kind else { continue };
            if self.matches(domain, record, term, directive).await? {
                self.matched = Some(format!("{} ({domain})", term.text));
                let result = match directive.qualifier {
                    Qualifier::Pass => SpfResult::Pass,
                    Qualifier::Fail => SpfResult::Fail,
                    Qualifier::SoftFail => SpfResult::Softfail,
                    Qualifier::Neutral => SpfResult::Neutral,
                };
                if own && result == SpfResult::Fail {
                    self.explain = record.explanation().map(|spec| (domain.to_owned(), spec.clone()));
                }
                return Ok(result);
            }
        }
        match record.redirect() {
            Some((term, target)) => self.redirect(domain, record, term, target, own).await,
            None => Ok(SpfResult::Neutral),
        }
    }

    async fn redirect(
        &mut self,
        domain: &str,
        record: &Record,
        term: &Term,
        target: &DomainSpec,
        own: bool,
    ) -> Result<SpfResult, Stop> {
        let line = self.count(domain, record, term)?;
        let target = self.expand(line, domain, target).await;
        let result = self.check(target.clone(), own).await;
        match result {
            SpfResult::None => {
                let message = both!(
                    "{target}, where `redirect` leads, has no SPF record",
                    "{target}, où mène « redirect », n'a pas d'enregistrement SPF"
                );
                self.ledger.close(line, Outcome::PermError);
                let text = Some(record.text.clone());
                Err(self.fail(Stop::Perm, message, domain, text, Some(term.span)))
            }
            SpfResult::Temperror => self.close_with(line, Stop::Temp),
            SpfResult::Permerror => self.close_with(line, Stop::Perm),
            _ => {
                self.ledger.close(line, Outcome::Match);
                Ok(result)
            }
        }
    }

    fn close_with<T>(&mut self, line: usize, stop: Stop) -> Result<T, Stop> {
        self.stop(line, stop);
        Err(stop)
    }

    async fn matches(
        &mut self,
        domain: &str,
        record: &Record,
        term: &Term,
        directive: &Directive,
    ) -> Matched {
        let ip = self.request.ip;
        match &directive.mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Ip4(network, prefix) => return Ok(is_in(ip, (*network).into(), *prefix)),
            Mechanism::Ip6(network, prefix) => return Ok(is_in(ip, (*network).into(), *prefix)),
            _ => {}
        }
        let line = self.count(domain, record, term)?;
        let matched = match &directive.mechanism {
            Mechanism::Include(target) => self.include(line, domain, record, term, target).await,
            Mechanism::A(target, cidr) => self.a(line, domain, target.as_ref(), *cidr).await,
            Mechanism::Mx(target, cidr) => self.mx(line, domain, target.as_ref(), *cidr).await,
            Mechanism::Ptr(target) => self.ptr(line, domain, target.as_ref()).await,
            Mechanism::Exists(target) => self.exists(line, domain, target).await,
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => Ok(false),
        };
        let matched = match matched {
            Ok(matched) => self.refuse_voids(line, domain, record, term).map(|()| matched),
            Err(stop) => Err(stop),
        };
        let outcome = match matched {
            Ok(true) => Outcome::Match,
            Ok(false) => Outcome::NoMatch,
            Err(stop) => return self.close_with(line, stop),
        };
        self.ledger.close(line, outcome);
        matched
    }

    /// Section 5.2: only a pass matches; errors go through, and no record is an error.
    async fn include(
        &mut self,
        line: usize,
        domain: &str,
        record: &Record,
        term: &Term,
        target: &DomainSpec,
    ) -> Matched {
        let target = self.expand(line, domain, target).await;
        match self.check(target.clone(), false).await {
            SpfResult::Pass => Ok(true),
            SpfResult::Fail | SpfResult::Softfail | SpfResult::Neutral => Ok(false),
            SpfResult::Temperror => Err(Stop::Temp),
            SpfResult::Permerror => Err(Stop::Perm),
            SpfResult::None => {
                let message = both!(
                    "{target}, which is included, has no SPF record",
                    "{target}, qui est inclus, n'a pas d'enregistrement SPF"
                );
                let text = Some(record.text.clone());
                Err(self.fail(Stop::Perm, message, domain, text, Some(term.span)))
            }
        }
    }

    /// Section 5.3.
    async fn a(&mut self, line: usize, domain: &str, target: Option<&DomainSpec>, cidr: DualCidr) -> Matched {
        let target = self.target(line, domain, target).await;
        let answer = self.ask(line, &target, self.family()).await;
        self.note_void(line, &answer);
        let addresses = self.addresses_or_stop(&answer, &target, domain)?;
        Ok(addresses.into_iter().any(|address| self.is_client(address, cidr)))
    }

    /// Section 5.4. No MX record means no match: the implicit MX of SMTP does not count.
    async fn mx(
        &mut self,
        line: usize,
        domain: &str,
        target: Option<&DomainSpec>,
        cidr: DualCidr,
    ) -> Matched {
        let target = self.target(line, domain, target).await;
        let answer = self.ask(line, &target, RecordType::Mx).await;
        self.note_void(line, &answer);
        if answer.status.is_unknown() {
            return Err(self.unanswered(&answer, &target, domain));
        }
        let exchangers = answer.exchangers();
        if exchangers.len() > MAX_NAMES {
            let message = both!(
                "{target} has {} mail exchangers; `mx` looks at 10",
                "{target} a {} serveurs de courrier ; « mx » en regarde 10",
                exchangers.len()
            );
            return Err(self.fail(Stop::Perm, message, domain, None, None));
        }
        for (_, host) in exchangers.iter().filter(|(_, host)| !host.is_empty()) {
            let answer = self.ask(line, host, self.family()).await;
            let addresses = self.addresses_or_stop(&answer, host, domain)?;
            if addresses.into_iter().any(|address| self.is_client(address, cidr)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Section 5.5. A failing look-up means no match, never an error.
    async fn ptr(&mut self, line: usize, domain: &str, target: Option<&DomainSpec>) -> Matched {
        let target = self.target(line, domain, target).await;
        for host in self.client_names(Some(line)).await {
            if name::is_within(&host, &target) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Section 5.7: an A record decides, for an IPv6 client too.
    async fn exists(&mut self, line: usize, domain: &str, target: &DomainSpec) -> Matched {
        let target = self.expand(line, domain, target).await;
        let answer = self.ask(line, &target, RecordType::A).await;
        self.note_void(line, &answer);
        self.addresses_or_stop(&answer, &target, domain).map(|addresses| !addresses.is_empty())
    }

    /// The names of the client whose addresses lead back to it, at most ten looked at (section 5.5).
    async fn client_names(&mut self, line: Option<usize>) -> Vec<String> {
        let reverse = reverse_name(self.request.ip);
        let answer = self.ask_for(line, &reverse, RecordType::Ptr).await;
        if let Some(line) = line {
            self.note_void(line, &answer);
        }
        let mut validated = Vec::new();
        for host in answer.names().into_iter().take(MAX_NAMES) {
            let addresses = self.ask_for(line, &host, self.family()).await.addresses();
            if addresses.contains(&self.request.ip) {
                validated.push(host);
            }
        }
        validated
    }

    /// The name for `%{p}`: the domain itself, one below it, or any (section 7.3).
    async fn client_name(&mut self, line: Option<usize>, domain: &str) -> String {
        let names = self.client_names(line).await;
        let exact = names.iter().find(|host| name::same(host, domain));
        let below = names.iter().find(|host| name::is_within(host, domain));
        exact.or(below).or(names.first()).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    async fn target(&mut self, line: usize, domain: &str, target: Option<&DomainSpec>) -> String {
        match target {
            Some(spec) => self.expand(line, domain, spec).await,
            None => domain.to_owned(),
        }
    }

    async fn expand(&mut self, line: usize, domain: &str, spec: &DomainSpec) -> String {
        let client_name = match spec.wants_client_name() {
            true => self.client_name(Some(line), domain).await,
            false => String::new(),
        };
        spec.expand_to_name(&self.values(domain, &client_name))
    }

    fn values<'v>(&'v self, domain: &'v str, client_name: &'v str) -> Values<'v> {
        Values {
            ip: self.request.ip,
            sender: &self.request.sender,
            domain,
            helo: &self.request.helo,
            receiver: &self.request.receiver,
            unix_seconds: self.request.unix_seconds,
            client_name,
        }
    }

    /// Section 6.2: one TXT record of ASCII, expanded; anything else is as if there were none. These
    /// look-ups count against no limit.
    async fn explanation(&mut self, domain: &str, spec: &DomainSpec) -> Option<String> {
        let client_name = match spec.wants_client_name() {
            true => self.client_name(None, domain).await,
            false => String::new(),
        };
        let target = spec.expand_to_name(&self.values(domain, &client_name));
        let answer = self.dns.lookup(&target, RecordType::Txt).await;
        let texts = answer.joined_texts();
        let [text] = texts.as_slice() else { return None };
        let spec = DomainSpec::macro_string(text, Place::Explanation).ok()?;
        let client_name = match spec.wants_client_name() {
            true => self.client_name(None, domain).await,
            false => String::new(),
        };
        Some(spec.expand(&self.values(domain, &client_name)))
    }

    fn open(&mut self, domain: &str, term: Option<&Term>, counted: bool) -> usize {
        self.ledger.open(LedgerEntry {
            domain: domain.to_owned(),
            term: term.map(|term| term.text.clone()),
            span: term.map(|term| term.span),
            counted,
            lookups: self.lookups,
            void: false,
            outcome: Outcome::Unfinished,
            queries: Vec::new(),
            children: Vec::new(),
        })
    }

    /// Opens a term's line and takes one of the ten look-ups for it.
    fn count(&mut self, domain: &str, record: &Record, term: &Term) -> Result<usize, Stop> {
        self.lookups += 1;
        let line = self.open(domain, Some(term), true);
        if self.lookups <= MAX_LOOKUPS {
            return Ok(line);
        }
        self.ledger.close(line, Outcome::PermError);
        let message = both!(
            "`{}` would be look-up {}; {MAX_LOOKUPS} are allowed",
            "« {} » serait la recherche n° {} ; {MAX_LOOKUPS} sont permises",
            term.text,
            self.lookups
        );
        Err(self.fail(Stop::Perm, message, domain, Some(record.text.clone()), Some(term.span)))
    }

    /// The term's own question found nothing.
    fn note_void(&mut self, line: usize, answer: &Answer) {
        if answer.status.is_void() || answer.status == Status::AliasLoop {
            self.ledger.at(line).void = true;
        }
    }

    fn refuse_voids(&mut self, line: usize, domain: &str, record: &Record, term: &Term) -> Result<(), Stop> {
        if !self.ledger.at(line).void {
            return Ok(());
        }
        self.voids += 1;
        if self.voids <= MAX_VOID_LOOKUPS {
            return Ok(());
        }
        let message = both!(
            "`{}` is look-up {} that finds nothing; {MAX_VOID_LOOKUPS} may",
            "« {} » est la recherche n° {} qui ne trouve rien ; {MAX_VOID_LOOKUPS} sont permises",
            term.text,
            self.voids
        );
        Err(self.fail(Stop::Perm, message, domain, Some(record.text.clone()), Some(term.span)))
    }

    async fn ask(&mut self, line: usize, name: &str, kind: RecordType) -> Answer {
        self.ask_for(Some(line), name, kind).await
    }

    async fn ask_for(&mut self, line: Option<usize>, name: &str, kind: RecordType) -> Answer {
        let answer = self.dns.lookup(name, kind).await;
        if let Some(line) = line {
            let query = Query { name: name.to_owned(), kind, status: answer.status };
            self.ledger.at(line).queries.push(query);
        }
        answer
    }

    fn addresses_or_stop(&mut self, answer: &Answer, name: &str, domain: &str) -> Result<Vec<IpAddr>, Stop> {
        if answer.status.is_unknown() {
            return Err(self.unanswered(answer, name, domain));
        }
        Ok(answer.addresses())
    }

    fn unanswered(&mut self, answer: &Answer, name: &str, domain: &str) -> Stop {
        let (words, mots) = (answer.status.words(), answer.status.mots());
        let message = both!("the look-up of {name} {words}", "le DNS n'a pas répondu sur {name} ({mots})");
        self.fail(Stop::Temp, message, domain, None, None)
    }

    /// Keeps the first problem: it is the one that ended the evaluation.
    fn fail(
        &mut self,
        stop: Stop,
        message: Text,
        domain: &str,
        record: Option<String>,
        span: Option<Span>,
    ) -> Stop {
        self.problem.get_or_insert(Problem { message, domain: domain.to_owned(), record, span });
        stop
    }

    fn too_slow(&mut self) -> SpfResult {
        let message = both!(
            "the evaluation took more than {} s",
            "l'évaluation a pris plus de {} s",
            MAX_TIME.as_secs()
        );
        let domain = self.request.domain.clone();
        self.problem = Some(Problem { message, domain, record: None, span: None });
        SpfResult::Temperror
    }

    fn family(&self) -> RecordType {
        if self.request.ip.is_ipv4() { RecordType::A } else { RecordType::Aaaa }
    }

    fn is_client(&self, address: IpAddr, cidr: DualCidr) -> bool {
        let prefix = if address.is_ipv4() { cidr.v4 } else { cidr.v6 };
        is_in(self.request.ip, address, prefix)
    }
}

/// Whether an address lies in a network; never when the families differ.
pub(super) fn is_in(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// Section 4.3: well formed, several labels, no address literal.
fn is_checkable(domain: &str) -> bool {
    name::is_well_formed(domain) && name::labels(domain).count() > 1 && !domain.starts_with('[')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    async fn verdict(zone: &str, ip: &str) -> Verdict {
        let zone = Zone::parse(zone, "example.org").unwrap();
        check_host(&zone, &Request::new(ip.parse().unwrap(), "a@example.org", "mx.example.org")).await
    }

    #[test]
    fn a_prefix_of_zero_holds_every_address_of_its_family() {
        assert!(is_in("192.0.2.1".parse().unwrap(), "0.0.0.0".parse().unwrap(), 0));
        assert!(is_in("2001:db8::1".parse().unwrap(), "::".parse().unwrap(), 0));
        assert!(!is_in("192.0.2.1".parse().unwrap(), "::".parse().unwrap(), 0));
        assert!(!is_in("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap(), 32));
    }

    #[tokio::test]
    async fn the_ledger_shows_what_each_include_costs() {
        let zone = "@ TXT \"v=spf1 include:one include:one.example.org a:gone.example.org -all\"";
        let broken = verdict(zone, "192.0.2.9").await;
        assert_eq!(broken.result, SpfResult::Permerror);
        assert_eq!(broken.problem.unwrap().span, Some(Span::new(15, 18)));

        let zone = "@ TXT \"v=spf1 include:one.example.org a:gone.example.org -all\"\n\
                    one TXT \"v=spf1 a:two.example.org mx ?all\"\ntwo A 192.0.2.7\n";
        let verdict = verdict(zone, "192.0.2.9").await;

        assert_eq!((verdict.result, verdict.lookups, verdict.void_lookups), (SpfResult::Fail, 4, 2));
        let root = &verdict.ledger[0];
        let include = &root.children[0];
        assert_eq!(include.term.as_deref(), Some("include:one.example.org"));
        assert_eq!(include.children[0].children.len(), 2);
        assert!(root.children[1].void && root.children[1].lookups == 4);
    }

    #[tokio::test]
    async fn a_name_that_could_not_be_asked_is_a_temporary_error_not_a_missing_record() {
        let zone = "@ TXT \"v=spf1 include:elsewhere.example.net -all\"";

        assert_eq!(verdict(zone, "192.0.2.9").await.result, SpfResult::Temperror);
    }
}
