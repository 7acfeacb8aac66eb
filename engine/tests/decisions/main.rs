//! What is decided, natively and in wasm.

#![cfg(test)]

mod answers;
mod failures;
mod forms;
mod matching;
mod support;
mod surroundings;
