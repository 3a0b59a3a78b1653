//! Proof that a browser's request was meant: a token that another site's page cannot read. Needed only
//! by clients that send neither `Sec-Fetch-Site` nor `Origin`; see the API's `csrf.rs` for the rule.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::SessionId;
use hmac::Mac;

use crate::Auth;

pub(crate) const PURPOSE: &str = "blegram csrf key v1";

impl Auth {
    /// The token that requests of `session` prove themselves with; the same until the session ends.
    pub fn csrf_token(&self, session: SessionId) -> String {
        // Bound to the session, so that a token which leaked is of no use to another.
        let mac = self.csrf_key.mac(&[session.as_uuid().as_bytes()]);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether `token` is that of `session`; takes as long for every wrong one.
    pub fn is_csrf_token(&self, session: SessionId, token: &str) -> bool {
        let mac = self.csrf_key.mac(&[session.as_uuid().as_bytes()]);
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
    }
}
