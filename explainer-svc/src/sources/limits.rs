//! How much is read. Everything else here trusts that it was bounded before.

/// Bounds on what is read from one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an archive as it is on disk.
    pub compressed: u64,
    /// Bytes of all files together, unpacked. The names and headers of an archive count.
    pub unpacked: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Files; in an archive folders count too.
    pub files: usize,
    /// Bytes of one path.
    pub path: usize,
    /// Folders within folders.
    pub depth: usize,
}

impl Default for Limits {
    /// Far above what a policy set needs, far below what hurts.
    fn default() -> Self {
        Self {
            compressed: 32 << 20,
            unpacked: 64 << 20,
            file: 16 << 20,
            files: 10_000,
            path: 512,
            depth: 32,
        }
    }
}

/// A number of bytes for a message.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
