//! Group commit for SQLite: what has queued up is written by one transaction and synced once, and each caller is
//! answered after that commit.
//!
//! One task owns the only connection that writes. Where a piece of work fails, the group is run again with a savepoint
//! for each: it is rolled back to its own, and its neighbours go on. Where the transaction itself is lost, they are run again, each in one of its own. So they
//! are where one panics, which costs the connection and not the writer.

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
    pool::{Connector, TURN_MAX},
    work::{Session, Work, WriteError},
};

/// How many pieces of work may wait for the writer; who comes then waits for a place, [`TURN_MAX`] at most.
const QUEUE_MAX: usize = 1024;

/// For how long another process that writes (an operator's shell) is waited for, and how long a pause is between two
/// attempts, each of which waits as long as SQLite does.
const BUSY_MAX: Duration = Duration::from_secs(10);
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(100);

/// The writer of one SQLite file. Clones speak of the same.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Queued>>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Writer {
    /// Starts the writer; at most `group_max` pieces of work share a commit.
    pub(crate) fn start(connector: Connector, group_max: usize) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
        let task = WriterTask { connector, session: None };
        let (stopping, done) = (stop.clone(), stopped.clone());
        tokio::spawn(async move {
            task.run(queued, group_max.max(1), stopping).await;
            done.cancel();
        });
        Self { queue, stop, stopped }
    }

    /// What `work` comes to, once it is committed.
    pub(crate) async fn write<W: Work>(&self, work: W) -> Result<Written<W::Output>, WriteError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Job { work, output: None, answer: Some(answer) });
        match timeout(TURN_MAX, self.queue.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(WriteError::not_started(sqlx::Error::PoolClosed)),
            Err(_) => return Err(WriteError::not_started(sqlx::Error::PoolTimedOut)),
        }
        // The writer answers each, unless its runtime ends first.
        answered.await.unwrap_or_else(|_| Err(WriteError::Unknown(Arc::new(sqlx::Error::WorkerCrashed))))
    }

    /// Ends the writer once what is queued is answered; SQLite then folds its log into the file.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.stopped.cancelled().await;
    }
}

/// A piece of work whose caller waits.
#[async_trait]
trait Queued: Send {
    fn may_begin(&self) -> bool;
    /// Runs it, and keeps what it comes to.
    async fn run(&mut self, session: &mut Session) -> Result<(), sqlx::Error>;
    /// Answers the caller: with what was kept, where that was committed.
    fn answer(&mut self, committed: Result<GroupSize, WriteError>);
}

type Group = Vec<Box<dyn Queued>>;

/// How many pieces of work shared a commit.
type GroupSize = usize;

/// What a piece of work came to that is committed.
pub(crate) struct Written<T> {
    pub(crate) output: T,
    pub(crate) group_size: GroupSize,
}

struct Job<W: Work> {
    work: W,
    output: Option<W::Output>,
    answer: Option<oneshot::Sender<Result<Written<W::Output>, WriteError>>>,
}

#[async_trait]
impl<W: Work> Queued for Job<W> {
    fn may_begin(&self) -> bool {
        // Nobody waits any more for what nobody began.
        self.answer.as_ref().is_some_and(|answer| !answer.is_closed()) && self.work.may_begin()
    }

    async fn run(&mut self, session: &mut Session) -> Result<(), sqlx::Error> {
        self.output = Some(self.work.run(session).await?);
        Ok(())
    }

    fn answer(&mut self, committed: Result<GroupSize, WriteError>) {
        let written = committed.and_then(|group_size| {
            let output = self.output.take().ok_or(WriteError::Withdrawn)?;
            Ok(Written { output, group_size })
        });
        if let Some(answer) = self.answer.take() {
            // A caller that has left needs no answer.
            let _ = answer.send(written);
        }
    }
}

struct WriterTask {
    connector: Connector,
    session: Option<Session>,
}

/// A transaction that is no more, before its end: the work that ended it, and the rest, which may be run again.
struct Lost {
    rest: Group,
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
                // By itself, nothing is left over.
                self.commit(vec![alone]).await;
            }
        }
    }

    /// Commits the group and answers it, but for what must be run again, each alone.
    async fn commit(&mut self, mut group: Group) -> Group {
        let mut session = match self.begin().await {
            Ok(session) => session,
            Err(error) => {
                answer_all(&mut group, &WriteError::not_started(error));
                return Group::new();
            }
        };
        if group.len() > 1 {
            match write_bare(&mut session, group).await {
                Ok(written) => {
                    self.end(session, written).await;
                    return Group::new();
                }
                Err(Failing { all, session_lives }) => {
                    // SQLite may have ended the transaction by itself.
                    let again = "ROLLBACK; BEGIN IMMEDIATE";
                    if !session_lives || session.connection.execute(again).await.is_err() {
                        return all;
                    }
                    group = all;
                }
            }
        }
        match write(&mut session, group).await {
            Ok(written) => {
                self.end(session, written).await;
                Group::new()
            }
            // Its connection goes with it.
            Err(Lost { rest }) => rest,
        }
    }

    /// Ends the transaction, and answers those who have written in it.
    async fn end(&mut self, mut session: Session, mut written: Group) {
        let ended = match written.is_empty() {
            true => session.connection.execute("ROLLBACK").await,
            false => commit(&self.connector, session.connection.execute("COMMIT")).await,
        };
        match ended {
            Ok(_) => {
                let group_size = written.len();
                if group_size > 0 {
                    self.connector.metrics.committed(group_size);
                }
                written.iter_mut().for_each(|job| job.answer(Ok(group_size)));
                self.session = Some(session);
            }
            Err(error) => {
                let refused = self.connector.dialect.is_refusal(&error);
                // Rolls back, if that has not happened yet.
                drop(session);
                let error = Arc::new(error);
                let why = if refused { WriteError::Refused(error) } else { WriteError::Unknown(error) };
                answer_all(&mut written, &why);
            }
        }
    }

    async fn begin(&mut self) -> Result<Session, sqlx::Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        let started = Instant::now();
        while let Err(error) = session.connection.execute(self.connector.dialect.begin()).await {
            if !self.connector.dialect.is_transient(&error) || started.elapsed() >= BUSY_MAX {
                return Err(error);
            }
            tokio::time::sleep(jittered(BUSY_PAUSE_MAX)).await;
        }
        Ok(session)
    }
}

/// A group of which one failed while nothing kept it apart from the others: all are to be run again.
struct Failing {
    all: Group,
    /// Whether the connection is still of use.
    session_lives: bool,
}

/// Runs each of the group in the transaction, with nothing to roll one back by: hardly any fails, and a savepoint
/// costs two statements.
async fn write_bare(session: &mut Session, group: Group) -> Result<Group, Failing> {
    let mut written = Group::new();
    let mut waiting = group.into_iter();
    while let Some(mut job) = waiting.next() {
        if !begins(&mut *job) {
            continue;
        }
        let ran = AssertUnwindSafe(job.run(session)).catch_unwind().await;
        written.push(job);
        if !matches!(ran, Ok(Ok(()))) {
            written.extend(waiting);
            return Err(Failing { all: written, session_lives: ran.is_ok() });
        }
    }
    Ok(written)
}

/// Whether the job may begin; one that may not is answered.
fn begins(job: &mut dyn Queued) -> bool {
    // Nothing here is used after a panic but to answer.
    let refused = match catch_unwind(AssertUnwindSafe(|| job.may_begin())) {
        Ok(true) => return true,
        Ok(false) => WriteError::Withdrawn,
        Err(_) => WriteError::Panicked,
    };
    job.answer(Err(refused));
    false
}

/// Runs each of the group in the transaction, a savepoint each, and answers those that fail.
async fn write(session: &mut Session, group: Group) -> Result<Group, Lost> {
    // A single one needs no savepoint: where it fails, nothing else is in the transaction.
    let several = group.len() > 1;
    let mut written = Group::new();
    let mut waiting = group.into_iter();
    while let Some(mut job) = waiting.next() {
        if !begins(&mut *job) {
            continue;
        }
        let ran = within_savepoint(session, &mut *job, several).await;
        match ran {
            Ok(()) => written.push(job),
            Err(Failed { why, transaction_lives }) => {
                job.answer(Err(why));
                if !transaction_lives {
                    written.extend(waiting);
                    return Err(Lost { rest: written });
                }
            }
        }
    }
    Ok(written)
}

struct Failed {
    why: WriteError,
    /// Whether everything else that the transaction holds is still there.
    transaction_lives: bool,
}

async fn within_savepoint(session: &mut Session, job: &mut dyn Queued, several: bool) -> Result<(), Failed> {
    let refused = |error| WriteError::Refused(Arc::new(error));
    let lost = |error| Failed { why: refused(error), transaction_lives: false };
    if several {
        session.connection.execute("SAVEPOINT work").await.map_err(lost)?;
    }
    let error = match AssertUnwindSafe(job.run(session)).catch_unwind().await {
        Ok(Ok(())) => {
            if several {
                session.connection.execute("RELEASE work").await.map_err(lost)?;
            }
            return Ok(());
        }
        Ok(Err(error)) => error,
        // In the middle of anything: the connection is not used again, and rolls back when it is dropped.
        Err(_) => return Err(Failed { why: WriteError::Panicked, transaction_lives: false }),
    };
    // SQLite ends a transaction by itself on some errors (a full disk): then there is no such savepoint.
    let undone = if several { "ROLLBACK TO work; RELEASE work" } else { "ROLLBACK; BEGIN IMMEDIATE" };
    let transaction_lives = session.connection.execute(undone).await.is_ok();
    Err(Failed { why: refused(error), transaction_lives })
}

fn answer_all(group: &mut Group, why: &WriteError) {
    group.iter_mut().for_each(|job| job.answer(Err(why.clone())));
}
