//! Tests of the real binary, as an operator and a client use it: processes, sockets, signals and files.

mod bodies;
mod client;
mod commands;
mod crash;
mod demo;
mod gateway;
mod home;
mod logs;
mod mail;
mod metrics;
mod nodes;
mod people;
mod pooler;
mod postgres;
mod proxy;
mod redis;
mod shutdown;
mod start;
mod storage;
mod top;
mod uploads;
mod users;
mod web;

use crate::both_databases;
