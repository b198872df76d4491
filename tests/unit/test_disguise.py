"""`snapshot --redact`: nothing that somebody chose survives, and every verdict does."""

from __future__ import annotations

import gc
import ipaddress
import json
import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import captures
import pytest

import fwaudit
from fwaudit import cli
from fwaudit.audit import audit
from fwaudit.disguise import disguise
from fwaudit.disguise.addresses import WIDTH, Addresses
from fwaudit.disguise.alike import differences
from fwaudit.disguise.vocabulary import VOCABULARY
from fwaudit.disguise.words import Words
from fwaudit.host.snapshot_file import pack, read_snapshot
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.snapshot import Snapshot, Source
from fwaudit.packet.intervals import IntervalSet
from fwaudit.parse.rulesets import parse_ruleset

DEMO = Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz"
DATA = Path(captures.__file__).parent / "data"
KEY = b"a key of the tests, and no other"
_HEX = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_V6 = re.compile(r'"([0-9a-f]*:[0-9a-f:]*:[0-9a-f:]*)(?:/\d+)?"')


@pytest.fixture(autouse=True)
def _without_collector():
    gc.disable()
    yield
    gc.enable()


def snapshot(case: captures.Case, folder: Path) -> Snapshot:
    return read_snapshot(case.write(folder / "snapshot.tar"))


# ---- all recorded hosts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", captures.names())
def test_a_recorded_host_keeps_its_verdicts_and_loses_its_names(name, tmp_path):
    taken = snapshot(captures.case(name), tmp_path)
    found = disguise(taken, KEY)
    assert not found.left_out
    assert differences(audit(taken), audit(found.snapshot), found.words) == ()
    assert survivors(taken, found.snapshot) == set()


def survivors(before: Snapshot, after: Snapshot) -> set[str]:
    """Addresses, ids and names of the original that are still in some file, as words of their own."""
    old = "\n".join(before.text(name) for name in before.files)
    new = "\n".join(after.text(name) for name in after.files) + repr(dict(after.sources)) + after.host
    asked = {address for address in (*_V4.findall(old), *_V6.findall(old)) if _is_somebodys(address)}
    asked |= set(_HEX.findall(old)) | {before.host} | set(_names(before))
    words = set(re.findall(r"[\w.:-]+", new))
    words |= {part for word in words for part in re.split(r"[:-]", word)} | {word.rstrip(".:") for word in words}
    return {each for each in asked if each and each in words} - VOCABULARY


def _is_somebodys(address: str) -> bool:
    try:
        value = ipaddress.ip_address(address)
    except ValueError:
        return False
    if address in ("10.0.0.0", "172.16.0.0", "192.168.0.0", "100.64.0.0", "fd00::", "fc00::", "fe80::"):
        return False  # the private blocks as such
    mask = value.version == 4 and int(value) >= 0xE0000000
    return not (value.is_loopback or value.is_multicast or value.is_unspecified or mask
                or int(value) >> 24 == 0 or (value.version == 4 and value.is_link_local))


def _names(taken: Snapshot) -> list[str]:
    found = []
    for container in taken.json("docker/containers.json") or []:
        labels = container["Config"].get("Labels") or {}
        found += [container["Name"].lstrip("/"), container["Config"].get("Hostname"), *labels.values()]
    own = {"bridge", "host", "none", "docker_gwbridge"}
    found += [net["Name"] for net in taken.json("docker/networks.json") or [] if net["Name"] not in own]
    return [name for name in found if name and name not in VOCABULARY]


def test_every_address_is_replaced_by_another_one():
    """It may be one that the original has as well."""
    taken = read_snapshot(DEMO)
    found = disguise(taken, KEY)
    for (family, old), new in found.words.addresses.seen.items():
        assert old != new or not _is_somebodys(str((ipaddress.IPv4Address, ipaddress.IPv6Address)[family == 6](old)))


def _rulesets() -> list[Path]:
    return [path for path in sorted(DATA.rglob("*")) if path.is_file() and path.suffix in (".v4", ".v6", ".json")
            and path.parent.name in ("iptables", "nft", "ufw")]


@pytest.mark.parametrize("path", _rulesets(), ids=lambda path: str(path.relative_to(DATA)))
def test_rulesets_of_other_programs_read_as_before(path):
    """Their words are keywords too: none may become a name."""
    name = "nft/ruleset.json" if path.suffix == ".json" else f"iptables/nft{path.suffix}"
    taken = Snapshot({name: path.read_bytes()})
    before, after = (parse_ruleset(each) for each in (taken, disguise(taken, KEY).snapshot))
    assert [source for source, _ in before.unread] == [source for source, _ in after.unread]
    assert _shape(before) == _shape(after)


def _shape(ruleset: Ruleset) -> list[object]:
    rules = [[rule for chain in table.chains.values() for rule in chain.rules] for table in ruleset.tables]
    return [(len(each), repr(each).count("Unknown("), repr(each).count("Undecidable(")) for each in rules]


# ---- words that must not survive, wherever they stand ---------------------------------------------------------------

PLANTED = "zzacme"
RULES = f"""\
# {PLANTED} wrote this
*filter
:INPUT ACCEPT [0:0]
:{PLANTED}-in - [0:0]
:f2b-{PLANTED} - [0:0]
-A INPUT -i {PLANTED}0 -s 203.0.113.9/32 -m comment --comment "{PLANTED} allows, \\"quoted\\"" -j {PLANTED}-in
-A INPUT -i {PLANTED}+ -m set --match-set {PLANTED}_set src -j f2b-{PLANTED}
-A INPUT -m comment --comment {PLANTED} -j LOG --log-prefix "{PLANTED}: "
-A INPUT -m string --string "{PLANTED}" --algo bm -j DROP
-A INPUT -m u32 --u32 "0xc=0xcb007109" -j DROP
-A INPUT -m mac --mac-source 00:16:3E:5E:01:02 -j DROP
-A INPUT -m {PLANTED} --{PLANTED}-what {PLANTED} -j DROP
COMMIT
# Completed on Thu Nov 26 02:38:05 2026
"""
NFT = {"nftables": [
    {"table": {"family": "inet", "name": PLANTED, "handle": 1, "comment": PLANTED, PLANTED: 1}},
    {"chain": {"family": "inet", "table": PLANTED, "name": f"{PLANTED}_c", "handle": 2}},
    {"rule": {"family": "inet", "table": PLANTED, "chain": f"{PLANTED}_c", "handle": 3, "comment": f"by {PLANTED}",
              "expr": [
        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": {"set": [f"{PLANTED}*", "eth0"]}}},
        {"match": {"op": "==", "left": {"payload": {"base": "nh", "offset": 96, "len": 32}}, "right": 3405803785}},
        {"log": {"prefix": PLANTED}}, {"jump": {"target": f"{PLANTED}_c"}}]}}]}
CONTAINER = {
    "Id": "ab" * 32, "Name": f"/{PLANTED}",
    "Image": f"registry.{PLANTED}.example:5000/{PLANTED}/postgres-{PLANTED}:{PLANTED}",
    "Config": {"Image": f"{PLANTED}/postgres:1-{PLANTED}", "Hostname": PLANTED, "User": PLANTED, PLANTED: 1,
               "Labels": {"com.docker.compose.project": PLANTED, PLANTED: PLANTED, f"com.docker.compose.{PLANTED}": "x",
                          "com.docker.compose.project.config_files": f"/home/{PLANTED}/compose.yaml"}},
    "State": {"Running": True, "Pid": 7, "Status": PLANTED},
    "HostConfig": {"NetworkMode": PLANTED, "Binds": [f"/srv/{PLANTED}:/{PLANTED}:ro", f"{PLANTED}:/data"],
                   "CapAdd": [PLANTED], "SecurityOpt": [PLANTED], "Runtime": PLANTED},
    "Mounts": [{"Type": "volume", "Name": PLANTED, "Source": f"/var/lib/docker/volumes/{PLANTED}/_data",
                "Destination": "/x"}],
    "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": f"/var/lib/{PLANTED}/{'ef' * 32}/diff"}},
    "NetworkSettings": {"Networks": {PLANTED: {"IPAddress": "203.0.113.77", "NetworkID": "cd" * 32,
                                               "EndpointID": f"cafe-{PLANTED}", "Aliases": [PLANTED]}},
                        "Ports": {}},
    "EnvironmentVerdicts": [{"variable": f"{PLANTED}_PASSWORD", "verdict": "default"}]}
HOSTILE = {
    "iptables/nft.v4": RULES, "iptables/legacy.v6": RULES.replace("203.0.113.9/32", "2001:db8:77::9/128"),
    "nft/ruleset.json": json.dumps(NFT), "nft/tables.json": json.dumps([{"family": "ip", "name": PLANTED}]),
    "ipset/save": f"create {PLANTED}_set hash:ip family inet comment\n"
                  f"add {PLANTED}_set 203.0.113.9 comment \"{PLANTED}\"\n",
    "ufw/default": f"# {PLANTED}\nIPV6=yes\nX{PLANTED}=yes\nIPT_MODULES=\"{PLANTED}\"\n",
    "ufw/user.rules": "*filter\n### RULES ###\n### tuple ### allow tcp 22 0.0.0.0/0 any 203.0.113.9 "
                      f"{PLANTED}%20Full - in_{PLANTED}0!out_eth1 comment={PLANTED.encode().hex()}\n"
                      "### END RULES ###\n",
    "ufw/status": f"Status: active\n\n22 on {PLANTED}0   ALLOW IN    203.0.113.9   # {PLANTED}\n",
    f"ufw/applications.d/{PLANTED}": f"[{PLANTED} Full]\ntitle={PLANTED}\ndescription=of {PLANTED}\nports=80/tcp\n"
                                     f"x={PLANTED}\n",
    "docker/containers.json": json.dumps([CONTAINER]),
    "docker/daemon.json": json.dumps({PLANTED: PLANTED, "ip": "203.0.113.9"}),
    "docker/networks.json": json.dumps([{"Id": "cd" * 32, "Name": PLANTED, "Driver": PLANTED,
                                         "Labels": {PLANTED: PLANTED},
                                         "Options": {PLANTED: PLANTED, "parent": f"{PLANTED}0.5"},
                                         "Containers": {"ab" * 32: {"Name": PLANTED,
                                                                    "IPv4Address": "203.0.113.77/24"}}}]),
    "docker/info.json": json.dumps({"Name": PLANTED, "Labels": [PLANTED], "DockerRootDir": f"/{PLANTED}",
                                    "ID": PLANTED,
                                    "Warnings": [f"WARNING: {PLANTED}"], "Swarm": {"NodeID": PLANTED}}),
    "docker/listeners.json": json.dumps({PLANTED: [
        {"proto": "tcp", "address": "203.0.113.77", "port": 80, "x": PLANTED}]}),
    "docker/compose.json": json.dumps({PLANTED: [
        {"proto": "tcp", "port": 80, "file": f"/{PLANTED}/c.yaml", "line": 1}]}),
    "net/link.json": json.dumps([{"ifname": f"{PLANTED}0", "ifindex": 2, "ifalias": PLANTED, "altnames": [PLANTED],
                                  "address": "00:16:3e:5e:01:02", PLANTED: 1}]),
    "net/addr.json": json.dumps([{"ifname": f"{PLANTED}0", "addr_info": [
        {"family": "inet", "local": "203.0.113.10", "prefixlen": 24, "label": f"{PLANTED}0:{PLANTED}"}]}]),
    "sockets/tcp": f"  sl  local_address rem_address   st {PLANTED}\n   0: 0A7100CB:1538 00000000:0000 0A "
                   f"00000000:00000000 00:00000000 00000000 0 0 1 1 {PLANTED} 100\n",
    "sockets/owners.json": json.dumps([{"proto": "tcp", "local": "203.0.113.10:80", "pid": 1, "comm": PLANTED,
                                        "x": PLANTED, "exe": f"/opt/{PLANTED}/{PLANTED} (deleted)",
                                        "argv": [f"--{PLANTED}={PLANTED}"]}]),
    "boot/docker-user.json": json.dumps([{"path": f"/etc/{PLANTED}.sh", "lines": [
        f"iptables -I DOCKER-USER -i {PLANTED}0 -s ${PLANTED.upper()} -j DROP # {PLANTED} ünïcode ✓"]}]),
    "sysctl": f"net.ipv4.conf.{PLANTED}0/5.rp_filter = 1\nkernel.{PLANTED} = 1\nnet.ipv4.ip_forward = {PLANTED}\n",
}


def hostile(**files: str) -> Snapshot:
    return Snapshot({name: text.encode() for name, text in {**HOSTILE, **files}.items()},
                    {"docker": Source(("docker", PLANTED), 1, f"no such host: {PLANTED}", PLANTED,
                                      f"{PLANTED}: refused", PLANTED)},
                    PLANTED, "2026-11-26T02:38:05Z", "0.1.0")


def test_no_planted_word_survives():
    found = disguise(hostile(), KEY)
    assert not found.left_out
    for name, data in found.snapshot.files.items():
        assert PLANTED not in f"{name}\n{data.decode()}".lower(), name
        assert PLANTED.encode().hex() not in data.decode(), name
        for gone in ("203.0.113", "2001:db8:77", "00:16:3e", "16:3E", "cb007109", "3405803785", "ab" * 6, "CB00710A",
                     "0A7100CB", "ünïcode", "✓"):
            assert gone not in data.decode(), (name, gone)
    assert PLANTED not in (repr(dict(found.snapshot.sources)) + found.snapshot.host).lower()


def test_what_stands_for_a_name_is_the_same_everywhere():
    files = disguise(hostile(), KEY).snapshot.files
    (container,) = json.loads(files["docker/containers.json"])
    name = container["Name"].removeprefix("/")
    assert name in json.loads(files["docker/listeners.json"]) and name in json.loads(files["docker/compose.json"])
    stem = json.loads(files["net/link.json"])[0]["ifname"]
    rules = files["iptables/nft.v4"].decode()
    assert f"-i {stem} " in rules and f"-i {stem.removesuffix('0')}+ " in rules  # the wildcard still asks for it
    assert f"net.ipv4.conf.{stem}/5.rp_filter = 1" in files["sysctl"].decode()
    assert container["Config"]["Image"].split("/")[1].startswith("postgres:")


@pytest.mark.parametrize("name", ["nft/ruleset.json", "docker/containers.json", "net/addr.json"])
def test_a_file_that_does_not_read_is_left_out_and_said(name):
    found = disguise(hostile(**{name: f"{{ {PLANTED}"}), KEY)
    assert found.left_out == (name,) and name not in found.snapshot.files
    assert "left out" in found.snapshot.why_missing(name)


def test_nesting_without_end_is_left_out():
    assert disguise(hostile(**{"nft/ruleset.json": "[" * 5000 + "]" * 5000}), KEY).left_out == ("nft/ruleset.json",)


def test_a_key_tells_and_another_hides():
    keys = (KEY, KEY, b"another key of them")
    one, again, other = (pack(disguise(read_snapshot(DEMO), key).snapshot) for key in keys)
    assert one == again != other


# ---- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
def test_prefixes_classes_and_pinned_ranges_hold(family):
    rng, mapping, width = random.Random(5), Addresses(KEY), WIDTH[family]
    ends = sorted(rng.getrandbits(width) for _ in range(2))
    mapping.pin(family, *ends)
    values = [rng.getrandbits(width) for _ in range(300)]
    values += [value ^ 1 << rng.randrange(width) for value in values]
    for one, other in zip(values, values[1:] + values[:1], strict=True):
        shared = width - (one ^ other).bit_length()
        assert width - (mapping.of(family, one) ^ mapping.of(family, other)).bit_length() == shared
    make = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    blocks = ("is_loopback", "is_multicast", "is_link_local", "is_reserved") if family == 4 else (
        "is_loopback", "is_multicast", "is_link_local", "is_site_local")
    for value in [*values, 10 << width - 8, 0xFD << width - 8, 127 << width - 8, 0xFE80 << width - 16]:
        new = mapping.of(family, value)
        assert [getattr(make(value), each) for each in blocks] == [getattr(make(new), each) for each in blocks]
    low, high = (mapping.of(family, end) for end in ends)
    for value in values:
        assert (ends[0] <= value <= ends[1]) == (low <= mapping.of(family, value) <= high)


@pytest.mark.parametrize("network", [
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"])
def test_who_is_in_a_private_block_stays_in_it(network):
    block, rng, mapping = ipaddress.ip_network(network), random.Random(6), Addresses(KEY)
    for _ in range(200):
        value = int(block[0]) + rng.randrange(block.num_addresses)
        assert ipaddress.IPv4Address(mapping.of(4, value)) in block
        outside = rng.getrandbits(32)
        assert (ipaddress.IPv4Address(outside) in block) == (ipaddress.IPv4Address(mapping.of(4, outside)) in block)


@pytest.mark.parametrize("network", [
    "10.1.0.0/16", "172.17.0.0/16", "192.168.50.0/24", "203.0.113.0/24", "fd00:50::/64", "2001:db8::/48", "fe80::/64"])
def test_nothing_stays_itself_by_chance(network):
    """By the key alone, Docker's own network would in one of sixteen, and a machine in it with it."""
    block = ipaddress.ip_network(network)
    family, width = block.version, WIDTH[block.version]
    for number in range(100):
        mapping = Addresses(b"key %d" % number)
        if family == 4:  # one that the host stands in
            mapping.pin(4, int(block[0]), int(block[-1]))
        if network != "fe80::/64":  # this one means the same everywhere
            assert mapping.of(family, int(block[0]), block.prefixlen) != int(block[0])
        for place in (0, 1, 2, 254, 255):
            value = int(block[0]) + place
            assert mapping.of(family, value) != value
            assert mapping.of(family, value) >> width - block.prefixlen == mapping.of(
                family, int(block[0]), block.prefixlen) >> width - block.prefixlen


def test_sets_are_replaced_exactly():
    rng, mapping = random.Random(7), Addresses(KEY)
    starts = [rng.getrandbits(31) for _ in range(50)]
    values = IntervalSet.from_ranges((low, low + rng.randrange(1 << 12)) for low in starts)
    new = mapping.set_of(4, values)
    assert new.size(0xFFFFFFFF) == values.size(0xFFFFFFFF)
    for value in [rng.getrandbits(32) for _ in range(500)] + [low for low, _ in values.ranges(0xFFFFFFFF)]:
        assert (value in values) == (mapping.of(4, value) in new)


def test_addresses_inside_addresses_are_replaced_alike():
    mapping = Addresses(KEY)
    new = mapping.of(4, 0xCB007109)
    assert mapping.of(6, 0xFFFF << 32 | 0xCB007109) == 0xFFFF << 32 | new
    assert mapping.of(6, 0x64FF9B << 96 | 0xCB007109) == 0x64FF9B << 96 | new


@pytest.mark.parametrize(("text", "stays"), [
    ("-p tcp -m multiport --dports 80,443:445 -j ACCEPT", True), ("--limit 3/min --mark 0x1/0xff", True),
    ("--timestart 09:00:00 --weekdays Mon,Tue", True),
    ("127.0.0.1 ::1 0.0.0.0/0 ::/0 224.0.0.251 255.255.255.255", True),
    ("eth0 enp3s0f1np1 docker0 wg0", True), ("198.51.100.7", False), ("enx001122334455", False), ("hunter2", False),
    ("2001:db8::1/64", False), ("1.2.3.4.5", False), ("f2b-hunter", False)])
def test_what_stays(text, stays):
    assert (Words(KEY, Addresses(KEY)).text(text) == text) is stays


# ---- the command -----------------------------------------------------------------------------------------------------


def test_a_recorded_host_is_redacted(tmp_path, capsys):
    target, key = tmp_path / "shared.tar.gz", tmp_path / "key"
    key.write_bytes(KEY)
    again = tmp_path / "again.tar.gz"
    recorded = ["snapshot", "--snapshot", str(DEMO)]
    for path in (target, again):
        assert cli.run([*recorded, "--redact", "--redact-key", str(key), "-o", str(path)]) == 0
        assert "verdicts compared: 12, all as they were" in capsys.readouterr().err
    assert target.read_bytes() == again.read_bytes()
    assert read_snapshot(target).redacted and not read_snapshot(DEMO).redacted
    assert cli.run([*recorded, "--redact", "-o", str(again)]) == 0
    assert target.read_bytes() != again.read_bytes()
    capsys.readouterr()
    assert cli.run(["report", "--snapshot", str(target), "--exit-code"]) == 2
    assert capsys.readouterr().out.startswith("1 port can be reached from outside that ufw does not allow.\n")


@pytest.fixture(scope="module")
def redacted(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("redacted") / "shared.tar.gz"
    assert cli.run(["snapshot", "--snapshot", str(DEMO), "--redact", "-o", str(path)]) == 0
    return str(path)


@pytest.mark.parametrize("command", [
    "report --snapshot", "report --format markdown --snapshot", "report --format html --snapshot", "check --snapshot",
    "check --format markdown --snapshot", "fix --dry-run --snapshot", "fleet report", "fleet report --format markdown",
    "fleet report --format html"])
def test_what_is_read_of_it_says_so(command, redacted, capsys):
    said = []
    for path in (redacted, str(DEMO)):
        cli.run([*command.split(), path])
        said.append("names and addresses are replacements" in " ".join(capsys.readouterr().out.split()))
    assert said == [True, False]


def test_programs_are_told_as_well(redacted, capsys):
    cli.run(["report", "--format", "json", "--snapshot", redacted])
    assert json.loads(capsys.readouterr().out)["redacted"] is True
    cli.run(["fix", "--dry-run", "--format", "json", "--snapshot", redacted])
    assert json.loads(capsys.readouterr().out)["redacted"] is True
    cli.run(["fleet", "report", "--format", "json", redacted, str(DEMO)])
    fleet = json.loads(capsys.readouterr().out)
    assert fleet["redacted"] == 1 and sorted(each["redacted"] for each in fleet["hosts"]) == [False, True]


def test_rules_that_fit_no_host_are_not_run(redacted, capsys):
    cli.run(["fix", "--dry-run", "--snapshot", redacted])
    text = capsys.readouterr().out
    assert "| sh" not in text
    done = subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=False, env={"PATH": "/none"})
    assert (done.returncode, done.stderr) == (3, "the snapshot is redacted: these rules fit no host\n")


def test_nothing_is_written_where_a_verdict_would_change(tmp_path, monkeypatch, capsys):
    def broken(taken, key):
        found = disguise(taken, key)
        return found._replace(snapshot=replace(found.snapshot, files={
            name: data for name, data in found.snapshot.files.items() if not name.startswith("iptables")}))

    monkeypatch.setattr("fwaudit.disguise.disguise", broken)
    target = tmp_path / "shared.tar.gz"
    assert cli.run(["snapshot", "--snapshot", str(DEMO), "--redact", "-o", str(target)]) == 3
    assert not target.exists()
    assert "nothing is written" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_key_that_is_none(content, tmp_path, capsys):
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    assert cli.run(["snapshot", "--snapshot", str(DEMO), "--redact-key", str(key), "-o", str(tmp_path / "x")]) == 3
    assert "urandom" in capsys.readouterr().err and not (tmp_path / "x").exists()
