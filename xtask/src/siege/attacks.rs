//! The attacks. Each is bounded in time by the window, and in its number of connections; one thread plays it, because
//! the server shares the processor with it.

mod accounts;
mod connections;
mod content;
mod images;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::client::Client;
use crate::siege::Target;
use crate::siege::window::Window;

/// An attack.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Creates what the attack needs before it begins, such as accounts.
    pub(crate) prepare: for<'a> fn(&'a Target<'a>) -> Result<Assault<'a>>,
    /// By how many MiB the memory of the server may grow meanwhile.
    pub(crate) memory: u64,
}

/// What the attacker does until the window is over.
pub(crate) type Assault<'a> = Box<dyn FnOnce(&Window) -> Result<()> + Send + 'a>;

/// The good user alone.
pub(crate) const NONE: Attack = Attack { name: "none", prepare: |_| Ok(Box::new(|_| Ok(()))), memory: 96 };

/// All attacks, in the order in which they are played. The allowances are twice what the attacks cost.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "slow-uploads",    prepare: images::slow_uploads,          memory: 192 },
    Attack { name: "slow-forms",      prepare: images::slow_forms,            memory: 96 },
    Attack { name: "slow-decoders",   prepare: images::slow_decoders,         memory: 512 },
    Attack { name: "storage",         prepare: images::storage,               memory: 192 },
    Attack { name: "cross-site",      prepare: images::cross_site,            memory: 96 },
    Attack { name: "handshakes",      prepare: connections::handshakes,       memory: 96 },
    Attack { name: "half-heads",      prepare: connections::half_heads,       memory: 48 },
    Attack { name: "wrong-passwords", prepare: accounts::wrong_passwords,     memory: 96 },
    Attack { name: "logins",          prepare: accounts::logins,              memory: 96 },
    Attack { name: "hashtags",        prepare: content::hashtags,             memory: 96 },
    Attack { name: "searches",        prepare: content::searches,             memory: 192 },
];

/// The names, for the command line.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ATTACKS.iter().map(|attack| attack.name))
}

/// Signs up an attacker in an IPv4 network of its own.
fn sign_up(target: &Target<'_>) -> Result<Client> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let address = format!("10.{}.{}.9", number / 256, number % 256);
    Client::sign_up(target.entry, &address, &format!("attacker{number}"))
}
