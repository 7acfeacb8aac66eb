//! The service on a real socket with a real database, and the command line as a process.

#[cfg(test)]
mod support;

#[cfg(test)]
mod audit;
#[cfg(test)]
mod check;
#[cfg(test)]
mod check_context;
#[cfg(test)]
mod check_fix;
#[cfg(test)]
mod check_formats;
#[cfg(test)]
mod check_inputs;
#[cfg(test)]
mod check_secrets;
#[cfg(test)]
mod check_terminal;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod cli_render;
#[cfg(test)]
mod context;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod delivery_commands;
#[cfg(test)]
mod delivery_crash;
#[cfg(test)]
mod delivery_registry;
#[cfg(test)]
mod delivery_remote;
#[cfg(test)]
mod delivery_signed;
#[cfg(test)]
mod delivery_waiting;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod explanations;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod governance;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod other_webhooks;
#[cfg(test)]
mod other_webhooks_clients;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod words;
