//! What outlives a request: shared data, queues, metrics.

use std::collections::VecDeque;

use wasmtime::{Linker, Result};

use super::{BAD_ARGUMENT, C, NOT_FOUND, OK};
use crate::host::abi::Status;
use crate::host::memory::Guest;
use crate::host::state::{Metric, State};

const COUNTER: u32 = 0;
const HISTOGRAM: u32 = 2;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_shared(linker)?;
    link_metrics(linker)
}

fn link_shared(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |caller: C<'_>, key: u32, length: u32, data: u32, size: u32, cas: u32| {
            let mut guest = Guest::from(caller);
            let key = guest.read_text(key, length)?;
            let found = guest.state().options.process.common().data.get(&key).cloned();
            let Some((value, version)) = found else {
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
            let mut common = guest.state().options.process.common();
            // As in Envoy, a value that is not there has no version to compare with.
            let differs = common
                .data
                .get(&key)
                .is_some_and(|(_, version)| cas != 0 && cas != *version);
            if differs {
                return Ok(Status::CasMismatch as u32);
            }
            common.version += 1;
            let version = common.version;
            common.data.insert(key, (value, version));
            Result::Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |caller: C<'_>, name: u32, length: u32, result: u32| {
            let mut guest = Guest::from(caller);
            let name = guest.read_text(name, length)?;
            let index = {
                let queues = &mut guest.state().options.process.common().queues;
                queues.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                    queues.push((name, VecDeque::new()));
                    queues.len() - 1
                })
            };
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
            let found = {
                let common = guest.state().options.process.common();
                common.queues.iter().position(|(known, _)| *known == name)
            };
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
            let value = with_queue(&mut guest, queue, VecDeque::pop_front);
            let Some(value) = value else {
                return Ok(NOT_FOUND);
            };
            let Some(value) = value else {
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
            let pushed = with_queue(&mut guest, queue, |queue| queue.push_back(value));
            Result::Ok(if pushed.is_some() { OK } else { NOT_FOUND })
        },
    )?;
    Ok(())
}

fn with_queue<T>(guest: &mut Guest<'_>, queue: u32, with: impl FnOnce(&mut VecDeque<Vec<u8>>) -> T) -> Option<T> {
    let index = usize::try_from(queue).ok()?.checked_sub(1)?;
    let mut common = guest.state().options.process.common();
    common.queues.get_mut(index).map(|(_, queue)| with(queue))
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
