//! What every bus promises, as one suite. `run` it with a way to make nodes that meet.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use futures_util::future::join_all;
use rand::{TryRng, rngs::SysRng};
use token_gen::AppId;
use tokio::time::timeout;

use super::*;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// Nodes that meet on a bus of their own.
pub(crate) trait Meeting {
    type Bus: Bus;

    async fn join(&self) -> Self::Bus;
}

/// Bytes to make an id of.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).unwrap();
    bytes
}

pub(crate) use super::redis::server::Server as RedisServer;

/// Every promise, each on a bus of its own.
pub(crate) async fn run<M: Meeting>(mut meeting: impl FnMut() -> M) {
    what_is_put_on_a_board_is_seen_and_told_in_order(&meeting()).await;
    a_name_is_had_once_and_the_newest_wins_if_it_may(&meeting()).await;
    of_two_that_were_there_before_the_later_stays(&meeting()).await;
    a_full_board_takes_nobody_but_for_whoever_is_replaced(&meeting()).await;
    one_of_many_gets_the_last_place(&meeting()).await;
    only_the_holder_changes_an_entry(&meeting()).await;
    an_entry_is_taken_over_once(&meeting()).await;
    a_claim_is_for_one_until_it_is_released(&meeting()).await;
    values_stay_until_the_last_entry_goes(&meeting()).await;
    what_was_told_is_remembered_for_whoever_missed_it(&meeting()).await;
    what_was_told_goes_with_the_last_entry(&meeting()).await;
    apps_are_separate_worlds(&meeting()).await;
    what_a_dead_node_held_is_free(&meeting()).await;
    nodes_know_of_each_other_while_they_live(&meeting()).await;
    every_other_node_is_asked_and_whoever_is_silent_is_named(&meeting()).await;
    a_name_has_one_home_until_that_leaves_or_dies(&meeting()).await;
    letters_come_in_order_to_the_one_they_are_for(&meeting()).await;
}

const TERMS: Terms = Terms { since: 1, rank: 1, newest_wins: true, limit: 0, again: false };

fn topic(app_id: u32, name: &str) -> Topic {
    Topic { app_id: AppId::new(app_id).unwrap(), name: name.into() }
}

/// An entry of app 1 that goes with the name of its user, as `session of user`.
fn entry(room: &str, key: &str, user: &str) -> Entry {
    Entry {
        topic: topic(1, room),
        key: key.into(),
        name: format!("user:{user}"),
        text: format!("{key} is {user}"),
        record: format!("record of {key}"),
    }
}

async fn next<B: Bus>(bus: &B) -> News {
    timeout(DEADLINE, bus.next()).await.expect("the news comes")
}

async fn change<B: Bus>(bus: &B) -> BoardNews {
    match next(bus).await {
        News::Board(news) => news,
        other => panic!("{other:?}"),
    }
}

async fn enter<B: Bus>(bus: &B, entry: &Entry, terms: Terms) -> Entered {
    bus.enter(entry, terms).await.unwrap()
}

fn ousted(key: &str) -> News {
    News::Ousted { app_id: AppId::new(1).unwrap(), key: key.into() }
}

fn keys(board: &Board) -> BTreeSet<&str> {
    board.entries.iter().map(|posted| &*posted.key).collect()
}

#[track_caller]
fn same<T: PartialEq + Debug>(left: T, right: T) {
    assert_eq!(left, right);
}

async fn what_is_put_on_a_board_is_seen_and_told_in_order<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let board = there.follow(&topic(1, "r 1:x")).await.unwrap();
    same(board.entries, Vec::new());
    let mut a = entry("r 1:x", "s1", "a");
    same(enter(&here, &a, TERMS).await, Entered::In);
    a.text = "a text\nwith lines and ü".to_owned();
    assert!(here.update(&a).await.unwrap());
    let (_, before) = here.tell(&a.topic, "said").await.unwrap();
    same(enter(&there, &entry("r 1:x", "s2", "b"), TERMS).await, Entered::In);
    here.leave(&a.topic, "s1", "user:a", "bye").await.unwrap();

    let put = |key: &str, text: &str| BoardChange::Put { key: key.into(), text: text.to_owned() };
    let changes = [
        (&here, put("s1", "s1 is a")),
        (&here, put("s1", &a.text)),
        (&here, BoardChange::Told { text: "said".to_owned(), before }),
        (&there, put("s2", "s2 is b")),
        (&here, BoardChange::Gone { key: "s1".into(), word: "bye".to_owned() }),
    ];
    let mut rev = board.rev;
    for (by, expected) in changes {
        let news = change(&there).await;
        rev = if rev == 0 { news.rev } else { rev + 1 };
        same(news, BoardNews { topic: a.topic.clone(), rev, node: by.node().clone(), change: expected });
    }
    let seen = here.follow(&a.topic).await.unwrap();
    same(seen.rev, rev);
    let posted = Posted { key: "s2".into(), node: there.node().clone(), text: "s2 is b".to_owned() };
    same(seen.entries, vec![posted]);

    there.unfollow(&a.topic).await;
    let (rev, before) = here.tell(&a.topic, "not heard there").await.unwrap();
    let text = "not heard there".to_owned();
    let news = change(&here).await;
    same((news.rev, news.change), (rev, BoardChange::Told { text, before }));
    there.follow(&topic(1, "other")).await.unwrap();
    let (_, before) = here.tell(&topic(1, "other"), "heard there").await.unwrap();
    let text = "heard there".to_owned();
    same(change(&there).await.change, BoardChange::Told { text, before });
}

// proves S4 (the bus)
async fn a_name_is_had_once_and_the_newest_wins_if_it_may<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let refusing = Terms { newest_wins: false, ..TERMS };
    let weak = Terms { rank: 0, ..TERMS };
    same(enter(&here, &entry("r", "s1", "a"), TERMS).await, Entered::In);
    for terms in [refusing, weak] {
        same(enter(&there, &entry("q", "s2", "a"), terms).await, Entered::Held);
    }
    same(here.record(AppId::new(1).unwrap(), "s2").await.unwrap(), None);
    same(enter(&there, &entry("q", "s3", "a"), TERMS).await, Entered::In);
    same(next(&here).await, ousted("s1"));
    assert!(here.follow(&topic(1, "r")).await.unwrap().entries.is_empty());
    assert!(!here.update(&entry("r", "s1", "a")).await.unwrap());
    // Leaving late takes nothing from the new one.
    here.leave(&topic(1, "r"), "s1", "user:a", "bye").await.unwrap();
    same(enter(&here, &entry("r", "s4", "a"), refusing).await, Entered::Held);

    same(enter(&there, &entry("r", "w1", "b"), weak).await, Entered::In);
    same(enter(&here, &entry("r", "w2", "b"), refusing).await, Entered::In);
    same(next(&there).await, ousted("w1"));
    here.leave(&topic(1, "r"), "w2", "user:b", "bye").await.unwrap();
    same(enter(&there, &entry("r", "w3", "b"), Terms { newest_wins: false, ..weak }).await, Entered::In);
}

async fn of_two_that_were_there_before_the_later_stays<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let again = |since| Terms { since, newest_wins: false, again: true, limit: 1, ..TERMS };
    same(enter(&here, &entry("r", "s1", "a"), again(7)).await, Entered::In);
    same(enter(&there, &entry("r", "s2", "a"), again(6)).await, Entered::Held);
    same(enter(&there, &entry("r", "s2", "a"), again(8)).await, Entered::In);
    same(next(&here).await, ousted("s1"));
    same(enter(&here, &entry("r", "s1", "a"), again(8)).await, Entered::Held);
    // The same one again, and one beyond the limit.
    same(enter(&there, &entry("r", "s2", "a"), again(8)).await, Entered::In);
    same(enter(&here, &entry("r", "s3", "b"), again(8)).await, Entered::In);
}

async fn a_full_board_takes_nobody_but_for_whoever_is_replaced<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let two = Terms { limit: 2, ..TERMS };
    same(enter(&here, &entry("r", "s1", "a"), two).await, Entered::In);
    same(enter(&there, &entry("r", "s2", "b"), two).await, Entered::In);
    same(enter(&there, &entry("r", "s3", "c"), two).await, Entered::Full);
    same(enter(&there, &entry("q", "s3", "c"), two).await, Entered::In);
    same(enter(&there, &entry("r", "s4", "c"), two).await, Entered::Full);
    same(enter(&there, &entry("r", "s5", "a"), two).await, Entered::In);
    let seen = here.follow(&topic(1, "r")).await.unwrap();
    same(keys(&seen), BTreeSet::from(["s2", "s5"]));
    there.leave(&topic(1, "r"), "s2", "user:b", "bye").await.unwrap();
    same(enter(&here, &entry("r", "s6", "d"), two).await, Entered::In);
}

async fn one_of_many_gets_the_last_place<M: Meeting>(meeting: &M) {
    let nodes = join_all((0..4).map(|_| meeting.join())).await;
    let entries: Vec<Entry> = (0..24).map(|n| entry("r", &format!("s{n}"), &format!("u{n}"))).collect();
    let terms = Terms { limit: 5, ..TERMS };
    let entered = entries.iter().enumerate().map(|(n, entry)| enter(&nodes[n % 4], entry, terms));
    let entered = join_all(entered).await;
    same(entered.iter().filter(|&&entered| entered == Entered::In).count(), 5);
    same(nodes[0].follow(&topic(1, "r")).await.unwrap().entries.len(), 5);
}

async fn only_the_holder_changes_an_entry<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let a = entry("r", "s1", "a");
    assert!(!here.update(&a).await.unwrap());
    same(enter(&here, &a, TERMS).await, Entered::In);
    assert!(!there.update(&a).await.unwrap());
    there.leave(&a.topic, "s1", "user:a", "bye").await.unwrap();
    same(keys(&there.follow(&a.topic).await.unwrap()), BTreeSet::from(["s1"]));
}

async fn an_entry_is_taken_over_once<M: Meeting>(meeting: &M) {
    let (here, there, third) = (meeting.join().await, meeting.join().await, meeting.join().await);
    let app_id = AppId::new(1).unwrap();
    let a = entry("r", "s1", "a");
    same(enter(&here, &a, TERMS).await, Entered::In);
    here.follow(&a.topic).await.unwrap();
    let kept = there.record(app_id, "s1").await.unwrap().unwrap();
    same(kept, Record { text: "record of s1".to_owned(), silent_for: None });
    let taken = Entry { record: "new".to_owned(), ..a.clone() };
    assert!(!there.take_over(&taken, "guessed").await.unwrap());
    let both = tokio::join!(there.take_over(&taken, "record of s1"), third.take_over(&taken, "record of s1"));
    let (there_has, third_has) = (both.0.unwrap(), both.1.unwrap());
    assert!(there_has != third_has);
    let holder = if there_has { &there } else { &third };
    let news = change(&here).await;
    same(news.node, holder.node().clone());
    same(news.change, BoardChange::Put { key: "s1".into(), text: a.text.clone() });
    assert!(!here.update(&a).await.unwrap() && holder.update(&taken).await.unwrap());
    same(here.record(app_id, "s1").await.unwrap().unwrap().text, "new".to_owned());
    same(enter(&here, &a, Terms { again: true, ..TERMS }).await, Entered::Moved);

    // Whoever lost its name in between is not taken over.
    same(enter(&here, &entry("r", "s2", "a"), TERMS).await, Entered::In);
    assert!(!third.take_over(&a, "new").await.unwrap());
}

async fn a_claim_is_for_one_until_it_is_released<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let app_id = AppId::new(1).unwrap();
    assert!(here.claim(app_id, "stream:x", "s1").await.unwrap());
    assert!(here.claim(app_id, "stream:x", "s1").await.unwrap());
    assert!(!there.claim(app_id, "stream:x", "s2").await.unwrap());
    there.release(app_id, "stream:x", "s2").await.unwrap();
    assert!(!there.claim(app_id, "stream:x", "s2").await.unwrap());
    assert!(there.claim(AppId::new(2).unwrap(), "stream:x", "s2").await.unwrap());
    here.release(app_id, "stream:x", "s1").await.unwrap();
    assert!(there.claim(app_id, "stream:x", "s2").await.unwrap());

    // Whoever leaves, or is taken off, gives everything back.
    same(enter(&here, &entry("r", "s3", "a"), TERMS).await, Entered::In);
    assert!(here.claim(app_id, "stream:y", "s3").await.unwrap());
    same(enter(&there, &entry("r", "s4", "a"), TERMS).await, Entered::In);
    assert!(there.claim(app_id, "stream:y", "s4").await.unwrap());
    there.leave(&topic(1, "r"), "s4", "user:a", "bye").await.unwrap();
    assert!(here.claim(app_id, "stream:y", "s5").await.unwrap());
}

async fn values_stay_until_the_last_entry_goes<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let (a, b) = (entry("r", "s1", "a"), entry("r", "s2", "b"));
    there.follow(&a.topic).await.unwrap();
    enter(&here, &a, TERMS).await;
    enter(&there, &b, TERMS).await;
    here.set(&a.topic, "title", "a b").await.unwrap();
    here.set(&a.topic, "gone", "x").await.unwrap();
    here.set(&a.topic, "gone", "").await.unwrap();
    change(&there).await;
    change(&there).await;
    let news = change(&there).await;
    same(news.change, BoardChange::Set { key: "title".into(), text: "a b".to_owned() });
    here.leave(&a.topic, "s1", "user:a", "bye").await.unwrap();
    same(here.follow(&a.topic).await.unwrap().values, vec![("title".into(), "a b".to_owned())]);
    there.leave(&a.topic, "s2", "user:b", "bye").await.unwrap();
    assert!(here.follow(&a.topic).await.unwrap().values.is_empty());
}

async fn what_was_told_is_remembered_for_whoever_missed_it<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let room = topic(1, "r");
    let base = there.follow(&room).await.unwrap().rev;
    same(there.told(&room, 0).await.unwrap().told, Vec::new());
    let first = here.tell(&room, "one").await.unwrap();
    assert!(first.0 > base && first.1 <= base, "{first:?} after {base}");
    enter(&here, &entry("r", "s1", "a"), TERMS).await;
    let second = there.tell(&room, "two\nlines").await.unwrap();
    assert!(second.0 > first.0 + 1 && second.1 == first.0, "{second:?} after {first:?}");
    let piece = |(rev, before), node: &M::Bus, text: &str| Told {
        rev,
        before,
        node: node.node().clone(),
        text: text.to_owned(),
    };
    let expected = [piece(first, &here, "one"), piece(second, &there, "two\nlines")];
    same(here.told(&room, base).await.unwrap().told, expected.to_vec());
    same(here.told(&room, first.0).await.unwrap().told, expected[1..].to_vec());
    same(here.told(&room, second.0).await.unwrap().told, Vec::new());
    same(here.told(&topic(2, "r"), 0).await.unwrap(), Talk::default());

    // So many, and no more; who missed the first of them can tell.
    for _ in 0..MAX_TOLD {
        here.tell(&room, "again").await.unwrap();
    }
    let told = there.told(&room, base).await.unwrap().told;
    same((told.len(), told[0].before), (MAX_TOLD, second.0));
    let large = "x".repeat(MAX_TOLD_BYTES / 3);
    for _ in 0..4 {
        here.tell(&room, &large).await.unwrap();
    }
    let told = there.told(&room, base).await.unwrap().told;
    same(told.iter().map(|told| told.text.len()).collect::<Vec<_>>(), vec![large.len(); 3]);
    here.tell(&room, &"x".repeat(MAX_TOLD_BYTES + 1)).await.unwrap();
    same(there.told(&room, base).await.unwrap().told.len(), 1);
}

async fn what_was_told_goes_with_the_last_entry<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let (a, b) = (entry("r", "s1", "a"), entry("r", "s2", "b"));
    let room = a.topic.clone();
    let base = there.follow(&room).await.unwrap().rev;
    assert!(there.told(&room, base).await.unwrap().is_whole_after(base));
    enter(&here, &a, TERMS).await;
    enter(&there, &b, TERMS).await;
    let (rev, _) = here.tell(&room, "one").await.unwrap();
    here.leave(&room, "s1", "user:a", "bye").await.unwrap();
    let talk = there.told(&room, base).await.unwrap();
    assert!(talk.told.len() == 1 && talk.is_whole_after(base), "{talk:?}");
    there.leave(&room, "s2", "user:b", "bye").await.unwrap();
    // It was there, and whoever has not heard it can tell.
    let talk = there.told(&room, base).await.unwrap();
    same(&talk, &Talk { latest: Some(rev), told: Vec::new() });
    assert!(talk.is_whole_after(rev) && !talk.is_whole_after(base));
    same(here.tell(&room, "two").await.unwrap().1, rev);
    assert!(!there.told(&room, base).await.unwrap().is_whole_after(base));
}

// proves W10 (the bus)
async fn apps_are_separate_worlds<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let a = entry("r", "s1", "a");
    let other = Entry { topic: topic(2, "r"), text: "other".to_owned(), ..a.clone() };
    let strict = Terms { limit: 1, newest_wins: false, ..TERMS };
    there.follow(&other.topic).await.unwrap();
    same(enter(&here, &a, strict).await, Entered::In);
    same(enter(&there, &other, strict).await, Entered::In);
    let news = change(&there).await;
    same((news.topic, news.node), (other.topic.clone(), there.node().clone()));
    same(there.follow(&other.topic).await.unwrap().entries[0].text.clone(), "other".to_owned());
    there.leave(&other.topic, "s1", "user:a", "bye").await.unwrap();
    same(keys(&there.follow(&a.topic).await.unwrap()), BTreeSet::from(["s1"]));
}

async fn what_a_dead_node_held_is_free<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let app_id = AppId::new(1).unwrap();
    let refusing = Terms { newest_wins: false, limit: 2, ..TERMS };
    let (a, b) = (entry("r", "s1", "a"), entry("r", "s2", "b"));
    there.follow(&a.topic).await.unwrap();
    same(enter(&here, &a, refusing).await, Entered::In);
    same(enter(&here, &b, refusing).await, Entered::In);
    assert!(here.claim(app_id, "stream:x", "s1").await.unwrap());
    change(&there).await;
    change(&there).await;
    here.close().await;
    same(next(&there).await, News::NodeGone(here.node().clone()));

    assert!(there.follow(&a.topic).await.unwrap().entries.is_empty());
    assert!(there.claim(app_id, "stream:x", "s9").await.unwrap());
    same(enter(&there, &entry("r", "s3", "c"), refusing).await, Entered::In);
    same(enter(&there, &entry("r", "s4", "a"), refusing).await, Entered::In);
    // And what nobody took can be taken over still.
    let kept = there.record(app_id, "s2").await.unwrap().unwrap();
    assert!(there.take_over(&b, &kept.text).await.unwrap());
    same(keys(&there.follow(&a.topic).await.unwrap()), BTreeSet::from(["s2", "s3", "s4"]));
}

async fn nodes_know_of_each_other_while_they_live<M: Meeting>(meeting: &M) {
    let (one, two) = (meeting.join().await, meeting.join().await);
    for (bus, card) in [(&one, "first"), (&two, "second"), (&one, "first, later")] {
        bus.show_card(card).await.unwrap();
    }
    let known = async || one.cards().await.unwrap().into_iter().collect::<BTreeSet<_>>();
    let cards = [(one.node().clone(), "first, later".to_owned()), (two.node().clone(), "second".to_owned())];
    assert_eq!(known().await, BTreeSet::from(cards.clone()));
    two.close().await;
    assert_eq!(known().await, BTreeSet::from([cards[0].clone()]));
}

async fn every_other_node_is_asked_and_whoever_is_silent_is_named<M: Meeting>(meeting: &M) {
    let app_id = AppId::new(7).unwrap();
    let here = meeting.join().await;
    // Nobody else is there.
    let everybody = BTreeSet::new();
    let alone = here.ask(app_id, "anybody?", &everybody, DEADLINE, &|_, _, _| true).await.unwrap();
    same((alone.given, alone.silent), Default::default());
    let (there, third) = (meeting.join().await, meeting.join().await);
    let answer = async |bus: &M::Bus, says: &str| {
        let question = timeout(DEADLINE, bus.question()).await.expect("the question comes");
        same((question.from.clone(), question.app_id), (here.node().clone(), app_id));
        same(&*question.text, "how many?\n and who");
        bus.answer(&question, says).await.unwrap();
    };
    let ask = here.ask(app_id, "how many?\n and who", &everybody, DEADLINE, &|_, _, _| true);
    let (answers, (), ()) = tokio::join!(ask, answer(&there, "two, ü\nand more"), answer(&third, ""));
    let mut answers = answers.unwrap();
    let mut expected =
        vec![(there.node().clone(), "two, ü\nand more".to_owned()), (third.node().clone(), String::new())];
    answers.given.sort();
    expected.sort();
    same((answers.given, answers.silent), (expected, Vec::new()));

    // One says nothing. Two questions at a time each hear their own answers.
    let patience = Duration::from_millis(500);
    let answer_late = async {
        let [first, second] = [(); 2].map(|()| timeout(DEADLINE, there.question()));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        there.answer(&second, &second.text).await.unwrap();
        there.answer(&first, &first.text).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(
        here.ask(app_id, "1", &everybody, patience, &|_, _, _| true),
        here.ask(app_id, "2", &everybody, patience, &|_, _, _| true),
        answer_late
    );
    for (answers, text) in [(first, "1"), (second, "2")] {
        let given = vec![(there.node().clone(), text.to_owned())];
        let answers = answers.unwrap();
        same((answers.given, answers.silent), (given, vec![third.node().clone()]));
    }
    let hopeless = BTreeSet::from([third.node().clone()]);
    let ask = here.ask(app_id, "how many?\n and who", &hopeless, DEADLINE, &|_, _, _| true);
    let answers = tokio::join!(ask, answer(&there, "one")).0.unwrap();
    same((answers.given.len(), answers.silent), (1, Vec::new()));

    // Whoever has gone is not waited for.
    third.close().await;
    let answers = tokio::join!(
        here.ask(app_id, "how many?\n and who", &everybody, DEADLINE, &|_, _, _| true),
        answer(&there, "one")
    )
    .0;
    same(answers.unwrap().silent, Vec::new());
}

async fn a_name_has_one_home_until_that_leaves_or_dies<M: Meeting>(meeting: &M) {
    let (here, there) = (meeting.join().await, meeting.join().await);
    let [one, two] = [1, 2].map(|app_id| AppId::new(app_id).unwrap());
    let (a, b) = tokio::join!(here.home(one, "media:r"), there.home(one, "media:r"));
    let (home, guest) = if a.clone().unwrap() == *here.node() { (&here, &there) } else { (&there, &here) };
    same(a.unwrap(), b.unwrap());
    for asks in [home, guest] {
        same(&asks.home(one, "media:r").await.unwrap(), home.node());
    }
    same(&guest.home(one, "media:q").await.unwrap(), guest.node());
    same(&guest.home(two, "media:r").await.unwrap(), guest.node());
    // Only by its home.
    guest.leave_home(one, "media:r").await.unwrap();
    same(&guest.home(one, "media:r").await.unwrap(), home.node());
    home.leave_home(one, "media:r").await.unwrap();
    same(&guest.home(one, "media:r").await.unwrap(), guest.node());
    same(&home.home(one, "media:r").await.unwrap(), guest.node());
    guest.close().await;
    same(&home.home(one, "media:r").await.unwrap(), home.node());
}

async fn letters_come_in_order_to_the_one_they_are_for<M: Meeting>(meeting: &M) {
    let (a, b, c) = (meeting.join().await, meeting.join().await, meeting.join().await);
    for number in 0..50 {
        assert!(a.send(b.node(), &format!("letter {number}\nof a")).await.unwrap());
    }
    assert!(a.send(c.node(), "").await.unwrap());
    for number in 0..50 {
        let letter = timeout(DEADLINE, b.letter()).await.expect("it comes");
        same(letter, Letter { from: a.node().clone(), text: format!("letter {number}\nof a") });
    }
    let letter = timeout(DEADLINE, c.letter()).await.expect("it comes");
    same(letter, Letter { from: a.node().clone(), text: String::new() });
    assert!(!a.send(&NodeId::from("0123456789abcdef"), "x").await.unwrap(), "nobody is there");
}
