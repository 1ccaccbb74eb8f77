//! The Roompass service.

pub mod apps;
pub mod clock;
pub mod gateway;
pub mod login;
pub mod rooms;
