//! Converts sections to the configurations of the crates that they are for.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use blegram_domain::media::quota::{self, Amount};
use blegram_http::listener;

use super::{Gateway, Listener, Media, Origin, Server};

impl Server {
    /// All trusted origins: that of the public URL and the configured ones.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        std::iter::once(Origin::of(&self.public_url)).chain(self.trusted_origins.iter().cloned()).collect()
    }
}

fn ms(count: NonZeroU32) -> Duration {
    Duration::from_millis(count.get().into())
}

fn size(count: NonZeroU32) -> usize {
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}

impl From<&Gateway> for blegram_gateway::Config {
    fn from(section: &Gateway) -> Self {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let standard = Self::default();
        Self {
            timing: blegram_gateway::Timing {
                heartbeat: seconds(section.heartbeat_seconds.get()),
                pong_timeout: seconds(section.pong_timeout_seconds.get()),
                commands_per_second: section.commands_per_second.get(),
                command_burst: section.command_burst.get(),
                ..standard.timing
            },
            outbox: blegram_gateway::OutboxLimits {
                bytes: size(section.queue_bytes),
                frames: size(section.queue_frames),
            },
            stall: ms(section.stall_timeout_ms),
            connections_per_user: size(section.max_per_user),
            connections_per_address: size(section.max_per_address),
            handshakes_per_second: section.handshakes_per_second,
            topics_per_connection: size(section.max_topics),
            posts_per_second: section.posts_per_second.get(),
            presence_grace: seconds(section.presence_grace_seconds),
            drain: blegram_gateway::Drain {
                per_second: section.drain_per_second,
                shortest: ms(section.drain_min_ms),
                longest: ms(section.drain_max_ms.max(section.drain_min_ms)),
            },
            ..standard
        }
    }
}

impl From<&Media> for quota::Quota {
    fn from(section: &Media) -> Self {
        let amount = |files: NonZeroU64, bytes: NonZeroU64| Amount { files: files.get(), bytes: bytes.get() };
        Self {
            total: amount(section.quota_files, section.quota_bytes),
            unattached: amount(section.quota_unattached_files, section.quota_unattached_bytes),
        }
    }
}

impl From<&Listener> for listener::Limits {
    fn from(section: &Listener) -> Self {
        Self {
            max_connections: size(section.max_connections),
            max_connections_per_address: size(section.max_connections_per_address),
            head_timeout: ms(section.head_timeout_ms),
            keep_alive_timeout: ms(section.keep_alive_timeout_ms),
            max_head_bytes: size(section.max_head_bytes),
            body_grace: ms(section.body_grace_ms),
            min_body_bytes_per_second: section.min_body_bytes_per_second.get().into(),
            write_timeout: ms(section.write_timeout_ms),
            drain_timeout: ms(section.drain_timeout_ms),
            ..Self::default()
        }
    }
}
