//! The only way to a model.

pub mod guards;
