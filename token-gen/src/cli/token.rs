//! The token given to a command: as an argument, or from standard input.

use std::io::{self, Read};

use clap::Args;

use super::Failure;

/// Longer input cannot be a token, whatever its limits; the rest of it is not read.
const MAX_INPUT_BYTES: u64 = 256 * 1024;

#[derive(Args)]
pub(super) struct TokenArg {
    /// The token, or - to read it from standard input (also for text that begins with a dash)
    #[arg(value_name = "TOKEN")]
    token: String,
}

impl TokenArg {
    /// The token's text. Of standard input, one line end at its end is not part of it.
    pub(super) fn read(&self) -> Result<String, Failure> {
        if self.token != "-" {
            return Ok(self.token.clone());
        }
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_INPUT_BYTES).read_to_end(&mut bytes)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        // What is not UTF-8 is no token: U+FFFD in its place is refused just as well.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
