//! Which layer of a picture sent in several sizes (simulcast) a receiver gets. Pure.

/// How much room a receiver must have beyond what a larger layer needs before it is switched up, in percent: else it
/// would be switched back at once.
const HEADROOM_PERCENT: u64 = 115;

/// A layer and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerRate<L> {
    pub(crate) layer: L,
    /// What it takes now.
    pub(crate) bps: u64,
    /// The most it ever took: tells which layer is the larger one even while the picture stands still.
    pub(crate) peak_bps: u64,
}

/// The largest layer that fits into `budget`, else the smallest there is; none, if there is none.
pub(crate) fn choose<L: Copy + PartialEq>(layers: &[LayerRate<L>], current: Option<L>, budget: u64) -> Option<L> {
    let mut by_size: Vec<_> = layers.to_vec();
    by_size.sort_by_key(|layer| layer.peak_bps);
    let current_peak = by_size.iter().find(|layer| Some(layer.layer) == current).map(|layer| layer.peak_bps);
    let fits = |layer: &&LayerRate<L>| match current_peak {
        Some(current_peak) if layer.peak_bps > current_peak => layer.bps * HEADROOM_PERCENT / 100 <= budget,
        _ => layer.bps <= budget,
    };
    by_size.iter().rev().find(fits).or(by_size.first()).map(|layer| layer.layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: [LayerRate<char>; 3] = [
        LayerRate { layer: 'h', bps: 1_500_000, peak_bps: 1_600_000 },
        LayerRate { layer: 'l', bps: 150_000, peak_bps: 170_000 },
        LayerRate { layer: 'm', bps: 500_000, peak_bps: 600_000 },
    ];

    #[track_caller]
    fn check(current: Option<char>, budget: u64, expected: char) {
        assert_eq!(choose(&LAYERS, current, budget), Some(expected), "{current:?} {budget}");
    }

    #[test]
    fn a_receiver_gets_the_largest_layer_that_fits() {
        check(None, 10_000_000, 'h');
        check(None, 1_499_999, 'm');
        check(None, 499_999, 'l');
        check(None, 0, 'l');
    }

    #[test]
    fn switching_up_needs_headroom_and_staying_does_not() {
        check(Some('m'), 1_600_000, 'm');
        check(Some('m'), 1_725_000, 'h');
        check(Some('h'), 1_500_000, 'h');
        check(Some('h'), 1_400_000, 'm');
    }

    #[test]
    fn a_large_layer_that_stands_still_stays_the_large_one() {
        let still = LAYERS.map(|rate| if rate.layer == 'h' { LayerRate { bps: 10_000, ..rate } } else { rate });
        assert_eq!(choose(&still, Some('h'), 100_000), Some('h'));
    }

    #[test]
    fn without_layers_there_is_nothing_to_choose() {
        assert_eq!(choose::<char>(&[], None, 1), None);
    }
}
