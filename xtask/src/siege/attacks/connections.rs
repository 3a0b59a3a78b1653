//! Attacks on the listener and the gateway.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;

use crate::client::socket::{HANDSHAKE, PATH};
use crate::siege::Target;
use crate::siege::attacks::Assault;
use crate::siege::head_of;
use crate::siege::window::Window;
use crate::siege::wire::{SlowConnections, connect, connect_from, statuses};

/// Handshakes without a credential, pipelined over one connection, some 2,000 per second.
pub(crate) fn handshakes<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const BATCH: usize = 100;
    let fields =
        [&[("x-forwarded-for", "203.0.113.66"), ("origin", crate::siege::PUBLIC_URL)], &HANDSHAKE[..]];
    let batch = head_of("GET", PATH, &fields.concat()).repeat(BATCH);
    Ok(Box::new(move |window| {
        while !window.is_over() {
            let mut stream = connect(target.server)?;
            while !window.is_over() && stream.write_all(&batch).is_ok() {
                if count_responses(&mut stream, BATCH, window) < BATCH {
                    break;
                }
                window.pause(Duration::from_millis(50));
            }
        }
        Ok(())
    }))
}

/// Reads until `expected` responses have arrived or the server has closed the connection.
fn count_responses(stream: &mut impl Read, expected: usize, window: &Window) -> usize {
    let (mut text, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while statuses(&text).count() < expected && !window.is_over() {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => text.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    statuses(&text).inspect(|status| window.count(Some(*status))).count()
}

/// 600 connections of one machine, each with most of a head that never ends.
pub(crate) fn half_heads<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const CONNECTIONS: usize = 600;
    const MACHINE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
    let filler = "x".repeat(6_200);
    let mut half = head_of("GET", "/healthz", &[("x-filler", &*filler); 10]);
    half.truncate(half.len() - 2);
    Ok(Box::new(move |window| {
        let mut connections = SlowConnections::default();
        while !window.is_over() {
            while connections.len() < CONNECTIONS && !window.is_over() {
                connections.add(connect_from(MACHINE, target.server)?, &half);
            }
            window.pause(Duration::from_millis(500));
            connections.feed(b"", window);
        }
        Ok(())
    }))
}
