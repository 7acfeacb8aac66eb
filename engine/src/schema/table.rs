//! `kubernetes.bin`, read where it lies: no part of it is ever unpacked. `wasm-tests/kube/schema.py` writes it.
//!
//! ```text
//! "KSCH", version u16, number of tables u16, where each begins and the last one ends u32…
//! ends     u16: where each text ends; the first is 0, so there is one more than there are texts
//! texts    bytes, sorted
//! kinds    group, version, kind (texts), type: sorted
//! types    name (text), first field; one more at the end
//! fields   name (text), shape; the shape's highest bit says "required"; sorted in each type
//! shapes   tag u8, list type u8, of (shape or type), list of values or keys, merge key (text), default (text: JSON)
//! lists    length, texts…
//! ```
//! Numbers are little-endian; 16 bits where nothing else is said; 0xFFFF is "none".

/// "None" in the table.
pub(super) const NONE: u16 = 0xFFFF;
const REQUIRED: u16 = 0x8000;
const HEADER: usize = 8;

static DATA: &[u8] = include_bytes!("kubernetes.bin");

#[derive(Clone, Copy)]
enum Part {
    Ends,
    Texts,
    Kinds,
    Types,
    Fields,
    Shapes,
    Lists,
}

/// Where a part begins.
fn start(part: Part) -> usize {
    let at = HEADER + 4 * (part as usize);
    DATA.get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
}

fn number(at: usize) -> u16 {
    DATA.get(at..at + 2)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(NONE, u16::from_le_bytes)
}

/// A number in a row of a part whose rows have `width` bytes.
fn cell(part: Part, row: u16, width: usize, offset: usize) -> u16 {
    number(start(part) + usize::from(row) * width + offset)
}

/// A text by its number.
pub(super) fn text(index: u16) -> &'static str {
    let begin = usize::from(cell(Part::Ends, index, 2, 0));
    let end = usize::from(cell(Part::Ends, index, 2, 2));
    let texts = start(Part::Texts);
    let bytes = DATA.get(texts + begin..texts + end).unwrap_or_default();
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The row in `from..to` for which `order` says "equal".
fn search(from: u16, to: u16, order: impl Fn(u16) -> std::cmp::Ordering) -> Option<u16> {
    let (mut from, mut to) = (from, to);
    while from < to {
        let middle = from + (to - from) / 2;
        match order(middle) {
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
            std::cmp::Ordering::Equal => return Some(middle),
        }
    }
    None
}

fn rows(part: Part, next: Part, width: usize) -> u16 {
    u16::try_from((start(next) - start(part)) / width).unwrap_or(0)
}

/// The type of a kind.
pub(super) fn kind(group: &str, version: &str, kind: &str) -> Option<u16> {
    let wanted = (group, version, kind);
    let row = search(0, rows(Part::Kinds, Part::Types, 8), |row| {
        let name = |offset| text(cell(Part::Kinds, row, 8, offset));
        (name(0), name(2), name(4)).cmp(&wanted)
    })?;
    Some(cell(Part::Kinds, row, 8, 6))
}

/// All kinds: group, version, kind.
#[cfg(test)]
pub(super) fn kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    (0..rows(Part::Kinds, Part::Types, 8)).map(|row| {
        let name = |offset| text(cell(Part::Kinds, row, 8, offset));
        (name(0), name(2), name(4))
    })
}

/// How many types there are.
#[cfg(test)]
pub(super) fn types() -> u16 {
    rows(Part::Types, Part::Fields, 4) - 1
}

/// A type's name.
pub(super) fn type_name(index: u16) -> &'static str {
    text(cell(Part::Types, index, 4, 0))
}

/// The rows of a type's fields.
pub(super) fn fields(index: u16) -> std::ops::Range<u16> {
    cell(Part::Types, index, 4, 2)..cell(Part::Types, index, 4, 6)
}

/// The row of one field of a type.
pub(super) fn field(index: u16, name: &str) -> Option<u16> {
    let fields = fields(index);
    search(fields.start, fields.end, |row| field_name(row).cmp(name))
}

/// A field's name.
pub(super) fn field_name(row: u16) -> &'static str {
    text(cell(Part::Fields, row, 4, 0))
}

/// A field's shape.
pub(super) fn field_shape(row: u16) -> u16 {
    cell(Part::Fields, row, 4, 2) & !REQUIRED
}

/// Whether a field is required.
pub(super) fn is_required(row: u16) -> bool {
    cell(Part::Fields, row, 4, 2) & REQUIRED != 0
}

/// What a value looks like, as it is in the table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) tag: u8,
    pub(super) list_type: u8,
    /// A shape (list, map) or a type (object).
    pub(super) of: u16,
    /// A list of texts: values, or keys of a list.
    pub(super) list: u16,
    pub(super) merge_key: u16,
    pub(super) default: u16,
}

/// A shape.
pub(super) fn shape(index: u16) -> Row {
    let [tag, list_type] = cell(Part::Shapes, index, 10, 0).to_le_bytes();
    let number = |offset| cell(Part::Shapes, index, 10, offset);
    Row {
        tag,
        list_type,
        of: number(2),
        list: number(4),
        merge_key: number(6),
        default: number(8),
    }
}

/// The texts of a list.
pub(super) fn list(index: u16) -> impl ExactSizeIterator<Item = &'static str> + Clone {
    let length = if index == NONE {
        0
    } else {
        cell(Part::Lists, index, 2, 0)
    };
    (0..length).map(move |item| text(cell(Part::Lists, index, 2, 2 + 2 * usize::from(item))))
}
