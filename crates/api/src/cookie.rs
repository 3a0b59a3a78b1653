//! The cookie of browsers' sessions. Written by hand: poem's jar forgets `Secure` and `Path` when it
//! removes one, and browsers then keep it.

use std::time::Duration;

use blegram_auth::SessionToken;
use poem::{
    Request,
    http::{HeaderValue, header},
};

use crate::{App, Site, problem::Problem};

/// The cookie's name on `site`: with the prefix that makes browsers refuse it without `Secure`, from
/// subdomains, and over plain http (RFC 6265bis, 4.1.3.2).
pub(crate) fn name(site: &Site) -> &'static str {
    if site.is_secure() { "__Host-auth-blegram" } else { "auth-blegram" }
}

/// The header that sets the cookie, for as long as the session may last; the server may end it earlier.
fn set(site: &Site, token: &SessionToken, lifetime: Duration) -> Result<HeaderValue, Problem> {
    let (name, token, seconds) = (name(site), token.expose(), lifetime.as_secs());
    let text = format!("{name}={token}; Max-Age={seconds}{}", attributes(site));
    let mut value = HeaderValue::from_str(&text).map_err(Problem::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header that sets the cookie for as long as sessions of browsers last.
pub(crate) fn of_browser(app: &App, token: &SessionToken) -> Result<HeaderValue, Problem> {
    set(&app.site, token, app.auth.session_lifetimes().browser.absolute)
}

/// The header that removes the cookie.
pub(crate) fn remove(site: &Site) -> HeaderValue {
    let text = format!("{}=; Max-Age=0{}", name(site), attributes(site));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn attributes(site: &Site) -> &'static str {
    if site.is_secure() {
        "; Path=/; Secure; HttpOnly; SameSite=Lax"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}

/// The session's secret that the request carries, if any. Of several, the first that is not
/// empty; on https there can be only one, because of its prefix.
pub(crate) fn token<'a>(request: &'a Request, site: &Site) -> Option<&'a str> {
    let headers = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name(site) && !value.is_empty()).map(|(_, value)| value)
}
