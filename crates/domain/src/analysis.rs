//! Hashtags and mentions: found once, here, for everything that people write.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    Username, Violation,
    text::is_invisible,
    username::{is_hangul_syllable, is_username_char},
};

/// A hashtag without `#`, folded: NFKC and case fold, so `#Jeju`, `#JEJU` and `#ｊｅｊｕ` are one.
///
/// Letters, marks, digits and `_`, at most 50 characters, with a letter among them and no mark in front (UAX 31).
/// Characters that nobody sees are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hashtag(String);

impl Hashtag {
    /// The largest number of characters as readers count them.
    pub const MAX_GRAPHEMES: usize = 50;

    /// Folds and checks `raw`, a tag without `#`; `None` for what no text can hold as a hashtag.
    pub fn parse(raw: &str) -> Option<Self> {
        let folded: String = fold(raw).chars().filter(|c| !is_invisible(*c)).nfc().collect();
        let is_tag = folded.chars().all(is_tag_char)
            && folded.chars().any(char::is_alphabetic)
            && !folded.starts_with(is_mark)
            && folded.graphemes(true).count() <= Self::MAX_GRAPHEMES;
        is_tag.then_some(Self(folded))
    }

    /// The tag that was stored as `folded`. Not judged again: a rule that gets stricter must not make what was
    /// written before unreadable.
    pub const fn from_stored(folded: String) -> Self {
        Self(folded)
    }

    /// The folded tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hashtag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Hashtag> for String {
    fn from(tag: Hashtag) -> Self {
        tag.0
    }
}

/// An `@name` in a text, not yet known to be anybody.
///
/// Korean particles and titles are written without a space (`@ann님`), so a mention stands for the
/// longest of its [`candidates`](Mention::candidates) that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention(Vec<Username>);

/// How many syllables a particle or title behind a name may have: `에게서는`.
const MAX_SUFFIX_SYLLABLES: usize = 4;

impl Mention {
    /// The names that may be meant, longest first; at least one, at most five.
    pub fn candidates(&self) -> &[Username] {
        &self.0
    }

    fn parse(run: &str) -> Option<Self> {
        let run = run.split("..").next().unwrap_or_default().trim_end_matches('.');
        let suffix_starts = run
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_hangul_syllable(*c))
            .map(|(at, _)| at)
            .take(MAX_SUFFIX_SYLLABLES);
        let ends = std::iter::once(run.len()).chain(suffix_starts);
        let names: Vec<Username> =
            ends.filter_map(|end| Username::parse(run[..end].trim_end_matches('.')).ok()).collect();
        (!names.is_empty()).then_some(Self(names))
    }
}

/// What a text refers to, each thing once, in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// The folded hashtags.
    pub hashtags: Vec<Hashtag>,
    /// The possible mentions.
    pub mentions: Vec<Mention>,
}

impl Analysis {
    /// The largest number of different hashtags in one text.
    pub const MAX_HASHTAGS: usize = 30;
    /// The largest number of different mentions in one text.
    pub const MAX_MENTIONS: usize = 20;

    /// Finds the hashtags and mentions of `text`. The sign must not follow a word (`a@b.c` is an
    /// address), nor stand in a link (`/#top`).
    ///
    /// # Errors
    /// [`Violation::TooMany`] hashtags or mentions.
    pub fn of(text: &str) -> Result<Self, Violation> {
        let mut found = Self::default();
        let mut before = ' ';
        for (at, sign) in text.char_indices() {
            let rest = &text[at + sign.len_utf8()..];
            match sign {
                '#' | '＃' if opens(before) => {
                    push_new(&mut found.hashtags, Hashtag::parse(run(rest, is_tag_char)))
                }
                '@' | '＠' if opens(before) => {
                    push_new(
                        &mut found.mentions,
                        Mention::parse(run(rest, |c| is_username_char(c.to_ascii_lowercase()))),
                    );
                }
                _ => {}
            }
            before = sign;
        }
        found.within_limits()
    }

    fn within_limits(self) -> Result<Self, Violation> {
        if self.hashtags.len() > Self::MAX_HASHTAGS {
            return Err(Violation::TooMany { max: Self::MAX_HASHTAGS, what: "hashtags" });
        }
        if self.mentions.len() > Self::MAX_MENTIONS {
            return Err(Violation::TooMany { max: Self::MAX_MENTIONS, what: "mentions" });
        }
        Ok(self)
    }
}

/// What a text is compared by: NFKC and case fold.
pub(crate) fn fold(raw: &str) -> String {
    caseless::default_case_fold_str(&raw.nfkc().collect::<String>()).nfkc().collect()
}

// A text has few of either, so a search beats a second, hashed copy.
fn push_new<T: PartialEq>(all: &mut Vec<T>, item: Option<T>) {
    all.extend(item.filter(|item| !all.contains(item)));
}

fn run(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    text.split(|c| !is_part(c)).next().unwrap_or_default()
}

fn opens(before: char) -> bool {
    !is_tag_char(before) && !matches!(before, '#' | '＃' | '@' | '＠' | '/' | '&' | '=' | '.' | '-' | '+')
}

fn is_digit(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber
}

pub(crate) fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

fn is_tag_char(c: char) -> bool {
    c == '_'
        || is_digit(c)
        || matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(text: &str) -> Vec<String> {
        Analysis::of(text).unwrap().hashtags.iter().map(Hashtag::to_string).collect()
    }

    fn mentions(text: &str) -> Vec<String> {
        let names = |mention: &Mention| mention.0.iter().map(Username::as_str).collect::<Vec<_>>().join("|");
        Analysis::of(text).unwrap().mentions.iter().map(names).collect()
    }

    #[test]
    fn finds_hashtags() {
        let table: &[(&str, &[&str])] = &[
            ("오늘의 노을 #제주 #Jeju!", &["제주", "jeju"]),
            ("#a#b", &["a"]),
            ("(#태그)", &["태그"]),
            ("＃ｆｕｌｌ", &["full"]),
            ("#1 #2026 #2026년", &["2026년"]),
            ("#JEJU #jeju #Jeju", &["jeju"]),
            ("#straße #STRASSE", &["strasse"]),
            ("a#b https://x.example/#top &#39; #", &[]),
            ("#café #cafe\u{301}", &["café"]),
            ("#foo_bar-baz", &["foo_bar"]),
            ("#हिन्दी", &["हिन्दी"]),
            ("#️⃣ #\u{3164} #___ #1_2 #\u{301}a", &[]),
            ("#jeju\u{fe0f} #je\u{200d}ju", &["jeju", "je"]),
        ];
        for (text, expected) in table {
            assert_eq!(tags(text), *expected, "{text}");
        }
    }

    #[test]
    fn a_tag_that_is_too_long_is_no_tag() {
        assert_eq!(tags(&format!("#{}", "가".repeat(50))).len(), 1);
        assert_eq!(tags(&format!("#{}", "가".repeat(51))).len(), 0);
    }

    #[test]
    fn finds_mentions_with_their_korean_suffixes() {
        let table: &[(&str, &[&str])] = &[
            ("hi @Ann, @bob.", &["ann", "bob"]),
            ("@ann @ANN", &["ann"]),
            ("@ann님 안녕", &["ann님|ann"]),
            ("@민수야고마워", &["민수야고마워|민수야고마|민수야고|민수야"]),
            ("mail ann@example.com", &[]),
            ("https://x.example/@ann", &[]),
            ("@ab @..", &[]),
            ("＠bob", &["bob"]),
            ("@ann...thanks @bob..", &["ann", "bob"]),
            ("@ann.님", &["ann.님|ann"]),
        ];
        for (text, expected) in table {
            assert_eq!(mentions(text), *expected, "{text}");
        }
    }

    #[test]
    fn refuses_more_than_the_limits() {
        let many =
            |sign: &str, count: usize| (0..count).map(|n| format!("{sign}name{n} ")).collect::<String>();
        assert!(Analysis::of(&many("#", 30)).is_ok());
        assert_eq!(Analysis::of(&many("#", 31)), Err(Violation::TooMany { max: 30, what: "hashtags" }));
        assert!(Analysis::of(&many("@", 20)).is_ok());
        assert_eq!(Analysis::of(&many("@", 21)), Err(Violation::TooMany { max: 20, what: "mentions" }));
    }

    proptest! {
        #[test]
        fn every_tag_found_is_a_tag(text in "[#＃a-zA-Z0-9_ ﷺ가-힣ﬁßİ\u{301}@.]{0,60}") {
            for tag in Analysis::of(&text).map(|found| found.hashtags).unwrap_or_default() {
                prop_assert_eq!(Hashtag::parse(tag.as_str()), Some(tag));
            }
        }

        #[test]
        fn any_text_is_analysed(text in ".{0,200}") {
            let _ = Analysis::of(&text);
        }

        #[test]
        fn a_mention_has_one_to_five_candidates_longest_first(name in "[a-z가-힣]{3,12}") {
            let text = format!("@{name}");
            let found = Analysis::of(&text).unwrap();
            let names = found.mentions[0].candidates();
            prop_assert!((1..=5).contains(&names.len()));
            prop_assert!(names.windows(2).all(|pair| pair[0].as_str().len() > pair[1].as_str().len()));
        }
    }
}
