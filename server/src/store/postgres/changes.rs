//! The change feed, in PostgreSQL: written by triggers, announced by NOTIFY.

use std::{future::poll_fn, sync::Arc, time::Duration};

use async_trait::async_trait;
use token_gen::AppId;
use tokio::{sync::Notify, time::sleep};
use tokio_postgres::{AsyncMessage, Row};

use super::{Parameter, PostgresStore, execute, row, rows, tls::Tls, unreadable, url::PostgresUrl};
use crate::store::{Change, ChangeKind, ChangeStore, StoreError};

/// How long after a lost connection the next is made. Meanwhile the feed is only polled.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

#[async_trait]
impl ChangeStore for PostgresStore {
    async fn latest_change(&self) -> Result<i64, StoreError> {
        let query = "SELECT coalesce(max(seq), 0) FROM changes";
        let latest = self.pool.run(async |client| row(&client, query, &[], |row| Ok(row.try_get(0)?)).await).await?;
        Ok(latest.unwrap_or_default())
    }

    async fn changes_since(&self, seq: i64, limit: u32) -> Result<Option<Vec<Change>>, StoreError> {
        // The oldest are forgotten first: if the change at `seq` is still there, so are all after it.
        let query = "SELECT seq, kind, app_id, id, EXISTS (SELECT FROM changes WHERE seq <= greatest($1::bigint, 1))
            FROM changes WHERE seq > $1::bigint ORDER BY seq LIMIT $2";
        let parameters: &[Parameter<'_>] = &[&seq, &i64::from(limit)];
        let changes = self.pool.run(async |client| rows(&client, query, parameters, change_of_row).await).await?;
        let complete = changes.iter().all(|(_, complete)| *complete);
        Ok(complete.then(|| changes.into_iter().map(|(change, _)| change).collect()))
    }

    async fn forget_changes(&self, keep: u32) -> Result<usize, StoreError> {
        let query = "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - $1";
        let keep = i64::from(keep.max(1));
        let forgotten = self.pool.run(async |client| execute(&client, query, &[&keep]).await).await?;
        Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
    }

    async fn change_announced(&self) {
        self.news.notified().await;
    }
}

fn change_of_row(row: &Row) -> Result<(Change, bool), StoreError> {
    let kind = ChangeKind::parse(row.try_get(1)?).ok_or_else(|| unreadable(row, 1))?;
    let app_id = u32::try_from(row.try_get::<_, i64>(2)?).ok().and_then(|number| AppId::new(number).ok());
    Ok((Change { seq: row.try_get(0)?, kind, app_id, id: row.try_get(3)? }, row.try_get(4)?))
}

/// Hears what is announced and passes it on to `news`, for ever. Announcements may be lost with a connection, so
/// each new one is news by itself.
#[expect(clippy::disallowed_methods, reason = "a database that is away tells nobody when it is back")]
pub(super) async fn listen(url: PostgresUrl, tls: Tls, news: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&url, &tls, &news).await {
            tracing::warn!(%error, "changes are not announced by PostgreSQL just now, only polled");
        }
        sleep(RECONNECT_AFTER).await;
    }
}

async fn listen_once(url: &PostgresUrl, tls: &Tls, news: &Notify) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = url.config().connect(tls.clone()).await?;
    let mut listening = std::pin::pin!(client.batch_execute("LISTEN roompass_changes"));
    let mut listens = false;
    loop {
        tokio::select! {
            message = poll_fn(|cx| connection.poll_message(cx)) => match message.transpose()? {
                Some(AsyncMessage::Notification(_)) => news.notify_one(),
                Some(_) => {}
                None => return Ok(()),
            },
            outcome = &mut listening, if !listens => {
                outcome?;
                listens = true;
                news.notify_one();
            }
        }
    }
}
