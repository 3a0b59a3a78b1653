//! `.env`: lines of `NAME=value`, as dotenvy reads them.

use std::{collections::BTreeMap, ops::Range};

/// What a `.env` holds.
#[derive(Debug, Default)]
pub(super) struct DotEnv {
    pub(super) values: BTreeMap<String, String>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// A line that cannot be read. Its value is not kept: it may be a secret.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Counted from 1.
    pub(super) line: usize,
    /// What stands where a name would; more than one when a quote is left open, which makes one value of all that follows.
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

    /// Every name, whether its value can be read or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let unreadable = self.unreadable.iter().flat_map(|unreadable| &unreadable.names);
        self.values.keys().chain(unreadable).map(String::as_str)
    }
}

/// The lines from `rest` on that hold `part`: dotenvy names a whole line, a value, or all that follows an open quote.
fn lines_with(text: &str, rest: usize, part: &str) -> Range<usize> {
    let line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let begins = |at: usize| at == line(at) || name(&text[line(at)..at]).is_some();
    let found =
        text[rest..].match_indices(part).map(|(at, _)| rest + at).find(|at| begins(*at)).unwrap_or(rest);
    line(found)..found + part.len()
}

/// What stands left of the first `=`, or `:` as in YAML.
fn name(line: &str) -> Option<String> {
    let (name, _) = line.split_once(['=', ':'])?;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| name.to_owned())
}
