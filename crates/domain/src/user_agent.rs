//! What a `User-Agent` says about a device, in words, for the owner's list of sessions.
//!
//! The text is the client's own and proves nothing. Only the common products are recognised: a list of all of them, with
//! its regular expressions, would weigh more than the rest of the binary's text analysis.

/// The parts of a `User-Agent` that name a browser, most specific first: Edge and Opera also name Chrome, and Chrome
/// also names Safari.
const BROWSERS: &[(&str, &str)] = &[
    ("KAKAOTALK", "KakaoTalk"),
    ("NAVER(inapp", "Naver"),
    ("Instagram", "Instagram"),
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// The parts that name a system: iPads and iPhones also name Mac OS X, and Android also names Linux.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("iOS", "iOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("macOS", "macOS"),
    ("Linux", "Linux"),
];

/// The longest name of an app that is shown.
const MAX_APP: usize = 40;

/// Describes the device of a `User-Agent`, such as `Chrome on Windows` or `blegram-app on Android`; `None` if it names
/// neither a known browser nor an app.
///
/// ```
/// use blegram_domain::user_agent::describe;
///
/// assert_eq!(describe("blegram-app/1.2 (Android 16)").as_deref(), Some("blegram-app on Android"));
/// assert_eq!(describe("?"), None);
/// ```
pub fn describe(user_agent: &str) -> Option<String> {
    let product = find(BROWSERS, user_agent).or_else(|| app(user_agent))?;
    Some(on_system(product, user_agent))
}

/// Like [`describe`], but only in words of the lists above: for texts in which a client must not have a word of its own,
/// such as mails.
pub fn describe_known(user_agent: &str) -> Option<String> {
    Some(on_system(find(BROWSERS, user_agent)?, user_agent))
}

fn find(names: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
}

fn on_system(product: &str, user_agent: &str) -> String {
    match find(SYSTEMS, user_agent) {
        Some(system) => format!("{product} on {system}"),
        None => product.to_owned(),
    }
}

/// The name of an app: the first product (RFC 9110, 10.1.5), such as `curl` in `curl/8.5.0`. `Mozilla` names any browser.
fn app(user_agent: &str) -> Option<&str> {
    let (name, _version) = user_agent.split_once('/')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_app = !name.is_empty() && name.len() <= MAX_APP && name.bytes().all(is_name) && name != "Mozilla";
    is_app.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_described() {
        const WINDOWS: &str =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ";
        const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 ";
        let cases = [
            (format!("{WINDOWS}Chrome/142.0.0.0 Safari/537.36"), Some("Chrome on Windows")),
            (format!("{WINDOWS}Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"), Some("Edge on Windows")),
            (format!("{WINDOWS}Chrome/138.0.0.0 Whale/4.33 Safari/537.36"), Some("Whale on Windows")),
            (format!("{PHONE}(KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"), Some("Safari on iPhone")),
            (format!("{PHONE}(KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1"), Some("Chrome on iPhone")),
            (format!("{PHONE}Mobile/15E148 KAKAOTALK 25.9.0"), Some("KakaoTalk on iPhone")),
            (
                "Mozilla/5.0 (Linux; Android 16; SM-S931N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 \
                 Chrome/136.0.0.0 Mobile Safari/537.36"
                    .to_owned(),
                Some("Samsung Internet on Android"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
                Some("Firefox on Linux"),
            ),
            ("blegram-app/1.2 (Android 16)".to_owned(), Some("blegram-app on Android")),
            ("curl/8.5.0".to_owned(), Some("curl")),
            ("Mozilla/5.0".to_owned(), None),
            ("<script>/1".to_owned(), None),
            ("a".repeat(200) + "/1", None),
            (String::new(), None),
        ];
        for (user_agent, description) in cases {
            assert_eq!(describe(&user_agent).as_deref(), description, "{user_agent}");
        }
    }

    #[test]
    fn names_of_clients_are_no_known_words() {
        assert_eq!(describe_known("Mozilla/5.0 (Linux) Firefox/145.0").as_deref(), Some("Firefox on Linux"));
        for unknown in ["evil.example/1 (Windows)", "curl/8.5.0", ""] {
            assert_eq!(describe_known(unknown), None);
        }
    }
}
