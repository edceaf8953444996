//! A cluster of two MariaDB nodes with Galera.

use libtest_mimic::Failed;

use super::{Kind, Server, free_port, is_root, mariadb::AS_MYSQL};
use crate::need::GALERA_LIBRARY;

/// Two nodes of one cluster. A node replicates each transaction to the other before it commits.
#[derive(Debug)]
pub struct Galera {
    /// The nodes.
    pub nodes: [Server; 2],
}

impl Galera {
    /// Starts the nodes, empty.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start() -> Result<Self, Failed> {
        let group = free_port()?;
        let first = node("gcomm://", group).await?;
        let second = node(&format!("gcomm://127.0.0.1:{group}"), free_port()?).await?;
        Ok(Self { nodes: [first, second] })
    }
}

/// Starts a node that joins the cluster at `address`, and listens to other nodes on the port `group`.
async fn node(address: &str, group: u16) -> Result<Server, Failed> {
    let (increment, snapshot) = (free_port()?, free_port()?);
    let provider = format!(
        "gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{increment};gcache.size=32M"
    );
    let mut options = vec![
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={GALERA_LIBRARY}"),
        format!("--wsrep-cluster-address={address}"),
        "--wsrep-cluster-name=trials".to_owned(),
        format!("--wsrep-node-address=127.0.0.1:{group}"),
        "--wsrep-sst-method=rsync".to_owned(),
        format!("--wsrep-sst-receive-address=127.0.0.1:{snapshot}"),
        format!("--wsrep-provider-options={provider}"),
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
    ];
    if is_root() {
        // As root, rsync receives the state of the other node as the user nobody.
        options.push(AS_MYSQL.to_owned());
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Server::start_with(Kind::MariaDb, &options).await
}
