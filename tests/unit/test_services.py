"""Well-known services: told by image, process and port, one name for each."""

from __future__ import annotations

from collections import Counter

import pytest

from fwaudit.model.services import WELL_KNOWN, guarded_by, identify


@pytest.mark.parametrize("what", ["words", "ports", "secrets"])
def test_nothing_means_two_services(what: str) -> None:
    told = Counter(each for known in WELL_KNOWN for each in getattr(known, what))
    assert [each for each, times in told.items() if times > 1] == []


def test_names_are_unique_and_levels_are_known() -> None:
    assert len({known.name for known in WELL_KNOWN}) == len(WELL_KNOWN)
    assert {known.level for known in WELL_KNOWN} == {1, 2, 3}
    assert all(known.words or known.ports for known in WELL_KNOWN)
    assert all(word == word.lower() for known in WELL_KNOWN for word in known.words)


@pytest.mark.parametrize(("image", "process", "ports", "name", "level"), [
    ("postgres:16", "", (5432,), "PostgreSQL", 3),
    ("registry.example.com:5000/team/postgres:16@sha256:00", "", (1234,), "PostgreSQL", 3),
    ("docker.elastic.co/elasticsearch/elasticsearch:8.1.0", "", (9200,), "Elasticsearch", 3),
    ("portainer/portainer-ce", "", (9000,), "Portainer", 3),
    ("mysql/mysql-server:8", "", (3306,), "MySQL/MariaDB", 3),
    ("lscr.io/linuxserver/code-server", "", (8443,), "code-server", 3),
    ("", "dockerd", (2375,), "Docker API", 3),
    ("", "kubelet", (10250,), "kubelet", 3),
    ("", "smbd", (445,), "SMB", 2),
    ("", "sshd", (2222,), "SSH", 1),
    ("nginx:1.27", "", (80,), "web server", 1),
    ("myapp:1", "", (11211,), "Memcached", 3),
    ("myapp:1", "", (80, 5432), "web server", 1),     # the container's port before the host's
    ("myapp:1", "", (23456,), "", 0),
    ("my-postgres-backup:1", "", (23456,), "", 0),    # a name that only speaks of it
])
def test_identify(image: str, process: str, ports: tuple[int, ...], name: str, level: int) -> None:
    known = identify(6, ports, image, process)
    assert (known.name, known.level) == (name, level) if known else not name


def test_a_port_is_one_of_its_protocol() -> None:
    assert identify(17, (5432,)) is None
    assert identify(17, (161,)) is not None


@pytest.mark.parametrize(("variable", "name"), [
    ("POSTGRES_PASSWORD", "PostgreSQL"), ("MYSQL_ROOT_PASSWORD", "MySQL/MariaDB"), ("REDIS_ARGS", "Redis"),
    ("APP_PASSWORD", ""), ("POSTGRES_PASSWORD_FILE", ""), ("", ""),
])
def test_whose_logins_a_variable_sets(variable: str, name: str) -> None:
    known = guarded_by(variable)
    assert (known.name if known else "") == name
