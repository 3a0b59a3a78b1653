//! Parses `.env`: lines of `NAME=value`, as dotenvy reads them.

use std::{collections::BTreeMap, ops::Range};

/// The content of a `.env` file.
#[derive(Debug, Default)]
pub(super) struct DotEnv {
    pub(super) values: BTreeMap<String, String>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// A line that cannot be parsed. Its value is dropped, because it may be a secret.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Line number, from 1.
    pub(super) line: usize,
    /// The names on the line. More than one after an unclosed quote, which makes the rest of the file one value.
    pub(super) names: Vec<String>,
}

impl DotEnv {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let (mut dotenv, mut rest) = (Self::default(), 0);
        for pair in dotenvy::from_read_iter(text.as_bytes()) {
            match pair {
                Ok((name, value)) => drop(dotenv.values.insert(name, value)),
                Err(error) => {
                    let part = if let dotenvy::Error::LineParse(part, _) = &error { part.trim() } else { "" };
                    let lines = lines_with(text, rest, part);
                    dotenv.unreadable.push(Unreadable {
                        line: text[..lines.start].matches('\n').count() + 1,
                        names: text[lines.clone()].lines().filter_map(name).collect(),
                    });
                    rest = lines.end;
                }
            }
        }
        dotenv
    }

    /// All names, including those of lines that cannot be parsed.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let unreadable = self.unreadable.iter().flat_map(|unreadable| &unreadable.names);
        self.values.keys().chain(unreadable).map(String::as_str)
    }
}

/// The range of the lines after `rest` that contain `part`. `part` comes from an error of dotenvy: a whole line, a
/// value, or everything after an unclosed quote.
fn lines_with(text: &str, rest: usize, part: &str) -> Range<usize> {
    let line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let begins = |at: usize| at == line(at) || name(&text[line(at)..at]).is_some();
    let found =
        text[rest..].match_indices(part).map(|(at, _)| rest + at).find(|at| begins(*at)).unwrap_or(rest);
    line(found)..found + part.len()
}

/// The name left of the first `=`, or of `:` as in YAML.
fn name(line: &str) -> Option<String> {
    let (name, _) = line.split_once(['=', ':'])?;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| name.to_owned())
}
