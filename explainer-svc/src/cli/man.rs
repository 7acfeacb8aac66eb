//! `whynot man`: the help as man pages.

use std::path::Path;

use super::{Failed, Streams};

/// The page of the whole program, or all pages into a folder.
pub(super) fn run(command: clap::Command, folder: Option<&Path>, streams: &mut Streams<'_>) -> Result<(), Failed> {
    match folder {
        None => clap_mangen::Man::new(command).render(&mut streams.out)?,
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
        }
    }
    Ok(())
}
