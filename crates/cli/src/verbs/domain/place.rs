//! Where a code host shows a finding: a line of the zone file or of depeche.toml, and the file's name as
//! SARIF 2.1.0 (section 3.4) wants it: a URI, relative to the root of the working tree where there is one.

use std::path::{Path, PathBuf};

use depeche::domain::dns::zone::{Zone, ZoneRecord};
use depeche::domain::dns::{Data, RecordType};
use depeche::domain::finding::Finding;
use depeche::domain::report::Location;
use url::Url;

use super::door::Door;
use crate::args::DomainCheck;
use crate::context::Context;

/// At its record in the zone file, else at its provider in depeche.toml.
pub(super) fn locate(finding: &Finding, asked: &DomainCheck, door: &Door, context: &Context<'_>) -> Location {
    if let Some(file) = &asked.dns.zone {
        let line = door.zone().and_then(|zone| line_in(zone, finding)).unwrap_or(1);
        return Location { uri: uri(file), line };
    }
    let file = context.config_file().unwrap_or(Path::new(crate::config::FILE_NAME));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let names_it = |line: &str, name: &str| {
        line.trim_start().starts_with("name") && line.contains(&format!("\"{name}\""))
    };
    let at = finding.provider.as_deref().and_then(|name| text.lines().position(|line| names_it(line, name)));
    Location { uri: uri(file), line: at.map_or(1, |index| index + 1) }
}

/// The record that the finding shows, else the first of the kind it is about, else the first of the name.
fn line_in(zone: &Zone, finding: &Finding) -> Option<usize> {
    let name = finding.name.as_deref()?.trim_end_matches('.');
    let named = || zone.records().iter().filter(|record| record.name.eq_ignore_ascii_case(name));
    let shown = finding.record.as_deref();
    let exact = named().find(|record| shown.is_some() && shown == text(record).as_deref());
    let is_spf = |record: &&ZoneRecord| text(record).is_some_and(|text| text.starts_with("v=spf1"));
    let about = || match finding.id {
        id if id.starts_with("SPF-") => named().find(is_spf).or_else(|| named().find(of(&[RecordType::Txt]))),
        id => named().find(of(kinds(id))),
    };
    exact.or_else(about).or_else(|| named().next()).map(|record| record.line)
}

/// The record as findings show it.
fn text(record: &ZoneRecord) -> Option<String> {
    match &record.record.data {
        Data::Txt(strings) => Some(String::from_utf8_lossy(&strings.concat()).into_owned()),
        Data::Cname(target) => Some(format!("CNAME {target}")),
        Data::Mx { exchange, .. } => Some(format!("MX {exchange}")),
        _ => None,
    }
}

fn of(kinds: &'static [RecordType]) -> impl Fn(&&ZoneRecord) -> bool {
    |record| record.kind.is_some_and(|kind| kinds.contains(&kind))
}

/// The types of record that a rule is about.
fn kinds(id: &str) -> &'static [RecordType] {
    let begins = |start: &str| id.starts_with(start);
    match id {
        "DNS-SPOF" => &[RecordType::Ns],
        "DNSSEC" => &[RecordType::Soa],
        "HOST-PTR" => &[RecordType::Ptr],
        _ if begins("MX-") => &[RecordType::Mx],
        _ if begins("PROV-") || begins("DKIM-") => &[RecordType::Cname, RecordType::Txt],
        _ => &[RecordType::Txt],
    }
}

/// A file's name for SARIF: relative to the root of its working tree, else to where depeche runs, else whole.
fn uri(file: &Path) -> String {
    let whole = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file));
    let whole = whole.unwrap_or_else(|_| file.to_owned());
    let tree = whole.ancestors().skip(1).find(|folder| folder.join(".git").exists()).map(PathBuf::from);
    let here = || std::fs::canonicalize(".").ok().filter(|here| whole.starts_with(here));
    relative_uri(&whole, tree.or_else(here).as_deref()).unwrap_or_else(|| file.display().to_string())
}

/// `whole` below `root` as a relative reference (RFC 3986, section 4.2), else with its scheme.
fn relative_uri(whole: &Path, root: Option<&Path>) -> Option<String> {
    let whole = Url::from_file_path(whole).ok()?;
    let root = root.and_then(|root| Url::from_directory_path(root).ok());
    let relative = root.and_then(|root| root.make_relative(&whole));
    // In the first segment a colon would end a scheme.
    Some(relative.map_or_else(|| whole.to_string(), |path| path.replace(':', "%3A")))
}

#[cfg(test)]
mod tests {
    use depeche::domain::rules;
    use depeche::domain::text::Text;

    use super::*;

    const ZONE: &str = "$TTL 300\n@ IN SOA ns1 h 1 1 1 1 1\n@ IN NS ns1\n@ IN MX 1 mx\n@ IN MX 2 mx2\n\
                        @ IN TXT \"hello\"\n@ IN TXT (\n \"v=spf1 ip4:1.2.3 \"\n \"-all\" )\n\
                        k._domainkey IN CNAME k.elsewhere.example.\n";

    fn line(finding: Finding) -> Option<usize> {
        line_in(&Zone::parse(ZONE, "l.fr").unwrap(), &finding)
    }

    fn finding(id: &'static str) -> Finding {
        Finding::error(id, Text::same("x")).at("l.fr")
    }

    #[test]
    fn a_finding_stands_at_the_record_it_is_about() {
        assert_eq!(line(finding(rules::SPF_SYNTAX).in_record("v=spf1 ip4:1.2.3 -all", None)), Some(7));
        assert_eq!(line(finding(rules::SPF_SIZE)), Some(7));
        assert_eq!(line(finding(rules::MX_BROKEN)), Some(4));
        assert_eq!(line(finding(rules::MX_BROKEN).in_record("MX mx2.l.fr", None)), Some(5));
        assert_eq!(line(finding(rules::DNS_SPOF)), Some(3));
        assert_eq!(line(finding(rules::PROV_DKIM_CNAME).at("K._domainkey.l.fr.")), Some(10));
        assert_eq!(line(finding(rules::DMARC_MISSING).at("_dmarc.l.fr")), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_named_from_the_root_of_its_tree_and_every_sign_that_a_uri_reserves_is_written_out() {
        let named = |file: &str, root| relative_uri(Path::new(file), root).unwrap();
        let root = Some(Path::new("/srv/tree"));
        assert_eq!(named("/srv/tree/dns/l.zone", root), "dns/l.zone");
        assert_eq!(
            named("/srv/tree/zone de l'été#1 100%.zone", root),
            "zone%20de%20l'%C3%A9t%C3%A9%231%20100%25.zone"
        );
        assert_eq!(named("/srv/tree/a:b.zone", root), "a%3Ab.zone");
        assert_eq!(named("/else/where.zone", None), "file:///else/where.zone");
    }
}
