//! The gateway and the bus.

use super::{Section, bad_rate, quantiles, resources::rates, value, warn_rate};
use crate::{
    figures::Figures,
    format,
    text::{Row, Table, number, words},
};

pub(super) fn sections(figures: &Figures) -> Vec<Section> {
    let (gateway, bus) = (&figures.gateway, &figures.bus);
    let [p50, p95, p99] = quantiles(bus.lag.as_ref());
    let rows = vec![
        Row::new("Sockets")
            .with("", value(gateway.sockets, format::count), "")
            .with("users", value(gateway.users, format::count), "")
            .with("queued", value(gateway.queue_bytes, format::bytes), ""),
        Row::new("Deliveries").with("", value(gateway.deliveries, format::rate), "/s").with(
            "",
            value(gateway.delivery_bytes, format::bytes),
            "/s",
        ),
        Row::new("Bus")
            .with("sent", value(bus.sent, format::rate), "/s")
            .with("received", value(bus.received, format::rate), "/s")
            .with("lost", bad_rate(bus.lost), "/s")
            .with("interruptions", warn_rate(bus.losses), "/s"),
        Row::new("Bus lag").with("p50", p50, "").with("p95", p95, "").with("p99", p99, ""),
    ];
    vec![
        Section::rows("", rows),
        Section::table("Not delivered; clients load it", rates(&gateway.drops, "Drop", |_| true)),
        Section::table(
            "Closed connections",
            rates(&gateway.closed, "Closed by", |reason| reason != "client"),
        ),
        Section::table("Rejected handshakes", rates(&gateway.rejected, "Reason", |_| true)),
        Section::table("Commands", commands(figures)),
        Section::table("Events", rates(&gateway.events, "Event", |_| false)),
    ]
}

fn commands(figures: &Figures) -> Table {
    let mut table =
        Table::new([words("Command", 0), number("ok/s", 0), number("rejected/s", 1), number("failed/s", 0)]);
    let rows = figures.gateway.commands.iter().map(|(name, command)| {
        vec![
            name.as_str().into(),
            format::rate(command.ok).into(),
            warn_rate(Some(command.rejected)),
            bad_rate(Some(command.failed)),
        ]
    });
    table.rows = rows.collect();
    table
}
