//! Devices and networks from which an account was logged in to before.
//!
//! Wrong passwords of others must not shut the owner out: attempts from a device or a network that is known for the
//! account have a limit of their own, and a reserved part of the queue for password hashes. A browser proves that it is
//! known by a cookie that only this site can make (OWASP, "Slow down online guessing attacks with device cookies"); for a
//! native app, the network of one of the account's sessions counts. Neither replaces the password.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{Timestamp, UserId};
use blegram_limits::Network;
use blegram_persistence::{
    Conn,
    sessions::{self, NetworkTag},
};
use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};

use crate::{Auth, Result, token::random_bytes};

pub(crate) const PURPOSE: &str = "blegram device key v1";

/// The proof that a browser has logged in to an account before, for a cookie. Attackers gain a few more attempts if they
/// steal it, and nothing else.
#[derive(Debug, Clone)]
pub struct DeviceToken(SecretString);

impl DeviceToken {
    /// How long it is valid.
    pub const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// The text, for the owner's browser only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

const USER: usize = 16;
const NONCE: usize = 16;
const TIME: usize = 8;
const MAC: usize = 32;

/// A device that has logged in to `user`'s account before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KnownDevice {
    user: UserId,
    nonce: u128,
}

/// What is known about where a login to an account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing.
    New,
    /// A browser that has logged in to the account before.
    Device(u128),
    /// A network in which the account has a session.
    Network,
}

impl Auth {
    /// Makes the proof that a browser has logged in to `user`'s account.
    pub(crate) fn issue_device(&self, user: UserId, now: Timestamp) -> DeviceToken {
        let expires_at = (now + DeviceToken::LIFETIME).as_micros();
        let nonce: [u8; 32] = random_bytes();
        let body = [&user.as_uuid().as_bytes()[..], &nonce[..NONCE], &expires_at.to_be_bytes()].concat();
        let mac = self.device_key.mac(&[&body]).finalize().into_bytes();
        DeviceToken(URL_SAFE_NO_PAD.encode([&body[..], &mac].concat()).into())
    }

    fn read_device(&self, token: &str, now: Timestamp) -> Option<KnownDevice> {
        let bytes: [u8; USER + NONCE + TIME + MAC] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
        let (body, mac) = bytes.split_at(USER + NONCE + TIME);
        self.device_key.mac(&[body]).verify_slice(mac).ok()?;
        let (user, rest) = body.split_at(USER);
        let (nonce, expires_at) = rest.split_at(NONCE);
        let expires_at = Timestamp::from_micros(i64::from_be_bytes(expires_at.try_into().ok()?))?;
        let user = UserId::from_uuid(uuid::Uuid::from_slice(user).ok()?);
        (now < expires_at).then_some(KnownDevice { user, nonce: u128::from_be_bytes(nonce.try_into().ok()?) })
    }

    /// Whether `token` proves that a browser has logged in to `user`'s account before.
    pub(crate) fn knows_device(&self, token: Option<&str>, user: UserId) -> bool {
        let now = self.clock.now();
        token.and_then(|token| self.read_device(token, now)).is_some_and(|device| device.user == user)
    }

    /// Finds out where a login to the account of `user` comes from. Costs as much for an account that does not exist.
    pub(crate) async fn find_origin(
        &self,
        conn: &impl Conn,
        user: Option<UserId>,
        token: Option<&str>,
        address: IpAddr,
    ) -> Result<Origin> {
        let now = self.clock.now();
        let device = token.and_then(|token| self.read_device(token, now));
        if let Some(device) = device.filter(|device| Some(device.user) == user) {
            return Ok(Origin::Device(device.nonce));
        }
        let network = self.network_tag(address);
        let user = user.unwrap_or_else(|| UserId::from_uuid(uuid::Uuid::nil()));
        let is_known = sessions::is_any_in_network(conn, user, &network, now, self.idle_since(now)).await?;
        Ok(if is_known { Origin::Network } else { Origin::New })
    }

    /// The network of `address` as sessions store it: only this site can tell which one it is.
    pub(crate) fn network_tag(&self, address: IpAddr) -> NetworkTag {
        let network = Network::of_subscriber(address).to_string();
        let mac: [u8; 32] =
            self.device_key.mac(&[b"network ", network.as_bytes()]).finalize().into_bytes().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&mac[..16]);
        tag
    }
}
