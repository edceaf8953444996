//! An open database, and what can go wrong before there is one.

use std::{io, path::PathBuf, time::Duration};

use sqlx::{Connection, any::AnyConnectOptions, migrate::MigrateError};
use tokio::time::{Instant, timeout};

use crate::{
    Config, Migrations, Session, Target, Work, WriteError,
    asked::Asked,
    dialect::{Dialect, timed_out},
    durability::{self, Finding},
    group::Writer,
    migrate::{Schema, bring_up, look},
    pool::{Connector, Pool},
    server, sqlite,
    target::{Location, Server},
};

/// How long connecting may take, unless the URL says otherwise.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a piece of work may take, unless the URL says otherwise.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to reach a database that is down at start.
const WAIT_PAUSE: Duration = Duration::from_millis(100);

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database {
    /// For reads; on a server for writes too.
    pool: Pool,
    /// On SQLite, who writes.
    writer: Option<Writer>,
}

/// Why a database could not be opened: one line, without any password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the file is missing, or not ours to enter.
    #[error("cannot open the database {target}: its directory {} cannot be used: {source}", directory.display())]
    Directory {
        /// The database.
        target: Target,
        /// Where the file should be.
        directory: PathBuf,
        /// Why it cannot be there.
        source: io::Error,
    },
    /// It is not there, not a database, or not ours.
    #[error("cannot open the database {target}: {source}")]
    Connect {
        /// The database.
        target: Target,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// It would lose what it had confirmed.
    #[error("the database {target} would not keep what it commits: {told}")]
    Settings {
        /// The database.
        target: Target,
        /// Every setting that is wrong, what was found and what a durable commit needs.
        told: String,
    },
    /// A newer version of the program has been here, whose schema this one cannot use.
    #[error(
        "the database {target} is newer than this program: it has migration {version}, on which no program \
         older than migration {oldest} may run, and this one knows them up to {newest}"
    )]
    Newer {
        /// The database.
        target: Target,
        /// Its newest migration.
        version: i64,
        /// The oldest program that may run on it.
        oldest: i64,
        /// This program.
        newest: i64,
    },
    /// Its schema could not be brought up to date.
    #[error("cannot migrate the database {target}: {source}")]
    Migrate {
        /// The database.
        target: Target,
        /// What stopped it.
        source: MigrateError,
    },
}

impl OpenError {
    pub(crate) fn connect(target: &Target) -> impl Fn(sqlx::Error) -> Self {
        |source| Self::Connect { target: target.clone(), source }
    }

    pub(crate) fn migrate(target: &Target) -> impl Fn(MigrateError) -> Self {
        |source| Self::Migrate { target: target.clone(), source }
    }
}

impl Database {
    /// Opens the database: waits for a server that is down, creates a SQLite file where there is none, asserts that
    /// commits are durable, and applies those of the `migrations` that it lacks.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names what is wrong. On SQLite and PostgreSQL nothing is left half-migrated.
    pub async fn open(config: &Config, migrations: &'static Migrations) -> Result<Self, OpenError> {
        Ok(Self::over(prepare(config, migrations).await?, config))
    }

    /// Opens a database that is there and has its schema, and changes nothing of it: for operators who look.
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] and [`OpenError::Connect`].
    pub async fn attach(config: &Config) -> Result<Self, OpenError> {
        let (_, regular) = connectors(config)?;
        let mut patience = Patience::new(config, regular.dialect);
        while let Err(error) = regular.connect().await {
            patience.after(OpenError::connect(&config.target)(error)).await?;
        }
        Ok(Self::over(regular, config))
    }

    fn over(connector: Connector, config: &Config) -> Self {
        let (connections_max, writer) = match connector.dialect {
            Dialect::Sqlite => {
                (sqlite::READERS_MAX, Some(Writer::start(connector.clone(), config.group_max)))
            }
            Dialect::MySql | Dialect::Postgres => (config.connections_max as usize, None),
        };
        let pool = Pool::new(connector, connections_max);
        pool.connector().metrics.watch(&pool);
        Self { pool, writer }
    }

    /// What `work` comes to, once it is committed.
    ///
    /// On SQLite what has queued up shares one commit. On a server each has a transaction of its own, which is run
    /// again after a deadlock or a serialization failure.
    ///
    /// # Errors
    ///
    /// [`WriteError`] tells what is certain: that nothing was written, or nothing at all.
    pub async fn write<W: Work>(&self, work: W) -> Result<W::Output, WriteError> {
        let mut asked = self.asked::<W>();
        let written = match &self.writer {
            Some(writer) => writer.write(work).await.map(|written| {
                asked.shared(written.group_size);
                written.output
            }),
            None => server::write(&self.pool, &work).await,
        };
        asked.written(&written);
        written
    }

    /// What `work`, which only reads, comes to. It sees every commit that was answered before it began.
    ///
    /// # Errors
    ///
    /// What the read failed with.
    pub async fn read<W: Work>(&self, work: W) -> Result<W::Output, sqlx::Error> {
        let asked = self.asked::<W>();
        let read = server::read(&self.pool, &work).await;
        asked.read(&read);
        read
    }

    fn asked<W: Work>(&self) -> Asked<'_> {
        let Connector { dialect, metrics, .. } = self.connector();
        Asked::of::<W>(*dialect, metrics)
    }

    /// Closes it once what was to be written is; whoever asks for more is refused.
    pub async fn close(&self) {
        self.pool.close();
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    pub(crate) fn connector(&self) -> &Connector {
        self.pool.connector()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }
}

/// Brings the schema up to date, and does nothing else: for a user who may do that, where the service's may not.
///
/// # Errors
///
/// As [`Database::open`].
pub async fn migrate(config: &Config, migrations: &'static Migrations) -> Result<(), OpenError> {
    prepare(config, migrations).await.map(drop)
}

/// Makes the database ready, and tells how to connect to it from then on.
async fn prepare(config: &Config, migrations: &Migrations) -> Result<Connector, OpenError> {
    let target = &config.target;
    let (first, regular) = connectors(config)?;
    let mut patience = Patience::new(config, first.dialect);
    let (mut session, findings, schema) = loop {
        match first_look(&first, target, migrations).await {
            Ok(looked) => break looked,
            Err(error) => patience.after(error).await?,
        }
    };
    durability::judge(config, &findings)?;
    if schema == Schema::Behind {
        bring_up(target, &mut session, migrations).await?;
    }
    // Gives the lock back, too.
    let closed = first.answered(session.connection.close()).await;
    closed.map(|()| regular).map_err(OpenError::connect(target))
}

/// The first session, and what it found. Bounded, so that a database which falls silent then is tried again.
async fn first_look(
    connector: &Connector,
    target: &Target,
    migrations: &Migrations,
) -> Result<(Session, Vec<Finding>, Schema), OpenError> {
    let failed = OpenError::connect(target);
    let mut session = connector.connect().await.map_err(&failed)?;
    let findings = connector.answered(durability::findings(&mut session)).await.map_err(&failed)?;
    let looking = look(target, &mut session.connection, connector.dialect, migrations);
    let looked = timeout(connector.answer_max, looking).await;
    let schema = looked.unwrap_or_else(|_| Err(failed(timed_out(connector.answer_max))))?;
    Ok((session, findings, schema))
}

/// How the database is connected to the first time, when a file may have to be created, and from then on.
fn connectors(config: &Config) -> Result<(Connector, Connector), OpenError> {
    sqlx::any::install_default_drivers();
    let target = &config.target;
    let (first, later, dialect) = match &*target.0 {
        Location::Sqlite(path) => {
            let (first, later) = sqlite::options(target, path)?;
            (first, later, Dialect::Sqlite)
        }
        Location::MySql(server) => server_options(target, &server.url(), Dialect::MySql)?,
        Location::Postgres(server) => server_options(target, &server.url(), Dialect::Postgres)?,
    };
    let server = match &*target.0 {
        Location::Sqlite(_) => None,
        Location::MySql(server) | Location::Postgres(server) => Some(server),
    };
    let regular = Connector {
        dialect,
        options: later,
        relayed: server.and_then(Server::relayed),
        connect_max: server.and_then(Server::connect_timeout).unwrap_or(CONNECT_MAX),
        answer_max: server.and_then(Server::io_timeout).unwrap_or(ANSWER_MAX),
        metrics: config.metrics.clone(),
        #[cfg(feature = "fault-injection")]
        faults: config.faults.clone(),
    };
    Ok((Connector { options: first, ..regular.clone() }, regular))
}

fn server_options(
    target: &Target,
    url: &str,
    dialect: Dialect,
) -> Result<(AnyConnectOptions, AnyConnectOptions, Dialect), OpenError> {
    let options: AnyConnectOptions = url.parse().map_err(OpenError::connect(target))?;
    Ok((options.clone(), options, dialect))
}

/// Waiting for a database that is down at start.
struct Patience<'a> {
    config: &'a Config,
    dialect: Dialect,
    started: Instant,
    told: bool,
}

impl<'a> Patience<'a> {
    fn new(config: &'a Config, dialect: Dialect) -> Self {
        Self { config, dialect, started: Instant::now(), told: false }
    }

    /// Pauses before the next attempt, unless there is no sense in one after `error`, or no time.
    async fn after(&mut self, error: OpenError) -> Result<(), OpenError> {
        let Config { target, wait, .. } = self.config;
        match error {
            OpenError::Connect { source, .. }
                if self.dialect.may_come_up(&source) && self.started.elapsed() < *wait =>
            {
                if !self.told {
                    tracing::warn!(database = %target, error = %source, "waiting up to {wait:?} for the database");
                }
                self.told = true;
                tokio::time::sleep(WAIT_PAUSE).await;
                Ok(())
            }
            error => Err(error),
        }
    }
}
