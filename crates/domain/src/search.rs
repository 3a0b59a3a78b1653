//! What a text is found by, made once for those who write and for those who look.
//!
//! Korean, Chinese and Japanese are written without spaces between the words that people look for, so a run of their
//! characters is found by each two that follow one another: `서울숲` by `서울` and `울숲`. Other scripts are found by
//! their words. A term is stored as `x` and the hexadecimal digits of its UTF-8, which every tokeniser leaves alone
//! and no query language has a meaning for.

use std::{cmp::Reverse, fmt::Write, str::FromStr};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::{
    RecentSearchId, SearchText, Timestamp, Violation,
    analysis::{fold, is_mark},
    text::is_invisible,
    user::stored_enum,
};

stored_enum! {
    /// What somebody looked for.
    Kind {
        /// Accounts.
        Users = "users",
        /// Hashtags.
        Hashtags = "hashtags",
        /// Posts.
        Posts = "posts",
    }
}

/// That somebody looked for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentSearch {
    /// Sorts by time of searching.
    pub id: RecentSearchId,
    /// The text, as they wrote it.
    pub query: String,
    /// What they looked for.
    pub kind: Kind,
    /// When they last did.
    pub searched_at: Timestamp,
}

impl RecentSearch {
    /// How many different searches are remembered of one person.
    pub const MAX: usize = 20;
}

/// The largest number of characters that tell a word from another: PostgreSQL stores no term without end.
const MAX_WORD: usize = 64;

/// The largest number of terms that a database looks for. What they do not say is compared afterwards: a phrase of a
/// hundred terms would cost a hundred times the time for every text that has them in another order.
const MAX_TERMS: usize = 8;

/// How many of them may be beginnings of terms, for each of which a database looks at all terms that begin so.
const MAX_PREFIXES: usize = 2;

/// The terms that `text` is found by, in its order, with spaces between them.
///
/// Each run of Hangul or CJK ends with the term of its last character: a text is found by any one of its characters,
/// and the end of one run and the beginning of the next are never taken for neighbours.
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

/// What somebody looks for: everything that has all of its phrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: SearchText,
    folded: String,
}

/// Terms that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// At least one, made of `x`, digits and the letters `a` to `f` only.
    pub terms: Vec<String>,
    /// Whether the last term may be the beginning of a longer one.
    pub is_prefix: bool,
}

impl Query {
    /// Reads what somebody wrote. A text of punctuation alone is a query that finds nothing.
    ///
    /// # Errors
    /// The first rule of [`SearchText`] that it breaks.
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        let text = SearchText::parse(raw)?;
        let folded = fold(text.as_str());
        Ok(Self { text, folded })
    }

    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// What a username or hashtag is compared with: the folded text without a sign in front.
    pub fn name(&self) -> &str {
        self.folded.trim_start_matches(['@', '#'])
    }

    /// What a database looks for in posts: whole words, and of a single character of Hangul or CJK any place. At most
    /// eight terms; see [`Query::is_narrowed`].
    pub fn phrases(&self) -> Vec<Phrase> {
        narrow(self.all_phrases())
    }

    /// As [`Query::phrases`], while the last word is still being written: for names.
    pub fn open_phrases(&self) -> Vec<Phrase> {
        narrow(self.all_open_phrases())
    }

    /// Whether the phrases are less than the whole, so that what has them must be compared with the query, too.
    pub fn is_narrowed(&self) -> bool {
        [self.all_phrases(), self.all_open_phrases()].into_iter().any(|all| {
            let (phrases, terms) = sizes(&all);
            let narrowed = narrow(all);
            sizes(&narrowed) < (phrases, terms)
        })
    }

    /// Whether `text`, of a post, has everything that is looked for.
    pub fn is_in(&self, text: &str) -> bool {
        has_all(text, &self.all_phrases())
    }

    /// Whether `names`, of an account or a hashtag, have everything that is looked for, or begin with it.
    pub fn is_in_names(&self, names: &str) -> bool {
        fold(names).starts_with(self.name()) || has_all(names, &self.all_open_phrases())
    }

    fn all_phrases(&self) -> Vec<Phrase> {
        runs(&self.folded).into_iter().map(Phrase::of).collect()
    }

    fn all_open_phrases(&self) -> Vec<Phrase> {
        let mut phrases = self.all_phrases();
        if let Some(last) = phrases.last_mut().filter(|last| last.terms.len() == 1) {
            // A term of two characters of a compound begins no other.
            last.is_prefix = true;
        }
        phrases
    }
}

/// The part of `phrases` that fewest texts have: the longest ones, whole words before beginnings of words.
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

/// Whether `text` has `phrases`, as a database looks for them.
fn has_all(text: &str, phrases: &[Phrase]) -> bool {
    let terms = terms(text);
    let terms: Vec<&str> = terms.split_whitespace().collect();
    let begins_at = |phrase: &Phrase, at: &[&str]| {
        let last = phrase.terms.len() - 1;
        phrase.terms.iter().zip(at).enumerate().all(|(n, (want, have))| {
            want == have || n == last && phrase.is_prefix && have.starts_with(want.as_str())
        })
    };
    let has = |phrase: &Phrase| terms.windows(phrase.terms.len()).any(|at| begins_at(phrase, at));
    phrases.iter().all(has) && !phrases.is_empty()
}

impl Phrase {
    /// Sorts before what more texts have, as far as its length tells; the terms keep equal ones together.
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

/// A part of a text without spaces and punctuation, in one manner of writing.
enum Run {
    /// Of a script that puts spaces between words; at most [`MAX_WORD`] characters.
    Word(Vec<char>),
    /// Of Hangul or CJK.
    Compound(Vec<char>),
}

fn runs(folded: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for c in folded.chars().filter(|c| c.is_whitespace() || c.is_control() || !is_invisible(*c)) {
        let is_part = is_word_char(c);
        if is_part {
            push(&mut runs, c, goes_on);
        }
        goes_on = is_part;
    }
    runs
}

fn push(runs: &mut Vec<Run>, c: char, goes_on: bool) {
    match runs.last_mut().filter(|_| goes_on) {
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

/// Hangul, kana, bopomofo and Chinese characters, among letters; compatibility forms are folded away.
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

    /// What a database does.
    fn is_found(phrases: &[Phrase], text: &str) -> bool {
        has_all(text, phrases)
    }

    fn finds(query: &str, text: &str) -> bool {
        is_found(&Query::parse(query).unwrap().phrases(), text)
    }

    #[test]
    fn terms_are_what_tokenisers_leave_alone() {
        assert_eq!(terms("Ann 사진"), "x616e6e xec82aceca784 xeca784");
        assert_eq!(terms("사"), "xec82ac");
        assert_eq!(terms(" ...!? 😀"), "");
    }

    #[test]
    fn what_finds_what() {
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
    fn the_last_word_may_be_its_beginning_only_while_it_is_written() {
        let query = Query::parse("Ann kim").unwrap();
        assert!(is_found(&query.open_phrases(), "ann kimberly"));
        assert!(!is_found(&query.phrases(), "ann kimberly"));
        assert!(!is_found(&query.open_phrases(), "anna kim"));
        assert_eq!(Query::parse("＠Ann").unwrap().name(), "ann");
        assert_eq!(Query::parse(" #제주 ").unwrap().name(), "제주");
    }

    #[test]
    fn a_query_has_1_to_100_characters() {
        for blank in ["", "  ", "\u{200b}", "\u{3164}"] {
            assert_eq!(Query::parse(blank), Err(Violation::Blank), "{blank:?}");
        }
        assert!(Query::parse(&"가".repeat(100)).is_ok());
        let over = Violation::TooLong { max: 100, unit: "characters" };
        assert_eq!(Query::parse(&"가".repeat(101)), Err(over));
        assert!(Query::parse("a\0b").is_err());
    }

    #[test]
    fn a_word_without_end_is_a_term_that_databases_take() {
        let long = "\u{1e922}".repeat(4000);
        assert!(terms(&long).len() <= 1 + MAX_WORD * 4 * 2);
        assert!(finds(&"a".repeat(90), &"a".repeat(3000)));
    }

    #[test]
    fn a_database_looks_for_a_few_rare_terms_only() {
        let terms = |query: &str| Query::parse(query).unwrap().phrases();
        let count = |query: &str| terms(query).iter().map(|phrase| phrase.terms.len()).sum::<usize>();
        assert_eq!(count(&"가나".repeat(50)), 8);
        assert_eq!(count(&"가 나 ".repeat(25)), 2, "beginnings");
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
        fn what_has_a_query_has_what_a_database_looks_for(query in "[가-다a-c ]{1,60}", text in "[가-다a-c ]{0,60}") {
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
        fn every_two_syllables_of_a_compound_find_it(compound in "[가-힣]{2,12}", around in "[ a-z가-힣.]{0,8}") {
            let text = format!("{around} {compound} {around}");
            let syllables: Vec<char> = compound.chars().collect();
            for pair in syllables.windows(2) {
                let pair: String = pair.iter().collect();
                prop_assert!(finds(&pair, &text), "{} in {}", pair, text);
            }
            prop_assert!(finds(&compound, &text));
        }

        #[test]
        fn a_compound_is_found_by_what_it_has_only(compound in "[가-다]{2,5}", text in "[가-다 ]{0,12}") {
            prop_assert_eq!(finds(&compound, &text), text.contains(&compound));
        }

        #[test]
        fn any_text_is_analysed_and_finds_itself(text in "\\PC{1,60}") {
            if let Ok(query) = Query::parse(&text) {
                let phrases = query.phrases();
                prop_assert!(phrases.is_empty() || is_found(&phrases, &text));
            }
        }

        #[test]
        fn no_term_has_a_meaning_in_a_query_language(text in ".{0,100}") {
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
