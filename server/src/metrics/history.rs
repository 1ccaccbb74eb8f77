//! How it was lately: a sample every few seconds, so that whoever looks after something happened sees it happen. In
//! memory only; for longer times there is Prometheus.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use roompass_wire::http::{INTROSPECT_PATH, Samples, TOKENS_PATH, Totals};
use token_gen::UnixSeconds;

use super::{Metrics, latency::Spread};
use crate::gateway::Occupancy;

/// Two hours, at a sample in ten seconds.
const KEPT: usize = 720;

/// The samples of this process.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    samples: VecDeque<Sample>,
    /// As it was at the last one.
    latest: Option<(UnixSeconds, Totals, Times)>,
}

/// What happened between two looks, and how it was at the second one.
#[derive(Debug, Clone)]
struct Sample {
    at: UnixSeconds,
    secs: u32,
    counts: Totals,
    times: Times,
    occupancy: Occupancy,
}

/// How long things took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    mint: Spread,
    login: Spread,
    introspect: Spread,
}

/// Everything counted so far.
pub(super) fn totals(metrics: &Metrics) -> (Totals, Times) {
    let ([logins, logins_refused], login) = metrics.gateway.logins();
    let mut totals = Totals { logins, logins_refused, ..Totals::default() };
    metrics.tokens.add_to(&mut totals);
    let of = |path| metrics.requests.spread(path, "POST");
    (totals, Times { login, mint: of(TOKENS_PATH), introspect: of(INTROSPECT_PATH) })
}

impl History {
    pub(super) fn sample(&self, metrics: &Metrics, occupancy: Occupancy, now: UnixSeconds) {
        let (totals, times) = totals(metrics);
        let mut inner = self.lock();
        // The first look only says from where to count; a clock that was set back begins anew.
        if let Some((before, totals_before, times_before)) = &inner.latest
            && let secs = now.get().saturating_sub(before.get())
            && secs >= 0
        {
            if secs == 0 {
                return;
            }
            let sample = Sample {
                at: now,
                secs: u32::try_from(secs).unwrap_or(u32::MAX),
                counts: difference(&totals, totals_before),
                times: Times {
                    mint: times.mint.since(&times_before.mint),
                    login: times.login.since(&times_before.login),
                    introspect: times.introspect.since(&times_before.introspect),
                },
                occupancy,
            };
            if inner.samples.len() == KEPT {
                inner.samples.pop_front();
            }
            inner.samples.push_back(sample);
        } else {
            inner.samples.clear();
        }
        inner.latest = Some((now, totals, times));
    }

    /// The samples taken after `since`, in columns.
    pub(super) fn since(&self, since: Option<UnixSeconds>) -> Samples {
        let inner = self.lock();
        let begin = since.map_or(0, |since| inner.samples.partition_point(|sample| sample.at <= since));
        let mut columns = Samples::default();
        for sample in inner.samples.range(begin..) {
            sample.add_to(&mut columns);
        }
        columns
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No change in here can stop half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    fn add_to(&self, columns: &mut Samples) {
        let Self { at, secs, counts, times, occupancy } = self;
        columns.at.push(at.get());
        columns.secs.push(*secs);
        columns.minted.push(counts.minted);
        columns.mints_refused.push(counts.mints_refused);
        columns.verified.push(counts.verified);
        columns.refused.push(counts.refused);
        columns.logins.push(counts.logins);
        columns.logins_refused.push(counts.logins_refused);
        columns.revocations.push(counts.revocations);
        columns.opened_by_previous.push(counts.opened_by_previous);
        columns.mint_p50_us.push(times.mint.quantile_micros(0.5));
        columns.mint_p99_us.push(times.mint.quantile_micros(0.99));
        columns.login_p50_us.push(times.login.quantile_micros(0.5));
        columns.login_p99_us.push(times.login.quantile_micros(0.99));
        columns.introspect_p50_us.push(times.introspect.quantile_micros(0.5));
        columns.introspect_p99_us.push(times.introspect.quantile_micros(0.99));
        columns.sessions.push(occupancy.sessions as u64);
        columns.rooms.push(occupancy.rooms as u64);
        columns.streams.push(occupancy.streams as u64);
    }
}

fn difference(later: &Totals, earlier: &Totals) -> Totals {
    let of = |pick: fn(&Totals) -> u64| pick(later).saturating_sub(pick(earlier));
    Totals {
        minted: of(|totals| totals.minted),
        mints_refused: of(|totals| totals.mints_refused),
        verified: of(|totals| totals.verified),
        refused: of(|totals| totals.refused),
        logins: of(|totals| totals.logins),
        logins_refused: of(|totals| totals.logins_refused),
        revocations: of(|totals| totals.revocations),
        opened_by_active: of(|totals| totals.opened_by_active),
        opened_by_previous: of(|totals| totals.opened_by_previous),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use roompass_wire::{ErrorCode, gateway::AuthKind};
    use token_gen::AppId;

    use super::*;

    const NOBODY: Occupancy = Occupancy { waiting: 0, sessions: 0, rooms: 0, streams: 0 };

    fn at(secs: i64) -> UnixSeconds {
        UnixSeconds::new(1_800_000_000 + secs)
    }

    #[test]
    fn a_sample_holds_what_came_since_the_one_before() {
        let metrics = Metrics::default();
        let app_id = AppId::new(7).unwrap();
        metrics.tokens.minted(app_id);
        metrics.sample(NOBODY, at(0));
        assert_eq!(metrics.samples(None), Samples::default(), "nothing to compare with");
        for _ in 0..3 {
            metrics.tokens.minted(app_id);
        }
        metrics.tokens.mint_refused(ErrorCode::FieldInvalid);
        metrics.tokens.verified(app_id, false);
        metrics.tokens.refused(app_id, "expired");
        metrics.tokens.revoked("user");
        metrics.gateway.logged_in(app_id, AuthKind::Token, Instant::now());
        metrics.gateway.login_refused(None, (true, true), "expired", Instant::now());
        metrics.sample(Occupancy { sessions: 5, ..NOBODY }, at(10));
        metrics.sample(NOBODY, at(25));
        let all = metrics.samples(None);
        assert_eq!((&all.at[..], &all.secs[..]), (&[at(10).get(), at(25).get()][..], &[10, 15][..]));
        assert_eq!((&all.minted[..], &all.mints_refused[..]), (&[3, 0][..], &[1, 0][..]));
        assert_eq!(
            (&all.verified[..], &all.refused[..], &all.opened_by_previous[..]),
            (&[1, 0][..], &[1, 0][..], &[1, 0][..])
        );
        assert_eq!((&all.logins[..], &all.logins_refused[..]), (&[1, 0][..], &[1, 0][..]));
        assert_eq!((&all.revocations[..], &all.sessions[..]), (&[1, 0][..], &[5, 0][..]));
        assert!(all.login_p99_us[0].is_some() && all.login_p99_us[1].is_none());
        assert_eq!(all.mint_p50_us, [None, None]);
        assert_eq!(metrics.samples(Some(at(10))).at, [at(25).get()]);
        assert_eq!(metrics.totals().minted, 4);
    }

    #[test]
    fn two_hours_are_kept_and_a_clock_set_back_begins_anew() {
        let metrics = Metrics::default();
        for number in 0..=(KEPT as i64 + 2) {
            metrics.sample(NOBODY, at(10 * number));
        }
        let all = metrics.samples(None);
        assert_eq!((all.at.len(), all.at[0]), (KEPT, at(30).get()));
        metrics.sample(NOBODY, at(0));
        assert_eq!(metrics.samples(None).at.len(), 0);
    }
}
