//! Single-use tickets for gateway connections, for pages that have an access token but cannot send it with the
//! handshake.

use std::time::Duration;

use blegram_domain::{Timestamp, session::Kind};
use blegram_persistence::{
    gateway_tickets::{self, Ticket},
    sessions,
};

use crate::{Auth, Authenticated, Error, GatewayTicket, Result};

/// The lifetime of a ticket, from its creation to the handshake.
pub const LIFETIME: Duration = Duration::from_secs(30);

impl Auth {
    /// Creates a ticket for the session of `authenticated`, valid once, within [`LIFETIME`], for the page that requests
    /// it: `origin`, or `None` for an app. Returns it with its expiry.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] if the session was ended concurrently.
    pub async fn create_ticket(
        &self,
        authenticated: &Authenticated,
        origin: Option<&str>,
    ) -> Result<(GatewayTicket, Timestamp)> {
        let secret = GatewayTicket::generate();
        let ticket = Ticket {
            session: authenticated.session,
            origin: origin.map(ToOwned::to_owned),
            credential_expires_at: authenticated.expires_at,
            expires_at: self.clock.now() + LIFETIME,
        };
        let tx = self.db.write().await?;
        if !sessions::lock(&tx, authenticated.session).await? {
            return Err(Error::SessionEnded);
        }
        gateway_tickets::insert(&tx, &secret.hash(), &ticket).await?;
        tx.commit().await?;
        Ok((secret, ticket.expires_at))
    }

    /// Authenticates a ticket and consumes it. `None` if it was used before or has expired, if another page presents it
    /// than the one that requested it, or if its session or the credential that it was requested with has ended.
    pub async fn redeem_ticket(&self, ticket: &str, origin: Option<&str>) -> Result<Option<Authenticated>> {
        let Some(secret) = GatewayTicket::parse(ticket) else { return Ok(None) };
        let now = self.clock.now();
        // Checked without a transaction first, so that invented tickets do not block SQLite's only writer.
        if !gateway_tickets::exists(&self.db, &secret.hash()).await? {
            return Ok(None);
        }
        let tx = self.db.write().await?;
        let found = gateway_tickets::delete(&tx, &secret.hash()).await?;
        tx.commit().await?;
        let is_valid = |ticket: &Ticket| {
            let is_unexpired = now < ticket.expires_at && now < ticket.credential_expires_at;
            is_unexpired && ticket.origin.as_deref() == origin
        };
        let Some(ticket) = found.filter(is_valid) else { return Ok(None) };
        let found = sessions::find(&self.db, ticket.session).await?;
        let active = found.filter(|found| self.is_active(found, now));
        Ok(active.map(|found| {
            let expires_at = ticket.credential_expires_at;
            let issued_at = match found.session.kind {
                Kind::Browser => found.session.created_at,
                Kind::Native => found.session.created_at.max(expires_at - self.access_token_lifetime),
            };
            Authenticated::new(&found, issued_at, expires_at)
        }))
    }
}
