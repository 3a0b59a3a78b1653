//! Finds links and foreign handles: parts of a text in which `#` and `@` have no meaning here.
//!
//! The search runs before that for hashtags and mentions, so that `https://x.example/~@ann` notifies no account and
//! `@ann@mastodon.example` is not taken for a local one. It finds three things:
//!
//! - addresses with a scheme, `https://…`, up to white space or to the end of a bracket or quote around them;
//! - bare domains with a path or query, `x.example/…`, `x.example?q=…`, also as part of an e-mail address; without a
//!   path or query, a domain contains no sign;
//! - handles of other sites, `@ann@mastodon.example`.
//!
//! In Korean a particle follows an address without a space and cannot be distinguished from the path, so it counts as
//! part of the address. The same holds for a sign: it starts a hashtag again only after white space or a bracket.
//! E-mail addresses need no rule, because a sign directly after a word never starts anything. Decision 0028 explains
//! why this is our own code.

use std::ops::Range;

use crate::analysis::{is_tag_char, may_precede_sign};

/// The links and foreign handles in `text`, in order, as byte ranges that do not overlap.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    // The last two characters.
    let (mut before_last, mut before) = (' ', ' ');
    while let Some(c) = text[at..].chars().next() {
        let end_of_last = found.last().map_or(0, |link| link.end);
        let link = match c {
            ':' => with_scheme(text, at, end_of_last),
            '@' | '＠' if may_precede_sign(before) => handle(text, at),
            // A sign after a word is that of an e-mail address.
            _ if is_host_char(c) && (!is_sign(before) || is_host_char(before_last) && before == '@') => {
                bare(text, at)
            }
            _ => None,
        };
        let end = match &link {
            Some(link) => link.end,
            None if is_host_char(c) => at + run(&text[at..], is_host_char).len(),
            None => at + c.len_utf8(),
        };
        let mut last = text[at..end].chars().rev();
        let new = last.next().unwrap_or(c);
        (before_last, before) = (last.next().unwrap_or(before), new);
        at = end;
        found.extend(link);
    }
    found
}

/// `https://…`, whose colon is at `colon`. A scheme is ASCII, so a Korean word directly before it stays outside.
fn with_scheme(text: &str, colon: usize, from: usize) -> Option<Range<usize>> {
    let rest = text[colon..].strip_prefix("://")?;
    let before = &text[from..colon];
    let mut scheme = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c)).len();
    if before[..scheme].ends_with(is_sign) {
        // A name or tag, directly followed by an address: `#jeju-https://…`.
        scheme += before[scheme..].rfind(['.', '-']).map_or(0, |at| at + 1);
    }
    let start = from + scheme + before[scheme..].find(|c: char| c.is_ascii_alphabetic())?;
    let opener = text[..start].chars().next_back();
    let authority = end_of_authority(rest);
    let path = end_of_path(&rest[authority..], opener);
    (authority + path > 0).then(|| start..text.len() - rest.len() + authority + path)
}

/// `x.example/…`, which starts at `start`.
fn bare(text: &str, start: usize) -> Option<Range<usize>> {
    let host = run(&text[start..], is_host_char);
    let path = after_port(&text[start + host.len()..]);
    let is_www = host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
    let has_path = path.starts_with('/') || is_query(path) || is_www && path.starts_with(['?', '#']);
    let opener = text[..start].chars().next_back();
    let is_host = match host.strip_prefix('.') {
        Some(labels) if opener.is_some_and(is_symbol) => is_domain_behind_symbol(labels),
        _ => is_domain(host),
    };
    if !has_path || !(is_host || host.eq_ignore_ascii_case("localhost")) {
        return None;
    }
    let end = text.len() - path.len() + end_of_path(path, opener);
    Some(start..end)
}

/// The rest after a port, if there is one.
fn after_port(rest: &str) -> &str {
    let digits = rest.strip_prefix(':').map_or(0, |rest| run(rest, |c| c.is_ascii_digit()).len());
    if digits > 0 { &rest[1 + digits..] } else { rest }
}

/// Whether a text starts with a query, `?name=…`, and not with the question mark of a sentence.
fn is_query(text: &str) -> bool {
    let name = |rest: &str| run(rest, |c| is_host_char(c) || "%[]".contains(c)).len();
    text.strip_prefix('?').is_some_and(|rest| name(rest) > 0 && rest[name(rest)..].starts_with('='))
}

/// `@ann@mastodon.example`, whose first sign is at `at`, with its path if there is one.
fn handle(text: &str, at: usize) -> Option<Range<usize>> {
    let name_of = |text: &str| text.strip_prefix(['@', '＠']).map(|rest| run(rest, is_host_char).len());
    let sign = text[at..].chars().next()?.len_utf8();
    let name = name_of(&text[at..]).filter(|name| *name > 0)?;
    let rest = &text[at + sign + name..];
    let second = rest.chars().next().filter(|c| matches!(c, '@' | '＠'))?.len_utf8();
    let symbol = rest[second..].chars().next().filter(|c| is_symbol(*c)).map_or(0, char::len_utf8);
    let start = at + sign + name + second + symbol;
    let host = run(&text[start..], is_host_char);
    let is_host = match host.strip_prefix('.') {
        Some(labels) if symbol > 0 => is_domain_behind_symbol(labels),
        _ => symbol == 0 && is_domain(host),
    };
    if !is_host {
        return None;
    }
    let end = start + host.len();
    let path = after_port(&text[end..]);
    if !path.starts_with('/') && !is_query(path) {
        return Some(at..end);
    }
    let opener = text[..at].chars().next_back();
    Some(at..text.len() - path.len() + end_of_path(path, opener))
}

/// Whether a run of [`is_host_char`] is a domain or an IPv4 address. Only the last label distinguishes a domain from
/// two sentences without a space between them: `좋았다.그래서`.
fn is_domain(host: &str) -> bool {
    let host = host.trim_end_matches(['.', '-']);
    let labels: Vec<&str> = host.split('.').collect();
    let [_, .., top] = labels.as_slice() else { return false };
    let is_address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    !labels.iter().any(|label| label.is_empty()) && (is_address || is_top_level(top))
}

/// Whether these are the labels after a first label that is a symbol: `💩.la`.
fn is_domain_behind_symbol(labels: &str) -> bool {
    is_domain(labels) || !labels.contains('.') && is_top_level(labels)
}

/// Whether a character can be a symbol label of a host: an emoji or the like, not punctuation.
fn is_symbol(c: char) -> bool {
    !c.is_ascii()
        && !is_host_char(c)
        && !is_end(c)
        && !is_closer(c)
        && closer_of(c).is_none()
        && !TRIMMED.contains(c)
}

/// Whether a label can be a top-level domain: it starts with two or more ASCII letters, which a particle may follow, or
/// is in another script. For Hangul, only the registered domains are distinguishable from words.
fn is_top_level(label: &str) -> bool {
    const HANGUL: [&str; 4] = ["한국", "닷컴", "닷넷", "삼성"];
    let letters = run(label, |c| c.is_ascii_alphabetic()).len();
    let is_foreign = |c: char| !c.is_ascii() && !crate::username::is_hangul_syllable(c);
    letters >= 2
        || HANGUL.iter().any(|top| label.starts_with(top))
        || letters == 0 && run(label, is_foreign).chars().count() >= 2
}

/// The end of a link's authority: before its path, or before a character that hosts do not contain.
fn end_of_authority(text: &str) -> usize {
    let mut is_literal = false;
    for (at, c) in text.char_indices() {
        match c {
            '[' if at == 0 || text[..at].ends_with('@') => is_literal = true,
            ']' if is_literal => is_literal = false,
            '/' | '?' | '#' | '\\' => return at,
            '[' | ']' | '(' | ')' | '{' | '}' | ',' | ';' | '!' | '*' | '\'' | '~' | '&' | '=' | '$'
            | '^' | '|' | '`' => {
                return trim_last(&text[..at]);
            }
            _ if is_end(c) || closer_of(c).is_some() || is_closer(c) => return trim_last(&text[..at]),
            _ => {}
        }
    }
    trim_last(text)
}

/// The end of a link's path, query or fragment; 0 if there is none. `opener` is the character before the link.
fn end_of_path(text: &str, opener: Option<char>) -> usize {
    if !text.starts_with(['/', '?', '#', '\\']) {
        return 0;
    }
    let quote = opener.and_then(quote_of);
    let mut open = Vec::new();
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        let is_unbalanced = match closer_of(c) {
            Some(closer) => {
                open.push(closer);
                false
            }
            // A closing bracket of an outer pair also closes the pairs inside it.
            None if is_closer(c) => match open.iter().rposition(|closer| *closer == c) {
                Some(depth) => {
                    open.truncate(depth);
                    false
                }
                None => true,
            },
            None => false,
        };
        if is_unbalanced || is_end(c) || c == '…' || Some(c) == quote {
            end = at;
            break;
        }
    }
    trim_last(&text[..end])
}

/// Trims trailing characters that rarely belong to a link.
fn trim_last(text: &str) -> usize {
    text.trim_end_matches(|c: char| TRIMMED.contains(c) || closer_of(c).is_some()).len()
}

const TRIMMED: &str = "?!.,:;*'’…！？：(";

/// What links do not contain: white space, controls, invisible characters, and unescaped quotes and commas.
fn is_end(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '<' | '>' | '“' | '、' | '。' | '，' | '；' | '：' | '！' | '？' | '､' | '｡')
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
}

const BRACKETS: [(char, char); 17] = [
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('“', '”'),
    ('‹', '›'),
    ('«', '»'),
    ('「', '」'),
    ('｢', '｣'),
    ('『', '』'),
    ('【', '】'),
    ('〈', '〉'),
    ('《', '》'),
    ('〔', '〕'),
    ('〖', '〗'),
    ('（', '）'),
    ('［', '］'),
    ('｛', '｝'),
];

fn closer_of(c: char) -> Option<char> {
    BRACKETS.iter().find(|(opener, _)| *opener == c).map(|(_, closer)| *closer)
}

fn is_closer(c: char) -> bool {
    BRACKETS.iter().any(|(_, closer)| *closer == c)
}

/// The character that closes a quote that was opened before a link. Inside a link it may be an apostrophe.
const fn quote_of(opener: char) -> Option<char> {
    match opener {
        '\'' => Some('\''),
        '‘' => Some('’'),
        '‚' => Some('‘'),
        '»' => Some('«'),
        '›' => Some('‹'),
        '`' | '|' => Some(opener),
        _ => None,
    }
}

const fn is_sign(c: char) -> bool {
    matches!(c, '@' | '＠' | '#' | '＃')
}

/// Whether hosts and names may contain a character, in any script.
fn is_host_char(c: char) -> bool {
    is_tag_char(c) || matches!(c, '.' | '-')
}

fn run(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    text.split(|c| !is_part(c)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|link| &text[link]).collect()
    }

    #[test]
    fn links_are_found() {
        let table: &[(&str, &[&str])] = &[
            ("https://x.example", &["https://x.example"]),
            ("보세요https://x.example/a 어때", &["https://x.example/a"]),
            (
                "(see https://en.wikipedia.org/wiki/Jeju_(island)) ok",
                &["https://en.wikipedia.org/wiki/Jeju_(island)"],
            ),
            ("https://…/Jeju_(island)#History", &["https://…/Jeju_(island)#History"]),
            ("https://ko.wikipedia.org/wiki/제주도에서 봤다", &["https://ko.wikipedia.org/wiki/제주도에서"]),
            ("https://x.example/~@ann,", &["https://x.example/~@ann"]),
            ("https://x.example/(@ann)에서", &["https://x.example/(@ann)에서"]),
            ("https://x.example?q=(#a) b", &["https://x.example?q=(#a)"]),
            ("https://x.example#~@a", &["https://x.example#~@a"]),
            ("https://x.example,@ann", &["https://x.example"]),
            ("https://x.example(@ann)", &["https://x.example"]),
            ("「https://x.example/a」#b", &["https://x.example/a"]),
            ("“https://x.example/a”@b", &["https://x.example/a"]),
            ("'https://x.example/a'@b", &["https://x.example/a"]),
            ("https://x.example/it's@ann", &["https://x.example/it's@ann"]),
            ("<https://x.example/a>@b", &["https://x.example/a"]),
            ("[@ann](https://x.example/@ann)", &["https://x.example/@ann"]),
            ("https://x.example/a\u{200b}#b", &["https://x.example/a"]),
            ("https://[::1]:8080/~@ann", &["https://[::1]:8080/~@ann"]),
            ("https://my_blog.example/~@ann", &["https://my_blog.example/~@ann"]),
            ("https://제주.한국/~@ann", &["https://제주.한국/~@ann"]),
            ("https://localhost:3000/~@ann", &["https://localhost:3000/~@ann"]),
            ("https://ann:secret@x.example/~@ann", &["https://ann:secret@x.example/~@ann"]),
            ("capacitor://localhost/~@ann", &["capacitor://localhost/~@ann"]),
            ("git+ssh://x.example/~@ann", &["git+ssh://x.example/~@ann"]),
            ("HTTPS://X.EXAMPLE/~@ann", &["HTTPS://X.EXAMPLE/~@ann"]),
            (
                "https://a.example/~@a https://b.example/~@b",
                &["https://a.example/~@a", "https://b.example/~@b"],
            ),
            ("x.example/~@ann", &["x.example/~@ann"]),
            ("//x.example/~@ann", &["x.example/~@ann"]),
            ("블로그는 blog.x.example:8080/~@ann.", &["blog.x.example:8080/~@ann"]),
            ("www.x.example?@ann", &["www.x.example?@ann"]),
            ("127.0.0.1/~@ann", &["127.0.0.1/~@ann"]),
            ("제주.한국/~@ann", &["제주.한국/~@ann"]),
            ("@ann@mastodon.example에서", &["@ann@mastodon.example에서"]),
            ("(@ann.kim@x.example)", &["@ann.kim@x.example"]),
            ("＠ann＠x.example", &["＠ann＠x.example"]),
            ("@ann@x.example/~@bob", &["@ann@x.example/~@bob"]),
            ("x.example?q=(@ann) x.example?정말 x.example?#a", &["x.example?q=(@ann)"]),
            ("mailto:kim@x.example?body=(@ann)", &["x.example?body=(@ann)"]),
            ("kim@x.example/~@ann", &["x.example/~@ann"]),
            ("localhost:3000/~@ann 10:30/(@ann)", &["localhost:3000/~@ann"]),
            ("💩.la/~@ann …la/~@ann ….la/~@ann", &[".la/~@ann"]),
            ("https://x.example/a|@ann", &["https://x.example/a|@ann"]),
            ("https://x.example/a`@ann", &["https://x.example/a`@ann"]),
            ("`https://x.example/a`@ann |x.example/a|@b", &["https://x.example/a", "x.example/a"]),
            ("@ann@x.example:3000/~@bob", &["@ann@x.example:3000/~@bob"]),
            ("@ann@x.example?x=(@bob) @ann@x.example?", &["@ann@x.example?x=(@bob)", "@ann@x.example"]),
            ("@ann-https://x.example @ann.https://x.example", &["https://x.example", "https://x.example"]),
            ("#jeju-https://x.example git+ssh://x.example", &["https://x.example", "git+ssh://x.example"]),
            (
                "„https://x.example/a“#b »x.example/a«#b ›x.example/a‹#b",
                &["https://x.example/a", "x.example/a", "x.example/a"],
            ),
            ("좋았다.그래서/@ann", &[]),
            ("v1.2/(#a) a.m./p.m. 24/7 and/or", &[]),
            ("@ann@bob @ann@bob. ann@x.example", &[]),
            (":// https:// ://x 가://", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(links(text), *expected, "{text}");
        }
    }

    /// Whatever closes a sentence or a quote also closes the link in it.
    #[test]
    fn links_end_with_their_sentence() {
        for c in "！？：…｡､，；。、｣」›»“”\"<>".chars() {
            assert_eq!(links(&format!("https://x.example/a{c}#b")), ["https://x.example/a"], "{c}");
            assert_eq!(links(&format!("x.example/a{c}#b")), ["x.example/a"], "{c}");
        }
    }

    proptest! {
        #[test]
        fn links_are_ordered_and_do_not_overlap(text in "([#@a-z가-힣 ./:(),」「\u{200b}…?-]|://|https://|x\\.kr/){0,40}") {
            let found = find(&text);
            prop_assert!(found.iter().all(|link| link.start < link.end && text.get(link.clone()).is_some()));
            prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }

        #[test]
        fn link_search_accepts_any_text(text in ".{0,200}") {
            for link in find(&text) {
                prop_assert!(!text[link].contains(char::is_whitespace));
            }
        }
    }
}
