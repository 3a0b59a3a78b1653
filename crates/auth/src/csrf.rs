//! CSRF tokens: proof that a browser's request comes from a page that may read the site's responses. Only clients that
//! send neither `Sec-Fetch-Site` nor `Origin` need them; see the API's `csrf.rs` for the rule.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::SessionId;
use hmac::Mac;

use crate::Auth;

pub(crate) const PURPOSE: &str = "blegram csrf key v1";

impl Auth {
    /// The CSRF token of `session`; the same until the session ends.
    pub fn csrf_token(&self, session: SessionId) -> String {
        // Bound to the session, so that a leaked token is useless for any other.
        let mac = self.csrf_key.mac(&[session.as_uuid().as_bytes()]);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether `token` is the CSRF token of `session`, compared in constant time.
    pub fn is_csrf_token(&self, session: SessionId, token: &str) -> bool {
        let mac = self.csrf_key.mac(&[session.as_uuid().as_bytes()]);
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
    }
}
