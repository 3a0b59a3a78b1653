//! The word check: names and texts use the field's terms, and none of the words in `xtask/words.txt`.
//!
//! Names are what the workspace's Rust files define: functions, types, constants and variables. Texts are comments, the
//! Markdown files, and the sentences in the generated documents.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::output;
use crate::workspace::root;

const RULES: &str = include_str!("../words.txt");

/// The keywords that a new name follows.
const DEFINING: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "mod", "const", "static", "let", "mut", "union"];

/// The keys of the generated documents whose values are sentences.
const SENTENCES: &[&str] = &["description", "summary", "title", "detail"];

/// The kinds of files that are checked.
#[derive(Clone, Copy)]
enum Kind {
    Rust,
    Markdown,
    /// A generated OpenAPI or AsyncAPI document.
    Document,
}

impl Kind {
    fn of(path: &str) -> Option<Self> {
        match path {
            "docs/openapi.json" | "docs/asyncapi.json" => Some(Self::Document),
            _ if path.ends_with(".rs") => Some(Self::Rust),
            _ if path.ends_with(".md") => Some(Self::Markdown),
            _ => None,
        }
    }
}

/// A word or phrase, and what to use.
#[derive(Debug, PartialEq)]
struct Rule<'a> {
    avoid: &'a str,
    instead: &'a str,
}

#[derive(Debug, Default)]
struct Rules<'a> {
    names: Vec<Rule<'a>>,
    texts: Vec<Rule<'a>>,
}

/// Checks every file of the repository.
pub(crate) fn check() -> Result<()> {
    let rules = Rules::parse(RULES)?;
    let files =
        output(Command::new("git").arg("ls-files").current_dir(root())).context("git ls-files failed")?;
    let mut found = Vec::new();
    for path in files.lines() {
        let Some(kind) = Kind::of(path) else { continue };
        // A file that was deleted and is not committed yet is still listed.
        let Ok(content) = fs::read_to_string(root().join(path)) else { continue };
        let lines = rules.check(kind, &content).with_context(|| format!("reading {path}"))?;
        found.extend(lines.into_iter().map(|line| format!("{path}:{line}")));
    }
    ensure!(found.is_empty(), "{} words to replace:\n{}", found.len(), found.join("\n"));
    Ok(())
}

impl<'a> Rules<'a> {
    fn parse(list: &'a str) -> Result<Self> {
        let mut rules = Self::default();
        for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (avoid, instead) = line.split_once(": ").with_context(|| format!("no `: ` in {line:?}"))?;
            match avoid.split_once(' ') {
                Some(("name", avoid)) => rules.names.push(Rule { avoid, instead }),
                Some(("text", avoid)) => rules.texts.push(Rule { avoid, instead }),
                _ => bail!("{line:?} begins with neither `name` nor `text`"),
            }
        }
        Ok(rules)
    }

    fn check(&self, kind: Kind, content: &str) -> Result<Vec<String>> {
        match kind {
            Kind::Rust => Ok(self.check_rust(content)),
            Kind::Markdown => Ok(self.check_markdown(content)),
            Kind::Document => self.check_document(content),
        }
    }

    fn check_rust(&self, content: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (number, line) in (1..).zip(content.lines()) {
            let report = |rule: &Rule<'_>| format!("{number}: {:?}: use {}", rule.avoid, rule.instead);
            match line.trim_start().strip_prefix("//") {
                Some(comment) => found.extend(self.in_text(comment).map(report)),
                None => found.extend(self.in_names(line).map(report)),
            }
        }
        found
    }

    fn check_markdown(&self, content: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut is_code = false;
        for (number, line) in (1..).zip(content.lines()) {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                let report = |rule: &Rule<'_>| format!("{number}: {:?}: use {}", rule.avoid, rule.instead);
                found.extend(self.in_text(line).map(report));
            }
        }
        found
    }

    fn check_document(&self, content: &str) -> Result<Vec<String>> {
        let document: Value = serde_json::from_str(content)?;
        let mut sentences = Vec::new();
        collect_sentences(&document, "", &mut sentences);
        let found = sentences.iter().flat_map(|(pointer, text)| {
            self.in_text(text).map(move |rule| format!("{pointer}: {:?}: use {}", rule.avoid, rule.instead))
        });
        Ok(found.collect())
    }

    /// The rules that a text breaks, outside of its code spans.
    fn in_text(&self, text: &str) -> impl Iterator<Item = &Rule<'a>> {
        let prose: String = text.split('`').step_by(2).collect::<Vec<_>>().join("`").to_lowercase();
        self.texts.iter().filter(move |rule| contains_phrase(&prose, rule.avoid))
    }

    /// The rules that the names which a line of code defines break.
    fn in_names(&self, line: &str) -> impl Iterator<Item = &Rule<'a>> {
        let parts: Vec<String> = defined_names(line).into_iter().flat_map(parts_of_name).collect();
        self.names.iter().filter(move |rule| parts.iter().any(|part| part == rule.avoid))
    }
}

fn contains_phrase(text: &str, phrase: &str) -> bool {
    let is_word = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        !is_word(before.chars().next_back()) && !is_word(after.chars().next())
    })
}

/// The identifiers that follow a defining keyword, outside of string literals.
fn defined_names(line: &str) -> Vec<&str> {
    let code = line.split('"').step_by(2);
    let words = code.flat_map(|code| code.split(|char: char| !char.is_alphanumeric() && char != '_'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| DEFINING.contains(&pair[0]) && !DEFINING.contains(&pair[1]));
    pairs.map(|pair| pair[1]).collect()
}

/// `TimelineHead` and `timeline_head` are both `timeline` and `head`.
fn parts_of_name(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        was_lower = char.is_lowercase() || char.is_numeric();
        if let Some(part) = parts.last_mut().filter(|_| char != '_') {
            part.extend(char.to_lowercase());
        }
    }
    parts
}

fn collect_sentences(value: &Value, pointer: &str, into: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_sentences(item, &format!("{pointer}/{index}"), into);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if SENTENCES.contains(&key.as_str()) => {
                        into.push((format!("{pointer}/{key}"), text.clone()));
                    }
                    field => collect_sentences(field, &format!("{pointer}/{key}"), into),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "# a comment\nname told: notified\ntext somebody: the role\ntext whoever: the caller\n";

    fn rules() -> Rules<'static> {
        Rules::parse(LIST).unwrap()
    }

    #[test]
    fn defined_names_are_checked_by_their_parts() {
        let rules = rules();
        for line in
            ["fn take_told() {", "    let mut is_told = 1;", "struct WhatIsTold;", "const TOLD: u8 = 1;"]
        {
            assert_eq!(rules.check_rust(line), ["1: \"told\": use notified"], "{line}");
        }
        // Uses of foreign names, and longer words.
        for line in ["    other.told();", "fn untold() {}", "let x = \"told\";"] {
            assert_eq!(rules.check_rust(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn comments_and_markdown_are_checked_outside_of_code() {
        let rules = rules();
        assert_eq!(rules.check_rust("// Somebody's."), ["1: \"somebody\": use the role"]);
        assert_eq!(rules.check_rust("/// The enum value `somebody`, and the rest."), [""; 0]);
        let markdown = "```\nwhoever\n```\nText of somebody\n`somebody`\n";
        assert_eq!(rules.check_markdown(markdown), ["4: \"somebody\": use the role"]);
    }

    #[test]
    fn sentences_of_documents_are_checked() {
        let document = r#"{"info": {"title": "Whoever calls"}, "example": {"name": "somebody"}, "list": [{"summary": "x"}]}"#;
        assert_eq!(rules().check_document(document).unwrap(), ["/info/title: \"whoever\": use the caller"]);
    }

    #[test]
    fn unreadable_rules_are_errors() {
        assert!(Rules::parse("name told").is_err());
        assert!(Rules::parse("word told: notified").is_err());
    }
}
