//! Any text is a zone file or a recording of DNS answers, or is refused with its place.
#![no_main]

use depeche_domain::dns::{recorded::Recorded, zone::Zone};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(zone) = Zone::parse(text, "exemple.fr") {
        for record in zone.records() {
            assert!(record.line >= 1 && record.line <= text.lines().count().max(1), "{record:?}");
        }
    }
    let _ = Recorded::from_json(text);
});
