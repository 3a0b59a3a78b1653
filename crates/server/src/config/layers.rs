//! Merges the layers: defaults, `blegram.toml`, `.env`, environment. Later layers override earlier ones. Unknown keys
//! are rejected in every layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::Path,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::bugs;

use super::{
    Inputs,
    dotenv::DotEnv,
    error::Problem,
    items,
    kubernetes::is_service_variable,
    reference::{is_unmistakable, successor},
    sections::settings,
    setting::{Preset, Setting},
    value::{Shape, Value},
    words::Profile,
};

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Default,
    Line { file: String, line: usize },
    Variable(String),
    DotEnv(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line { file, line } => write!(f, "{file}, line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::DotEnv(name) => write!(f, "{name} in .env"),
        }
    }
}

#[derive(Debug, Clone)]
struct Raw {
    text: String,
    /// Whether it was a TOML array, which only list settings accept.
    list: bool,
    source: Source,
}

/// The effective value of a setting, for `config show`. Secrets are redacted.
#[derive(Debug, Clone)]
pub(super) struct Effective {
    pub(super) setting: &'static Setting,
    /// The full key, with the index of the item in a list of tables.
    pub(super) key: String,
    /// `None` if it is not set and has no default.
    pub(super) text: Option<String>,
    pub(super) source: Source,
}

/// Replaces secrets in output.
pub(super) const REDACTED: &str = "[redacted]";

/// One layer of variables. An empty variable counts as unset, because Compose files and shells cannot unset one.
struct Variables<'a> {
    values: &'a BTreeMap<String, String>,
    source: fn(String) -> Source,
    read_secret: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// The merged layers, and the problems found so far.
#[derive(Default)]
pub(super) struct Layers {
    values: BTreeMap<String, Raw>,
    pub(super) problems: Vec<Problem>,
    pub(super) effective: Vec<Effective>,
    /// Ignored variables of Kubernetes services.
    pub(super) ignored: Vec<String>,
    /// The item of the list of tables that is being read.
    item: usize,
}

impl Layers {
    pub(super) fn new(inputs: &Inputs<'_>) -> Self {
        let (mut layers, read_secret) = (Self::default(), inputs.read_secret);
        if let Some((name, text)) = inputs.file {
            layers.add_file(name, text);
        }
        // The profile decides whether `.env` is read, so `.env` cannot set the profile.
        if let Some(text) = inputs.dotenv
            && !layers.is_production(inputs.env)
        {
            let dotenv = DotEnv::parse(text);
            let is_predecessors = layers.reject_predecessors(&dotenv);
            layers.reject_unreadable(&dotenv, is_predecessors);
            layers.add_variables(&Variables { values: &dotenv.values, source: Source::DotEnv, read_secret });
        }
        layers.add_variables(&Variables { values: inputs.env, source: Source::Variable, read_secret });
        layers
    }

    fn is_production(&self, env: &BTreeMap<String, String>) -> bool {
        let from_env = env.get("BLEGRAM_PROFILE").filter(|text| !text.is_empty());
        let text = from_env.or_else(|| self.values.get("profile").map(|raw| &raw.text));
        text.is_some_and(|text| Profile::parse(text) == Some(Profile::Production))
    }

    /// Parses the value of one setting. Returns `None` and adds a problem if it is invalid.
    pub(super) fn value<T: Value>(&mut self, setting: &'static Setting) -> Option<T> {
        let key = items::key_of(setting, self.item);
        let Some(raw) = self.raw(setting, &key) else {
            self.effective.push(Effective { setting, key, text: None, source: Source::Default });
            return T::absent();
        };
        let secret = setting.shape == Shape::Secret;
        let text = if secret { REDACTED } else { &raw.text };
        let effective =
            Effective { setting, key: key.clone(), text: Some(text.to_owned()), source: raw.source.clone() };
        self.effective.push(effective);
        let is_accepted = (!raw.list || setting.shape == Shape::List) && setting.admits(&raw.text);
        let value = T::parse(&raw.text).filter(|_| is_accepted);
        if value.is_none() {
            self.problems.push(problem(setting, key, &raw, T::reason(&raw.text)));
        }
        value
    }

    /// Reads a list of tables: calls `read` for each item that any layer sets a key of, in order.
    pub(super) fn items<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let indexes: BTreeSet<usize> = self.values.keys().filter_map(|key| items::index_of(key)).collect();
        let mut values = Vec::new();
        for index in indexes {
            self.item = index;
            // All of them before any `?`, so that one invalid item does not hide problems of the next.
            values.push(read(self));
        }
        self.item = 0;
        values.into_iter().collect()
    }

    fn raw(&self, setting: &Setting, key: &str) -> Option<Raw> {
        let fixed = match setting.preset {
            Preset::Fixed(text) => Some(text),
            Preset::Derived(_) | Preset::Absent(_) => None,
        };
        let default =
            || fixed.map(|text| Raw { text: text.to_owned(), list: false, source: Source::Default });
        self.values.get(key).cloned().or_else(default)
    }

    /// The unparsed value of `key` in any layer, or its fixed default.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.raw(settings().find(|setting| setting.key() == key)?, key).map(|raw| raw.text)
    }

    /// Whether any layer sets `key`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|raw| raw.source != Source::Default)
    }

    /// Sets a computed default. Does not override a value from a layer.
    pub(super) fn derive(&mut self, key: &str, text: impl Into<String>) {
        let default = Raw { text: text.into(), list: false, source: Source::Default };
        self.values.entry(key.to_owned()).or_insert(default);
    }

    fn add_file(&mut self, name: &str, text: &str) {
        match DeTable::parse(text) {
            Ok(table) => self.add_table(name, text, "", table.get_ref()),
            // Only the message: the `Display` of toml errors repeats the line, which may contain a secret.
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                self.reject("TOML", &Source::Line { file: name.into(), line }, error.message());
            }
        }
    }

    fn add_table(&mut self, name: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let source = Source::Line { file: name.into(), line: line_of(text, key.span().start) };
            let key = format!("{prefix}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Array(tables) if key == items::LIST && tables.iter().all(is_table) => {
                    for (index, table) in tables.iter().enumerate() {
                        if let DeValue::Table(inner) = table.get_ref() {
                            self.add_table(name, text, &format!("{key}.{index}."), inner);
                        }
                    }
                }
                DeValue::Table(inner) if is_prefix(&key) || !inner.is_empty() => {
                    self.add_table(name, text, &format!("{key}."), inner);
                }
                value => self.add_entry(&key, value, source),
            }
        }
    }

    fn add_entry(&mut self, key: &str, value: &DeValue<'_>, source: Source) {
        if !settings().any(|setting| setting.key() == items::template(key)) {
            let advice = suggestion(key, Setting::key);
            return self.reject(key, &source, advice);
        }
        let list = matches!(value, DeValue::Array(_));
        match plain(value) {
            Some(text) => drop(self.values.insert(key.to_owned(), Raw { text, list, source })),
            None => self.reject(key, &source, "expected a value or a list of values"),
        }
    }

    fn add_variables(&mut self, variables: &Variables<'_>) {
        for (name, text) in variables.values.iter().filter(|(name, text)| is_ours(name) && !text.is_empty()) {
            let source = (variables.source)(name.clone());
            if let Some((_, key)) = items::setting_of(name) {
                self.add_text(key, text, source);
            } else if let Some((variable, key)) = secret_of(name) {
                self.add_secret(variable, key, Path::new(text), source, variables);
            } else if matches!(source, Source::Variable(_)) && is_service_variable(name, text) {
                self.ignored.push(name.clone());
            } else {
                let advice = successor(name).unwrap_or_else(|| suggestion(name, Setting::variable));
                self.reject(name, &source, advice);
            }
        }
    }

    /// Rejects the variables of a predecessor's `.env` and returns whether it is one. Otherwise the server would start
    /// without any of its settings. In the process environment the same names may belong to other programs.
    fn reject_predecessors(&mut self, dotenv: &DotEnv) -> bool {
        let is_predecessors = dotenv.names().any(is_unmistakable);
        if is_predecessors {
            for name in dotenv.names() {
                // Readable names with our prefix are rejected by `add_variables`.
                if let Some(advice) =
                    successor(name).filter(|_| !dotenv.values.contains_key(name) || !is_ours(name))
                {
                    self.reject(name, &Source::DotEnv(name.to_owned()), advice);
                }
            }
        }
        is_predecessors
    }

    fn reject_unreadable(&mut self, dotenv: &DotEnv, is_predecessors: bool) {
        const ADVICE: &str =
            "is not NAME=value; put a value with spaces, quotes, #, $ or \\ in single quotes";
        for line in &dotenv.unreadable {
            let name = line.names.first();
            if is_predecessors && name.is_some_and(|name| successor(name).is_some()) {
                continue;
            }
            let source = Source::Line { file: ".env".into(), line: line.line };
            // Not the line itself, which may contain a secret.
            self.reject(name.map_or("this line", String::as_str), &source, ADVICE);
        }
    }

    fn add_text(&mut self, key: String, text: &str, source: Source) {
        if matches!(source, Source::DotEnv(_)) && key == "profile" {
            let advice = "cannot be set in .env, because the profile decides whether .env is read";
            return self.reject("profile", &source, advice);
        }
        self.values.insert(key, Raw { text: text.to_owned(), list: false, source });
    }

    fn add_secret(
        &mut self,
        variable: &str,
        key: String,
        path: &Path,
        source: Source,
        variables: &Variables<'_>,
    ) {
        if variables.values.get(variable).is_some_and(|value| !value.is_empty()) {
            self.reject(&key, &source, "is set twice, by value and by file; use only one of them");
        }
        match (variables.read_secret)(path) {
            // An empty file does not count as unset: the secret is missing, and its parser rejects the empty text.
            Ok(secret) => self.add_text(key, secret.trim_end_matches(['\r', '\n']), source),
            Err(error) => self.reject(&key, &source, format!("cannot read {}: {error}", path.display())),
        }
    }

    fn reject(&mut self, key: &str, source: &Source, advice: impl Into<String>) {
        let problem =
            Problem { key: key.to_owned(), found: None, origin: source.to_string(), advice: advice.into() };
        self.problems.push(problem);
    }
}

fn problem(setting: &Setting, key: String, raw: &Raw, reason: Option<String>) -> Problem {
    let found = (setting.shape != Shape::Secret).then(|| raw.text.clone());
    let kind = if raw.list && setting.shape != Shape::List { "one value, not a list: " } else { "" };
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let advice = format!("expected {kind}{}, for example {}{reason}", setting.expected(), setting.example());
    Problem { key, found, origin: raw.source.to_string(), advice }
}

/// Whether a variable is a setting: it has the prefix, and is neither `BLEGRAM_CONFIG` nor for the tests.
fn is_ours(name: &str) -> bool {
    let is_other = name == "BLEGRAM_CONFIG" || name.starts_with("BLEGRAM_TEST_") || bugs::is_variable(name);
    name.starts_with("BLEGRAM_") && !is_other
}

/// The variable and the key of the secret that a variable `BLEGRAM_…_FILE` names a file for.
fn secret_of(name: &str) -> Option<(&str, String)> {
    let variable = name.strip_suffix("_FILE")?;
    let (setting, key) = items::setting_of(variable)?;
    (setting.shape == Shape::Secret).then_some((variable, key))
}

fn is_table(value: &Spanned<DeValue<'_>>) -> bool {
    matches!(value.get_ref(), DeValue::Table(_))
}

fn is_prefix(key: &str) -> bool {
    settings().any(|setting| setting.key().strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(word) => Some(word.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(Spanned::get_ref).map(plain).collect();
            Some(texts?.join(","))
        }
        DeValue::Table(_) => None,
    }
}

/// The advice for an unknown name, with the most similar setting if it may be a typing error.
fn suggestion(name: &str, spell: fn(&Setting) -> String) -> String {
    const MIN_SIMILARITY: f64 = 0.8;
    let last = |name: &str| name.rsplit(['.', '_']).next().unwrap_or_default().to_owned();
    let similarity = |known: &str| {
        let same_end = if last(name) == last(known) { 0.02 } else { 0.0 };
        strsim::normalized_damerau_levenshtein(name, known) + same_end
    };
    let best = settings().map(spell).max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best.filter(|best| similarity(best) >= MIN_SIMILARITY || best.ends_with(&format!(".{name}"))) {
        Some(near) => format!("is not a setting; did you mean {near}?"),
        None => "is not a setting; see docs/configuration.md for all settings".into(),
    }
}
