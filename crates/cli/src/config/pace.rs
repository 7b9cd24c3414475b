//! `[pace]`: how many messages a receiving domain may be given, whichever provider carries them.
//!
//! The windows are those of `limits`. A domain is meant alone, without those below it; it is kept in the form
//! in which addresses hold it.

use std::collections::BTreeMap;

use depeche::address::EmailAddress;
use depeche::budget::Limits;

use super::reader::{Reader, Section};
use crate::words::say;

/// `[pace]` with `"orange.fr" = { per_minute = 30 }`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> BTreeMap<String, Limits> {
    let mut paces = BTreeMap::new();
    let Some(section) = reader.section(root, "pace") else { return paces };
    for (name, mut stated) in reader.named_sections(section) {
        let Ok(address) = EmailAddress::parse(&format!("x@{name}")) else {
            let message = say!(reader, "config-pace-domain", name = name);
            reader.problem("config.pace", message, None, stated.span.clone());
            continue;
        };
        let span = stated.span.clone();
        let mut number = |key| reader.number(&mut stated, key);
        let limits = Limits {
            per_second: number("per_second"),
            per_minute: number("per_minute"),
            per_hour: number("per_hour"),
            per_day: number("per_day"),
        };
        reader.finish(stated);
        let windows = [limits.per_second, limits.per_minute, limits.per_hour, limits.per_day];
        if limits.is_unlimited() || windows.contains(&Some(0)) {
            let message = say!(reader, "config-pace-nothing", name = name);
            reader.problem("config.pace", message, None, span);
        }
        paces.insert(address.domain().to_owned(), limits);
    }
    paces
}
