//! Group commit for SQLite: queued transactions run inside one SQLite transaction and share its sync.
//!
//! One task owns the only connection that writes; each caller gets its response after the commit. If a
//! transaction of the group fails, the group runs again with a savepoint for each, so that only the failed
//! one is rolled back. If SQLite ends the whole transaction, or code panics (which costs the connection), the
//! others run again one by one.
//!
//! This is the hardest concurrency code of the crate, and it serves SQLite alone: with 64 writers it is 4.5
//! times as fast as one commit each (see the benchmark `commits`).

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use service_kit::{CancellationToken, ids::jittered};
use sqlx::Executor;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{
    commit::commit,
    connector::Connector,
    pool::POOL_WAIT_MAX,
    transaction::{Connection, Transaction, WriteError},
};

/// Limit of queued transactions. Further callers wait for a free slot for at most [`POOL_WAIT_MAX`].
const QUEUE_MAX: usize = 1024;

/// For how long BEGIN is retried while another process (an operator's shell) writes; each attempt waits for
/// the busy timeout as well.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// Limit of the random pause between these attempts.
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(100);

/// A handle of the task that writes to one SQLite file.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Writer {
    /// Starts the task. At most `group_max` transactions share a commit.
    pub(crate) fn start(connector: Connector, group_max: usize) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let task = WriterTask { connector, connection: None };
        let (stopping, done) = (stop.clone(), stopped.clone());
        tokio::spawn(async move {
            task.run(queued, group_max.max(1), stopping).await;
            done.cancel();
        });
        Self { queue, stop, stopped }
    }

    /// Queues `transaction` and returns its output after the commit.
    pub(crate) async fn write<T: Transaction>(
        &self,
        transaction: T,
    ) -> Result<Committed<T::Output>, WriteError> {
        let (sender, response) = oneshot::channel();
        let job = Box::new(Job { transaction, output: None, response: Some(sender) });
        match timeout(POOL_WAIT_MAX, self.queue.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(WriteError::not_started(sqlx::Error::PoolClosed)),
            Err(_) => return Err(WriteError::not_started(sqlx::Error::PoolTimedOut)),
        }
        // The task responds to each job, unless its runtime shuts down first.
        response.await.unwrap_or_else(|_| Err(WriteError::Unknown(Arc::new(sqlx::Error::WorkerCrashed))))
    }

    /// Stops the task after the queued transactions. SQLite then checkpoints its WAL into the file.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// A [`Job`] of any output type.
#[async_trait]
trait Queued: Send {
    fn may_begin(&self) -> bool;
    /// Runs the transaction and stores its output.
    async fn run(&mut self, connection: &mut Connection) -> Result<(), sqlx::Error>;
    /// Sends the stored output, or the error, to the caller.
    fn respond(&mut self, committed: Result<GroupSize, WriteError>);
}

type Group = Vec<Box<dyn Queued>>;

/// The number of transactions that shared a commit.
type GroupSize = usize;

/// The output of a committed transaction.
pub(crate) struct Committed<T> {
    pub(crate) output: T,
    pub(crate) group_size: GroupSize,
}

/// A transaction whose caller waits for the response.
struct Job<T: Transaction> {
    transaction: T,
    output: Option<T::Output>,
    response: Option<oneshot::Sender<Result<Committed<T::Output>, WriteError>>>,
}

#[async_trait]
impl<T: Transaction> Queued for Job<T> {
    fn may_begin(&self) -> bool {
        // A job whose caller dropped the receiver before the job started is withdrawn.
        let caller_waits = self.response.as_ref().is_some_and(|response| !response.is_closed());
        caller_waits && self.transaction.may_begin()
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        self.output = Some(self.transaction.run(connection).await?);
        Ok(())
    }

    fn respond(&mut self, committed: Result<GroupSize, WriteError>) {
        let result = committed.and_then(|group_size| {
            let output = self.output.take().ok_or(WriteError::Withdrawn)?;
            Ok(Committed { output, group_size })
        });
        if let Some(response) = self.response.take() {
            // Fails where the caller has dropped the receiver.
            let _ = response.send(result);
        }
    }
}

struct WriterTask {
    connector: Connector,
    connection: Option<Connection>,
}

/// SQLite ended the transaction. The job that caused it has its response; the others run again, one by one.
struct RetryAlone {
    jobs: Group,
}

impl WriterTask {
    async fn run(
        mut self,
        mut queued: mpsc::Receiver<Box<dyn Queued>>,
        group_max: usize,
        stop: CancellationToken,
    ) {
        let mut group = Group::new();
        loop {
            let received = tokio::select! {
                biased;
                received = queued.recv_many(&mut group, group_max) => received,
                () = stop.cancelled(), if !queued.is_closed() => {
                    queued.close();
                    continue;
                }
            };
            if received == 0 {
                return;
            }
            for alone in self.commit(mem::take(&mut group)).await {
                // A group of one leaves nothing to retry.
                self.commit(vec![alone]).await;
            }
        }
    }

    /// Runs and commits the group. Returns the jobs to run again, one by one.
    async fn commit(&mut self, mut group: Group) -> Group {
        let mut connection = match self.begin().await {
            Ok(connection) => connection,
            Err(error) => {
                fail_all(&mut group, &WriteError::not_started(error));
                return Group::new();
            }
        };
        if group.len() > 1 {
            match run_without_savepoints(&mut connection, group).await {
                Ok(written) => {
                    self.end(connection, written).await;
                    return Group::new();
                }
                Err(RetryWithSavepoints { jobs, connection_usable }) => {
                    // Fails where SQLite has ended the transaction itself.
                    let restart = "ROLLBACK; BEGIN IMMEDIATE";
                    if !connection_usable || connection.inner.execute(restart).await.is_err() {
                        return jobs;
                    }
                    group = jobs;
                }
            }
        }
        match run_with_savepoints(&mut connection, group).await {
            Ok(written) => {
                self.end(connection, written).await;
                Group::new()
            }
            // Dropping the connection rolls back.
            Err(RetryAlone { jobs }) => jobs,
        }
    }

    /// Commits, and responds to the jobs that were written.
    async fn end(&mut self, mut connection: Connection, mut written: Group) {
        let ended = match written.is_empty() {
            true => connection.inner.execute("ROLLBACK").await,
            false => commit(&self.connector, connection.inner.execute("COMMIT")).await,
        };
        // A commit into a file that is no longer at its path is lost with the process.
        match ended.and_then(|_| self.connector.check_files()) {
            Ok(()) => {
                let group_size = written.len();
                if group_size > 0 {
                    self.connector.metrics.committed(group_size);
                }
                written.iter_mut().for_each(|job| job.respond(Ok(group_size)));
                self.connection = Some(connection);
            }
            Err(error) => {
                let refused = self.connector.dialect.is_refusal(&error);
                // Rolls back before the callers learn of the failure.
                drop(connection);
                let error = Arc::new(error);
                let error = if refused { WriteError::Refused(error) } else { WriteError::Unknown(error) };
                fail_all(&mut written, &error);
            }
        }
    }

    async fn begin(&mut self) -> Result<Connection, sqlx::Error> {
        self.connector.check_files()?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        let started = Instant::now();
        while let Err(error) = connection.inner.execute(self.connector.dialect.begin()).await {
            if !self.connector.dialect.is_transient(&error) || started.elapsed() >= BUSY_MAX {
                return Err(error);
            }
            tokio::time::sleep(jittered(BUSY_PAUSE_MAX)).await;
        }
        Ok(connection)
    }
}

/// A job failed without a savepoint: all jobs of the group run again.
struct RetryWithSavepoints {
    jobs: Group,
    /// False after a panic.
    connection_usable: bool,
}

/// Runs the group without savepoints, which cost two statements per job: failures are rare.
async fn run_without_savepoints(
    connection: &mut Connection,
    group: Group,
) -> Result<Group, RetryWithSavepoints> {
    let mut written = Group::new();
    let mut waiting = group.into_iter();
    while let Some(mut job) = waiting.next() {
        if !begins(&mut *job) {
            continue;
        }
        let ran = AssertUnwindSafe(job.run(connection)).catch_unwind().await;
        written.push(job);
        if !matches!(ran, Ok(Ok(()))) {
            written.extend(waiting);
            return Err(RetryWithSavepoints { jobs: written, connection_usable: ran.is_ok() });
        }
    }
    Ok(written)
}

/// Whether the job may begin. Otherwise it gets its response here.
fn begins(job: &mut dyn Queued) -> bool {
    // After a panic the job is used only to respond.
    let error = match catch_unwind(AssertUnwindSafe(|| job.may_begin())) {
        Ok(true) => return true,
        Ok(false) => WriteError::Withdrawn,
        Err(_) => WriteError::Panicked,
    };
    job.respond(Err(error));
    false
}

/// Runs the group with a savepoint for each job, and responds to those that fail.
async fn run_with_savepoints(connection: &mut Connection, group: Group) -> Result<Group, RetryAlone> {
    // A group of one needs no savepoint: its failure rolls back nothing else.
    let several = group.len() > 1;
    let mut written = Group::new();
    let mut waiting = group.into_iter();
    while let Some(mut job) = waiting.next() {
        if !begins(&mut *job) {
            continue;
        }
        match run_in_savepoint(connection, &mut *job, several).await {
            Ok(()) => written.push(job),
            Err(JobError { error, transaction_intact }) => {
                job.respond(Err(error));
                if !transaction_intact {
                    written.extend(waiting);
                    return Err(RetryAlone { jobs: written });
                }
            }
        }
    }
    Ok(written)
}

struct JobError {
    error: WriteError,
    /// Whether the transaction still contains the writes of the other jobs.
    transaction_intact: bool,
}

async fn run_in_savepoint(
    connection: &mut Connection,
    job: &mut dyn Queued,
    several: bool,
) -> Result<(), JobError> {
    let refused = |error| WriteError::Refused(Arc::new(error));
    let lost = |error| JobError { error: refused(error), transaction_intact: false };
    if several {
        connection.inner.execute("SAVEPOINT work").await.map_err(lost)?;
    }
    let error = match AssertUnwindSafe(job.run(connection)).catch_unwind().await {
        Ok(Ok(())) => {
            if several {
                connection.inner.execute("RELEASE work").await.map_err(lost)?;
            }
            return Ok(());
        }
        Ok(Err(error)) => error,
        // The connection may be in the middle of a statement: it is dropped, which rolls back.
        Err(_) => return Err(JobError { error: WriteError::Panicked, transaction_intact: false }),
    };
    // Fails where SQLite has ended the transaction itself (a full disk): the savepoint is gone then.
    let undo = if several { "ROLLBACK TO work; RELEASE work" } else { "ROLLBACK; BEGIN IMMEDIATE" };
    let transaction_intact = connection.inner.execute(undo).await.is_ok();
    Err(JobError { error: refused(error), transaction_intact })
}

fn fail_all(group: &mut Group, error: &WriteError) {
    group.iter_mut().for_each(|job| job.respond(Err(error.clone())));
}
