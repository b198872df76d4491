"""Well-known services: what probably answers on a port, and how bad it is when a stranger can reach it.

A service is told by its image first, then by the process, then by the port (container port before host port). The
levels follow what a stranger gets: 3 gives away data or the host without more ado (databases, engine APIs, consoles
that run commands), 2 is an administration surface, a queue or a file share, 1 is made to face the internet.
"""

from __future__ import annotations

from fwaudit.records import NamedTuple


class WellKnown(NamedTuple):
    """``words`` are compared with the last part of the image name and with the process name.

    ``ports`` are pairs of protocol and port number. ``secrets``: the environment variables of its usual images that
    say who may log in.
    """

    name: str
    level: int
    words: tuple[str, ...]
    ports: tuple[tuple[int, int], ...] = ()
    secrets: tuple[str, ...] = ()


def _tcp(*ports: int) -> tuple[tuple[int, int], ...]:
    return tuple((6, port) for port in ports)


def _udp(*ports: int) -> tuple[tuple[int, int], ...]:
    return tuple((17, port) for port in ports)


_DATABASES = (
    WellKnown("PostgreSQL", 3, ("postgres", "postgresql", "postgis", "timescaledb", "timescaledb-ha", "pgvector",
                                "spilo", "postgresql-repmgr"), _tcp(5432),
              ("POSTGRES_PASSWORD", "POSTGRES_HOST_AUTH_METHOD", "POSTGRESQL_PASSWORD",
               "POSTGRESQL_POSTGRES_PASSWORD")),
    WellKnown("PgBouncer", 3, ("pgbouncer", "pgpool"), _tcp(6432)),
    WellKnown("MySQL/MariaDB", 3, ("mysql", "mysql-server", "mariadb", "mysqld", "mariadbd", "percona",
                                   "percona-server", "proxysql"), _tcp(3306, 33060),
              ("MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD", "MARIADB_ROOT_PASSWORD",
               "MARIADB_PASSWORD", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD")),
    WellKnown("SQL Server", 3, ("mssql", "sqlservr", "azure-sql-edge"), _tcp(1433),
              ("MSSQL_SA_PASSWORD", "SA_PASSWORD")),
    WellKnown("Oracle", 3, ("oracle-xe", "oracle-free"), _tcp(1521), ("ORACLE_PASSWORD", "ORACLE_PWD")),
    WellKnown("Db2", 3, ("db2",), (), ("DB2INST1_PASSWORD",)),
    WellKnown("MongoDB", 3, ("mongo", "mongod", "mongos", "mongodb", "mongodb-community-server",
                             "percona-server-mongodb"), _tcp(27017, 27018, 27019),
              ("MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD", "MONGODB_PASSWORD")),
    WellKnown("Redis", 3, ("redis", "redis-server", "redis-stack", "redis-stack-server", "valkey", "valkey-server",
                           "keydb", "keydb-server", "dragonfly"), _tcp(6379, 16379, 26379),
              ("REDIS_PASSWORD", "REDIS_ARGS", "VALKEY_PASSWORD", "VALKEY_EXTRA_FLAGS")),
    WellKnown("Memcached", 3, ("memcached",), _tcp(11211) + _udp(11211), ("MEMCACHED_PASSWORD",)),
    WellKnown("Cassandra", 3, ("cassandra", "scylla", "dse-server"), _tcp(9042, 7000, 7199, 9160),
              ("CASSANDRA_PASSWORD",)),
    WellKnown("CouchDB", 3, ("couchdb",), _tcp(5984), ("COUCHDB_PASSWORD",)),
    WellKnown("Couchbase", 3, ("couchbase",), _tcp(8091, 11210)),
    WellKnown("ClickHouse", 3, ("clickhouse", "clickhouse-server"), _tcp(8123),
              ("CLICKHOUSE_PASSWORD", "CLICKHOUSE_ADMIN_PASSWORD")),
    WellKnown("InfluxDB", 3, ("influxdb", "influxd"), _tcp(8086),
              ("DOCKER_INFLUXDB_INIT_PASSWORD", "INFLUXDB_ADMIN_PASSWORD", "INFLUXDB_USER_PASSWORD")),
    WellKnown("Neo4j", 3, ("neo4j",), _tcp(7474, 7687), ("NEO4J_AUTH",)),
    WellKnown("ArangoDB", 3, ("arangodb",), _tcp(8529), ("ARANGO_ROOT_PASSWORD", "ARANGO_NO_AUTH")),
    WellKnown("RethinkDB", 3, ("rethinkdb",), _tcp(28015, 29015)),
    WellKnown("CockroachDB", 3, ("cockroach", "cockroachdb"), _tcp(26257)),
    WellKnown("SurrealDB", 3, ("surrealdb",), (), ("SURREAL_PASS",)),
    WellKnown("Hazelcast", 3, ("hazelcast",), _tcp(5701)),
    WellKnown("HBase", 3, ("hbase",), _tcp(16000, 16010, 60010)),
    WellKnown("Qdrant", 3, ("qdrant",), _tcp(6333, 6334)),
    WellKnown("Weaviate", 3, ("weaviate",), ()),
    WellKnown("Chroma", 3, ("chroma", "chromadb"), ()),
    WellKnown("Milvus", 3, ("milvus",), _tcp(19530)),
)
_SEARCH = (
    WellKnown("Elasticsearch", 3, ("elasticsearch", "opensearch"), _tcp(9200, 9300),
              ("ELASTIC_PASSWORD", "OPENSEARCH_INITIAL_ADMIN_PASSWORD", "xpack.security.enabled")),
    WellKnown("Solr", 3, ("solr",), _tcp(8983)),
    WellKnown("Meilisearch", 2, ("meilisearch",), _tcp(7700), ("MEILI_MASTER_KEY",)),
    WellKnown("Typesense", 2, ("typesense",), _tcp(8108)),
    WellKnown("Kibana", 2, ("kibana", "opensearch-dashboards"), _tcp(5601)),
)
_QUEUES = (
    WellKnown("ZooKeeper", 3, ("zookeeper",), _tcp(2181)),
    WellKnown("Kafka", 2, ("kafka", "cp-kafka", "redpanda"), _tcp(9092)),
    WellKnown("RabbitMQ", 2, ("rabbitmq", "beam.smp"), _tcp(5672, 15672, 25672), ("RABBITMQ_DEFAULT_PASS",
                                                                                "RABBITMQ_PASSWORD")),
    WellKnown("ActiveMQ", 3, ("activemq", "activemq-classic", "activemq-artemis"), _tcp(61616, 8161),
              ("ACTIVEMQ_ADMIN_PASSWORD", "ACTIVEMQ_WEB_PASSWORD", "ARTEMIS_PASSWORD")),
    WellKnown("RocketMQ", 3, ("rocketmq",), _tcp(9876, 10911)),
    WellKnown("NATS", 2, ("nats", "nats-server"), _tcp(4222)),
    WellKnown("Pulsar", 2, ("pulsar",), _tcp(6650)),
    WellKnown("MQTT broker", 2, ("eclipse-mosquitto", "mosquitto", "emqx"), _tcp(1883)),
    WellKnown("Erlang port mapper", 2, ("epmd",), _tcp(4369)),
)
_CLUSTERS = (
    WellKnown("Docker API", 3, ("docker-socket-proxy", "dind"), _tcp(2375, 2376)),
    WellKnown("Docker Swarm", 3, (), _tcp(2377) + _udp(4789)),
    WellKnown("container registry", 2, ("registry",), ()),
    WellKnown("Kubernetes API", 3, ("kube-apiserver", "k3s", "k3s-server"), _tcp(6443)),
    WellKnown("kubelet", 3, ("kubelet",), _tcp(10250, 10255)),
    WellKnown("etcd", 3, ("etcd",), _tcp(2379, 2380), ("ETCD_ROOT_PASSWORD", "ALLOW_NONE_AUTHENTICATION")),
    WellKnown("Consul", 3, ("consul",), _tcp(8500)),
    WellKnown("Nomad", 3, ("nomad",), _tcp(4646)),
    WellKnown("Vault", 2, ("vault", "openbao"), _tcp(8200), ("VAULT_DEV_ROOT_TOKEN_ID",)),
    WellKnown("Salt master", 3, ("salt-master",), _tcp(4505, 4506)),
    WellKnown("Spark", 3, ("spark", "spark-master"), _tcp(7077)),
    WellKnown("Hadoop YARN", 3, ("hadoop",), _tcp(8088, 50070, 9870)),
    WellKnown("Flink", 3, ("flink",), _tcp(6123)),
    WellKnown("Ray", 3, ("ray",), _tcp(8265)),
    WellKnown("Airflow", 2, ("airflow",), (), ("_AIRFLOW_WWW_USER_PASSWORD",)),
)
_PANELS = (
    WellKnown("Portainer", 3, ("portainer", "portainer-ce", "portainer-ee"), _tcp(9443)),
    WellKnown("Dockge", 3, ("dockge",), ()),
    WellKnown("Webmin", 3, ("webmin", "miniserv.pl"), _tcp(10000)),
    WellKnown("Cockpit", 2, ("cockpit", "cockpit-ws", "cockpit-tls"), _tcp(9090)),
    WellKnown("phpMyAdmin", 2, ("phpmyadmin",), ()),
    WellKnown("Adminer", 2, ("adminer",), ()),
    WellKnown("pgAdmin", 2, ("pgadmin4",), (), ("PGADMIN_DEFAULT_PASSWORD",)),
    WellKnown("Redis Commander", 3, ("redis-commander", "redisinsight"), (), ("HTTP_PASSWORD",)),
    WellKnown("mongo-express", 3, ("mongo-express",), (),
              ("ME_CONFIG_BASICAUTH_PASSWORD", "ME_CONFIG_BASICAUTH")),
    WellKnown("Jenkins", 2, ("jenkins", "jenkins-master"), _tcp(50000)),
    WellKnown("GitLab", 2, ("gitlab-ce", "gitlab-ee"), (), ("GITLAB_ROOT_PASSWORD",)),
    WellKnown("Nexus", 2, ("nexus3",), ()),
    WellKnown("SonarQube", 2, ("sonarqube",), ()),
    WellKnown("Keycloak", 2, ("keycloak",), (), ("KEYCLOAK_ADMIN_PASSWORD", "KC_BOOTSTRAP_ADMIN_PASSWORD")),
    WellKnown("Nacos", 3, ("nacos-server",), _tcp(8848)),
    WellKnown("XXL-JOB", 3, ("xxl-job-admin",), ()),
    WellKnown("Jupyter", 3, ("jupyter", "jupyter-lab", "jupyter-noteboo", "scipy-notebook", "base-notebook",
                             "minimal-notebook", "tensorflow-notebook", "pyspark-notebook", "datascience-notebook"),
              _tcp(8888), ("JUPYTER_TOKEN", "JUPYTER_PASSWORD")),
    WellKnown("code-server", 3, ("code-server", "openvscode-server"), (), ("PASSWORD", "SUDO_PASSWORD")),
    WellKnown("web terminal", 3, ("ttyd", "wetty", "gotty"), _tcp(7681)),
    WellKnown("Node-RED", 3, ("node-red",), _tcp(1880)),
    WellKnown("n8n", 2, ("n8n",), _tcp(5678), ("N8N_BASIC_AUTH_PASSWORD",)),
    WellKnown("Grafana", 2, ("grafana", "grafana-oss", "grafana-enterprise"), (), ("GF_SECURITY_ADMIN_PASSWORD",)),
    WellKnown("Prometheus", 2, ("prometheus", "alertmanager", "pushgateway", "victoria-metrics"), ()),
    WellKnown("node_exporter", 2, ("node-exporter", "node_exporter", "cadvisor"), _tcp(9100)),
    WellKnown("Zabbix", 2, ("zabbix-server", "zabbix_server", "zabbix_agentd"), _tcp(10050, 10051)),
    WellKnown("Selenium", 3, ("selenium", "standalone-chrome", "standalone-firefox"), _tcp(4444)),
    WellKnown("Chrome DevTools", 3, ("browserless", "headless-shell"), _tcp(9222)),
    WellKnown("Ollama", 2, ("ollama",), _tcp(11434)),
    WellKnown("Bitcoin/Ethereum RPC", 3, ("bitcoind", "geth"), _tcp(8332, 8545, 8546)),
    WellKnown("Android debug bridge", 3, ("adb", "redroid"), ()),
    WellKnown("Java debugger", 3, (), _tcp(5005)),
    WellKnown("Java RMI", 3, ("rmiregistry",), _tcp(1099)),
    WellKnown("Node.js inspector", 3, (), _tcp(9229)),
)
_FILES_AND_DESKTOPS = (
    WellKnown("MinIO", 2, ("minio",), (), ("MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY")),
    WellKnown("SMB", 2, ("samba", "smbd"), _tcp(139, 445)),
    WellKnown("NFS", 3, ("nfsd", "nfs-server"), _tcp(2049) + _udp(2049)),
    WellKnown("rpcbind", 2, ("rpcbind",), _tcp(111) + _udp(111)),
    WellKnown("rsync", 3, ("rsync", "rsyncd"), _tcp(873)),
    WellKnown("LDAP", 2, ("openldap", "slapd"), _tcp(389, 636), ("LDAP_ADMIN_PASSWORD",)),
    WellKnown("FTP", 2, ("vsftpd", "proftpd", "pure-ftpd"), _tcp(21)),
    WellKnown("TFTP", 2, ("in.tftpd", "tftpd"), _udp(69)),
    WellKnown("Telnet", 3, ("telnetd", "in.telnetd"), _tcp(23)),
    WellKnown("rsh/rlogin", 3, ("in.rshd", "in.rlogind"), _tcp(512, 513, 514)),
    WellKnown("RDP", 2, ("xrdp",), _tcp(3389)),
    WellKnown("VNC", 3, ("vncserver", "x11vnc", "novnc", "xvnc", "xtigervnc"), _tcp(5900, 5901),
              ("VNC_PASSWORD", "VNC_PW")),
    WellKnown("X11", 3, ("xorg",), _tcp(6000)),
    WellKnown("IPMI", 3, (), _udp(623)),
    WellKnown("libvirt", 3, ("libvirtd",), _tcp(16509)),
    WellKnown("SNMP", 2, ("snmpd",), _udp(161)),
    WellKnown("Squid", 2, ("squid",), _tcp(3128)),
    WellKnown("SOCKS proxy", 2, ("danted", "microsocks"), _tcp(1080)),
)
_PUBLIC = (
    WellKnown("SSH", 1, ("sshd", "openssh-server"), _tcp(22)),
    WellKnown("SMTP", 1, ("postfix", "exim4", "master"), _tcp(25, 465, 587)),
    WellKnown("IMAP/POP3", 1, ("dovecot",), _tcp(110, 143, 993, 995)),
    WellKnown("DNS", 1, ("named", "dnsmasq", "unbound", "coredns", "pihole", "adguardhome", "systemd-resolve"),
              _tcp(53) + _udp(53)),
    WellKnown("web server", 1, ("nginx", "httpd", "apache2", "caddy", "traefik", "haproxy", "nginx-proxy", "envoy"),
              _tcp(80, 443) + _udp(443)),
    WellKnown("WireGuard", 1, ("wireguard", "wg-easy"), _udp(51820)),
    WellKnown("OpenVPN", 1, ("openvpn",), _tcp(1194) + _udp(1194)),
    WellKnown("DHCP client", 1, ("dhclient", "dhcpcd", "systemd-networkd"), _udp(68, 546)),
    WellKnown("mDNS", 1, ("avahi-daemon",), _udp(5353)),
    WellKnown("NTP", 1, ("chronyd", "ntpd"), _udp(123)),
)
WELL_KNOWN: tuple[WellKnown, ...] = (
    *_DATABASES, *_SEARCH, *_QUEUES, *_CLUSTERS, *_PANELS, *_FILES_AND_DESKTOPS, *_PUBLIC)

_BY_PORT = {port: known for known in reversed(WELL_KNOWN) for port in known.ports}
_BY_WORD = {word: known for known in reversed(WELL_KNOWN) for word in known.words}
_BY_SECRET = {name: known for known in WELL_KNOWN for name in known.secrets}


def identify(proto: int, ports: tuple[int, ...], image: str = "", process: str = "") -> WellKnown | None:
    """What probably answers, or None. ``ports`` in order of trust, the container's before the host's."""
    name = image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0].lower()
    for word in (name, name.split("-", 1)[0], process.lower()):
        if word and word in _BY_WORD:
            return _BY_WORD[word]
    for port in ports:
        if (proto, port) in _BY_PORT:
            return _BY_PORT[proto, port]
    return None


def guarded_by(variable: str) -> WellKnown | None:
    """The service whose logins an environment variable sets, or None."""
    return _BY_SECRET.get(variable)
