//! The text format of Prometheus, read: lines of a name, labels and a number.
//!
//! Accepts what both formats of a node have in common (`text/plain; version=0.0.4` and OpenMetrics): comments, escaped
//! label values, timestamps and exemplars, of which the last two are ignored.

use std::collections::BTreeMap;
use std::fmt;

/// The labels of a series, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let mut labels: Vec<_> =
            labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        labels.sort_unstable();
        Self(labels)
    }
}

/// The series of one name, by labels.
pub type Series = BTreeMap<Labels, f64>;

/// The samples of one answer: series by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples(pub(crate) BTreeMap<String, Series>);

/// A line that is no sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The beginning of the line, without control characters.
    pub found: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is no metric: {:?}", self.line, self.found)
    }
}

impl std::error::Error for ParseError {}

impl Samples {
    /// Reads the text. Of two samples with the same name and labels, the last one counts.
    ///
    /// Control characters and marks that reverse the direction of text are replaced in label values: the values come from
    /// another machine and end in a terminal.
    ///
    /// # Errors
    /// With the first line that is no sample, comment or empty line.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut samples = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, labels, value) = Cursor(line).sample().ok_or_else(|| ParseError {
                line: index + 1,
                found: printable(&line.chars().take(40).collect::<String>()),
            })?;
            samples.0.entry(name.to_owned()).or_default().insert(labels, value);
        }
        Ok(samples)
    }

    /// The series of this name.
    pub fn series(&self, name: &str) -> impl Iterator<Item = (&Labels, f64)> {
        self.0.get(name).into_iter().flatten().map(|(labels, value)| (labels, *value))
    }

    /// Whether there is a metric whose name has this prefix.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.0.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }
}

/// The rest of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn sample(mut self) -> Option<(&'a str, Labels, f64)> {
        let name = self.name(|c| c == ':')?;
        self.space();
        let labels = if self.skip('{') { self.labels()? } else { Labels::default() };
        // A name and its number without a space between them are one wrong word.
        let (value, rest) = self.word()?;
        let is_timestamp = |word: &str| word.parse::<f64>().is_ok();
        let is_end = match rest.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] | ["#", ..] => true,
            [time] | [time, "#", ..] => is_timestamp(time),
            _ => false,
        };
        let value = value.parse().ok()?;
        is_end.then_some((name, labels, value))
    }

    fn labels(&mut self) -> Option<Labels> {
        let mut labels = Vec::new();
        loop {
            self.space();
            if self.skip('}') {
                return Some(labels.into_iter().collect());
            }
            let name = self.name(|_| false)?;
            self.space();
            self.skip('=').then_some(())?;
            self.space();
            self.skip('"').then_some(())?;
            labels.push((name.to_owned(), printable(&self.quoted()?)));
            self.space();
            if !self.skip(',') && !self.0.starts_with('}') {
                return None;
            }
        }
    }

    /// Letters, digits, `_` and what else the kind of name may have.
    fn name(&mut self, is_extra: fn(char) -> bool) -> Option<&'a str> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || is_extra(c);
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        let first = name.chars().next()?;
        (!first.is_ascii_digit()).then_some(name)
    }

    /// The value of a label, after its opening quote; ends behind the closing one.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        loop {
            match characters.next()? {
                (end, '"') => {
                    self.0 = &self.0[end + 1..];
                    return Some(value);
                }
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    other @ ('\\' | '"') => other,
                    _ => return None,
                }),
                (_, other) => value.push(other),
            }
        }
    }

    fn word(&mut self) -> Option<(&'a str, &'a str)> {
        self.space();
        let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
        (end > 0).then(|| self.0.split_at(end))
    }

    fn space(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn skip(&mut self, expected: char) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// Replaces what a terminal would obey instead of showing it.
pub(crate) fn printable(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(line: &str) -> (Labels, f64) {
        let samples = Samples::parse(line).unwrap();
        let (labels, value) = samples.series("a").next().unwrap();
        (labels.clone(), value)
    }

    #[test]
    fn lines_of_both_formats_are_read() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);
        let none: [(&str, &str); 0] = [];
        let x = [("x", "1")];
        let cases: [Case<'_>; 12] = [
            ("a 1", &none, 1.0),
            ("  a\t1.5  ", &none, 1.5),
            ("a{} -2e3", &none, -2000.0),
            ("a{x=\"1\"} 3", &x, 3.0),
            ("a {x=\"1\"} 3", &x, 3.0),
            ("a{x=\"1\",} 3", &x, 3.0),
            ("a{ x = \"1\" , } 3", &x, 3.0),
            ("a{x=\"1\"}3", &x, 3.0),
            ("a 1 1700000000000", &none, 1.0),
            ("a 1 1700000000.5 # {id=\"7\"} 0.1", &none, 1.0),
            ("a{x=\"1\"} 1 # {id=\"7\"} 0.1 17", &x, 1.0),
            ("a +Inf", &none, f64::INFINITY),
        ];
        for (line, labels, value) in cases {
            assert_eq!(only(line), (labels.iter().copied().collect(), value), "{line}");
        }
        assert!(only("a NaN").1.is_nan());
    }

    #[test]
    fn labels_are_unescaped_and_sorted() {
        let (labels, _) = only("a{z=\"1\",b=\"say \\\"hi\\\" C:\\\\\",c=\"}, {\"} 1");
        assert_eq!(labels, [("b", "say \"hi\" C:\\"), ("c", "}, {"), ("z", "1")].into_iter().collect());
        assert_eq!(labels.get("c"), Some("}, {"));
        assert_eq!(labels.get("d"), None);
    }

    #[test]
    fn label_values_cannot_control_the_terminal() {
        let (labels, _) = only("a{n=\"\u{1b}[2Jx\\ny\u{202e}z\u{9b}서울\"} 1");
        assert_eq!(labels.get("n"), Some("\u{fffd}[2Jx\u{fffd}y\u{fffd}z\u{fffd}서울"));
        let error = Samples::parse("\u{1b}]0;title\u{7}").unwrap_err();
        assert_eq!(error.found, "\u{fffd}]0;title\u{fffd}");
    }

    #[test]
    fn lines_that_are_no_samples_are_reported() {
        let lines = [
            "<!doctype html>",
            "a",
            "1a 1",
            "a{x=1} 1",
            "a{x=\"1} 1",
            "a{x=\"1\" y=\"2\"} 1",
            "a{x=\"\\t\"} 1",
            "a{\"x\"} 1",
            "a one",
            "a 1 now",
            "a 1 2 3",
            "{x=\"1\"} 1",
            "a{x=\"1\"}",
            "a{,} 1",
            "a1",
        ];
        for line in lines {
            let error = Samples::parse(&format!("# HELP a It.\n\n{line}\nb 1\n")).unwrap_err();
            assert_eq!((error.line, error.found.as_str()), (3, line));
        }
    }

    #[test]
    fn prefixes_are_found() {
        let samples = Samples::parse("apple 1\nblegram_up 1\nzebra 1").unwrap();
        assert!(samples.has_prefix("blegram_"));
        assert!(!samples.has_prefix("cherry_"));
        assert!(!Samples::default().has_prefix("blegram_"));
    }

    fn escaped(value: &str) -> String {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    }

    proptest! {
        #[test]
        fn every_rendered_sample_is_read_again(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,12}",
            labels in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", ".{0,8}", 0..4),
            value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE,
        ) {
            let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let samples = Samples::parse(&format!("{name}{{{}}} {value}\n", pairs.join(","))).unwrap();
            let expected: Labels = labels.iter().map(|(name, value)| (name.as_str(), printable(value))).collect();
            prop_assert_eq!(samples.series(&name).next(), Some((&expected, value)));
        }

        #[test]
        fn any_text_is_read_or_rejected(text in "(?s).{0,200}", line in "[a-c0-9{}=\", \\\\#.]{0,30}") {
            let _ = Samples::parse(&text);
            let _ = Samples::parse(&line);
        }
    }
}
