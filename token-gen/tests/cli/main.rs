//! The command line as scripts see it: real processes, their exit codes, their JSON.

mod explain;
mod help;
mod keygen;
mod kit;
mod mint;
mod process;
mod verify;
