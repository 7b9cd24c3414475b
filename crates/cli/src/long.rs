//! The one document of `--json` where its lists are longer than memory: written entry by entry, to the
//! same characters as a document that is made first and written then.

use serde_json::{Map, Value};

use crate::out::Out;

/// So many octets are written at once.
const PIECE: usize = 64 * 1024;

/// A document on its way out. Without `--json` it takes everything and writes nothing.
pub(crate) struct LongDocument<'o> {
    out: &'o Out,
    /// What is not written yet, besides the lists; in order of the keys, as all documents.
    rest: Map<String, Value>,
    text: String,
    is_first: bool,
    entries: Option<usize>,
}

impl<'o> LongDocument<'o> {
    /// Begins with everything but the lists.
    pub(crate) fn new(out: &'o Out, head: Value) -> Self {
        let rest = match head {
            Value::Object(rest) => rest,
            _ => Map::new(),
        };
        Self { out, rest, text: "{".to_owned(), is_first: true, entries: None }
    }

    /// Whether anybody reads it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.out.json
    }

    /// Begins the list with this name; lists come in order of their names.
    pub(crate) fn list(&mut self, name: &str) {
        self.end_list();
        while let Some(key) = self.rest.keys().next().filter(|key| key.as_str() < name).cloned() {
            let value = self.rest.remove(&key).unwrap_or_default();
            self.member(&key, &indented(&value, "  "));
        }
        self.member(name, "[");
        self.entries = Some(0);
    }

    /// Adds an entry to the list.
    pub(crate) fn entry(&mut self, value: &Value) {
        if !self.out.json {
            return;
        }
        self.text.push_str(if self.entries == Some(0) { "\n    " } else { ",\n    " });
        self.text.push_str(&indented(value, "    "));
        self.entries = self.entries.map(|count| count + 1);
        if self.text.len() >= PIECE {
            self.write();
        }
    }

    /// Ends the document.
    pub(crate) fn end(mut self) {
        self.finish();
        self.write();
    }

    fn finish(&mut self) {
        self.end_list();
        for (key, value) in std::mem::take(&mut self.rest) {
            self.member(&key, &indented(&value, "  "));
        }
        self.text.push_str("\n}\n");
    }

    fn member(&mut self, key: &str, value: &str) {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        self.text.push_str(&format!("{comma}\n  {}: {value}", Value::from(key)));
    }

    fn end_list(&mut self) {
        match self.entries.take() {
            Some(0) => self.text.push(']'),
            Some(_) => self.text.push_str("\n  ]"),
            None => {}
        }
    }

    fn write(&mut self) {
        if self.out.json {
            self.out.raw(&self.text);
        }
        self.text.clear();
    }
}

/// The value over several lines, all but the first behind `margin`. A text of JSON holds no line break.
fn indented(value: &Value, margin: &str) -> String {
    format!("{value:#}").replace('\n', &format!("\n{margin}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn entry_by_entry_gives_the_characters_of_the_whole_document() {
        let global = Cli::parse_from(["depeche", "--json", "runs"]).global;
        let out = Out::new(&global);
        let rows =
            [json!({ "row": 58, "reason": "a\nb", "more": [1, { "x": null }] }), json!({}), json!("x")];
        for (left_out, recipients) in [(0, 3), (3, 0), (1, 2), (0, 0)] {
            let mut document =
                LongDocument::new(&out, json!({ "exit": 0, "run": { "id": "r" }, "version": 1 }));
            for (name, count) in [("left_out", left_out), ("recipients", recipients)] {
                document.list(name);
                rows.iter().take(count).for_each(|row| document.entry(row));
            }
            document.finish();

            // As serde_json writes it at once.
            let whole = json!({ "exit": 0, "run": { "id": "r" }, "version": 1,
                "left_out": rows[..left_out], "recipients": rows[..recipients] });
            assert_eq!(document.text, format!("{whole:#}\n"));
        }
    }
}
