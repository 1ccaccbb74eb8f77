//! What every store promises of the ledger of CBC tokens.

use futures_util::future::join_all;
use token_gen::{AppId, UnixSeconds};

use super::app;
use crate::{
    issued::Issued,
    store::{Store, StoreError},
};

fn issued(number: u8, expire_at: i64) -> Issued {
    Issued { digest: [number; 32], expire_at: UnixSeconds::new(expire_at) }
}

pub(super) async fn issued_tokens_are_read_in_order_by_whoever_follows(store: &impl Store) {
    let (one, two) = (AppId::new(1).unwrap(), AppId::new(2).unwrap());
    assert!(matches!(store.note_issued(one, vec![issued(1, 9)]).await, Err(StoreError::Missing)));
    for number in [1, 2] {
        store.insert_app(app(number)).await.unwrap();
    }
    store.note_issued(one, vec![issued(1, 9), issued(2, 8)]).await.unwrap();
    store.note_issued(two, vec![issued(1, 7)]).await.unwrap();
    let mut all = Vec::new();
    loop {
        let page = store.issued_after(all.last().map_or(0, |last: &super::super::IssuedRecord| last.seq), 2).await;
        let page = page.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let noted: Vec<_> = all.iter().map(|record| (record.app_id, record.issued)).collect();
    assert_eq!(noted, [(one, issued(1, 9)), (one, issued(2, 8)), (two, issued(1, 7))]);

    // Many at once, while somebody follows: none appears behind one that was seen.
    let writers = join_all((10..60).map(|number| store.note_issued(one, vec![issued(number, 9)])));
    let following = async {
        let (mut seen, mut seq) = (0, all[2].seq);
        while seen < 50 {
            for record in store.issued_after(seq, 100).await.unwrap() {
                assert!(record.seq > seq);
                (seen, seq) = (seen + 1, record.seq);
            }
        }
    };
    let (written, ()) = futures_util::future::join(writers, following).await;
    written.into_iter().for_each(|written| written.unwrap());
}

pub(super) async fn issued_tokens_are_forgotten_in_batches_once_expired(store: &impl Store) {
    store.insert_app(app(1)).await.unwrap();
    let app_id = AppId::new(1).unwrap();
    store.note_issued(app_id, (0..10).map(|number| issued(number, i64::from(number))).collect()).await.unwrap();
    for forgotten in [4, 2, 0] {
        assert_eq!(store.delete_expired_issued(UnixSeconds::new(5), 4).await.unwrap(), forgotten);
    }
    let left = store.issued_after(0, 100).await.unwrap();
    assert_eq!(left.iter().map(|record| record.issued.expire_at.get()).collect::<Vec<_>>(), [6, 7, 8, 9]);
}
