//! whynot: the explainer service and the command line.
//!
//! `api` and `cli` call `explain`, which calls `ledger` and `store`; nothing points back. Decisions and their words are the
//! `engine`'s: nothing here can change a verdict.

pub mod api;
mod assembly;
pub mod audit;
pub mod cli;
pub mod clients;
pub mod config;
pub mod context;
mod deep;
pub mod delivery;
pub mod evaluation;
pub mod explain;
pub mod gateway;
pub mod governance;
pub mod ledger;
mod retention;
pub mod server;
pub mod sources;
mod sqlite;
pub mod store;
pub mod telemetry;
pub mod ui;
pub mod upstream;
pub mod words;
