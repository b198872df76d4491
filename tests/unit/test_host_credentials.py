"""Weak credentials are named by their variable and one word; nothing of a value leaves the judge."""

from __future__ import annotations

import json

import pytest

from fwaudit.host.common_passwords import is_common
from fwaudit.host.credentials import judge


@pytest.mark.parametrize(("entry", "verdict"), [
    ("POSTGRES_PASSWORD=postgres", "default"),
    ("POSTGRES_PASSWORD=mysecretpassword", "default"),
    ("POSTGRES_PASSWORD=", "empty"),
    ("POSTGRES_PASSWORD=Summer2024!", "common"),
    ("POSTGRES_PASSWORD=xK4#q", "short"),
    ("POSTGRES_PASSWORD=k9Vq2Lx7Tz", ""),
    ("POSTGRES_HOST_AUTH_METHOD=trust", "no-authentication"),
    ("POSTGRES_HOST_AUTH_METHOD=scram-sha-256", ""),
    ("POSTGRES_PASSWORD_FILE=/run/secrets/pg", ""),
    ("MYSQL_ROOT_PASSWORD=root", "same-as-user"),
    ("MYSQL_ROOT_PASSWORD=p@ssw0rd", "common"),
    ("MYSQL_ALLOW_EMPTY_PASSWORD=yes", "no-authentication"),
    ("MYSQL_RANDOM_ROOT_PASSWORD=yes", ""),
    ("MARIADB_ROOT_PASSWORD=my-secret-pw", "default"),
    ("MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1", "no-authentication"),
    ("MONGO_INITDB_ROOT_PASSWORD=example", "default"),
    ("REDIS_PASSWORD=foobared", "common"),
    ("REDIS_ARGS=--save 60 1 --requirepass redis", "common"),
    ("REDIS_ARGS=--requirepass 'un(closed", ""),
    ("REDIS_ARGS=--save 60 1", ""),
    ("RABBITMQ_DEFAULT_PASS=guest", "default"),
    ("MINIO_ROOT_PASSWORD=minioadmin", "default"),
    ("ELASTIC_PASSWORD=changeme", "default"),
    ("xpack.security.enabled=false", "no-authentication"),
    ("NEO4J_AUTH=none", "no-authentication"),
    ("NEO4J_AUTH=neo4j/password", "common"),
    ("NEO4J_AUTH=neo4j/neo4j", "default"),
    ("NEO4J_AUTH=neo4j/k9Vq2Lx7Tz", ""),
    ("APP_DB_PASSWORD=12345678", "common"),
    ("APP_DB_PASSWORD=", ""),                    # not used, most often
    ("SMTP_PASS=aaaaaaaaaa", "common"),
    ("SHOW_PASSWORD=false", ""),                 # a switch
    ("PWD=/", ""), ("OLDPWD=/srv", ""), ("INIT_PWD=/app", ""),
    ("PATH=/bin", ""), ("TITLE=password", ""), ("POSTGRES_PASSWORD", ""), ("", ""), ("=password", ""),
    ("1\x1b[2JPASSWORD=password", ""),
])
def test_one_variable(entry: str, verdict: str) -> None:
    assert [each["verdict"] for each in judge([entry], "app:1")] == ([verdict] if verdict else [])


@pytest.mark.parametrize(("environment", "image", "expected"), [
    (["POSTGRES_USER=shop", "POSTGRES_PASSWORD=Shop"], "postgres:16", [("POSTGRES_PASSWORD", "same-as-user")]),
    (["POSTGRES_DB=orders", "POSTGRES_PASSWORD=orders"], "postgres:16", [("POSTGRES_PASSWORD", "same-as-user")]),
    (["MONGO_INITDB_ROOT_USERNAME=joe99x", "MONGO_INITDB_ROOT_PASSWORD=joe99x"], "mongo",
     [("MONGO_INITDB_ROOT_PASSWORD", "same-as-user")]),
    (["ALLOW_EMPTY_PASSWORD=yes", "REDIS_PASSWORD=k9Vq2Lx7Tz"], "bitnami/redis", []),
    (["ALLOW_EMPTY_PASSWORD=yes", "REDIS_PASSWORD_FILE=/run/secrets/r"], "bitnami/redis", []),
    (["ALLOW_EMPTY_PASSWORD=yes"], "bitnami/redis", [("ALLOW_EMPTY_PASSWORD", "no-authentication")]),
    (["POSTGRES_HOST_AUTH_METHOD=trust", "POSTGRES_PASSWORD=k9Vq2Lx7Tz"], "postgres",
     [("POSTGRES_HOST_AUTH_METHOD", "no-authentication")]),
    (["POSTGRES_PASSWORD=", "POSTGRES_PASSWORD_FILE=/run/secrets/p"], "postgres", []),
    ([], "quay.io/minio/minio:latest", [("MINIO_ROOT_PASSWORD", "default")]),
    (["MINIO_ROOT_PASSWORD_FILE=/run/secrets/m"], "minio/minio", []),
    ([], "postgres:16", []),
])
def test_an_environment(environment: list[str], image: str, expected: list[tuple[str, str]]) -> None:
    assert [(each["variable"], each["verdict"]) for each in judge(environment, image)] == expected


SECRETS = ("postgres", "Hunter2!", "qwerty123", "k9V#q", "S3CR3Tvalue0193")


def test_nothing_of_a_value_is_said() -> None:
    names = ("POSTGRES_PASSWORD", "MYSQL_PASSWORD", "REDIS_ARGS", "APP_PASSWORD", "NEO4J_AUTH")
    said = json.dumps([judge([f"{name}={value}"], "app") for name in names for value in SECRETS[1:]])
    assert not any(value in said for value in SECRETS[1:])
    fields = {key for name in names for value in SECRETS for each in judge([f"{name}={value}"], "x") for key in each}
    assert fields <= {"variable", "verdict"}


def test_bounded_and_never_raises() -> None:
    many = [f"X{number}_PASSWORD=password" for number in range(5000)]
    assert len(judge(many, "x")) == 32
    judge(["A_PASSWORD=" + "x" * 1_000_000, "REDIS_ARGS=" + "'" * 100_000, "\ud800=\udfff", "=" * 100], "\x00:@/")


@pytest.mark.parametrize(("password", "common"), [
    ("password", True), ("Password123", True), ("P@ssw0rd!", True), ("admin2024", True), ("00000000", True),
    ("1234567890", True), ("987654", True), ("qwerty", True), ("letmein1", True), ("k9Vq2Lx7Tz", False),
    ("correct horse battery staple", False), ("123qweX!9z", False),
])
def test_common(password: str, common: bool) -> None:
    assert is_common(password) is common
