//! The terminal: every key at once, a screen of its own, and as it was afterwards.

use std::io::{self, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// A terminal in raw mode; dropping it brings the old one back.
pub(crate) struct Terminal {
    before: Termios,
}

impl Terminal {
    pub(crate) fn raw() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        // The other screen of the terminal, on which long lines end at the edge.
        print!("\x1b[?1049h\x1b[?7l");
        Ok(Self { before })
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> io::Result<(usize, usize)> {
        let size = tcgetwinsize(rustix::stdio::stdout())?;
        Ok((usize::from(size.ws_col).max(40), usize::from(size.ws_row).max(12)))
    }

    /// Replaces what is shown; the cursor stays at the end of it.
    pub(crate) fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut out = String::from("\x1b[?25l\x1b[H");
        for (row, line) in lines.iter().enumerate() {
            let end = if row + 1 == lines.len() { "" } else { "\r\n" };
            out += &format!("{line}\x1b[K{end}");
        }
        out += "\x1b[?25h";
        let mut stdout = io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody is left to be told of a failure.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
        print!("\x1b[?7h\x1b[?1049l");
        let _ = io::stdout().flush();
    }
}
