//! The search terms of a text, generated the same way for stored texts and for queries.
//!
//! Korean, Chinese and Japanese are written without spaces between the words that people search for, so a run of their
//! characters is indexed by its overlapping bigrams: `서울숲` by `서울` and `울숲`. Other scripts are indexed by words. A term
//! is encoded as `x` and the hexadecimal digits of its UTF-8, which every tokeniser leaves unchanged and which has no
//! meaning in any query language.

use std::{cmp::Reverse, fmt::Write};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::{
    RecentSearchId, SearchText, Timestamp, Violation,
    analysis::{fold, is_mark},
    stored::stored_enum,
    text::is_invisible,
};

stored_enum! {
    /// What a search looks for.
    Kind {
        /// Accounts.
        Users = "users",
        /// Hashtags.
        Hashtags = "hashtags",
        /// Posts.
        Posts = "posts",
    }
}

/// A search that a user made recently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentSearch {
    /// Sorts by time of searching.
    pub id: RecentSearchId,
    /// The text, as the user entered it.
    pub query: String,
    /// What the search looked for.
    pub kind: Kind,
    /// When the user last made the search.
    pub searched_at: Timestamp,
}

impl RecentSearch {
    /// The number of different recent searches that are stored per user.
    pub const MAX: usize = 20;
}

/// The number of significant characters of a word: PostgreSQL limits the length of a term.
const MAX_WORD: usize = 64;

/// The largest number of terms that a database query looks for. The rest is compared afterwards: a phrase of a hundred
/// terms would make the query a hundred times slower for every text that has them in another order.
const MAX_TERMS: usize = 8;

/// The largest number of prefix terms among them: for each one, a database scans all terms with that prefix.
const MAX_PREFIXES: usize = 2;

/// The terms that index `text`, in order, separated by spaces.
///
/// Each run of Hangul or CJK ends with a term of its last character alone. So a text is found by any single one of its
/// characters, and the end of one run never appears adjacent to the start of the next.
pub fn terms(text: &str) -> String {
    let terms = runs(&fold(text)).into_iter().flat_map(|run| match run {
        Run::Word(word) => vec![encode(&word)],
        Run::Compound(chars) => {
            let last = chars.last().map(|last| encode(&[*last]));
            chars.windows(2).map(encode).chain(last).collect()
        }
    });
    terms.collect::<Vec<_>>().join(" ")
}

/// A search query: a text matches if it contains all of its phrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: SearchText,
    folded: String,
}

/// Terms that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// At least one term, made of `x`, digits and the letters `a` to `f` only.
    pub terms: Vec<String>,
    /// Whether the last term is a prefix.
    pub is_prefix: bool,
}

impl Query {
    /// Parses a user's query. A query that consists of punctuation alone is valid and finds nothing.
    ///
    /// # Errors
    /// The first rule of [`SearchText`] that `raw` violates.
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        let text = SearchText::parse(raw)?;
        let folded = fold(text.as_str());
        Ok(Self { text, folded })
    }

    /// The text, as the user entered it.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The folded text without leading `@` or `#`, to compare with usernames and hashtags.
    pub fn name(&self) -> &str {
        self.folded.trim_start_matches(['@', '#'])
    }

    /// The phrases to look for in posts: whole words; a single character of Hangul or CJK matches anywhere. At most
    /// eight terms; see [`Query::is_narrowed`].
    pub fn phrases(&self) -> Vec<Phrase> {
        narrow(self.all_phrases())
    }

    /// Like [`Query::phrases`], but the last word is a prefix, for search as the user types: for names.
    pub fn open_phrases(&self) -> Vec<Phrase> {
        narrow(self.all_open_phrases())
    }

    /// Whether the phrases cover only a part of the query, so that each result must also be compared with the whole
    /// query.
    pub fn is_narrowed(&self) -> bool {
        [self.all_phrases(), self.all_open_phrases()].into_iter().any(|all| {
            let (phrases, terms) = sizes(&all);
            let narrowed = narrow(all);
            sizes(&narrowed) < (phrases, terms)
        })
    }

    /// Whether the `text` of a post matches the whole query.
    pub fn is_in(&self, text: &str) -> bool {
        has_all(text, &self.all_phrases())
    }

    /// Whether the `names` of an account or a hashtag match the whole query, or start with it.
    pub fn is_in_names(&self, names: &str) -> bool {
        fold(names).starts_with(self.name()) || has_all(names, &self.all_open_phrases())
    }

    fn all_phrases(&self) -> Vec<Phrase> {
        runs(&self.folded).into_iter().map(Phrase::of).collect()
    }

    fn all_open_phrases(&self) -> Vec<Phrase> {
        let mut phrases = self.all_phrases();
        if let Some(last) = phrases.last_mut().filter(|last| last.terms.len() == 1) {
            // A bigram of a compound is never the prefix of another term.
            last.is_prefix = true;
        }
        phrases
    }
}

/// The most selective part of `phrases`: the longest ones, whole words before prefixes.
fn narrow(mut phrases: Vec<Phrase>) -> Vec<Phrase> {
    phrases.sort_by(|a, b| a.rarity().cmp(&b.rarity()));
    phrases.dedup();
    let (mut terms, mut prefixes) = (MAX_TERMS, MAX_PREFIXES);
    phrases.retain_mut(|phrase| {
        phrase.terms.truncate(terms);
        let is_within = !phrase.terms.is_empty() && (!phrase.is_prefix || prefixes > 0);
        if is_within {
            terms -= phrase.terms.len();
            prefixes -= usize::from(phrase.is_prefix);
        }
        is_within
    });
    phrases
}

fn sizes(phrases: &[Phrase]) -> (usize, usize) {
    (phrases.len(), phrases.iter().map(|phrase| phrase.terms.len()).sum())
}

/// Whether `text` contains all `phrases`, as a database would match them.
fn has_all(text: &str, phrases: &[Phrase]) -> bool {
    let terms = terms(text);
    let terms: Vec<&str> = terms.split_whitespace().collect();
    let starts_at = |phrase: &Phrase, at: &[&str]| {
        let last = phrase.terms.len() - 1;
        phrase.terms.iter().zip(at).enumerate().all(|(n, (expected, actual))| {
            expected == actual || n == last && phrase.is_prefix && actual.starts_with(expected.as_str())
        })
    };
    let has = |phrase: &Phrase| terms.windows(phrase.terms.len()).any(|at| starts_at(phrase, at));
    phrases.iter().all(has) && !phrases.is_empty()
}

impl Phrase {
    /// Sorts the most selective phrase first, judged by its length; the terms make equal phrases adjacent.
    fn rarity(&self) -> (bool, Reverse<usize>, &[String]) {
        (self.is_prefix, Reverse(self.terms.iter().map(String::len).sum()), &self.terms)
    }

    fn of(run: Run) -> Self {
        match run {
            Run::Word(word) => Self { terms: vec![encode(&word)], is_prefix: false },
            Run::Compound(chars) if chars.len() == 1 => Self { terms: vec![encode(&chars)], is_prefix: true },
            Run::Compound(chars) => Self { terms: chars.windows(2).map(encode).collect(), is_prefix: false },
        }
    }
}

/// A part of a text without spaces and punctuation, in one kind of script.
enum Run {
    /// In a script that separates words with spaces; at most [`MAX_WORD`] characters.
    Word(Vec<char>),
    /// In Hangul or CJK.
    Compound(Vec<char>),
}

fn runs(folded: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut continues = false;
    for c in folded.chars().filter(|c| c.is_whitespace() || c.is_control() || !is_invisible(*c)) {
        let is_part = is_word_char(c);
        if is_part {
            push(&mut runs, c, continues);
        }
        continues = is_part;
    }
    runs
}

fn push(runs: &mut Vec<Run>, c: char, continues: bool) {
    match runs.last_mut().filter(|_| continues) {
        Some(Run::Word(word)) if is_mark(c) || !is_compound_char(c) => {
            if word.len() < MAX_WORD {
                word.push(c);
            }
        }
        Some(Run::Compound(chars)) if is_mark(c) || is_compound_char(c) => chars.push(c),
        _ if is_compound_char(c) => runs.push(Run::Compound(vec![c])),
        _ => runs.push(Run::Word(vec![c])),
    }
}

fn is_word_char(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark | GeneralCategoryGroup::Number
    )
}

/// Whether a letter is Hangul, kana, bopomofo or a Chinese character; folding has already replaced compatibility forms.
fn is_compound_char(c: char) -> bool {
    matches!(
        c,
        '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' // Hangul
            | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3041}'..='\u{30ff}' // kana
            | '\u{3100}'..='\u{318f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' // bopomofo
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Chinese
            | '\u{20000}'..='\u{3fffd}'
    )
}

fn encode(chars: &[char]) -> String {
    let mut term = String::from("x");
    for byte in chars.iter().collect::<String>().bytes() {
        // Writing to a string cannot fail.
        let _ = write!(term, "{byte:02x}");
    }
    term
}

#[cfg(test)]
mod tests;
