//! The host functions of ABI 0.2.1: each reads its arguments, asks [`State`], writes its results.

mod shared;
mod stream;

use std::time::Duration;

use wasmtime::{Caller, Linker, Result};

use super::abi::{LogLevel, Status};
use super::memory::Guest;
use super::state::{LogLine, State};

type C<'a> = Caller<'a, State>;

const OK: u32 = Status::Ok as u32;
const NOT_FOUND: u32 = Status::NotFound as u32;
const BAD_ARGUMENT: u32 = Status::BadArgument as u32;
const UNIMPLEMENTED: u32 = Status::InternalFailure as u32;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_basics(linker)?;
    stream::link(linker)?;
    link_properties(linker)?;
    shared::link(linker)?;
    link_unimplemented(linker)
}

fn link_basics(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_log",
        |caller: C<'_>, level: u32, text: u32, length: u32| -> Result<u32> {
            let mut guest = Guest::from(caller);
            let text = guest.read_text(text, length)?;
            let Some(level) = LogLevel::from_number(level) else {
                return Ok(BAD_ARGUMENT);
            };
            guest.state().logs.push(LogLine { level, text });
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_log_level",
        |caller: C<'_>, result: u32| -> Result<u32> {
            let mut guest = Guest::from(caller);
            let level = guest.state().options.log_level as u32;
            guest.write_u32(result, level)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |caller: C<'_>, result: u32| -> Result<u32> {
            let mut guest = Guest::from(caller);
            let state = guest.state();
            let step = state.options.clock_step;
            let now = {
                let mut common = state.options.process.common();
                let now = u64::try_from(common.clock.as_nanos())?;
                common.clock += step;
                now
            };
            guest.write(result, &now.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |mut caller: C<'_>, period: u32| -> u32 {
            caller.data_mut().tick_period = Duration::from_millis(period.into());
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_effective_context",
        |mut caller: C<'_>, context: u32| -> u32 {
            let state = caller.data_mut();
            if context != super::vm::ROOT && !state.streams.contains_key(&context) {
                return BAD_ARGUMENT;
            }
            state.effective_context = context;
            OK
        },
    )?;
    linker.func_wrap("env", "proxy_done", |_: C<'_>| -> u32 { OK })?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |_: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| -> u32 { NOT_FOUND },
    )?;
    Ok(())
}

fn link_properties(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |caller: C<'_>, path: u32, length: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let path = guest.read_text(path, length)?.replace('\0', ".");
            let Some(value) = guest.state().options.properties.get(&path).cloned() else {
                return Ok(NOT_FOUND);
            };
            guest.give(&value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |caller: C<'_>, path: u32, length: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let path = guest.read_text(path, length)?.replace('\0', ".");
            let value = guest.read(data, size)?;
            guest.state().options.properties.insert(path, value);
            Result::Ok(OK)
        },
    )?;
    Ok(())
}

/// gRPC is linked, since the SDK imports it, and fails.
fn link_unimplemented(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |_: C<'_>,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32|
         -> u32 { UNIMPLEMENTED },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |_: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| -> u32 { UNIMPLEMENTED },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_send",
        |_: C<'_>, _: u32, _: u32, _: u32, _: u32| -> u32 { UNIMPLEMENTED },
    )?;
    linker.func_wrap("env", "proxy_grpc_cancel", |_: C<'_>, _: u32| -> u32 { UNIMPLEMENTED })?;
    linker.func_wrap("env", "proxy_grpc_close", |_: C<'_>, _: u32| -> u32 { UNIMPLEMENTED })?;
    linker.func_wrap("env", "proxy_get_status", |_: C<'_>, _: u32, _: u32, _: u32| -> u32 {
        UNIMPLEMENTED
    })?;
    Ok(())
}
