//! Roompass end to end, one module a promise.

mod command;
mod journey;
mod modes;
mod python;
mod refusals;
mod strict;
mod web;
