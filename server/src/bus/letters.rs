//! Letters from other nodes that wait to be read. Bounded: what comes on top is lost, and whoever numbers them notices.

use tokio::sync::{Mutex, mpsc};

use super::Letter;

/// A reader this far behind is late for all of them.
const MAX_LETTERS: usize = 4096;

/// What one node has not read yet.
#[derive(Debug)]
pub(super) struct Letters {
    sender: mpsc::Sender<Letter>,
    unread: Mutex<mpsc::Receiver<Letter>>,
}

impl Default for Letters {
    fn default() -> Self {
        let (sender, unread) = mpsc::channel(MAX_LETTERS);
        Self { sender, unread: Mutex::new(unread) }
    }
}

impl Letters {
    /// Leaves a letter. Never waits. `false`: too many wait, and it is lost.
    pub(super) fn put(&self, letter: Letter) -> bool {
        self.sender.try_send(letter).is_ok()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        MAX_LETTERS - self.sender.capacity()
    }

    /// The next letter, once there is one.
    pub(super) async fn next(&self) -> Letter {
        match self.unread.lock().await.recv().await {
            Some(letter) => letter,
            // Cannot be: the sender is ours.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::bus::NodeId;

    #[tokio::test]
    async fn letters_are_read_in_order_and_too_many_are_lost() {
        let letters = Letters::default();
        let letter = |number: usize| Letter { from: NodeId::from("a"), text: number.to_string() };
        let kept = (0..=MAX_LETTERS).filter(|number| letters.put(letter(*number))).count();
        assert_eq!((kept, letters.len()), (MAX_LETTERS, MAX_LETTERS));
        assert_eq!(letters.next().now_or_never(), Some(letter(0)));
        assert_eq!(letters.next().now_or_never(), Some(letter(1)));
        assert!(letters.put(letter(7)));
    }
}
