//! The host functions of ABI 0.2.1: each reads its arguments, asks [`State`], writes its results.

use std::collections::VecDeque;
use std::time::Duration;

use wasmtime::{Caller, Linker, Result};

use super::abi::{Buffer, LogLevel, Map, Status, encode_map};
use super::memory::Guest;
use super::state::{Call, LocalResponse, LogLine, Metric, State};

type C<'a> = Caller<'a, State>;

const OK: u32 = Status::Ok as u32;
const NOT_FOUND: u32 = Status::NotFound as u32;
const BAD_ARGUMENT: u32 = Status::BadArgument as u32;
const UNIMPLEMENTED: u32 = Status::InternalFailure as u32;

const COUNTER: u32 = 0;
const HISTOGRAM: u32 = 2;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_basics(linker)?;
    link_maps(linker)?;
    link_stream(linker)?;
    link_properties(linker)?;
    link_shared(linker)?;
    link_metrics(linker)?;
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
            let now = u64::try_from(guest.state().clock.as_nanos())?;
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

fn link_maps(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |caller: C<'_>, map: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let Some(map) = map_of(&mut guest, map) else {
                return Ok(BAD_ARGUMENT);
            };
            let bytes = encode_map(map);
            guest.give(&bytes, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_header_map_pairs",
        |caller: C<'_>, map: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let new = guest.read_map(data, size)?;
            match (map_of(&mut guest, map), new) {
                (Some(map), Some(new)) => *map = new,
                _ => return Ok(BAD_ARGUMENT),
            }
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |caller: C<'_>, map: u32, key: u32, length: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let key = guest.read_text(key, length)?;
            let Some(map) = map_of(&mut guest, map) else {
                return Ok(BAD_ARGUMENT);
            };
            let found = map
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&key))
                .map(|(_, value)| value.clone());
            let Some(value) = found else { return Ok(NOT_FOUND) };
            guest.give(&value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |caller: C<'_>, map: u32, key: u32, length: u32| {
            let mut guest = Guest::from(caller);
            let key = guest.read_text(key, length)?;
            let Some(map) = map_of(&mut guest, map) else {
                return Ok(BAD_ARGUMENT);
            };
            map.retain(|(name, _)| !name.eq_ignore_ascii_case(&key));
            Result::Ok(OK)
        },
    )?;
    for (function, replace) in [
        ("proxy_replace_header_map_value", true),
        ("proxy_add_header_map_value", false),
    ] {
        linker.func_wrap(
            "env",
            function,
            move |caller: C<'_>, map: u32, key: u32, length: u32, value: u32, size: u32| {
                let mut guest = Guest::from(caller);
                let (key, value) = (guest.read_text(key, length)?, guest.read(value, size)?);
                let Some(map) = map_of(&mut guest, map) else {
                    return Ok(BAD_ARGUMENT);
                };
                if replace {
                    map.retain(|(name, _)| !name.eq_ignore_ascii_case(&key));
                }
                map.push((key, value));
                Result::Ok(OK)
            },
        )?;
    }
    Ok(())
}

fn map_of<'a>(guest: &'a mut Guest<'_>, map: u32) -> Option<&'a mut super::Headers> {
    guest.state().map(Map::from_number(map)?)
}

fn link_stream(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |caller: C<'_>, buffer: u32, start: u32, length: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let Some(buffer) = Buffer::from_number(buffer) else {
                return Ok(BAD_ARGUMENT);
            };
            let Some(buffer) = guest.state().buffer(buffer) else {
                return Ok(NOT_FOUND);
            };
            let end = (start as usize).saturating_add(length as usize).min(buffer.len());
            let Some(bytes) = buffer.get(start as usize..end).map(<[u8]>::to_vec) else {
                return Ok(BAD_ARGUMENT);
            };
            guest.give(&bytes, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_buffer_bytes",
        |caller: C<'_>, buffer: u32, start: u32, length: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let new = guest.read(data, size)?;
            let Some(buffer) = Buffer::from_number(buffer) else {
                return Ok(BAD_ARGUMENT);
            };
            let Some(buffer) = guest.state().buffer(buffer) else {
                return Ok(NOT_FOUND);
            };
            let start = (start as usize).min(buffer.len());
            let end = start.saturating_add(length as usize).min(buffer.len());
            buffer.splice(start..end, new);
            Result::Ok(OK)
        },
    )?;
    for function in ["proxy_continue_stream", "proxy_close_stream"] {
        linker.func_wrap("env", function, move |mut caller: C<'_>, direction: u32| -> u32 {
            let Some(stream) = caller.data_mut().stream() else {
                return BAD_ARGUMENT;
            };
            if function == "proxy_close_stream" {
                stream.closed = true;
            } else if direction == 0 && stream.responses.is_empty() {
                stream.paused = false;
                stream.headers_paused = false;
                stream.released = true;
            }
            OK
        })?;
    }
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |caller: C<'_>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         size: u32,
         map: u32,
         map_size: u32,
         _grpc: i32| {
            let mut guest = Guest::from(caller);
            let (details, body) = (guest.read_text(details, details_size)?, guest.read(body, size)?);
            let Some(headers) = guest.read_map(map, map_size)? else {
                return Ok(BAD_ARGUMENT);
            };
            let Some(stream) = guest.state().stream() else {
                return Ok(BAD_ARGUMENT);
            };
            stream.responses.push(LocalResponse {
                status,
                headers,
                body,
                details,
            });
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap("env", "proxy_http_call", http_call)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the ABI's own list")]
fn http_call(
    caller: C<'_>,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    trailers: u32,
    trailers_size: u32,
    timeout: u32,
    return_token: u32,
) -> Result<u32> {
    let mut guest = Guest::from(caller);
    let cluster = guest.read_text(cluster, cluster_size)?;
    let body = guest.read(body, body_size)?;
    let (Some(headers), Some(_)) = (
        guest.read_map(headers, headers_size)?,
        guest.read_map(trailers, trailers_size)?,
    ) else {
        return Ok(BAD_ARGUMENT);
    };
    if let Some(status) = guest.state().refuse_dispatch {
        return Ok(status as u32);
    }
    // Envoy refuses a request without these three.
    if [":method", ":path", ":authority"]
        .iter()
        .any(|wanted| !headers.iter().any(|(name, _)| name == wanted))
    {
        return Ok(BAD_ARGUMENT);
    }
    let state = guest.state();
    let token = u32::try_from(state.calls.len())? + 1;
    let timeout = Duration::from_millis(timeout.into());
    state.calls.push(Call {
        token,
        cluster,
        headers,
        body,
        timeout,
        context: state.effective_context,
    });
    guest.write_u32(return_token, token)?;
    Ok(OK)
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

fn link_shared(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |caller: C<'_>, key: u32, length: u32, data: u32, size: u32, cas: u32| {
            let mut guest = Guest::from(caller);
            let key = guest.read_text(key, length)?;
            let Some((value, version)) = guest.state().shared_data.get(&key).cloned() else {
                return Ok(NOT_FOUND);
            };
            guest.write_u32(cas, version)?;
            guest.give(&value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |caller: C<'_>, key: u32, length: u32, data: u32, size: u32, cas: u32| {
            let mut guest = Guest::from(caller);
            let (key, value) = (guest.read_text(key, length)?, guest.read(data, size)?);
            let shared = &mut guest.state().shared_data;
            let version = shared.get(&key).map_or(0, |(_, version)| *version);
            if cas != 0 && cas != version {
                return Ok(Status::CasMismatch as u32);
            }
            shared.insert(key, (value, version + 1));
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |caller: C<'_>, name: u32, length: u32, result: u32| {
            let mut guest = Guest::from(caller);
            let name = guest.read_text(name, length)?;
            let queues = &mut guest.state().queues;
            let index = queues.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                queues.push((name, VecDeque::new()));
                queues.len() - 1
            });
            guest.write_u32(result, u32::try_from(index)? + 1)?;
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |caller: C<'_>, _vm: u32, _vm_length: u32, name: u32, length: u32, result: u32| {
            let mut guest = Guest::from(caller);
            let name = guest.read_text(name, length)?;
            let found = guest.state().queues.iter().position(|(known, _)| *known == name);
            let Some(index) = found else { return Ok(NOT_FOUND) };
            guest.write_u32(result, u32::try_from(index)? + 1)?;
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |caller: C<'_>, queue: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let Some(queue) = queue_of(&mut guest, queue) else {
                return Ok(NOT_FOUND);
            };
            let Some(value) = queue.pop_front() else {
                return Ok(Status::Empty as u32);
            };
            guest.give(&value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |caller: C<'_>, queue: u32, data: u32, size: u32| {
            let mut guest = Guest::from(caller);
            let value = guest.read(data, size)?;
            let Some(queue) = queue_of(&mut guest, queue) else {
                return Ok(NOT_FOUND);
            };
            queue.push_back(value);
            Result::Ok(OK)
        },
    )?;
    Ok(())
}

fn queue_of<'a>(guest: &'a mut Guest<'_>, queue: u32) -> Option<&'a mut VecDeque<Vec<u8>>> {
    let index = usize::try_from(queue).ok()?.checked_sub(1)?;
    guest.state().queues.get_mut(index).map(|(_, queue)| queue)
}

fn link_metrics(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |caller: C<'_>, kind: u32, name: u32, length: u32, result: u32| {
            let mut guest = Guest::from(caller);
            let name = guest.read_text(name, length)?;
            if kind > HISTOGRAM {
                return Ok(BAD_ARGUMENT);
            }
            let metrics = &mut guest.state().metrics;
            let index = metrics
                .iter()
                .position(|metric| metric.name == name)
                .unwrap_or_else(|| {
                    metrics.push(Metric { name, kind, value: 0 });
                    metrics.len() - 1
                });
            guest.write_u32(result, u32::try_from(index)? + 1)?;
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap("env", "proxy_get_metric", |caller: C<'_>, id: u32, result: u32| {
        let mut guest = Guest::from(caller);
        let Some(value) = metric_of(&mut guest, id).map(|metric| metric.value) else {
            return Ok(NOT_FOUND);
        };
        guest.write(result, &value.to_le_bytes())?;
        Result::Ok(OK)
    })?;
    linker.func_wrap(
        "env",
        "proxy_record_metric",
        |caller: C<'_>, id: u32, value: u64| -> u32 {
            let mut guest = Guest::from(caller);
            match metric_of(&mut guest, id) {
                None => return NOT_FOUND,
                Some(metric) if metric.kind == COUNTER => return BAD_ARGUMENT,
                Some(metric) if metric.kind == HISTOGRAM => metric.value += 1,
                Some(metric) => metric.value = value,
            }
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_increment_metric",
        |caller: C<'_>, id: u32, offset: i64| -> u32 {
            let mut guest = Guest::from(caller);
            match metric_of(&mut guest, id) {
                None => return NOT_FOUND,
                Some(metric) if metric.kind == HISTOGRAM || (metric.kind == COUNTER && offset < 0) => {
                    return BAD_ARGUMENT;
                }
                Some(metric) => metric.value = metric.value.saturating_add_signed(offset),
            }
            OK
        },
    )?;
    Ok(())
}

fn metric_of<'a>(guest: &'a mut Guest<'_>, id: u32) -> Option<&'a mut Metric> {
    let index = usize::try_from(id).ok()?.checked_sub(1)?;
    guest.state().metrics.get_mut(index)
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
