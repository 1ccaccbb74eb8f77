//! Making one unbroken stream of packets out of what was forwarded: receivers must not see that the source changed, a
//! layer was switched, or packets were held back. Pure.

use std::time::Instant;

use str0m::rtp::{Vp8Descriptor, Vp8Patch};

/// A jump of the sender's sequence numbers that is taken for a restart rather than for loss.
const RESTART: u64 = 1000;

/// Which encoding a packet belongs to: the session that sent it, and its SSRC there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) session: u64,
    pub(crate) ssrc: u32,
}

/// Where a packet is in its encoding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    /// Ticks of `timestamp` in a second.
    pub(crate) clock_rate: u32,
}

/// The numbers of the packets sent to one receiver on one track.
#[derive(Debug)]
pub(crate) struct Rewriter {
    run: Option<Run>,
    next_seq: u64,
    last_timestamp: u32,
    last_at: Option<Instant>,
    last_picture: u16,
    last_tl0: u8,
}

/// A run of packets that are forwarded as they come.
#[derive(Debug)]
struct Run {
    source: Source,
    first_in: u64,
    first_out: u64,
    last_in: u64,
    timestamp_offset: u32,
    picture_offset: Option<u16>,
    tl0_offset: Option<u8>,
    /// Whether the offsets of VP8 must be found anew.
    is_new_source: bool,
}

impl Rewriter {
    pub(crate) fn new() -> Self {
        Self { run: None, next_seq: 1, last_timestamp: 0, last_at: None, last_picture: 0, last_tl0: 0 }
    }

    /// Whether `source` is what is being forwarded.
    pub(crate) fn follows(&self, source: Source) -> bool {
        self.run.as_ref().is_some_and(|run| run.source == source)
    }

    /// Forwards from `place` on: the numbers go on where the last packet left them.
    pub(crate) fn start(&mut self, place: Place, now: Instant) {
        let same = self.run.take().filter(|run| run.source == place.source);
        let timestamp_offset = match (&same, self.last_at) {
            (Some(run), _) => run.timestamp_offset,
            (None, None) => 0,
            (None, Some(last_at)) => {
                let elapsed = now.saturating_duration_since(last_at).as_micros() as u64;
                let ticks = (elapsed * u64::from(place.clock_rate) / 1_000_000).max(1) as u32;
                self.last_timestamp.wrapping_add(ticks).wrapping_sub(place.timestamp)
            }
        };
        self.run = Some(Run {
            source: place.source,
            first_in: place.seq,
            first_out: self.next_seq,
            last_in: place.seq,
            timestamp_offset,
            picture_offset: same.as_ref().and_then(|run| run.picture_offset),
            tl0_offset: same.as_ref().and_then(|run| run.tl0_offset),
            is_new_source: same.is_none() && self.last_at.is_some(),
        });
    }

    /// The numbers to send the packet with; none, if it is older than what is being forwarded.
    pub(crate) fn place(&mut self, place: Place, now: Instant) -> Option<(u64, u32)> {
        if self.run.as_ref()?.last_in + RESTART < place.seq {
            self.start(place, now);
        }
        let run = self.run.as_mut()?;
        let seq = run.first_out + place.seq.checked_sub(run.first_in)?;
        let timestamp = place.timestamp.wrapping_add(run.timestamp_offset);
        run.last_in = run.last_in.max(place.seq);
        if seq >= self.next_seq {
            self.next_seq = seq + 1;
            self.last_timestamp = timestamp;
            self.last_at = Some(now);
        }
        Some((seq, timestamp))
    }

    /// What to change in a VP8 packet so that its pictures are numbered without a break.
    pub(crate) fn vp8_patch(&mut self, payload: &[u8]) -> Option<Vp8Patch> {
        let descriptor = Vp8Descriptor::parse(payload).ok()?;
        let run = self.run.as_mut()?;
        if run.is_new_source {
            run.is_new_source = false;
            run.picture_offset = descriptor.picture_id().map(|id| self.last_picture.wrapping_add(1).wrapping_sub(id));
            run.tl0_offset = descriptor.tl0_pic_idx().map(|index| self.last_tl0.wrapping_add(1).wrapping_sub(index));
        }
        let picture = descriptor.picture_id().map(|id| id.wrapping_add(run.picture_offset.unwrap_or(0)) & 0x7fff);
        let tl0 = descriptor.tl0_pic_idx().map(|index| index.wrapping_add(run.tl0_offset.unwrap_or(0)));
        self.last_picture = picture.unwrap_or(self.last_picture);
        self.last_tl0 = tl0.unwrap_or(self.last_tl0);
        if run.picture_offset.is_none() && run.tl0_offset.is_none() {
            return None;
        }
        let mut patch = descriptor.patch();
        if let Some(picture) = picture {
            patch = patch.picture_id(picture);
        }
        if let Some(tl0) = tl0 {
            patch = patch.tl0_pic_idx(tl0);
        }
        patch.build().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOW: Source = Source { session: 1, ssrc: 10 };
    const HIGH: Source = Source { session: 1, ssrc: 20 };

    fn place(source: Source, seq: u64, timestamp: u32) -> Place {
        Place { source, seq, timestamp, clock_rate: 90_000 }
    }

    #[test]
    fn numbers_start_low_and_keep_gaps_and_order_of_the_source() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new();
        rewriter.start(place(LOW, 70_000, 500), now);
        let sent: Vec<_> = [70_000, 70_001, 70_004, 70_003, 69_999]
            .map(|seq| rewriter.place(place(LOW, seq, 500), now).map(|(seq, _)| seq))
            .into();
        assert_eq!(sent, [Some(1), Some(2), Some(5), Some(4), None]);
    }

    #[test]
    fn a_switch_goes_on_without_a_gap_in_numbers_or_time() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new();
        rewriter.start(place(LOW, 100, 1000), now);
        assert_eq!(rewriter.place(place(LOW, 100, 1000), now), Some((1, 1000)));
        let later = now + Duration::from_millis(100);
        rewriter.start(place(HIGH, 9, 777_777), later);
        assert_eq!(rewriter.place(place(HIGH, 9, 777_777), later), Some((2, 10_000)));
        assert!(!rewriter.follows(LOW));
    }

    #[test]
    fn what_was_held_back_leaves_no_gap_and_a_wild_jump_neither() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new();
        rewriter.start(place(LOW, 100, 1000), now);
        rewriter.place(place(LOW, 100, 1000), now);
        rewriter.start(place(LOW, 150, 5000), now);
        assert_eq!(rewriter.place(place(LOW, 150, 5000), now), Some((2, 5000)), "time of the same source is kept");
        assert_eq!(rewriter.place(place(LOW, 60_000, 9000), now), Some((3, 9000)));
    }

    #[test]
    fn vp8_pictures_are_numbered_on_across_a_switch() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new();
        let picture = |id: u16| [0x90, 0x80, 0x80 | (id >> 8) as u8, id as u8, 0x00, 0x00];
        rewriter.start(place(LOW, 1, 0), now);
        rewriter.place(place(LOW, 1, 0), now);
        assert!(rewriter.vp8_patch(&picture(300)).is_none(), "the first source is sent as it is");
        rewriter.start(place(HIGH, 1, 0), now);
        rewriter.place(place(HIGH, 1, 0), now);
        assert!(rewriter.vp8_patch(&picture(7)).is_some());
        assert_eq!(rewriter.last_picture, 301);
        rewriter.vp8_patch(&picture(8));
        assert_eq!(rewriter.last_picture, 302);
    }
}
