//! The lines that are exchanged with clients in other languages.

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(crate) struct Offer {
    pub(crate) sdp: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) mid: String,
    pub(crate) kind: String,
}

#[derive(Serialize)]
pub(crate) struct Answer {
    pub(crate) sdp: String,
}
