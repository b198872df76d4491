"""The judge of a container's environment: weak and default credentials, seen at the edge and never kept.

What leaves this module is the name of a variable and a word from VERDICTS. No value, no hash of one, no length of one
and no piece of one is returned, shown, or put into an error.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from fwaudit.host.common_passwords import is_common
from fwaudit.model.services import guarded_by, identify

_SHORTEST = 8
_MAX_VERDICTS = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}")
_SECRET_NAME = re.compile(r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|PASS|PWD)$")
_NO_SECRETS = ("PWD", "OLDPWD")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")

_DEFAULTS = {
    "MINIO_ROOT_PASSWORD": ("minioadmin",), "MINIO_SECRET_KEY": ("minioadmin", "minio123"),
    "RABBITMQ_DEFAULT_PASS": ("guest",), "RABBITMQ_PASSWORD": ("bitnami",),
    "POSTGRES_PASSWORD": ("postgres", "example", "mysecretpassword"),
    "MYSQL_ROOT_PASSWORD": ("my-secret-pw", "example"),
    "MARIADB_ROOT_PASSWORD": ("my-secret-pw", "example"), "MONGO_INITDB_ROOT_PASSWORD": ("example", "secret"),
    "ELASTIC_PASSWORD": ("changeme",), "GF_SECURITY_ADMIN_PASSWORD": ("admin",),
    "ME_CONFIG_BASICAUTH_PASSWORD": ("pass",), "NEO4J_AUTH": ("neo4j/neo4j",), "COUCHDB_PASSWORD": ("password",),
    "MSSQL_SA_PASSWORD": ("yourStrong(!)Password",), "KEYCLOAK_ADMIN_PASSWORD": ("admin",),
    "KC_BOOTSTRAP_ADMIN_PASSWORD": ("admin",), "LDAP_ADMIN_PASSWORD": ("admin",), "CASSANDRA_PASSWORD": ("cassandra",),
    "ACTIVEMQ_ADMIN_PASSWORD": ("admin",), "VAULT_DEV_ROOT_TOKEN_ID": ("root", "myroot"),
}
"""What the images' own documentation writes in its examples, or sets where nobody says anything."""
_OPEN: Mapping[str, tuple[str, ...]] = {
    "POSTGRES_HOST_AUTH_METHOD": ("trust",), "MYSQL_ALLOW_EMPTY_PASSWORD": _TRUE,
    "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": _TRUE, "ALLOW_EMPTY_PASSWORD": _TRUE, "ALLOW_ANONYMOUS_LOGIN": _TRUE,
    "ALLOW_NONE_AUTHENTICATION": _TRUE, "ARANGO_NO_AUTH": _TRUE, "NEO4J_AUTH": ("none",),
    "ME_CONFIG_BASICAUTH": ("false", "0", "no"), "xpack.security.enabled": ("false",),
}
"""Variables that switch authentication off, and the values that do."""
_WITHOUT_PASSWORD = ("MYSQL_ALLOW_EMPTY_PASSWORD", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD")
"""Those of them that count only where no password is set."""
_MUST_BE_SET = {"MinIO": ("MINIO_ROOT_PASSWORD", "MINIO_ROOT_PASSWORD_FILE", "MINIO_SECRET_KEY",
                          "MINIO_SECRET_KEY_FILE", "MINIO_CONFIG_ENV_FILE")}
"""Services that take a well-known password where none of these is set; the first one is named."""
_USERS = ("USER", "USERNAME", "NAME", "LOGIN", "EMAIL")
_DEFAULT_USERS = {"POSTGRES_PASSWORD": "postgres", "MYSQL_ROOT_PASSWORD": "root", "MARIADB_ROOT_PASSWORD": "root",
                  "ELASTIC_PASSWORD": "elastic", "MONGO_INITDB_ROOT_PASSWORD": "root"}
_FLAGS = ("REDIS_ARGS", "VALKEY_EXTRA_FLAGS")


def judge(environment: Sequence[str], image: str) -> list[dict[str, Any]]:
    """``[{"variable": "POSTGRES_PASSWORD", "verdict": "default"}, …]`` for what is weak; empty where nothing is.

    ``environment``: ``["KEY=value", …]``. Never raises: an error would carry what it stumbled over.
    """
    values = dict(entry.split("=", 1) for entry in environment if "=" in entry)
    found = [(name, verdict) for name, value in sorted(values.items())
             if _NAME.fullmatch(name) and (verdict := _verdict(name, value, values))]
    known = identify(0, (), image)
    wanted = _MUST_BE_SET.get(known.name, ()) if known else ()
    if wanted and not any(name in values for name in wanted):
        found.append((wanted[0], "default"))
    return [{"variable": name, "verdict": verdict} for name, verdict in found[:_MAX_VERDICTS]]


def _verdict(name: str, value: str, values: Mapping[str, str]) -> str:
    """A word of VERDICTS, or empty where nothing is wrong or nobody can tell."""
    if value.strip().lower() in _OPEN.get(name, ()):
        return "" if name in _WITHOUT_PASSWORD and _sets_one(values) else "no-authentication"
    if name in _OPEN and name != "NEO4J_AUTH":
        return ""
    if name in _FLAGS:
        return _judged(name, _required(value), values)
    if name in _NO_SECRETS or not (_SECRET_NAME.search(name) or guarded_by(name)):
        return ""
    if not value:
        # an empty variable of an application most often means that it is not used
        return "empty" if guarded_by(name) and not values.get(f"{name}_FILE") else ""
    if value.lower() in (*_TRUE, *_FALSE) and not guarded_by(name):
        return ""  # a switch: MYSQL_RANDOM_ROOT_PASSWORD=yes
    return _judged(name, value, values)


def _judged(name: str, value: str, values: Mapping[str, str]) -> str:
    if not value or value.startswith(("/", "file://")):
        return ""  # where a secret lies
    if value in _DEFAULTS.get(name, ()):
        return "default"
    secret = value.split("/", 1)[1] if name == "NEO4J_AUTH" and "/" in value else value
    if secret.lower() in _users(name, values):
        return "same-as-user"
    if is_common(secret):
        return "common"
    return "short" if len(secret) < _SHORTEST else ""


def _sets_one(values: Mapping[str, str]) -> bool:
    return any(value and _SECRET_NAME.search(name.removesuffix("_FILE")) and name not in _WITHOUT_PASSWORD
               for name, value in values.items())


def _users(name: str, values: Mapping[str, str]) -> set[str]:
    """The user names that belong to a password's variable: ``POSTGRES_USER`` for ``POSTGRES_PASSWORD``."""
    stem = _SECRET_NAME.sub("", name)
    stems = (stem, stem.removesuffix("_INIT"))
    users = {values.get(f"{each}_{word}".lstrip("_"), "") for each in stems for word in _USERS}
    users |= {values.get(f"{stem}_{word}", "") for word in ("DB", "DATABASE")}
    users |= {_DEFAULT_USERS.get(name, ""), "neo4j" if name == "NEO4J_AUTH" else ""}
    return {user.lower() for user in users if user}


def _required(flags: str) -> str:
    """The password in redis-server's ``--requirepass``; empty where there is none."""
    try:
        words = shlex.split(flags)
    except ValueError:
        words = flags.split()
    for place, word in enumerate(words):
        if word == "--requirepass":
            return words[place + 1] if place + 1 < len(words) else ""
        if word.startswith("--requirepass="):
            return word.removeprefix("--requirepass=")
    return ""
