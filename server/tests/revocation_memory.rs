//! A million live revocations fit their bound. A test binary of its own: it looks at the memory of the whole process.

use std::fs;

use roompass_server::revocations::{Revocation, Revocations, Subject, Target};
use token_gen::{AppId, TokenId, UnixSeconds};

const COUNT: usize = 1_000_000;
const MAX_BYTES: u64 = 200 * 1024 * 1024;
const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

// proves T64
#[test]
fn a_million_revocations_take_less_than_200_mib() {
    let app_id = AppId::new(7).unwrap();
    let revocations = Revocations::default();
    let before = resident_bytes();
    revocations.load((0..COUNT).map(|number| Revocation {
        app_id,
        target: Target::User(format!("user-{number}")),
        issued_before: NOW,
        expire_at: UnixSeconds::new(NOW.get() + i64::try_from(number % 86_400).unwrap()),
        created_at: NOW,
        created_by: "key".to_owned(),
        reason: None,
    }));
    let taken = resident_bytes().saturating_sub(before);
    println!("{COUNT} revocations: {} MiB", taken / 1024 / 1024);
    assert_eq!(revocations.len(), COUNT);
    assert!(taken < MAX_BYTES, "{taken} bytes");
    assert!(revocations.has_room(app_id, &Target::User("one more".to_owned())).is_err(), "the limit");
    let subject = |user_id| Subject { token_id: TokenId::of("04t"), user_id, room_id: None, issued_at: NOW };
    assert!(revocations.find(app_id, &subject("user-0")).is_some());
    assert!(revocations.find(app_id, &subject("user-999999")).is_some());
    assert!(revocations.find(app_id, &subject("user-1000000")).is_none());
}

/// What of this process is in memory.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells about processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells their memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("in kilobytes") * 1024
}
