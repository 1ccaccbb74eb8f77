//! Scripts of stays whose token sets terms, or whose app is neither patient nor strict.

use std::time::Duration;

use token_gen::{MediaKind, OnExpiry, RightsBuilder, StreamId};

use super::session::*;
use crate::{
    apps::{AppSettings, ExpiryPolicy, RenewalPolicy},
    gateway::session::{Operation, Request},
};

fn stay(settings: AppSettings, terms: impl FnOnce(RightsBuilder) -> RightsBuilder) -> Script {
    Script::of_token(settings, &token(0, 100, terms), 0)
}

#[test]
fn what_the_token_says_of_its_expiry_counts_more_than_what_the_app_says() {
    let kicked = "publish of s1 stopped: publish_token_expired, give back s1, kicked: kicked_token_expired, \
                  leave: kicked_token_expired";
    let stopped = "publish of s1 stopped: publish_token_expired, give back s1, expired at 100";
    let app = |on_expiry, expiry_grace_secs| AppSettings { on_expiry, expiry_grace_secs, ..settings() };
    let (soft, stop, strict) =
        (app(ExpiryPolicy::Soft, 0), app(ExpiryPolicy::StopPublish, 0), app(ExpiryPolicy::Strict, 0));
    let grace = app(ExpiryPolicy::Strict, 20);
    for (settings, term, at_end, after) in [
        (soft.clone(), None, "expired at 100", ""),
        (stop.clone(), None, stopped, ""),
        (strict.clone(), None, kicked, ""),
        (grace.clone(), None, "expired at 100", kicked),
        (strict.clone(), Some(OnExpiry::Keep), "expired at 100", ""),
        (strict, Some(OnExpiry::StopPublish), stopped, ""),
        (soft.clone(), Some(OnExpiry::Kick), kicked, ""),
        (soft, Some(OnExpiry::Grace(Duration::from_secs(20))), "expired at 100", kicked),
        (grace, Some(OnExpiry::Kick), kicked, ""),
        (stop, Some(OnExpiry::Keep), "expired at 100", ""),
    ] {
        let mut s = stay(settings.clone(), |rights| term.into_iter().fold(rights, RightsBuilder::on_expiry));
        let case = format!("{:?} {} {term:?}", settings.on_expiry, settings.expiry_grace_secs);
        assert_eq!(s.publish(1, "s1"), "ok 1", "{case}");
        assert_eq!(s.pass(70), "will expire in 30", "{case}");
        assert_eq!(s.pass(100), at_end, "{case}");
        let deadline = if after.is_empty() { None } else { Some(120) };
        assert_eq!(s.deadline(), deadline, "{case}");
        assert_eq!(s.pass(119), "", "{case}");
        assert_eq!(s.pass(120), after, "{case}");
    }
}

#[test]
fn a_renewal_within_the_grace_time_saves_the_stay() {
    let mut s = stay(settings(), |rights| rights.on_expiry(OnExpiry::Grace(Duration::from_secs(20))));
    s.publish(1, "s1");
    assert_eq!(s.pass(100), "expired at 100");
    assert_eq!(s.publish(101, "s2"), "error 101 publish_token_expired");
    assert_eq!(s.renew_with(110, &token(110, 100, |rights| rights)), "renewed 110 until 210");
    assert_eq!(s.pass(150), "");
    assert_eq!(s.publish(151, "s2"), "ok 151");
}

#[test]
fn a_right_ends_at_its_second_and_the_others_stay() {
    let ending = |rights: RightsBuilder| rights.login_until(at(10)).publish_until(at(20)).play_until(at(30));
    let mut s = stay(settings(), ending);
    assert_eq!((s.publish(1, "s1"), s.play(2, "p1")), ("ok 1".into(), "ok 2".into()));
    assert_eq!(s.deadline(), Some(10));
    assert_eq!(s.pass(9), "");
    assert_eq!(s.pass(10), "may publish play");
    assert_eq!(s.deadline(), Some(20));
    // Patient apps let run what runs.
    assert_eq!(s.pass(20), "may play");
    assert_eq!(s.publish(21, "s2"), "error 21 publish_token_expired (until)");
    assert_eq!(s.play(22, "p2"), "ok 22");
    assert_eq!(s.pass(30), "may ");
    assert_eq!(s.request(31, Request::StopPlay("p1".into())), "ok 31");
    assert_eq!(s.play(32, "p3"), "error 32 play_token_expired (until)");
    assert_eq!(s.deadline(), Some(70));
    // A new token has all its rights, and all its own ends.
    assert_eq!(s.renew_with(40, &token(40, 100, |rights| rights.play_until(at(50)))), "renewed 40 until 140");
    assert_eq!((s.publish(41, "s2"), s.play(42, "p3")), ("ok 41".into(), "ok 42".into()));
    assert_eq!(s.pass(50), "may login publish");

    let stop = AppSettings { on_expiry: ExpiryPolicy::StopPublish, ..settings() };
    let mut s = stay(stop, |rights| rights.publish_until(at(20)));
    s.publish(1, "s1");
    assert_eq!(s.pass(20), "may login play, publish of s1 stopped: publish_token_expired, give back s1");

    // What is played stops with the right to play where the end of the token would stop it.
    for (term, at_end) in [
        (OnExpiry::Keep, "may login publish"),
        (OnExpiry::StopPublish, "may login publish"),
        (OnExpiry::Kick, "may login publish, play of p1 stopped: play_token_expired"),
        (OnExpiry::Grace(Duration::from_secs(20)), "may login publish, play of p1 stopped: play_token_expired"),
    ] {
        let mut s = stay(settings(), |rights| rights.play_until(at(20)).on_expiry(term));
        s.play(1, "p1");
        assert_eq!(s.pass(20), at_end, "{term:?}");
    }
}

#[test]
fn what_an_operator_withholds_is_stopped_and_stays_away_whatever_the_token_says() {
    use roompass_wire::http::WithheldPrivilege::{Play, Publish};
    let mut s = stay(settings(), |rights| rights.login_until(at(40)));
    s.publish(1, "s1");
    s.play(2, "p1");
    s.play(3, "p2");
    let played = "may login publish, play of p1 stopped: play_denied, play of p2 stopped: play_denied";
    assert_eq!(s.withhold(10, &[Play]), played);
    assert_eq!(s.play(11, "p1"), "error 11 play_denied (withheld)");
    assert_eq!(s.publish(12, "s2"), "ok 12");
    let published = "may login play, publish of s1 stopped: publish_denied, give back s1, \
                     publish of s2 stopped: publish_denied, give back s2";
    assert_eq!(s.withhold(20, &[Publish]), published);
    assert_eq!(s.publish(21, "s1"), "error 21 publish_denied (withheld)");
    let topic = || Operation::SetRoomExtra { key: "topic".into(), value: "x".into() };
    assert_eq!(s.request(22, Request::Talk(topic())), "error 22 publish_denied (withheld)");
    assert_eq!(s.play(23, "p1"), "ok 23");
    let both = "may login, play of p1 stopped: play_denied";
    assert_eq!(s.withhold(30, &[Publish, Play]), both);
    assert_eq!(s.renew_with(31, &token(31, 100, |rights| rights.login_until(at(40)))), "renewed 31 until 131");
    assert_eq!(s.publish(32, "s1"), "error 32 publish_denied (withheld)");
    // What is told at the end of a right says nothing else.
    assert_eq!(s.pass(40), "may ");
    assert_eq!(s.withhold(50, &[]), "may publish play");
    assert_eq!((s.publish(51, "s1"), s.play(52, "p1")), ("ok 51".into(), "ok 52".into()));
}

#[test]
fn a_stay_ends_when_the_token_says_and_a_renewal_makes_it_no_longer() {
    let mut s = stay(settings(), |rights| rights.max_stay(Duration::from_secs(60)));
    s.publish(1, "s1");
    assert_eq!(s.deadline(), Some(60));
    assert_eq!(s.renew_with(50, &token(50, 100, |rights| rights)), "renewed 50 until 150");
    assert_eq!(s.pass(59), "");
    let over =
        "publish of s1 stopped: kicked_stay_over, give back s1, kicked: kicked_stay_over, leave: kicked_stay_over";
    assert_eq!(s.pass(60), over);
    assert_eq!(s.deadline(), None);

    // A renewal may make it shorter, counted from the login.
    let mut s = stay(settings(), |rights| rights);
    let shorter = token(50, 100, |rights| rights.max_stay(Duration::from_secs(55)));
    assert_eq!(s.renew_with(50, &shorter), "renewed 50 until 150");
    assert_eq!(s.pass(54), "");
    assert_eq!(s.pass(55), "kicked: kicked_stay_over, leave: kicked_stay_over");
}

#[test]
fn media_and_playing_follow_the_present_token() {
    let audio = |rights: RightsBuilder| rights.media([MediaKind::Audio].into_iter().collect());
    let mut s = stay(settings(), audio);
    // A stream that does not say what it carries is what a stream has always been.
    assert_eq!(s.publish(1, "s1"), "error 1 publish_denied (media)");
    assert_eq!(s.publish_media(2, "s1", &["audio"]), "ok 2");
    assert_eq!(s.publish_media(3, "s2", &["audio", "screen"]), "error 3 publish_denied (media)");
    assert_eq!(s.renew_with(10, &token(10, 90, |rights| rights.deny_play())), "renewed 10 until 100");
    assert_eq!(s.publish(11, "s2"), "ok 11");
    assert_eq!(s.play(12, "p1"), "error 12 play_denied (play)");
    // The stream with pictures is no longer covered, the one without is.
    let notice = "renewed 20 until 100 but renewed_without_publish";
    assert_eq!(s.renew_with(20, &token(20, 80, audio)), notice);
    assert_eq!(s.play(21, "p1"), "ok 21");
}

#[test]
fn an_app_that_enforces_renewed_rights_stops_what_they_do_not_allow() {
    let mut s = stay(AppSettings { on_renew: RenewalPolicy::Enforce, ..settings() }, |rights| rights);
    s.publish(1, "s1");
    s.publish(2, "s2");
    s.play(3, "p1");
    s.play(4, "p2");
    let [s2, p2] = ["s2", "p2"].map(|stream_id| StreamId::new(stream_id).unwrap());
    let smaller = token(10, 90, |rights| rights.stream(&s2).play_stream(&p2));
    assert_eq!(
        s.renew_with(10, &smaller),
        "renewed 10 until 100 but renewed_without_publish, publish of s1 stopped: publish_denied, give back s1, \
         play of p1 stopped: play_denied"
    );
    assert_eq!(s.request(11, Request::StopPublish("s2".into())), "give back s2, ok 11");
    assert_eq!(s.request(12, Request::StopPlay("p2".into())), "ok 12");
    assert_eq!(s.request(13, Request::StopPublish("s1".into())), "error 13 not_publishing");
}

#[test]
fn a_stay_that_goes_on_elsewhere_ends_when_it_was_to_end() {
    // Its present token says nothing of it; an earlier one did.
    let mut s = stay(settings(), |rights| rights);
    s.session.restore((at(0), Some(at(60))), &[], &[], Vec::new());
    assert_eq!(s.session.stay_until(), Some(at(60)));
    let mut s = stay(settings(), |rights| rights.max_stay(Duration::from_secs(40)));
    s.session.restore((at(0), Some(at(60))), &[], &[], Vec::new());
    assert_eq!(s.session.stay_until(), Some(at(40)), "what ends first counts");
}
