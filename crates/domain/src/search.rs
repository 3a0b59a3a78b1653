//! The search terms of a text, generated the same way for stored texts and for queries.
//!
//! Korean, Chinese and Japanese are written without spaces between the words that people search for, so a run of their
//! characters is indexed by its overlapping bigrams: `서울숲` by `서울` and `울숲`. Other scripts are indexed by words. A term
//! is encoded as `x` and the hexadecimal digits of its UTF-8, which every tokeniser leaves unchanged and which has no
//! meaning in any query language.

use std::{cmp::Reverse, fmt::Write, str::FromStr};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::{
    RecentSearchId, SearchText, Timestamp, Violation,
    analysis::{fold, is_mark},
    text::is_invisible,
    user::stored_enum,
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a database matches.
    fn is_found(phrases: &[Phrase], text: &str) -> bool {
        has_all(text, phrases)
    }

    fn finds(query: &str, text: &str) -> bool {
        is_found(&Query::parse(query).unwrap().phrases(), text)
    }

    #[test]
    fn terms_are_unchanged_by_tokenisers() {
        assert_eq!(terms("Ann 사진"), "x616e6e xec82aceca784 xeca784");
        assert_eq!(terms("사"), "xec82ac");
        assert_eq!(terms(" ...!? 😀"), "");
    }

    #[test]
    fn query_finds_the_expected_texts() {
        let table = [
            ("서울", "서울숲나들이", true),
            ("울숲", "서울숲나들이", true),
            ("숲나들", "서울숲나들이", true),
            ("서숲", "서울숲나들이", false),
            ("사진", "가족사진관", true),
            ("사", "가족사진관", true),
            ("관", "가족사진관", true),
            ("\u{1109}\u{1161}\u{110c}\u{1175}\u{11ab}", "가족사진관", true),
            ("사진", "가족\u{1109}\u{1161}\u{110c}\u{1175}\u{11ab}관", true),
            ("사진", "가족사 진관", false),
            ("가나다", "가나 나다", false),
            ("가족 사진", "사진, 우리 가족", true),
            ("가족 사진", "가족", false),
            ("full", "ＦＵＬＬ width", true),
            ("ＦＵＬＬ", "Full", true),
            ("STRASSE", "straße", true),
            ("café", "Cafe\u{301}", true),
            ("cafe", "café", false),
            ("jeju", "jejudo", false),
            ("island", "jeju_island", true),
            ("#jeju", "at #Jeju!", true),
            ("제주", "jeju제주2026", true),
            ("2026", "jeju제주2026년", true),
            ("東京", "東京タワー", true),
            ("タワ", "東京ﾀﾜｰ", true),
            ("!!!", "!!!", false),
            ("jeju", "je\u{200b}ju", true),
            ("a b", "b-a", true),
        ];
        for (query, text, expected) in table {
            assert_eq!(finds(query, text), expected, "{query} in {text}");
        }
    }

    #[test]
    fn query_ends_with_a_prefix_in_open_phrases_only() {
        let query = Query::parse("Ann kim").unwrap();
        assert!(is_found(&query.open_phrases(), "ann kimberly"));
        assert!(!is_found(&query.phrases(), "ann kimberly"));
        assert!(!is_found(&query.open_phrases(), "anna kim"));
        assert_eq!(Query::parse("＠Ann").unwrap().name(), "ann");
        assert_eq!(Query::parse(" #제주 ").unwrap().name(), "제주");
    }

    #[test]
    fn query_has_1_to_100_characters() {
        for blank in ["", "  ", "\u{200b}", "\u{3164}"] {
            assert_eq!(Query::parse(blank), Err(Violation::Blank), "{blank:?}");
        }
        assert!(Query::parse(&"가".repeat(100)).is_ok());
        let over = Violation::TooLong { max: 100, unit: "characters" };
        assert_eq!(Query::parse(&"가".repeat(101)), Err(over));
        assert!(Query::parse("a\0b").is_err());
    }

    #[test]
    fn terms_of_long_words_are_truncated() {
        let long = "\u{1e922}".repeat(4000);
        assert!(terms(&long).len() <= 1 + MAX_WORD * 4 * 2);
        assert!(finds(&"a".repeat(90), &"a".repeat(3000)));
    }

    #[test]
    fn query_is_narrowed_to_a_few_rare_terms() {
        let terms = |query: &str| Query::parse(query).unwrap().phrases();
        let count = |query: &str| terms(query).iter().map(|phrase| phrase.terms.len()).sum::<usize>();
        assert_eq!(count(&"가나".repeat(50)), 8);
        assert_eq!(count(&"가 나 ".repeat(25)), 2, "prefixes");
        assert_eq!(count(&"a b c d e f g h i j k l ".repeat(4)), 8);
        assert_eq!(count("gna gna gna"), 1);
        let words = terms("a of 숲 photographs by ann 서울숲에서 to be or not");
        let rarest: Vec<Phrase> = ["photographs", "서울숲에서"].iter().flat_map(|word| terms(word)).collect();
        assert!(rarest.iter().all(|phrase| words[..2].contains(phrase)), "{words:?}");
        assert!(!Query::parse("제주도 가을 여행 숲").unwrap().is_narrowed());
        assert!(Query::parse(&"가나".repeat(50)).unwrap().is_narrowed());
        let query = Query::parse("가나다라마바사아자차").unwrap();
        assert!(query.is_in("어 가나다라마바사아자차카") && !query.is_in("가나다라마바사아자타"));
    }

    proptest! {
        #[test]
        fn query_matches_imply_matches_of_the_narrowed_query(query in "[가-다a-c ]{1,60}", text in "[가-다a-c ]{0,60}") {
            let Ok(query) = Query::parse(&query) else { return Ok(()) };
            let narrowed = query.phrases();
            prop_assert!(narrowed.iter().map(|phrase| phrase.terms.len()).sum::<usize>() <= MAX_TERMS);
            prop_assert!(narrowed.iter().filter(|phrase| phrase.is_prefix).count() <= MAX_PREFIXES);
            if query.is_in(&text) {
                prop_assert!(has_all(&text, &narrowed));
            }
            if !query.is_narrowed() {
                prop_assert_eq!(query.is_in(&text), has_all(&text, &narrowed));
            }
            if query.is_in(&text) || fold(&text).starts_with(query.name()) {
                prop_assert!(query.is_in_names(&text));
            }
        }

        #[test]
        fn compound_is_found_by_every_pair_of_syllables(compound in "[가-힣]{2,12}", around in "[ a-z가-힣.]{0,8}") {
            let text = format!("{around} {compound} {around}");
            let syllables: Vec<char> = compound.chars().collect();
            for pair in syllables.windows(2) {
                let pair: String = pair.iter().collect();
                prop_assert!(finds(&pair, &text), "{} in {}", pair, text);
            }
            prop_assert!(finds(&compound, &text));
        }

        #[test]
        fn compound_is_found_only_by_its_substrings(compound in "[가-다]{2,5}", text in "[가-다 ]{0,12}") {
            prop_assert_eq!(finds(&compound, &text), text.contains(&compound));
        }

        #[test]
        fn query_of_any_text_finds_the_text(text in "\\PC{1,60}") {
            if let Ok(query) = Query::parse(&text) {
                let phrases = query.phrases();
                prop_assert!(phrases.is_empty() || is_found(&phrases, &text));
            }
        }

        #[test]
        fn terms_have_no_meaning_in_query_languages(text in ".{0,100}") {
            let harmless = |c: char| c == 'x' || c.is_ascii_digit() || ('a'..='f').contains(&c);
            prop_assert!(terms(&text).split_whitespace().all(|term| term.starts_with('x')));
            prop_assert!(terms(&text).chars().all(|c| c == ' ' || harmless(c)));
            for phrase in Query::parse(&text).map(|query| query.open_phrases()).unwrap_or_default() {
                prop_assert!(!phrase.terms.is_empty());
                prop_assert!(phrase.terms.iter().all(|term| term.len() > 1 && term.chars().all(harmless)));
            }
        }
    }
}
