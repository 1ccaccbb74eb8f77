//! The Roompass service.

pub mod apps;
pub mod clock;
pub mod error;
pub mod keys;
pub mod sealing;
pub mod store;
pub mod tokens;
