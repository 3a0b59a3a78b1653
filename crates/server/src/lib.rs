//! What the `blegram` binary is made of, as a library so that its tests can drive each part alone.
//!
//! | Module | Owns |
//! |---|---|
//! | [`cli`] | the command line and its help |
//! | [`run`](mod@run) | a command, carried out |
//! | [`config`] | every setting: layers, types, errors, the generated reference |
//! | [`telemetry`] | logs, and panics in the logs |
//! | [`data_folder`] | the files that an embedded site keeps: one process at a time, and its key |
//! | [`wire`] | the parts, put together as configured |
//! | [`serve`](mod@serve) | from start to the last answer after SIGTERM |
//! | [`listener`] | the accept loop: connection cap, head deadline, body pace, graceful end |
//! | [`migrate`] | changes of the schema |
//! | [`user`], [`recount`], [`sweep`], [`demo`] | what operators do with the data; a community to look at |
//! | [`doctor`] | what is wrong, and how to mend it |
//!
//! A new setting is one line in `config/sections.rs`; the documentation follows from it.

pub mod cli;
pub mod clock;
pub mod config;
pub mod data_folder;
pub mod demo;
pub mod doctor;
pub mod jobs;
pub mod listener;
pub mod migrate;
pub mod recount;
pub mod run;
pub mod serve;
pub mod sweep;
pub mod telemetry;
pub mod user;
pub mod wire;
