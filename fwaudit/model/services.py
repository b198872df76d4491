"""Well-known services: what probably answers on a port, and how bad it is when a stranger can reach it.

A service is told by its image first, then by the process, then by the port (container port before host port). The
levels follow what a stranger gets: 3 gives away data or the host without more ado (databases, engine APIs), 2 is an
administration surface or a queue, 1 is made to face the internet.
"""

from __future__ import annotations

from typing import NamedTuple


class WellKnown(NamedTuple):
    """``words`` are compared with the last part of the image name and with the process name.

    ``ports`` are pairs of protocol and port number.
    """

    name: str
    level: int
    words: tuple[str, ...]
    ports: tuple[tuple[int, int], ...] = ()


def _tcp(*ports: int) -> tuple[tuple[int, int], ...]:
    return tuple((6, port) for port in ports)


def _udp(*ports: int) -> tuple[tuple[int, int], ...]:
    return tuple((17, port) for port in ports)


WELL_KNOWN: tuple[WellKnown, ...] = (
    WellKnown("PostgreSQL", 3, ("postgres", "postgresql", "postgis", "timescaledb", "pgvector"), _tcp(5432)),
    WellKnown("PgBouncer", 3, ("pgbouncer",), _tcp(6432)),
    WellKnown("MySQL/MariaDB", 3, ("mysql", "mariadb", "mysqld", "mariadbd", "percona"), _tcp(3306, 33060)),
    WellKnown("SQL Server", 3, ("mssql", "sqlservr"), _tcp(1433)),
    WellKnown("Oracle", 3, ("oracle-xe", "oracle-free"), _tcp(1521)),
    WellKnown("MongoDB", 3, ("mongo", "mongod", "mongodb", "percona-server-mongodb"), _tcp(27017, 27018, 27019)),
    WellKnown("Redis", 3, ("redis", "redis-server", "redis-stack", "valkey", "valkey-server", "keydb", "dragonfly"),
              _tcp(6379, 16379, 26379)),
    WellKnown("Memcached", 3, ("memcached",), _tcp(11211) + _udp(11211)),
    WellKnown("Elasticsearch", 3, ("elasticsearch", "opensearch"), _tcp(9200, 9300)),
    WellKnown("Cassandra", 3, ("cassandra", "scylla"), _tcp(9042, 7000, 7199)),
    WellKnown("CouchDB", 3, ("couchdb",), _tcp(5984)),
    WellKnown("ClickHouse", 3, ("clickhouse", "clickhouse-server"), _tcp(8123)),
    WellKnown("InfluxDB", 3, ("influxdb", "influxd"), _tcp(8086)),
    WellKnown("Neo4j", 3, ("neo4j",), _tcp(7474, 7687)),
    WellKnown("Qdrant", 3, ("qdrant",), _tcp(6333, 6334)),
    WellKnown("etcd", 3, ("etcd",), _tcp(2379, 2380)),
    WellKnown("Docker API", 3, ("docker-socket-proxy", "dind"), _tcp(2375, 2376)),
    WellKnown("Docker Swarm", 3, (), _tcp(2377) + _udp(4789)),
    WellKnown("Kubernetes API", 3, ("kube-apiserver",), _tcp(6443)),
    WellKnown("kubelet", 3, ("kubelet",), _tcp(10250, 10255)),
    WellKnown("Consul", 3, ("consul",), _tcp(8500)),
    WellKnown("Vault", 2, ("vault",), _tcp(8200)),
    WellKnown("ZooKeeper", 3, ("zookeeper",), _tcp(2181)),
    WellKnown("Kafka", 2, ("kafka", "redpanda"), _tcp(9092)),
    WellKnown("RabbitMQ", 2, ("rabbitmq",), _tcp(5672, 15672)),
    WellKnown("NATS", 2, ("nats", "nats-server"), _tcp(4222)),
    WellKnown("MQTT broker", 2, ("eclipse-mosquitto", "mosquitto", "emqx"), _tcp(1883)),
    WellKnown("MinIO", 2, ("minio",), ()),
    WellKnown("Solr", 2, ("solr",), _tcp(8983)),
    WellKnown("Meilisearch", 2, ("meilisearch",), _tcp(7700)),
    WellKnown("Prometheus", 2, ("prometheus",), ()),
    WellKnown("node_exporter", 2, ("node-exporter", "node_exporter"), _tcp(9100)),
    WellKnown("Grafana", 2, ("grafana",), ()),
    WellKnown("Kibana", 2, ("kibana", "opensearch-dashboards"), _tcp(5601)),
    WellKnown("Portainer", 3, ("portainer", "portainer-ce", "portainer-ee"), _tcp(9443)),
    WellKnown("phpMyAdmin", 2, ("phpmyadmin",), ()),
    WellKnown("Adminer", 2, ("adminer",), ()),
    WellKnown("pgAdmin", 2, ("pgadmin4",), ()),
    WellKnown("Redis Commander", 3, ("redis-commander",), ()),
    WellKnown("mongo-express", 3, ("mongo-express",), ()),
    WellKnown("Jenkins", 2, ("jenkins",), _tcp(50000)),
    WellKnown("Jupyter", 3, ("jupyter", "scipy-notebook", "base-notebook", "datascience-notebook"), _tcp(8888)),
    WellKnown("Selenium", 2, ("selenium", "standalone-chrome", "standalone-firefox"), _tcp(4444)),
    WellKnown("Spark", 3, ("spark",), _tcp(7077)),
    WellKnown("Hadoop YARN", 3, ("hadoop",), _tcp(8088)),
    WellKnown("Ollama", 2, ("ollama",), _tcp(11434)),
    WellKnown("RDP", 2, ("xrdp",), _tcp(3389)),
    WellKnown("VNC", 2, ("vncserver", "x11vnc", "novnc"), _tcp(5900, 5901)),
    WellKnown("SMB", 2, ("samba", "smbd"), _tcp(139, 445)),
    WellKnown("NFS", 2, ("nfsd", "nfs-server"), _tcp(2049) + _udp(2049)),
    WellKnown("rpcbind", 2, ("rpcbind",), _tcp(111) + _udp(111)),
    WellKnown("rsync", 2, ("rsync", "rsyncd"), _tcp(873)),
    WellKnown("LDAP", 2, ("openldap", "slapd"), _tcp(389, 636)),
    WellKnown("FTP", 2, ("vsftpd", "proftpd", "pure-ftpd"), _tcp(21)),
    WellKnown("Telnet", 3, ("telnetd",), _tcp(23)),
    WellKnown("SNMP", 2, ("snmpd",), _udp(161)),
    WellKnown("X11", 3, (), _tcp(6000)),
    WellKnown("SSH", 1, ("sshd", "openssh-server"), _tcp(22)),
    WellKnown("SMTP", 1, ("postfix", "exim4", "master"), _tcp(25, 465, 587)),
    WellKnown("DNS", 1, ("named", "dnsmasq", "unbound", "coredns", "pihole", "adguardhome", "systemd-resolve"),
              _tcp(53) + _udp(53)),
    WellKnown("web server", 1, ("nginx", "httpd", "apache2", "caddy", "traefik", "haproxy", "nginx-proxy"),
              _tcp(80, 443) + _udp(443)),
    WellKnown("WireGuard", 1, ("wireguard", "wg-easy"), _udp(51820)),
    WellKnown("OpenVPN", 1, ("openvpn",), _tcp(1194) + _udp(1194)),
    WellKnown("DHCP client", 1, ("dhclient", "dhcpcd", "systemd-networkd"), _udp(68, 546)),
    WellKnown("mDNS", 1, ("avahi-daemon",), _udp(5353)),
    WellKnown("NTP", 1, ("chronyd", "ntpd"), _udp(123)),
)

_BY_PORT = {port: known for known in reversed(WELL_KNOWN) for port in known.ports}
_BY_WORD = {word: known for known in reversed(WELL_KNOWN) for word in known.words}


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
