//! For tests of this crate and of the binary: a metrics text that changes with time, a server for it, and a pseudoterminal.

mod exporter;
mod metrics;
mod terminal;

pub use self::{
    exporter::{Answer, Exporter},
    metrics::{FakeNode, metrics},
    terminal::PseudoTerminal,
};
