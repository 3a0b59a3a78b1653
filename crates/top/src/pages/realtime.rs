//! The gateway and the bus.

use super::{
    Section, bad_rate, quantiles,
    resources::{others, rates},
    value, warn_rate,
};
use crate::{
    figures::{Command, Figures},
    format,
    text::{Row, Table, Text, Tone, number, words},
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
        Section::table("Commands", commands(figures)),
        Section::table("Events", rates(&gateway.events, "Event", |_| false)),
        Section::table("Not delivered; clients load it", rates(&gateway.drops, "Reason", |_| true)),
        Section::table(
            "Closed connections",
            rates(&gateway.closed, "Closed by", |reason| reason != "client"),
        ),
        Section::table("Rejected handshakes", rates(&gateway.rejected, "Reason", |_| true)),
    ]
}

fn commands(figures: &Figures) -> Table {
    let mut table =
        Table::new([words("Command", 0), number("ok/s", 0), number("rejected/s", 1), number("failed/s", 0)]);
    let commands = &figures.gateway.commands;
    let all = |command: &Command| command.ok + command.rejected + command.failed;
    let (mut some, none): (Vec<_>, Vec<_>) = commands.iter().partition(|(_, command)| all(command) > 0.0);
    some.sort_by(|a, b| all(b.1).total_cmp(&all(a.1)));
    let row = |(name, command): (&String, &Command)| {
        vec![
            name.as_str().into(),
            format::rate(command.ok).into(),
            warn_rate(Some(command.rejected)),
            bad_rate(Some(command.failed)),
        ]
    };
    table.rows = some.into_iter().map(row).collect();
    let others = others(&none.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), commands.len());
    let zero = || "0".to_owned();
    let row = |name| [name, zero(), zero(), zero()].map(|text| Text::new(Tone::Label, text)).into();
    table.rows.extend(others.map(row));
    table
}
