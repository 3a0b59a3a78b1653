//! Attacks on the login.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::client::Client;
use crate::siege::Target;
use crate::siege::attacks::Assault;
use crate::siege::window::Window;
use crate::siege::wire::wave;

fn login(target: &Target<'_>, address: &str, username: &str) -> Vec<u8> {
    let input = json!({"login": username, "password": "not the password", "client": "browser"}).to_string();
    let client = Client::new(target.entry, address);
    client.bytes("POST", "/api/v1/auth/login", "application/json", input.as_bytes())
}

/// Wrong passwords for the good user's account from a dozen networks: enough to reach the limit of the account before the
/// good user begins, and further ones to keep it.
pub(crate) fn wrong_passwords<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    /// `limits.login_per_account`
    const LIMIT: usize = 100;
    let round = target.round;
    let address = |network| format!("192.{round}.{network}.66");
    let requests: Vec<Vec<u8>> =
        (0..12).map(|network| login(target, &address(network), target.username)).collect();
    for _ in 0..LIMIT.div_ceil(requests.len()) {
        wave(target.server, &requests, &Window::default())?;
    }
    Ok(Box::new(move |window| {
        while !window.is_over() {
            wave(target.server, &requests, window)?;
            window.pause(Duration::from_millis(100));
        }
        Ok(())
    }))
}

/// Logins to accounts that do not exist from one IPv6 /48, a new /64 after 20.
pub(crate) fn logins<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const AT_ONCE: usize = 96;
    const PER_NETWORK: usize = 20;
    let round = target.round;
    Ok(Box::new(move |window| {
        let mut sent = 0;
        while !window.is_over() {
            let request = |number| {
                let address = format!("2001:db8:{round:x}:{:x}::66", number / PER_NETWORK);
                login(target, &address, &format!("none{number}"))
            };
            let requests: Vec<Vec<u8>> = (sent..sent + AT_ONCE).map(request).collect();
            wave(target.server, &requests, window)?;
            sent += AT_ONCE;
            window.pause(Duration::from_millis(100));
        }
        Ok(())
    }))
}
