//! Lists, and how deep values are nested.

use std::ops::Deref;
use std::sync::Arc;

use super::Value;

/// Lists, objects and sets in each other, at most. All that is done with values is recursive, from comparing to dropping them, and
/// the stack of a wasm module is small. Documents that are read have less: see `json.rs`.
pub(in crate::rego) const MAX_DEPTH: usize = 800;

/// What a value that would be deeper has instead of its items: none, and this depth, by which whoever makes values knows.
pub(super) const TOO_DEEP: u32 = u32::MAX;

/// Items in their order.
#[derive(Clone)]
pub struct List(Arc<Items>);

struct Items {
    items: Box<[Value]>,
    depth: u32,
}

impl List {
    pub(super) fn depth(&self) -> u32 {
        self.0.depth
    }

    /// Whether both are one list, told at once.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How deep a value of these parts is.
pub(super) fn depth_above<'v>(parts: impl Iterator<Item = &'v Value>) -> u32 {
    let below = parts.map(Value::levels).max().unwrap_or(0);
    match usize::try_from(below) {
        Ok(below) if below < MAX_DEPTH => u32::try_from(below + 1).unwrap_or(TOO_DEEP),
        _ => TOO_DEEP,
    }
}

impl From<Box<[Value]>> for List {
    fn from(items: Box<[Value]>) -> Self {
        let depth = depth_above(items.iter());
        let items = if depth == TOO_DEEP { Box::default() } else { items };
        Self(Arc::new(Items { items, depth }))
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        items.into_boxed_slice().into()
    }
}

impl From<&[Value]> for List {
    fn from(items: &[Value]) -> Self {
        Box::<[Value]>::from(items).into()
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        items.into_iter().collect::<Box<[Value]>>().into()
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}
