//! The operating system's generator, without entering the kernel where Linux offers that.

use rand::{
    TryCryptoRng, TryRng,
    rngs::{SysError, SysRng},
};

/// The operating system's random numbers, for [`crate::Minter::mint`].
///
/// Since Linux 6.11 the kernel hands each thread a page of its own generator to draw from by a function call (the
/// vDSO), at an eighth of the price of a system call. The kernel keeps that page: it clears it in the child of a fork,
/// and makes it void at each reseeding, which a restored snapshot of a virtual machine brings about. So what holds
/// for the system call holds here, which could not be said of a generator or a buffer in the process. C libraries
/// draw this way as well (glibc from 2.41 on); this type does so under older ones. On kernels and processors without
/// it, and whenever it fails, this is [`rand::rngs::SysRng`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl TryRng for SystemRng {
    type Error = SysError;

    fn try_next_u32(&mut self) -> Result<u32, SysError> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, SysError> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), SysError> {
        if kernel_page::fill(bytes) { Ok(()) } else { SysRng.try_fill_bytes(bytes) }
    }
}

impl TryCryptoRng for SystemRng {}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod kernel_page {
    use std::{cell::RefCell, sync::LazyLock, thread_local};

    use vdso_rng::{LocalState, Pool};

    /// `None` where the kernel does not offer it.
    static POOL: LazyLock<Option<Pool>> = LazyLock::new(|| Pool::new().ok());

    thread_local! {
        static STATE: RefCell<Option<LocalState<'static>>> =
            RefCell::new(POOL.as_ref().and_then(|pool| LocalState::new(pool).ok()));
    }

    /// Whether `bytes` could be filled. If not, they hold nothing of use.
    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        let filled = STATE.try_with(|state| {
            // A thread draws one number at a time; it cannot be drawing already.
            let mut state = state.try_borrow_mut().ok()?;
            state.as_mut()?.fill(bytes, 0).ok()
        });
        matches!(filled, Ok(Some(())))
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod kernel_page {
    pub(super) fn fill(_: &mut [u8]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread, vec::Vec};

    use super::*;

    #[test]
    fn every_length_is_filled_to_its_end() {
        for length in [1, 12, 20, 24, 255, 256, 257, 5000] {
            // A byte stays zero in one try of 256; in none of 64 tries only if it is never written.
            let mut seen = std::vec![0u8; length];
            for _ in 0..64 {
                let mut bytes = std::vec![0u8; length];
                SystemRng.try_fill_bytes(&mut bytes).unwrap();
                seen.iter_mut().zip(&bytes).for_each(|(seen, byte)| *seen |= byte);
            }
            assert!(seen.iter().all(|&seen| seen != 0), "{length} bytes");
        }
    }

    #[test]
    fn threads_never_draw_the_same_number() {
        let draw = || (0..20_000).map(|_| SystemRng.try_next_u64().unwrap()).collect::<Vec<_>>();
        let drawn: Vec<u64> = thread::scope(|scope| {
            [(); 8].map(|()| scope.spawn(draw)).into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 160_000);
    }
}
