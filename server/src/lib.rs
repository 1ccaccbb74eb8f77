//! The Roompass service.

pub mod apps;
pub mod clock;
