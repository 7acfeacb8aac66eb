//! The guest's memory, as host functions see it.

use wasmtime::{AsContextMut, Caller, Extern, Memory, Result, TypedFunc, format_err};

use super::abi::{Headers, Status, decode_map};
use super::state::State;

/// Names of the guest's allocator: the specification's, and the one that Rust's SDK exports on wasm32-unknown-unknown.
pub(super) const ALLOCATORS: [&str; 2] = ["proxy_on_memory_allocate", "malloc"];

pub(super) struct Guest<'a> {
    pub(super) caller: Caller<'a, State>,
}

impl<'a> From<Caller<'a, State>> for Guest<'a> {
    fn from(caller: Caller<'a, State>) -> Self {
        Self { caller }
    }
}

impl Guest<'_> {
    pub(super) fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    fn memory(&mut self) -> Result<Memory> {
        self.caller
            .get_export("memory")
            .and_then(Extern::into_memory)
            .ok_or_else(|| format_err!("no memory is exported"))
    }

    pub(super) fn read(&mut self, address: u32, length: u32) -> Result<Vec<u8>> {
        let memory = self.memory()?;
        let (start, length) = (address as usize, length as usize);
        let bytes = start
            .checked_add(length)
            .and_then(|end| memory.data(&self.caller).get(start..end));
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format_err!("the guest passed {length} bytes at {start}, outside its memory"))
    }

    pub(super) fn read_text(&mut self, address: u32, length: u32) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(address, length)?).into_owned())
    }

    pub(super) fn read_map(&mut self, address: u32, length: u32) -> Result<Option<Headers>> {
        Ok(decode_map(&self.read(address, length)?))
    }

    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let memory = self.memory()?;
        Ok(memory.write(&mut self.caller, address as usize, bytes)?)
    }

    pub(super) fn write_u32(&mut self, address: u32, value: u32) -> Result<()> {
        self.write(address, &value.to_le_bytes())
    }

    /// Hands `bytes` over in memory that the guest allocates and will free. Nothing is allocated for no bytes.
    pub(super) fn give(&mut self, bytes: &[u8], return_address: u32, return_length: u32) -> Result<u32> {
        let length = u32::try_from(bytes.len())?;
        let mut address = 0;
        if length > 0 {
            address = self.allocator()?.call(self.caller.as_context_mut(), length)?;
            self.write(address, bytes)?;
        }
        self.write_u32(return_address, address)?;
        self.write_u32(return_length, length)?;
        Ok(Status::Ok as u32)
    }

    fn allocator(&mut self) -> Result<TypedFunc<u32, u32>> {
        let function = ALLOCATORS
            .iter()
            .find_map(|name| self.caller.get_export(name).and_then(Extern::into_func));
        function
            .ok_or_else(|| format_err!("no allocator is exported"))?
            .typed(&self.caller)
    }
}
