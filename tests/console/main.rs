//! The console in a real browser, on the machine's own clock. One journey at a time: each has a server of its own.

use roompass_tests::run_script;
use tokio::sync::Mutex;

static BROWSER: Mutex<()> = Mutex::const_new(());

async fn run(script: &str) -> Vec<String> {
    let _alone = BROWSER.lock().await;
    run_script("node", &[], &format!("console/{script}.mjs"), &format!("console-{script}.log")).await
}

// proves T59 (set-up link and session in the browser), T57 (cached pages)
#[tokio::test]
async fn from_the_set_up_link_to_the_first_app() {
    assert_eq!(
        run("setup").await,
        [
            "a set-up link makes an owner, and is in no address and no request",
            "the first app and its first key, each credential shown once",
            "signed out, the way back shows nothing",
            "a sign-in begins a session of its own, and goes on to the page that was asked for",
        ]
    );
}

#[tokio::test]
async fn a_rotation_under_live_tokens_is_watched() {
    assert_eq!(
        run("rotate").await,
        [
            "rotated, all tokens are on the secret before",
            "the share moves while it is watched",
            "ended before its time, its tokens are refused and the others are not",
        ]
    );
}

// proves T21 (roles at the console)
#[tokio::test]
async fn a_read_only_admin_changes_nothing() {
    assert_eq!(
        run("roles").await,
        [
            "a viewer sees every page, and no control that changes anything",
            "what the page does not offer, the server refuses",
            "an admin of one app has that app and no other",
        ]
    );
}

// proves T58, T57 (frames and forged requests of a real site)
#[tokio::test]
async fn what_people_call_things_is_never_obeyed() {
    assert_eq!(
        run("scripts").await,
        ["fifty scripts in names stay texts", "other sites can neither frame the console nor act in its name"]
    );
}

#[tokio::test]
async fn the_console_can_be_used_by_all() {
    assert_eq!(
        run("everybody").await,
        [
            "every page can be used by all, fits, and keeps to its policy",
            "all pages together are less than 300 KiB on their way, and come once",
            "the keyboard is enough",
        ]
    );
}

#[tokio::test]
async fn a_token_is_minted_taken_apart_and_explained() {
    assert_eq!(
        run("workbench").await,
        [
            "a token is minted, and taken apart by the page alone",
            "the server says whether it lets somebody in, and what to change",
            "eighteen broken texts and an expired token are each told what is wrong and what to do",
            "what was pasted is in no address, and nowhere once the page is left",
        ]
    );
}

#[tokio::test]
async fn an_operator_steers_live_rooms() {
    assert_eq!(
        run("live").await,
        [
            "users, streams and countdowns appear as they come, without a reload",
            "an operator speaks, stops a stream, takes a right and gives it back",
            "a user is kicked, hears why, and is gone from the page",
            "a ban keeps out",
            "what happens is told as it happens",
            "a ban is lifted",
            "a room is closed",
            "it rests while nobody looks",
        ]
    );
}

#[tokio::test]
async fn a_refusal_is_followed_from_the_chart_to_the_remedy() {
    assert_eq!(
        run("refusals").await,
        [
            "refused logins appear in the chart by themselves, by reason",
            "from the chart to the single login, and what to do about it",
            "what is found in the trail is handed out as a file",
            "the node says how it does: rates, times, and which secrets are in use",
        ]
    );
}

// proves T21 (roles in live rooms)
#[tokio::test]
async fn the_pages_that_watch_can_be_used_by_all_and_steered_by_few() {
    assert_eq!(
        run("watching").await,
        [
            "every page can be used by all, fits, and keeps to its policy",
            "a viewer sees what happens and can change none of it, by the page or past it",
        ]
    );
}

#[tokio::test]
async fn settings_are_changed_with_eyes_open() {
    assert_eq!(
        run("settings").await,
        [
            "a mode says first whom it would shut out, does so, and is taken back",
            "an AppSign is shown when asked for, replaced with an overlap, or at once, and says who still comes with it",
            "settings are saved and undone, and what is less safe is confirmed",
            "an app is taken over, and the tokens of its generator are good here",
            "a key that is in use is ended with its name, and is over",
            "a delivery that failed is tried again by itself, and again when asked for",
        ]
    );
}

#[tokio::test]
async fn people_and_their_sessions_come_and_go() {
    assert_eq!(
        run("account").await,
        [
            "somebody's roles are changed and changed back, and somebody is removed, with their sessions",
            "a session elsewhere is seen, and ended from here",
            "signed out everywhere, at once",
            "a new password ends every session, and the one before is over",
            "the trail says who did that, and is searched",
            "a new second factor is the one to sign in with",
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_shown_says_so() {
    assert_eq!(
        run("failures").await,
        [
            "a page that cannot be loaded says why, and is tried again",
            "whoever may not see it is told that their role does not reach, and who can change it",
        ]
    );
}

#[tokio::test]
async fn a_call_is_measured_before_an_operators_eyes() {
    assert_eq!(
        run("media").await,
        [
            "what somebody sends is seen with its rate, loss and time",
            "what each user's connection carries is seen, up and down",
            "who receives a stream is seen one by one, and goes from the list when they do",
        ]
    );
}

#[tokio::test]
async fn no_page_makes_one_wait() {
    assert_eq!(
        run("quick").await,
        ["with hundreds of apps and users and thousands of records, every page can be used within two seconds"]
    );
}

#[tokio::test]
async fn long_lists_are_searched_and_no_slip_is_for_good() {
    assert_eq!(
        run("lists").await,
        [
            "long lists come page by page, and are searched where they are",
            "what was changed is undone, and what cannot be is confirmed",
        ]
    );
}
