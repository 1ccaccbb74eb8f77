//! One thread, one SQLite connection. Writes that queue up while a commit is under way share the next transaction;
//! each is answered after COMMIT, so one fsync serves many callers; for those that can wait for somebody else's fsync
//! there is none. Knows no tables.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, TrySendError},
    },
    thread,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    StoreError,
    timings::{Operation, Timings},
};

/// Keeps the wait of the first caller of a group bounded.
const MAX_GROUP: usize = 256;
/// How many jobs may wait. With a store that hangs, further ones are refused instead of filling the memory.
const MAX_QUEUE: usize = 4096;

/// A connection that lives on its own thread. Dropping this waits until the connection is closed, so that the
/// database is left as one tidy file.
#[derive(Debug)]
pub(super) struct ConnectionThread {
    /// `None` only while dropping.
    jobs: Option<mpsc::SyncSender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    timings: Timings,
}

enum Job {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Write(Box<dyn Write>),
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// A write with its caller: done inside a group, answered after it.
trait Write: Send {
    /// Whether the work succeeded; if not, it is rolled back alone.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Whether it may become durable with a later one.
    fn is_loose(&self) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct PendingWrite<W, T> {
    work: Option<W>,
    result: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
    is_loose: bool,
}

impl<W, T> Write for PendingWrite<W, T>
where
    W: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        if let Some(work) = self.work.take() {
            self.result = work(connection);
        }
        self.result.is_ok()
    }

    fn is_loose(&self) -> bool {
        self.is_loose
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // A caller that has gone away wants no answer.
        let _ = self.caller.send(committed.and(self.result));
    }
}

impl ConnectionThread {
    pub(super) fn spawn(name: &str, mut connection: Connection, timings: Timings) -> Result<Self, StoreError> {
        let (sender, jobs) = mpsc::sync_channel(MAX_QUEUE);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&mut connection, &jobs))
            .map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), timings })
    }

    /// Reads. On the writing thread, sees everything acknowledged before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Job::Read(Box::new(move |connection| drop(caller.send(work(connection)))));
        self.timings.of(Operation::Read, self.submit(job, answer)).await
    }

    /// Writes, together with whatever else is waiting. Returns once it is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_somehow(false, work).await
    }

    /// Writes likewise, but returns before it is durable. The next write that is makes this one durable, too; without
    /// it, neither is there.
    pub(super) async fn write_loosely<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_somehow(true, work).await
    }

    async fn write_somehow<T: Send + 'static>(
        &self,
        is_loose: bool,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let write = PendingWrite { work: Some(work), result: Err(thread_ended()), caller, is_loose };
        self.timings.of(Operation::Write, self.submit(Job::Write(Box::new(write)), answer)).await
    }

    /// Runs outside any group, with the connection to itself: for transactions of its own.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Job::Alone(Box::new(move |connection| drop(caller.send(work(connection)))));
        self.timings.of(Operation::Write, self.submit(job, answer)).await
    }

    async fn submit<T>(&self, job: Job, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        self.jobs.as_ref().ok_or_else(thread_ended)?.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => unavailable("the store's queue is full"),
            TrySendError::Disconnected(_) => thread_ended(),
        })?;
        answer.await.map_err(|_| thread_ended())?
    }
}

impl Drop for ConnectionThread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told its callers.
            let _ = thread.join();
        }
    }
}

fn thread_ended() -> StoreError {
    unavailable("the store's thread has ended")
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(Arc::new(io::Error::other(why)))
}

fn serve(connection: &mut Connection, jobs: &mpsc::Receiver<Job>) {
    let mut carried = None;
    // Whether something committed waits for a durable commit.
    let mut some_wait = false;
    let mut flushing = Flushing { is_on: true };
    while let Some(job) = carried.take().or_else(|| jobs.recv().ok()) {
        match job {
            Job::Read(read) => read(connection),
            Job::Alone(work) => match flushing.set(connection, true) {
                Ok(()) => work(connection),
                // Who waits is told that nobody answers.
                Err(error) => tracing::error!(%error, "the store cannot be made to flush"),
            },
            Job::Write(first) => {
                let mut group = vec![first];
                while group.len() < MAX_GROUP {
                    match jobs.try_recv() {
                        Ok(Job::Write(write)) => group.push(write),
                        Ok(other) => {
                            carried = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                let is_loose = group.iter().all(|write| write.is_loose());
                let committed = flushing.set(connection, !is_loose).and_then(|()| commit(connection, &mut group));
                if committed.is_ok() {
                    some_wait = is_loose;
                }
                if committed.is_err() && some_wait {
                    some_wait = !write_anew(connection).unwrap_or(false);
                }
                let committed = committed.map_err(StoreError::from);
                for write in group {
                    write.answer(committed.clone());
                }
            }
        }
    }
}

/// Runs every write of the group, each in a savepoint of its own, then commits them all.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Alone, it needs no savepoint, for which every page it changes is kept twice. Finishing rolls back.
    if let [only] = group {
        return if only.run(&transaction) { transaction.commit() } else { transaction.finish() };
    }
    for write in group {
        let savepoint = transaction.savepoint()?;
        if write.run(&savepoint) {
            savepoint.commit()?;
        }
    }
    transaction.commit()
}

/// Whether commits wait for the disk. It stays as it is from one loose commit to the next.
struct Flushing {
    is_on: bool,
}

impl Flushing {
    fn set(&mut self, connection: &Connection, on: bool) -> rusqlite::Result<()> {
        if self.is_on != on {
            connection.pragma_update(None, "synchronous", if on { "full" } else { "normal" })?;
            self.is_on = on;
        }
        Ok(())
    }
}

/// Moves what was committed into the database itself. What a disk failed to make durable, the kernel may take for
/// written from then on; so what waited for that is written again, elsewhere. `false` if a reader is in the way.
fn write_anew(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).map(|busy| !busy)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn count(connection: &Connection) -> Result<i64, StoreError> {
        Ok(connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn a_failing_write_takes_none_of_its_group_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").unwrap();
        let thread = ConnectionThread::spawn("test", connection, Timings::default()).unwrap();
        let writes = (0..100).map(|n| {
            thread.write(move |connection| {
                connection.execute("INSERT INTO t VALUES (?1)", [n])?;
                if n % 10 == 9 { Err(StoreError::Conflict) } else { Ok(n) }
            })
        });
        let answers = join_all(writes).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 90);
        assert_eq!(thread.read(count).await.unwrap(), 90);
    }

    #[tokio::test]
    async fn a_loose_write_is_there_at_once_and_makes_no_other_write_loose() {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("t.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").unwrap();
        let thread = ConnectionThread::spawn("test", connection, Timings::default()).unwrap();
        let insert = |n: i64| {
            move |connection: &Connection| {
                connection.execute("INSERT INTO t VALUES (?1)", [n])?;
                Ok(connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))?)
            }
        };
        // 1 is NORMAL, 2 is FULL.
        assert_eq!(thread.write_loosely(insert(1)).await.unwrap(), 1);
        assert_eq!(thread.read(count).await.unwrap(), 1);
        assert_eq!(thread.write(insert(2)).await.unwrap(), 2);
        assert!(thread.write_loosely(insert(2)).await.is_err());
        let alone = thread.alone(move |connection| insert(3)(connection));
        assert_eq!(alone.await.unwrap(), 2);
        assert_eq!(thread.read(count).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_loose_write_in_a_group_with_others_is_as_durable_as_they_are() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        let thread = ConnectionThread::spawn("test", connection, Timings::default()).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let held = thread.read(move |_| Ok(wait.recv().is_ok()));
        let level = |connection: &Connection| {
            Ok(connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))?)
        };
        let (loose, other) = (thread.write_loosely(level), thread.write(level));
        let mut all = std::pin::pin!(futures_util::future::join3(held, loose, other));
        assert!(futures_util::poll!(&mut all).is_pending());
        go.send(()).unwrap();
        let (_, loose, other) = all.await;
        assert_eq!((loose.unwrap(), other.unwrap()), (2, 2));
    }

    #[tokio::test]
    async fn a_write_that_fails_alone_leaves_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").unwrap();
        let thread = ConnectionThread::spawn("test", connection, Timings::default()).unwrap();
        let insert = |n: i64, error: Option<StoreError>| {
            thread.write(move |connection| {
                connection.execute("INSERT INTO t VALUES (?1)", [n])?;
                error.map_or(Ok(()), Err)
            })
        };
        assert!(matches!(insert(1, Some(StoreError::Conflict)).await, Err(StoreError::Conflict)));
        assert_eq!(thread.read(count).await.unwrap(), 0);
        insert(1, None).await.unwrap();
        assert_eq!(thread.read(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_queue_that_is_full_refuses_at_once_and_goes_on_later() {
        let thread =
            ConnectionThread::spawn("test", Connection::open_in_memory().unwrap(), Timings::default()).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let held = thread.read(move |_| Ok(wait.recv().is_ok()));
        let reads = (0..2 * MAX_QUEUE).map(|_| thread.read(|_| Ok(())));
        let mut all = std::pin::pin!(futures_util::future::join(held, join_all(reads)));
        assert!(futures_util::poll!(&mut all).is_pending());
        go.send(()).unwrap();
        let (_, answers) = all.await;
        let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Unavailable(_)))).count();
        // One more if the thread had not begun the first job when the queue was full.
        assert!((MAX_QUEUE..=MAX_QUEUE + 1).contains(&refused), "{refused}");
        assert!(thread.read(|_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn writes_that_wait_share_a_commit() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").unwrap();
        let commits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&commits);
        connection
            .commit_hook(Some(move || {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                false
            }))
            .unwrap();
        let thread = ConnectionThread::spawn("test", connection, Timings::default()).unwrap();
        // Holds the thread until everything below is queued.
        let (go, wait) = mpsc::channel::<()>();
        let held = thread.read(move |_| Ok(wait.recv().is_ok()));
        let writes =
            (0..100).map(|n| thread.write(move |connection| Ok(connection.execute("INSERT INTO t VALUES (?1)", [n])?)));
        let mut all = std::pin::pin!(futures_util::future::join(held, join_all(writes)));
        assert!(futures_util::poll!(&mut all).is_pending());
        go.send(()).unwrap();
        let (_, answers) = all.await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(commits.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}
