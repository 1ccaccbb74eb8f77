//! Roompass end to end, one module a promise.

mod backend;
mod command;
mod console_decode;
mod drain;
mod journey;
mod kicked;
mod messages;
mod modes;
mod python;
mod refusals;
mod resume;
mod rights;
mod runtimes;
mod strict;
mod switch;
mod tour;
mod web;
