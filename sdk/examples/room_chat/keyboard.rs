//! Keys of a raw terminal: letters, Enter, erase, leave. Everything else is passed over.

use std::{io::Read, thread};

use tokio::sync::mpsc;

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Letter(char),
    Enter,
    Erase,
    Leave,
}

/// The keys as they come.
pub(crate) struct Keyboard(mpsc::Receiver<Key>);

impl Keyboard {
    /// Reads on a thread of its own, since standard input can only be waited for by blocking.
    pub(crate) fn open() -> Self {
        let (sender, receiver) = mpsc::channel(64);
        thread::spawn(move || {
            let mut reader = Reader::default();
            let mut byte = [0];
            while matches!(std::io::stdin().read(&mut byte), Ok(1)) {
                if let Some(key) = reader.take(byte[0])
                    && sender.blocking_send(key).is_err()
                {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next key; `None` when there will be none.
    pub(crate) async fn next(&mut self) -> Option<Key> {
        self.0.recv().await
    }
}

/// Puts bytes together.
#[derive(Debug, Default)]
struct Reader {
    letter: Vec<u8>,
    /// Within a sequence that an arrow or function key sends.
    escaped: bool,
}

impl Reader {
    fn take(&mut self, byte: u8) -> Option<Key> {
        if self.escaped {
            // `[` opens most sequences and a letter or `~` ends them.
            self.escaped = !(byte.is_ascii_alphabetic() || byte == b'~');
            return None;
        }
        match byte {
            b'\r' | b'\n' => Some(Key::Enter),
            0x7f | 0x08 => Some(Key::Erase),
            // Ctrl-C and Ctrl-D.
            0x03 | 0x04 => Some(Key::Leave),
            0x1b => {
                self.escaped = true;
                None
            }
            0..0x20 => None,
            _ => {
                self.letter.push(byte);
                let letter = std::str::from_utf8(&self.letter).ok().and_then(|text| text.chars().next());
                if letter.is_some() || self.letter.len() == 4 {
                    self.letter.clear();
                }
                letter.map(Key::Letter)
            }
        }
    }
}
