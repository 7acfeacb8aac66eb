//! What belongs to a request: headers, bodies, its answer, and the calls that are made for it.

use std::time::Duration;

use wasmtime::{Linker, Result};

use super::{BAD_ARGUMENT, C, NOT_FOUND, OK};
use crate::host::Headers;
use crate::host::abi::{Buffer, Map, encode_map};
use crate::host::memory::Guest;
use crate::host::state::{Call, LocalResponse, State};

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_maps(linker)?;
    link_stream(linker)
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

fn map_of<'a>(guest: &'a mut Guest<'_>, map: u32) -> Option<&'a mut Headers> {
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
            } else if direction == 1 {
                stream.deliver_answer();
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
