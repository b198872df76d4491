"""Compose files that mean harm, or nothing: whatever they hold, there is an answer in one line, and soon."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import captures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwaudit.audit import audit
from fwaudit.errors import FwauditError, ParseError
from fwaudit.model.compose import Mark, Project
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.compose.assemble import assemble
from fwaudit.parse.compose.interpolate import Variables, parse_dotenv
from fwaudit.parse.compose.project import read_project
from fwaudit.preview.build import would_be

_WORDS = st.sampled_from([
    "80", "8080:80", "127.0.0.1:80:80", "[::1]:1:1/udp", "9000-9003:1-4", "0", "-1", "65536:1", "", "null", "~", "true",
    "${A}", "${B:-1}:80", "${", "$$", "${A:?x}", "host", "none", "bridge", "service:a", "a", "b", "net", "10.0.0.0/24",
    "fd00::/64", "::/0", "0.0.0.0/0", "172.17.0.0/16", "1" * 400, "\x1b[31m", "\u202e", "é", "a b", "../x", "&x", "*x",
    "macvlan", "overlay", "eth0", "nat-unprotected", "routed", "99999999999", "1e9", "0x10", "010", "22:22", "!reset",
])
_KEYS = st.sampled_from([
    "services", "networks", "include", "name", "a", "b", "ports", "expose", "network_mode", "extends", "profiles",
    "scale", "deploy", "replicas", "mode", "target", "published", "host_ip", "protocol", "driver", "driver_opts",
    "internal", "ipam", "config", "subnet", "gateway", "external", "enable_ipv6", "ipv4_address", "gw_priority", "file",
    "path", "service", "<<", "com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.name", "ipc",
    "com.docker.network.bridge.host_binding_ipv4", "image", "privileged", "cap_add", "net", "default",
])
_TREES = st.recursive(
    _WORDS | st.integers(-5, 70000) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=25)
_PARTS = st.dictionaries(_KEYS, _TREES, max_size=5)
_SERVICES = st.fixed_dictionaries({
    "services": st.dictionaries(st.sampled_from("ab"), _PARTS, min_size=1, max_size=2),
    "networks": st.dictionaries(st.sampled_from(["net", "default", "a"]), _PARTS, max_size=2)})
_HOSTS = ("d20/userdef_net", "d28/v6_bridge_ip6tables_on", "d29nft/nftb_v6", "d28/iptables_false")


def _project(files: Mapping[str, str]) -> Project:
    def read(path: str) -> str:
        if path not in files:
            raise ParseError(path, 0, "no such file")
        return files[path]

    return read_project(assemble(["/p/c.yaml"], "/p", {"A": "8080"}, read), "p", ("c.yaml",), ("*",))


def _dumped(tree: object) -> str:
    import yaml

    return yaml.safe_dump(tree, allow_unicode=True)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        _project({"/p/c.yaml": text})
    except ParseError as error:
        assert "\n" not in str(error)


@given(_SERVICES | _TREES, st.sampled_from(_HOSTS))
def test_any_tree_is_previewed_or_refused(tree: object, host: str) -> None:
    snapshot = Snapshot(captures.case(host).files)
    try:
        project = _project({"/p/c.yaml": _dumped(tree)})
        found = would_be(snapshot, project)
    except FwauditError as error:
        assert "\n" not in str(error).strip()
        return
    assert all(doubt.why and "\n" not in doubt.why for doubt in found.doubts)
    assert not audit(found.snapshot).unread


@given(st.text(alphabet="${}:-?+AB \\", max_size=40))
def test_any_variable_is_filled_or_refused(text: str) -> None:
    with suppress(ParseError):
        Variables({"A": "$B", "B": ""}).fill(text, Mark("c.yaml", 1))


@given(st.text(alphabet="AB='\"\\#\n $x", max_size=60))
def test_any_dotenv_is_read_or_refused(text: str) -> None:
    try:
        parse_dotenv(text, ".env", {})
    except ParseError as error:
        assert "\n" not in str(error)


_LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{each}: &a{each} [{', '.join([f'*a{each - 1}'] * 10)}]\n" for each in range(1, 40))
_MERGES = "a0: &a0 {" + ", ".join(f"k{each}: 1" for each in range(1000)) + "}\n" + "".join(
    f"a{each}: &a{each}\n  <<: *a0\n" for each in range(1, 1000))


@pytest.mark.parametrize("text", [
    _LAUGHS, _LAUGHS + "services: {a: {ports: *a39}}", _MERGES, "[" * 5000, "{a: " * 3000, "a: &a {<<: *a}",
    "services: {a: {ports: [" + ", ".join(['"1-65535:1-65535"'] * 50) + "]}}", "? [a]\n: b",
    "services: {a: {image: '" + "${A:-" * 2000 + "'}}", "services: {a: {image: '" + "$A" * 30000 + "'}}", "\0",
    "a: \ufffe", "a: !!python/object:os.x {}",
    "services: {" + ", ".join(f"s{each}: {{extends: s{each + 1}}}" for each in range(400)) + "}", "x" * 600_000,
    "services: {a: {scale: 99999999, ports: ['80']}}",
], ids=lambda text: text[:20])
def test_what_is_made_to_be_slow_is_refused_or_done(text: str) -> None:
    try:
        _project({"/p/c.yaml": text})
    except ParseError as error:
        assert "\n" not in str(error) and len(str(error)) < 500


def test_files_that_name_one_another_without_end() -> None:
    files = {f"/p/{each}.yaml": f"include: [{each + 1}.yaml]\nservices: {{s{each}: {{}}}}" for each in range(200)}
    with pytest.raises(ParseError, match="more than 64 files"):
        _project({"/p/c.yaml": "include: [0.yaml]", **files})
