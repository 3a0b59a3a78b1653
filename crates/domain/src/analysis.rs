//! Extracts hashtags and mentions from user-written text.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    Username, Violation, link,
    text::is_invisible,
    username::{is_hangul_syllable, is_username_char},
};

/// A hashtag without `#`, folded with NFKC and case folding, so that `#Jeju`, `#JEJU` and `#ｊｅｊｕ` are equal.
///
/// Letters, marks, digits and `_`, at most 50 characters, with at least one letter and no leading mark (UAX 31).
/// Invisible characters are removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hashtag(String);

impl Hashtag {
    /// The largest number of characters as readers count them.
    pub const MAX_GRAPHEMES: usize = 50;

    /// Folds and validates `raw`, a tag without `#`; `None` for anything that cannot be a hashtag, such as white space.
    pub fn parse(raw: &str) -> Option<Self> {
        if !raw.chars().all(is_tag_char) {
            return None;
        }
        let folded: String = fold(raw).chars().filter(|c| !is_invisible(*c)).nfc().collect();
        let is_tag = folded.chars().all(is_tag_char)
            && folded.chars().any(char::is_alphabetic)
            && !folded.starts_with(is_mark)
            && folded.graphemes(true).count() <= Self::MAX_GRAPHEMES;
        is_tag.then_some(Self(folded))
    }

    /// Like [`Hashtag::parse`], for a tag that names something, as in a path or a topic: rejects invisible characters
    /// instead of removing them, so that a tag with hidden content is not mistaken for another.
    pub fn parse_name(raw: &str) -> Option<Self> {
        if raw.chars().any(is_invisible) { None } else { Self::parse(raw) }
    }

    /// Wraps a stored tag without validation: a stricter rule must not make existing tags unreadable.
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

/// An `@name` in a text, not yet resolved to an account.
///
/// Korean particles and titles follow a name without a space (`@ann님`), so a mention refers to the longest of its
/// [`candidates`](Mention::candidates) that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention(Vec<Username>);

/// The longest particle or title after a name, in syllables: `에게서는`.
const MAX_SUFFIX_SYLLABLES: usize = 4;

impl Mention {
    /// The possible usernames, longest first; one to five.
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

/// The references in a text, without duplicates, in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Analysis {
    /// The hashtags, folded.
    pub hashtags: Vec<Hashtag>,
    /// The mentions, unresolved.
    pub mentions: Vec<Mention>,
}

impl Analysis {
    /// The largest number of different hashtags in one text.
    pub const MAX_HASHTAGS: usize = 30;
    /// The largest number of different mentions in one text.
    pub const MAX_MENTIONS: usize = 20;

    /// Finds the hashtags and mentions in `text`. The sign must not follow a word (`a@b.c` is an address), nor be part
    /// of a link or a handle of another site (see [`link::find`]).
    ///
    /// # Errors
    /// [`Violation::TooMany`] hashtags or mentions.
    /// [`Violation::TooMany`] hashtags or mentions.
    pub fn of(text: &str) -> Result<Self, Violation> {
        let mut found = Self::default();
        for (_, reference) in references(text) {
            match reference {
                Reference::Hashtag(tag) => push_new(&mut found.hashtags, tag),
                Reference::Mention(mention) => push_new(&mut found.mentions, mention),
            }
        }
        found.check_limits()
    }

    fn check_limits(self) -> Result<Self, Violation> {
        if self.hashtags.len() > Self::MAX_HASHTAGS {
            return Err(Violation::TooMany { max: Self::MAX_HASHTAGS, what: "hashtags" });
        }
        if self.mentions.len() > Self::MAX_MENTIONS {
            return Err(Violation::TooMany { max: Self::MAX_MENTIONS, what: "mentions" });
        }
        Ok(self)
    }
}

/// A reference: a sign and the word after it.
#[derive(Debug)]
enum Reference {
    Hashtag(Hashtag),
    Mention(Mention),
}

/// The hashtags and mentions of a text outside its links, in order, with their byte ranges.
fn references(text: &str) -> Vec<(Range<usize>, Reference)> {
    let mut found = Vec::new();
    let mut links = link::find(text).into_iter().peekable();
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        while links.next_if(|link| link.end <= at).is_some() {}
        let next = links.peek().map_or(text.len()..text.len(), Clone::clone);
        if at < next.start && may_precede_sign(before) {
            // A word ends where a link begins.
            let rest = &text[at + sign.len_utf8()..next.start];
            let (word, reference) = match sign {
                '#' | '＃' => {
                    let word = run(rest, is_tag_char);
                    (word, Hashtag::parse(word).map(Reference::Hashtag))
                }
                '@' | '＠' => {
                    let word = run(rest, |c| is_username_char(c.to_ascii_lowercase()));
                    (word, Mention::parse(word).map(Reference::Mention))
                }
                _ => ("", None),
            };
            let range = at..at + sign.len_utf8() + word.len();
            found.extend(reference.map(|reference| (range, reference)));
        }
        before = sign;
    }
    found
}

/// Folds text for comparison: NFKC and case folding.
pub(crate) fn fold(raw: &str) -> String {
    caseless::default_case_fold_str(&raw.nfkc().collect::<String>()).nfkc().collect()
}

// A text has few of either, so a linear search beats a hash set.
fn push_new<T: PartialEq>(all: &mut Vec<T>, item: T) {
    if !all.contains(&item) {
        all.push(item);
    }
}

fn run(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    text.split(|c| !is_part(c)).next().unwrap_or_default()
}

/// Whether a sign after `before` may start a hashtag or mention.
pub(crate) fn may_precede_sign(before: char) -> bool {
    !is_tag_char(before) && !matches!(before, '#' | '＃' | '@' | '＠' | '/' | '&' | '=' | '.' | '-' | '+')
}

fn is_digit(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber
}

pub(crate) fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

pub(crate) fn is_tag_char(c: char) -> bool {
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
    fn hashtag_with_invisible_characters_is_no_name() {
        for raw in ["제주", "Jeju", "ｊｅｊｕ", "\u{1112}\u{1161}\u{11ab}글", "e\u{301}"] {
            assert_eq!(Hashtag::parse_name(raw), Hashtag::parse(raw));
            assert!(Hashtag::parse_name(raw).is_some(), "{raw:?}");
        }
        for (invisible, raw) in [
            ("variation selector", "jeju\u{fe0f}"),
            ("filler", "je\u{3164}ju"),
            ("Hangul filler", "\u{115f}\u{1160}jeju"),
            ("grapheme joiner", "je\u{34f}ju"),
        ] {
            assert_eq!(Hashtag::parse(raw).as_ref().map(Hashtag::as_str), Some("jeju"), "{invisible}");
            assert_eq!(Hashtag::parse_name(raw), None, "{invisible}");
        }
        for raw in ["je\0ju", "je\u{200b}ju", "je ju", "\u{feff}jeju"] {
            assert_eq!((Hashtag::parse(raw), Hashtag::parse_name(raw)), (None, None), "{raw:?}");
        }
    }

    #[test]
    fn hashtags_are_found() {
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
            ("https://en.wikipedia.org/wiki/Jeju_(island)#History #제주", &["제주"]),
            ("(see https://…/Jeju_(island)#History)#제주", &["제주"]),
            ("https://x.example/a?b=(#c) x.example/~#d www.x.example/!#e", &[]),
            ("#보세요https://x.example/~#a", &["보세요"]),
            ("「https://x.example/a」#b https://x.example/c\u{200b}#d", &["b", "d"]),
        ];
        for (text, expected) in table {
            assert_eq!(tags(text), *expected, "{text}");
        }
    }

    #[test]
    fn hashtag_that_is_too_long_is_ignored() {
        assert_eq!(tags(&format!("#{}", "가".repeat(50))).len(), 1);
        assert_eq!(tags(&format!("#{}", "가".repeat(51))).len(), 0);
    }

    #[test]
    fn mentions_are_found_with_korean_suffixes() {
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
            ("https://x.example/~@ann https://x.example/(@ann) x.example/~@ann", &[]),
            ("https://ko.wikipedia.org/wiki/제주도에서 @bob님", &["bob님|bob"]),
            ("@ann@mastodon.example @ann.kim@x.example에서 ＠ann＠x.example", &[]),
            ("(@ann@mastodon.example)@bob [@cat](https://x.example/~@ann)", &["bob", "cat"]),
            ("@ann@bob x@ann.example @ann.example", &["ann", "ann.example"]),
            ("https://x.example(@ann) https://x.example!@bob", &["ann", "bob"]),
        ];
        for (text, expected) in table {
            assert_eq!(mentions(text), *expected, "{text}");
        }
    }

    #[test]
    fn hashtags_and_mentions_beyond_the_limits_are_rejected() {
        let many =
            |sign: &str, count: usize| (0..count).map(|n| format!("{sign}name{n} ")).collect::<String>();
        assert!(Analysis::of(&many("#", 30)).is_ok());
        assert_eq!(Analysis::of(&many("#", 31)), Err(Violation::TooMany { max: 30, what: "hashtags" }));
        assert!(Analysis::of(&many("@", 20)).is_ok());
        assert_eq!(Analysis::of(&many("@", 21)), Err(Violation::TooMany { max: 20, what: "mentions" }));
    }

    proptest! {
        #[test]
        fn hashtags_found_can_be_parsed(text in "[#＃a-zA-Z0-9_ ﷺ가-힣ﬁßİ\u{301}@.]{0,60}") {
            for tag in Analysis::of(&text).map(|found| found.hashtags).unwrap_or_default() {
                prop_assert_eq!(Hashtag::parse(tag.as_str()), Some(tag));
            }
        }

        #[test]
        fn references_do_not_overlap_links(
            text in "([#@＃＠a-z가-힣 ./~!:(),_-]|https://|x\\.example/|@ann|#tag|@b@x\\.kr){0,30}",
        ) {
            let links = link::find(&text);
            for (range, reference) in references(&text) {
                let overlaps = links.iter().any(|link| link.start < range.end && range.start < link.end);
                prop_assert!(!overlaps, "{:?} {:?} in {:?} of {:?}", reference, range, links, text);
            }
        }

        #[test]
        fn links_contain_no_references(
            before in "([#@a-z가-힣 .,!~]|@ann|#tag){0,10}",
            scheme in "https?://|ftp://|app://|//|",
            host in "[a-z]{1,8}(\\.[a-z_-]{0,3}[a-z]{2})?\\.(example|kr|한국|닷컴)(:[0-9]{2,4})?",
            path in "(/([a-z가-힣@#~!$&'*+,;=:._-]|\\([@#a-z가-힣]{0,4}\\)|%2[0-9]){0,12}){1,3}",
            after in "( |\\)|\\) |에서 |」|\n|[.]? )([#@a-z가-힣 .,!~]|@bob|#tags){0,10}",
        ) {
            let text = format!("{before} ({scheme}{host}{path}{after}");
            let without = format!("{before} (x{after}");
            // A particle may belong to the path, and then does not end it.
            prop_assert_eq!(Analysis::of(&text), Analysis::of(&without), "{}", text);
        }

        #[test]
        fn handles_of_other_sites_are_not_mentions(
            name in "[a-z0-9_]{3,10}(\\.[a-z]{1,4})?",
            host in "[a-z0-9-]{0,6}[a-z0-9]\\.([a-z]{2,4}\\.)?(example|kr|org|한국)",
            after in "|에서|님| |\\)|,|!|\\. ",
        ) {
            let text = format!("@{name}@{host}{after} @bob");
            prop_assert_eq!(Analysis::of(&text), Analysis::of("@bob"), "{}", text);
        }

        #[test]
        fn addresses_contain_no_references(
            before in "(|[(「 ]|mailto:kim@|kim@|@kim@|https://)",
            host in "([a-z]{1,8}\\.example|💩\\.la|x\\.한국)(:[0-9]{2,4})?",
            rest in "(/|/~|/[a-z]{1,4}[|`]|\\?[a-z]{1,3}=)\\(?[@#][a-z]{3,5}",
        ) {
            let text = format!("{before}{host}{rest}");
            prop_assert_eq!(Analysis::of(&text), Analysis::of(""), "{}", text);
        }

        #[test]
        fn links_end_before_the_next_reference(
            between in "[-.]",
            end in "[！？：…｡､，；。、｣」›»“”]",
        ) {
            let text = format!("@ann{between}https://x.example/a{end}#jeju{between}https://x.example");
            prop_assert_eq!(Analysis::of(&text), Analysis::of("@ann #jeju"), "{}", text);
        }

        #[test]
        fn analysis_accepts_any_text(text in ".{0,200}") {
            let _ = Analysis::of(&text);
        }

        #[test]
        fn mention_has_one_to_five_candidates_longest_first(name in "[a-z가-힣]{3,12}") {
            let text = format!("@{name}");
            let found = Analysis::of(&text).unwrap();
            let names = found.mentions[0].candidates();
            prop_assert!((1..=5).contains(&names.len()));
            prop_assert!(names.windows(2).all(|pair| pair[0].as_str().len() > pair[1].as_str().len()));
        }
    }
}
