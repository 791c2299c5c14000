//! What holds data or secrets. In: images, ports and names of workloads, and what is stated. Out: the workloads that must not
//! be open to everybody, with the ports that lead to what they hold.

use ringfence_model::{
    cluster::Cluster,
    port::Protocol,
    workload::{Pod, Workload, WorkloadId, WorkloadKind},
};

use crate::settings::Settings;

/// A workload that holds data or secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensitive {
    /// The workload.
    pub workload: WorkloadId,
    /// What it is, for people: `PostgreSQL`.
    pub what: &'static str,
    /// The ports that lead to what it holds; empty means any.
    pub ports: Vec<(Protocol, u16)>,
}

/// A sort of software that holds data or secrets.
struct Sort {
    what: &'static str,
    /// Last parts of image names without tag.
    images: &'static [&'static str],
    /// Its ports, all TCP.
    ports: &'static [u16],
    /// Whether nothing else listens on its first port, so that the port and a name such as `db` are enough.
    own_port: bool,
}

const fn sort(
    what: &'static str,
    images: &'static [&'static str],
    ports: &'static [u16],
    own_port: bool,
) -> Sort {
    Sort { what, images, ports, own_port }
}

const SORTS: &[Sort] = &[
    sort(
        "PostgreSQL",
        &["postgres", "postgresql", "postgis", "timescaledb", "postgresql-repmgr"],
        &[5432],
        true,
    ),
    sort("MySQL", &["mysql", "mysql-server", "percona-server", "percona-xtradb-cluster"], &[3306], true),
    sort("MariaDB", &["mariadb", "mariadb-galera"], &[3306], true),
    sort("MongoDB", &["mongo", "mongodb", "mongodb-community-server"], &[27017], true),
    sort("Redis", &["redis", "redis-cluster", "redis-stack", "redis-stack-server"], &[6379], true),
    sort("Valkey", &["valkey", "valkey-cluster"], &[6379], true),
    sort("Memcached", &["memcached"], &[11211], true),
    sort("Cassandra", &["cassandra"], &[9042, 7000, 7001], true),
    sort("ScyllaDB", &["scylla"], &[9042, 7000, 7001], true),
    sort("CockroachDB", &["cockroach"], &[26257], true),
    sort("SQL Server", &["mssql/server"], &[1433], true),
    sort("Elasticsearch", &["elasticsearch"], &[9200, 9300], false),
    sort("OpenSearch", &["opensearch"], &[9200, 9300], false),
    sort("ClickHouse", &["clickhouse", "clickhouse-server"], &[8123, 9000, 9440], false),
    sort("InfluxDB", &["influxdb"], &[8086], false),
    sort("Neo4j", &["neo4j"], &[7687, 7474], false),
    sort("CouchDB", &["couchdb"], &[5984], false),
    sort("Qdrant", &["qdrant"], &[6333, 6334], false),
    sort("MinIO", &["minio"], &[9000], false),
    sort("etcd", &["etcd"], &[2379, 2380], false),
    sort("Vault", &["vault"], &[8200, 8201], false),
    sort("OpenBao", &["openbao"], &[8200, 8201], false),
    sort("Consul", &["consul"], &[8500, 8501], false),
    sort("ZooKeeper", &["zookeeper"], &[2181, 2888, 3888], false),
    sort("Kafka", &["kafka", "cp-kafka"], &[9092, 9093, 9094], false),
    sort("RabbitMQ", &["rabbitmq"], &[5672, 5671], false),
    sort(
        "the Kubernetes dashboard",
        &["kubernetes-dashboard", "kubernetesui/dashboard"],
        &[8443, 9090],
        false,
    ),
];

/// Names of workloads and ports that say that something is a database, whatever it runs.
const DATABASE: [&str; 5] = ["db", "database", "sql", "datastore", "data"];

/// Everything that can be recognised, and what is stated, in the order of the workloads.
pub(super) fn find(cluster: &Cluster, settings: &Settings) -> Vec<Sensitive> {
    let stated = &settings.cluster;
    let mut found = Vec::new();
    for (at, workload) in (0..).zip(&cluster.workloads) {
        let name = format!("{}/{}", workload.namespace, workload.name);
        if stated.not_sensitive.contains(&name) {
            continue;
        }
        let pods = workload.pods.iter().filter_map(|pod| cluster.pod(*pod));
        let Some(pod) = pods.clone().find(|pod| !pod.finished) else { continue };
        let recognised = recognise(workload, pod);
        let known = match recognised {
            None if stated.sensitive.contains(&name) => Some(("sensitive, as stated", Vec::new())),
            other => other,
        };
        found.extend(known.map(|(what, ports)| Sensitive { workload: WorkloadId(at), what, ports }));
    }
    found
}

fn recognise(workload: &Workload, pod: &Pod) -> Option<(&'static str, Vec<(Protocol, u16)>)> {
    // A job with a database's image is one of its clients: a dump, a migration.
    if matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob) {
        return None;
    }
    let declares =
        |port: u16| pod.ports.iter().any(|known| (known.protocol, known.port) == (Protocol::Tcp, port));
    let sort = SORTS.iter().find(|sort| runs(sort, workload, pod, &declares));
    let sort = sort.or_else(|| SORTS.iter().find(|sort| looks_like(sort, workload, pod, &declares)))?;
    let declared: Vec<u16> = sort.ports.iter().copied().filter(|port| declares(*port)).collect();
    let ports = if declared.is_empty() { sort.ports.to_vec() } else { declared };
    Some((sort.what, ports.into_iter().map(|port| (Protocol::Tcp, port)).collect()))
}

/// Whether a container is a server of this sort: by its image, and by its port, or because nothing says that it does
/// anything else.
fn runs(sort: &Sort, workload: &Workload, pod: &Pod, declares: &dyn Fn(u16) -> bool) -> bool {
    let containers = pod.details.iter().flat_map(|details| &details.containers);
    let mut servers = containers.filter(|container| {
        !container.init && container.image.as_ref().is_some_and(|image| is_image(sort, image))
    });
    let serves = sort.ports.iter().any(|port| declares(*port)) || workload.kind == WorkloadKind::StatefulSet;
    servers.any(|container| serves || (pod.ports.is_empty() && container.arguments.is_empty()))
}

fn is_image(sort: &Sort, image: &str) -> bool {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let last = image.rsplit_once('/').map_or(image, |(_, last)| last);
    let bare = last.split_once(':').map_or(last, |(name, _)| name);
    let repository = image.strip_suffix(last).unwrap_or_default();
    sort.images.iter().any(|known| match known.rsplit_once('/') {
        Some((owner, name)) => name == bare && repository.trim_end_matches('/').ends_with(owner),
        None => *known == bare,
    })
}

/// Whether a port of the sort and a name go together.
fn looks_like(sort: &Sort, workload: &Workload, pod: &Pod, declares: &dyn Fn(u16) -> bool) -> bool {
    let Some(port) = sort.ports.first().filter(|port| declares(**port)) else { return false };
    let names =
        pod.ports.iter().filter(|known| known.port == *port).filter_map(|known| known.name.as_deref());
    let mut words = names
        .chain([&*workload.name])
        .flat_map(|name| name.split(|letter: char| !letter.is_ascii_alphanumeric()))
        .map(str::to_ascii_lowercase);
    words.any(|word| {
        sort.images.contains(&word.as_str()) || (sort.own_port && DATABASE.contains(&word.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort_of(image: &str) -> Option<&'static str> {
        SORTS.iter().find(|sort| is_image(sort, image)).map(|sort| sort.what)
    }

    #[test]
    fn images_are_known_by_their_last_part() {
        assert_eq!(sort_of("postgres"), Some("PostgreSQL"));
        assert_eq!(sort_of("docker.io/bitnami/postgresql:16.4.0-debian-12"), Some("PostgreSQL"));
        assert_eq!(sort_of("localhost:5000/library/redis@sha256:0123"), Some("Redis"));
        assert_eq!(sort_of("mcr.microsoft.com/mssql/server:2022-latest"), Some("SQL Server"));
        assert_eq!(sort_of("docker.io/kubernetesui/dashboard:v2.7.0"), Some("the Kubernetes dashboard"));
        assert_eq!(sort_of("example.com/shop/dashboard:1"), None);
        assert_eq!(sort_of("quay.io/prometheuscommunity/postgres-exporter:v0.15.0"), None);
    }
}
