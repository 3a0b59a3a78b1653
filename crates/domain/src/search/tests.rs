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
