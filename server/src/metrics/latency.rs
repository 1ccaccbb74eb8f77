//! How long things take: a histogram of relaxed atomics, since it is written by every request.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// The upper bounds of the buckets; one more has no bound.
const BOUNDS: [Duration; 12] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// A histogram of durations. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Latency(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Latency {
    /// Counts something that took `duration`.
    pub fn observe(&self, duration: Duration) {
        let bucket = BOUNDS.partition_point(|&bound| bound < duration);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many there were of each length, so far.
    pub(super) fn spread(&self) -> Spread {
        Spread(self.0.counts.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Counts something that began at `begun` and ends now.
    pub fn since(&self, begun: Instant) {
        self.observe(begun.elapsed());
    }
}

/// How many durations there were of each length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spread([u64; BOUNDS.len() + 1]);

impl Spread {
    /// Those that came after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut later = *self;
        later.0.iter_mut().zip(earlier.0).for_each(|(count, before)| *count = count.saturating_sub(before));
        later
    }

    /// What this share of them took at most, in microseconds: within its bucket as if they were spread evenly. Beyond
    /// the last bound, that bound. `None` if there were none.
    pub(super) fn quantile_micros(&self, share: f64) -> Option<u64> {
        let all: u64 = self.0.iter().sum();
        let wanted = (share * all as f64).ceil().max(1.0);
        let mut before = 0.0;
        for (index, &count) in self.0.iter().enumerate() {
            let with = before + count as f64;
            if count > 0 && with >= wanted {
                let micros = |index: usize| BOUNDS[index.min(BOUNDS.len() - 1)].as_micros() as f64;
                let from = if index == 0 { 0.0 } else { micros(index - 1) };
                return Some((from + (micros(index) - from) * (wanted - before) / count as f64).round() as u64);
            }
            before = with;
        }
        None
    }
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Counted from the buckets, so that it is their sum whatever comes in meanwhile.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::prometheus_text, registry::Registry};

    use super::*;

    #[test]
    fn quantiles_are_within_the_bucket_they_fall_in() {
        let latency = Latency::default();
        assert_eq!(latency.spread().quantile_micros(0.5), None);
        let before = latency.spread();
        for millis in [1, 1, 1, 40] {
            latency.observe(Duration::from_millis(millis));
        }
        let spread = latency.spread().since(&before);
        assert_eq!(spread.quantile_micros(0.75), Some(1_000));
        assert_eq!(spread.quantile_micros(0.99), Some(50_000));
        latency.observe(Duration::from_secs(60));
        assert_eq!(latency.spread().quantile_micros(1.0), Some(5_000_000), "no more is known");
        assert_eq!(latency.spread().since(&latency.spread()), Spread::default());
    }

    #[test]
    fn what_takes_just_as_long_as_a_bound_is_within_it() {
        let latency = Latency::default();
        for micros in [0, 50, 51, 5_000_000, 5_000_001] {
            latency.observe(Duration::from_micros(micros));
        }
        let mut registry = Registry::default();
        registry.register("t", "t", latency);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        for line in [
            "t_bucket{le=\"5e-05\"} 2",
            "t_bucket{le=\"0.0001\"} 3",
            "t_bucket{le=\"1\"} 3",
            "t_bucket{le=\"5\"} 4",
            "t_bucket{le=\"+Inf\"} 5",
            "t_count 5",
            "t_sum 10.000102",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} is not in {text}");
        }
    }
}
