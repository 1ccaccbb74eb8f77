//! Which names may occur in a pack of records: a Bloom filter. It never says no to one that is there, and says yes to
//! one in a hundred that are not.

use token_gen::AppId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::store::{AuditFilter, AuditRecord};

/// Bits for each name, and how many of them it sets.
const BITS: usize = 10;
const PROBES: u32 = 7;

/// What a name is the name of. The numbers are stored: none may change its meaning.
#[derive(Debug, Clone, Copy)]
enum Kind {
    App = 1,
    User = 2,
    Room = 3,
    Token = 4,
    Request = 5,
}

/// The names of these records.
pub(super) fn of(records: &[AuditRecord]) -> Vec<u8> {
    let hashes: Vec<u64> = records.iter().flat_map(hashes_of_record).collect();
    let mut filter = vec![0; (hashes.len() * BITS).div_ceil(8).max(1)];
    for hash in hashes {
        for place in places(hash, filter.len()) {
            filter[place / 8] |= 1 << (place % 8);
        }
    }
    filter
}

/// Whether there may be a record with all the names that are searched for.
pub(super) fn may_hold(filter: &[u8], searched: &[u64]) -> bool {
    let is_set = |place: usize| filter[place / 8] & (1 << (place % 8)) != 0;
    !filter.is_empty() && searched.iter().all(|hash| places(*hash, filter.len()).all(is_set))
}

/// What [`may_hold`] looks for.
pub(super) fn searched(filter: &AuditFilter) -> Vec<u64> {
    let AuditFilter { app_id, user_id, room_id, token_id, request_id, .. } = filter;
    hashes(*app_id, [user_id, room_id, token_id, request_id]).collect()
}

fn hashes_of_record(record: &AuditRecord) -> impl Iterator<Item = u64> {
    let AuditRecord { app_id, user_id, room_id, token_id, request_id, .. } = record;
    hashes(*app_id, [user_id, room_id, token_id, request_id])
}

fn hashes(app_id: Option<AppId>, names: [&Option<String>; 4]) -> impl Iterator<Item = u64> {
    let app_id = app_id.map(|app_id| hash(Kind::App, &app_id.get().to_be_bytes()));
    let names = [Kind::User, Kind::Room, Kind::Token, Kind::Request].into_iter().zip(names);
    let names = names.filter_map(|(kind, name)| Some(hash(kind, name.as_ref()?.as_bytes())));
    app_id.into_iter().chain(names)
}

fn hash(kind: Kind, name: &[u8]) -> u64 {
    xxh3_64_with_seed(name, kind as u64)
}

/// The bits of a name, in a filter of so many bytes.
fn places(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    // Two halves make as many hashes as are wanted: Kirsch and Mitzenmacher, 2006.
    let (first, step) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..PROBES).map(move |probe| first.wrapping_add(probe.wrapping_mul(step)) as usize % (bytes * 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::bare_record;

    fn of_user(user_id: &str) -> Vec<u64> {
        searched(&AuditFilter { user_id: Some(user_id.to_owned()), ..AuditFilter::default() })
    }

    #[test]
    fn whoever_is_in_is_never_denied_and_hardly_anybody_else_is_taken_for_being_in() {
        let record = |number: i64| AuditRecord {
            user_id: Some(format!("user{number}")),
            room_id: Some("room".to_owned()),
            token_id: Some(format!("token{number}")),
            ..bare_record(1, number)
        };
        let records: Vec<AuditRecord> = (1..=128).map(record).collect();
        let filter = of(&records);
        let is_taken = |number: &i64| may_hold(&filter, &of_user(&format!("user{number}")));
        assert_eq!((1..=128).filter(is_taken).count(), 128);
        let taken = (129..=10_128).filter(is_taken).count();
        assert!(taken < 200, "{taken} of 10,000");
        assert!(may_hold(&filter, &[]), "who searches for no name may find any record");
        assert!(!may_hold(&[], &[]));
    }

    // What is stored is read by the versions to come.
    #[test]
    fn a_name_has_the_same_bits_forever() {
        let user = of_user("alice");
        assert_eq!(user, [16_376_901_203_553_846_146]);
        assert_eq!(places(user[0], 100).collect::<Vec<_>>(), [738, 291, 644, 293, 646, 199, 552]);
    }
}
