//! What is wrong with the times of a token: edited, in the wrong unit, in the future, too long, over.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use super::verdict::Rules;
use crate::{
    finding::Finding,
    human::{Instant, Span},
    time::{MAX_LIFETIME, UnixSeconds},
};

/// Numbers from this on, the year 5138, are taken for milliseconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Judges the issue time and the expiry, at `now`.
pub(crate) fn judge(
    issued_at: UnixSeconds,
    expire_at: UnixSeconds,
    outer_expire_at: UnixSeconds,
    rules: &Rules<'_>,
    now: UnixSeconds,
    findings: &mut Vec<Finding>,
) {
    if outer_expire_at != expire_at {
        findings.push(Finding::new(
            "outer_expiry_differs",
            format!(
                "The expiry in clear is {}, the sealed one {}: the text was edited after minting.",
                Instant(outer_expire_at),
                Instant(expire_at)
            ),
            "Only the sealed expiry counts. To prolong a session, mint a new token and renew; do not edit one.",
        ));
    }
    let in_milliseconds: Vec<String> = [("issue time", issued_at), ("expiry", expire_at)]
        .into_iter()
        .filter(|(_, time)| time.get() >= MILLISECONDS_FROM)
        .map(|(name, time)| format!("{name} {time}, which should be {}", time.get() / 1000))
        .collect();
    if !in_milliseconds.is_empty() {
        findings.push(Finding::new(
            "milliseconds",
            format!("The token counts in milliseconds: its {}.", in_milliseconds.join(", its ")),
            "Divide by 1000 where the time is read: tokens count in seconds (Math.floor(Date.now() / 1000)).",
        ));
        return;
    }
    if now.get() >= MILLISECONDS_FROM {
        findings.push(Finding::new(
            "now_in_milliseconds",
            format!("The time to check at is {now}, which is in milliseconds."),
            format!("Check at {}: times here are in seconds.", now.get() / 1000),
        ));
        return;
    }
    let are_possible = issued_at.get() > 0 && expire_at > issued_at;
    if !are_possible {
        findings.push(Finding::new(
            "times_invalid",
            format!("It was issued at {} and expires at {}, not after it.", Instant(issued_at), Instant(expire_at)),
            "Mint it with a lifetime of at least one second, and check the minting machine's clock.",
        ));
    }
    if issued_at > now.saturating_add(rules.skew) {
        let ahead = Span(issued_at.duration_since(now)).to_string();
        findings.push(Finding::new(
            "issued_in_future",
            format!("It was issued {ahead} from now, at {}; it is {} here.", Instant(issued_at), Instant(now)),
            format!(
                "The minting machine's clock is at least {ahead} ahead of this one ({} are allowed): set both by NTP.",
                Span(rules.skew)
            ),
        ));
    }
    let lifetime = expire_at.duration_since(issued_at);
    let max = rules.max_lifetime.min(MAX_LIFETIME);
    if are_possible && lifetime > max {
        let thousandth = Duration::from_secs(lifetime.as_secs() / 1000);
        let hint = if lifetime.as_secs().is_multiple_of(1000) && thousandth <= max {
            format!(" If {} was meant, the lifetime was given in milliseconds: give seconds.", Span(thousandth))
        } else {
            String::new()
        };
        findings.push(Finding::new(
            "lifetime_too_long",
            format!("It lives {} ({} s), longer than the {} allowed.", Span(lifetime), lifetime.as_secs(), Span(max)),
            format!("Mint it for at most {} s and renew before it ends.{hint}", max.as_secs()),
        ));
    }
    if are_possible && now >= expire_at {
        findings.push(Finding::new(
            "expired",
            format!("It expired {} ago, at {}.", Span(now.duration_since(expire_at)), Instant(expire_at)),
            format!(
                "Mint a new one and renew with it. It was good for {}; fetch the next one before that is over, on the \
                 warning that comes 30 s before.",
                Span(lifetime)
            ),
        ));
    }
}
