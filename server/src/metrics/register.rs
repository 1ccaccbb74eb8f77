//! How metrics get into the registry: each with its name, its help and the labels it has.

use prometheus_client::{
    encoding::EncodeMetric,
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};

/// One label whose values are known in the code.
pub(super) type Label = [(&'static str, &'static str); 1];

/// Counters that differ in the value of one label.
#[derive(Debug, Clone)]
pub(super) struct By {
    label: &'static str,
    counters: Family<Label, Counter>,
}

impl By {
    pub(super) fn count(&self, value: &'static str) {
        self.add(value, 1);
    }

    pub(super) fn add(&self, value: &'static str, count: u64) {
        self.counters.get_or_create(&[(self.label, value)]).inc_by(count);
    }

    /// The counts of these values together.
    pub(super) fn sum(&self, values: impl IntoIterator<Item = &'static str>) -> u64 {
        let of = |value| self.counters.get(&[(self.label, value)]).map_or(0, |counter| counter.get());
        values.into_iter().map(of).sum()
    }

    /// The counter of one value, for whoever counts often.
    pub(super) fn counter(&self, value: &'static str) -> Counter {
        self.counters.get_or_create_owned(&[(self.label, value)])
    }
}

/// What there is to say of a metric.
#[derive(Debug, Clone)]
pub(super) struct Description {
    /// As it is scraped.
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// A registry that is being filled.
#[derive(Default)]
pub(super) struct Register {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl Register {
    pub(super) fn counter(&mut self, name: &str, help: &'static str) -> Counter {
        self.metric(name, help, &[], Counter::default())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &'static str) -> Gauge {
        self.metric(name, help, &[], Gauge::default())
    }

    /// Counters by the one label of `labels`; those of `values` are there from the start, so that their first count is
    /// seen as one.
    pub(super) fn by(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &'static [&'static str; 1],
        values: impl IntoIterator<Item = &'static str>,
    ) -> By {
        let by = By { label: labels[0], counters: self.metric(name, help, labels, Family::default()) };
        for value in values {
            by.counter(value);
        }
        by
    }

    /// A metric of ours.
    pub(super) fn metric<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &'static [&'static str],
        metric: M,
    ) -> M {
        self.usual(&format!("roompass_{name}"), help, labels, metric)
    }

    /// A metric by a name that every exporter uses.
    pub(super) fn usual<M: Metric + Clone>(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &'static [&'static str],
        metric: M,
    ) -> M {
        let (kind, suffix) = match EncodeMetric::metric_type(&metric) {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        self.descriptions.push(Description { name: format!("{name}{suffix}"), kind, labels, help });
        self.registry.register(name, help, metric.clone());
        metric
    }

    pub(super) fn finish(self) -> (Registry, Vec<Description>) {
        (self.registry, self.descriptions)
    }
}
