"""The whole edge on a real kernel, in fresh network namespaces: what is read, and that reading changes nothing."""

from __future__ import annotations

import json
import threading
import time

import docker
import pytest
from _needs import as_nobody, in_namespace, needs

from fwaudit.errors import UsageError
from fwaudit.host import collect as module
from fwaudit.host import kernel, netlink
from fwaudit.host.collect import COLLECTORS, collect
from fwaudit.host.collectors import iptables, ruleset, sysctl, ufw
from fwaudit.host.run import Answer, Collected, Machine
from fwaudit.host.snapshot_file import _KNOWN, _is_known
from fwaudit.model.snapshot import Source

assert docker  # loaded before any test forks

SNAPSHOT = """
import json
from fwaudit.host.collect import collect
s = collect({0})
print(json.dumps({{"files": {{k: v.decode("utf-8", "replace") for k, v in s.files.items()}},
    "missing": {{k: v.missing for k, v in s.sources.items() if v.missing}},
    "doubt": {{k: v.doubt for k, v in s.sources.items() if v.doubt}},
    "argv": {{k: v.argv for k, v in s.sources.items()}}, "notes": {{k: v.stderr for k, v in s.sources.items()}}}}))
"""
RULES = SNAPSHOT.format("only=['iptables', 'nftables']")


def rules(setup: str):
    needs("root", "unshare", "nft", "iptables-nft-save")
    return in_namespace(RULES, setup)


def writers(found) -> dict[str, str]:
    tables = json.loads(found["files"]["nft/tables.json"])
    return {f"{each['family']} {each['name']}": each["writer"] for each in tables}


def native(found) -> list[str]:
    items = json.loads(found["files"]["nft/ruleset.json"])["nftables"]
    assert "metainfo" in items[0]
    assert sum("metainfo" in item for item in items) == 1
    return [f"{item['table']['family']} {item['table']['name']}" for item in items if "table" in item]


def test_reading_changes_nothing():
    needs("root", "unshare", "nft", "iptables", "ip", "tc", "ipset", "ufw")
    look = """
import json, pathlib, subprocess, os
def state():
    read = lambda p: pathlib.Path(p).read_text() if os.path.exists(p) else None
    run = lambda *a: subprocess.run(a, capture_output=True, text=True).stdout
    names = [read(f"/proc/net/{kind}_tables_names") for kind in ("ip", "ip6", "arp")]
    return [*names,
            [l.split()[0] for l in (read("/proc/modules") or "").splitlines()],
            run("nft", "list", "ruleset"), run("ipset", "save"), run("ip", "-d", "link"),
            run("sysctl", "-a", "--pattern", "^net"),
            sorted(os.listdir("/sys/module"))]
before = state()
from fwaudit.host.collect import collect
snapshot = collect()
after = state()
print(json.dumps([[b == a for b, a in zip(before, after)], sorted(snapshot.files), before[:2]]))
"""
    same, files, names = in_namespace(look)
    assert all(same), same
    assert "ufw/status" in files
    assert not any(names)
    # And where there is something of everything:
    same, files, _ = in_namespace(look, "iptables -A INPUT -j ACCEPT; nft add table inet x; ipset create s hash:ip")
    assert all(same), same
    assert {"iptables/nft.v4", "nft/ruleset.json", "ipset/save"} <= set(files)


def test_empty_kernel_reads_as_empty_and_not_as_missing():
    found = rules("")
    assert found["files"]["iptables/nft.v4"] == found["files"]["iptables/nft.v6"] == ""
    assert native(found) == []
    assert not found["missing"]
    assert not found["doubt"]
    assert not any(name.startswith("iptables/legacy") for name in found["files"])


def test_iptables_tables_are_saved_and_native_ones_listed():
    found = rules("iptables -A INPUT -p tcp --dport 22 -m comment --comment hi -j ACCEPT;"
                  "ip6tables -t raw -A PREROUTING -j DROP;"
                  "nft 'add table inet mine { chain c { type filter hook input priority 0;"
                  "tcp dport { 1, 2 } drop; }; }'; nft add table arp a; nft add table bridge b; nft add table netdev n")
    assert writers(found) == {"ip filter": "iptables", "ip6 raw": "iptables", "inet mine": "nft", "arp a": "nft",
                              "bridge b": "nft", "netdev n": "nft"}
    assert native(found) == ["inet mine", "arp a", "bridge b", "netdev n"]
    assert "--dport 22" in found["files"]["iptables/nft.v4"]
    assert "-A PREROUTING -j DROP" in found["files"]["iptables/nft.v6"]
    assert found["argv"]["iptables/nft.v4"] == ["iptables-nft-save", "-c"]


def test_a_native_table_of_an_iptables_name_is_not_believed_to_iptables():
    """iptables-nft-save 1.8.9 prints `ip saddr @s accept` as `-A INPUT -j ACCEPT`, with exit 0 and no word."""
    found = rules("nft 'add table ip filter { set s { type ipv4_addr; }; "
                  "chain INPUT { type filter hook input priority 0; ip saddr @s accept; }; }'; iptables -t nat -N X")
    assert writers(found) == {"ip filter": "nft", "ip nat": "iptables"}
    assert native(found) == ["ip filter"]
    assert "filter" not in found["files"]["iptables/nft.v4"]
    assert found["argv"]["iptables/nft.v4"] == ["iptables-nft-save", "-c", "-t", "nat"]


@pytest.mark.parametrize(("rule", "writer"), [
    ("ip saddr 10.0.0.1 counter accept", "iptables"), ("tcp dport 25460 counter accept", "iptables"),
    ("ip saddr 102.105.98.0 counter accept", "iptables"), ('iifname "ct" counter accept', "iptables"),
    ("ip saddr 10.0.0.1 accept", "nft"),
    ("fib daddr type local counter accept", "nft"), ("ct state new counter accept", "nft")])
def test_who_wrote_a_rule(rule, writer):
    found = rules(f"nft 'add table ip filter {{ chain INPUT {{ type filter hook input priority 0; {rule}; }}; }}'")
    assert writers(found) == {"ip filter": writer}


def test_base_chains_of_other_names_and_places_are_native():
    found = rules("nft 'add table ip filter { chain input { type filter hook input priority 0; };"
                  "chain x { counter accept; }; }';"
                  "nft 'add table ip6 nat { chain PREROUTING { type nat hook prerouting priority -90; }; }'")
    assert writers(found) == {"ip filter": "nft", "ip6 nat": "nft"}
    assert found["files"]["iptables/nft.v4"] == ""


def test_both_in_one_table_are_read_both_ways_and_doubted():
    found = rules("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; nft add rule ip filter INPUT ct state new drop")
    assert writers(found) == {"ip filter": "mixed"}
    assert native(found) == ["ip filter"]
    assert "iptables did not write all" in found["doubt"]["iptables/nft.v4"]


def test_a_table_with_a_name_that_nft_cannot_be_asked_for():
    """A name is text to the kernel, and nft parses its arguments as a program."""
    needs("root", "unshare", "nft")
    make = """
import json, socket, struct
def attr(kind, raw): return struct.pack("=HH", 4 + len(raw), kind) + raw + bytes(-len(raw) % 4)
def message(kind, flags, body): return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
batch = struct.pack("=BBH", 0, 0, socket.htons(10))
table = struct.pack("=BBH", 2, 0, 0) + attr(1, b"x; flush ruleset\\0")
s.send(message(16, 1, batch) + message(10 << 8 | 0, 0x401, table) + message(17, 1, batch))
"""
    found = in_namespace(make + RULES, "nft add table inet keep")
    assert writers(found) == {"inet keep": "nft", "ip x; flush ruleset": "nft"}
    assert "inet keep" in native(found)


def test_netlink_lists_chains_hooks_and_priorities():
    needs("root", "unshare", "nft")
    found = in_namespace("""
import json
from fwaudit.host.netlink import Nftables
with Nftables() as n:
    print(json.dumps([n.generation(), [[t.family, t.name, t.dormant, t.sets,
        [[c.name, c.type, c.hook, c.priority] for c in t.chains]] for t in n.tables()]]))
""", "nft 'add table ip a { flags dormant; set s { type inet_service; }; "
     "chain c { type nat hook prerouting priority -100; }; chain d { }; }';"
     "nft 'add table netdev b { chain i { type filter hook ingress device lo priority 5; }; }'")
    generation, tables = found
    assert generation >= 2
    assert tables == [["ip", "a", True, 1, [["c", "nat", "prerouting", -100], ["d", "", "", 0]]],
                      ["netdev", "b", False, 0, [["i", "filter", "ingress", 5]]]]


def test_netlink_without_rights_says_so():
    needs("root")

    def ask():
        try:
            with netlink.Nftables() as nftables:
                nftables.tables()
        except (netlink.NetlinkError, OSError) as error:
            return netlink.why(error)
        return ""

    assert as_nobody(ask) == "permission denied; run as root"


def test_a_ruleset_that_never_stands_still_is_told(monkeypatch):
    class Restless:
        number = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def generation(self):
            Restless.number += 1
            return Restless.number

        def tables(self):
            return []

    monkeypatch.setattr(ruleset, "Nftables", Restless)
    monkeypatch.setattr(ruleset, "is_present", lambda *_: True)
    found = list(ruleset.collect(Machine()))
    assert {each.source.doubt for each in found} == {"the ruleset changed while it was read"}
    assert all(each.data is not None for each in found)
    assert Restless.number == 2 * ruleset.TRIES


def test_a_change_while_reading_is_read_again():
    needs("root", "unshare", "nft", "iptables-nft-save")
    found = in_namespace("""
import json, subprocess
from fwaudit.host.collectors import ruleset
from fwaudit.host.run import Machine
real, tries = ruleset._read, []
def read(machine, tables):
    found = real(machine, tables)
    tries.append(1)
    if len(tries) == 1:
        subprocess.run(["iptables-nft", "-A", "INPUT", "-s", "10.9.9.9", "-j", "DROP"])
    return found
ruleset._read = read
found = {c.name: c for c in ruleset.collect(Machine())}
print(json.dumps([len(tries), found["iptables/nft.v4"].data.decode(), found["iptables/nft.v4"].source.doubt]))
""", "iptables -A INPUT -j ACCEPT")
    assert found[0] == 2
    assert "10.9.9.9" in found[1]
    assert found[2] == ""


def test_legacy_tables_are_read_where_they_are():
    needs("root", "unshare", "iptables-legacy", "iptables-legacy-save")
    found = rules("iptables-legacy -A INPUT -s 10.1.1.1 -j DROP")
    assert "filter" in found["files"]["iptables/names.v4"]
    assert "10.1.1.1" in found["files"]["iptables/legacy.v4"]
    assert "iptables/legacy.v6" not in found["files"]


def test_without_the_module_nothing_is_asked(tmp_path, monkeypatch):
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/modules").write_text("ip_tables 32768 2 - Live 0x0\n")
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0\n")
    builtin = tmp_path / "lib/modules/6.1.0/modules.builtin"
    builtin.parent.mkdir(parents=True)
    builtin.write_text("kernel/net/core.ko\n")
    machine = Machine(root=tmp_path)
    ran = []
    monkeypatch.setattr(Machine, "run", lambda self, argv, **_: ran.append(argv))
    assert not kernel.is_present(machine, "nf_tables")
    found = {each.name: each for each in ruleset.collect(machine)}
    assert found["iptables/nft.v4"].data == b""
    assert "nf_tables is not in the kernel" in found["nft/ruleset.json"].source.stderr
    assert json.loads(found["nft/ruleset.json"].data) == {"nftables": [{"metainfo": {"json_schema_version": 1}}]}
    assert next(iter(COLLECTORS["ipset"][0](machine))).data == b""
    assert not ran
    builtin.write_text("kernel/net/netfilter/nf_tables.ko\n")
    assert kernel.is_present(machine, "nf_tables")
    builtin.unlink()
    (tmp_path / "proc/kallsyms").write_text("0 T nft_register_chain_type\n")
    assert kernel.is_present(machine, "nf_tables")
    assert not kernel.is_present(machine, "ip_set")
    (tmp_path / "sys/module/ip_set").mkdir(parents=True)
    assert kernel.is_present(machine, "ip_set")
    (tmp_path / "proc/modules").unlink()  # a kernel that cannot load anything
    assert kernel.is_present(machine, "nf_tables")


def test_a_missing_saver_is_a_gap_and_the_table_is_listed_natively(monkeypatch):
    monkeypatch.setattr(Machine, "which", lambda self, name: None)
    answer = iptables.save_nft(Machine(), 4)
    assert (answer.data, answer.source.missing) == (None, "iptables-nft-save is not installed")


def test_the_plain_saver_is_taken_only_where_it_is_of_nf_tables(monkeypatch):
    monkeypatch.setattr(Machine, "which", lambda self, name: None if "nft" in name else f"/sbin/{name}")
    ran = []

    def run(self, argv, **_):
        ran.append(argv)
        return Answer(b"", Source(argv=tuple(argv)))

    monkeypatch.setattr(Machine, "run", run)
    for said, taken in (("iptables v1.8.7 (nf_tables)", True), ("iptables v1.8.7 (legacy)", False),
                        ("iptables v1.6.1", False)):
        ran.clear()
        monkeypatch.setattr(Machine, "version", lambda self, *argv, said=said: said)
        answer = iptables.save_nft(Machine(), 4)
        assert (answer.data is not None) == taken
        assert bool(ran) == taken


def test_without_root_everything_has_a_reason():
    needs("root")

    def ask():
        snapshot = collect(timeout=20)
        return [sorted(snapshot.files), {key: each.missing for key, each in snapshot.sources.items() if each.missing}]

    files, missing = as_nobody(ask)
    assert {"net/link.json", "sysctl", "sockets/tcp"} <= set(files)
    assert missing["iptables/nft.v4"] == "permission denied; run as root"
    assert missing["nft/ruleset.json"] == "permission denied; run as root"
    assert not any("internal error" in reason for reason in missing.values()), missing


def test_a_crash_and_a_late_collector_are_sources(monkeypatch):
    def crash(_):
        yield Collected("net/link.json", b"[]", Source())
        raise ValueError("a bug")

    gate = threading.Event()

    def late(_):
        yield Collected("ufw/default", b"x", Source())
        gate.wait(20)

    monkeypatch.setattr(module, "COLLECTORS", {"network": (crash, ("net",)), "ufw": (late, ("ufw",))})
    monkeypatch.setattr(module, "GRACE", 0.1)
    seen = []
    began = time.monotonic()
    snapshot = collect(timeout=0.3, progress=seen.append)
    gate.set()
    assert time.monotonic() - began < 5
    assert seen == ["network"]
    assert snapshot.files == {"net/link.json": b"[]", "ufw/default": b"x"}
    assert snapshot.why_missing("net/addr.json") == "internal error: ValueError: a bug"
    assert snapshot.why_missing("ufw/status") == "no answer within 0.3 s"


def test_only_some_and_unknown_ones():
    snapshot = collect(only=["sysctl"])
    assert set(snapshot.files) == {"sysctl"}
    assert snapshot.host
    assert snapshot.taken_at.endswith("Z")
    assert "net.ipv4.ip_forward" in snapshot.text("sysctl")
    with pytest.raises(UsageError, match="no such collector: nonsense"):
        collect(only=["nonsense"])


def test_every_file_that_is_collected_is_known_to_the_reader():
    snapshot = collect()
    assert [name for name in snapshot.files if not _is_known(name)] == []
    assert all(name == name.strip("/") for name in _KNOWN)


def test_sysctl_of_an_interface_with_a_dot(tmp_path):
    for key, value in (("net/ipv4/conf/eth0.5/rp_filter", "1\n"), ("net/ipv4/ip_local_port_range", "1\t2\n")):
        path = tmp_path / "proc/sys" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    found = next(iter(sysctl.collect(Machine(root=tmp_path))))
    assert found.data == b"net.ipv4.ip_local_port_range = 1\t2\nnet.ipv4.conf.eth0/5.rp_filter = 1\n"
    assert next(iter(sysctl.collect(Machine(root=tmp_path / "no")))).data is None


def test_ufw_absent_present_and_older(tmp_path, monkeypatch):
    monkeypatch.setattr(Machine, "which", lambda self, name: None)
    machine = Machine(root=tmp_path)
    found = list(ufw.collect(machine))
    assert [(each.name, each.data) for each in found] == [("ufw", None)]
    assert found[0].source.missing.startswith("not installed")
    for name, text in (("etc/ufw/ufw.conf", "ENABLED=yes\n"), ("lib/ufw/user.rules", "*filter\n"),
                       ("etc/ufw/applications.d/www", "[www]\n"), ("etc/ufw/applications.d/.hidden", "x"),
                       ("etc/ufw/before.init", "#!/bin/sh\n")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "etc/ufw/before.init").chmod(0o755)
    found = {each.name: each for each in ufw.collect(machine)}
    assert found["ufw/user.rules"].data == b"*filter\n"
    assert found["ufw/user6.rules"].source.missing == "no such file: /etc/ufw/user6.rules"
    assert found["ufw/applications.d/www"].data == b"[www]\n"
    assert "ufw/applications.d/.hidden" not in found
    assert json.loads(found["ufw/hooks.json"].data) == {"before.init": {"executable": True}}
    assert found["ufw/status"].source.missing == "the ufw command is not installed"


@pytest.mark.parametrize(("program", "asked"), [
    ("xtables-nft-multi", False), ("iptables-wrapper", False), ("xtables-legacy-multi", True), ("xtables-multi", True)])
def test_iptables_is_not_asked_which_it_is_where_that_would_load_nfnetlink(program, asked, tmp_path, monkeypatch):
    for name in ("proc/modules", "proc/kallsyms", "proc/sys/kernel/osrelease"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "proc/net").mkdir()
    (tmp_path / program).write_text("")
    (tmp_path / "iptables").symlink_to(program)
    questions = []
    monkeypatch.setattr(Machine, "which", lambda self, name: str(tmp_path / name))
    monkeypatch.setattr(Machine, "version", lambda self, *argv: questions.append(argv) or "iptables v1.8.9 (legacy)")
    assert "would make one" in ufw._obstacle(Machine(root=tmp_path))
    assert bool(questions) is asked


def test_ufw_is_not_asked_where_asking_would_make_a_table(tmp_path, monkeypatch):
    (tmp_path / "proc/net").mkdir(parents=True)
    machine = Machine(root=tmp_path)
    monkeypatch.setattr(Machine, "version", lambda self, *argv: "iptables v1.8.9 (legacy)")
    assert "would make one" in ufw._obstacle(machine)
    for name in ("ip_tables_names", "ip6_tables_names"):
        (tmp_path / "proc/net" / name).write_text("nat\nfilter\n")
    assert ufw._obstacle(machine) == ""
    monkeypatch.setattr(Machine, "version", lambda self, *argv: "iptables v1.8.2 (nf_tables)")
    monkeypatch.setattr(ufw, "_has_filter_tables", lambda: False)
    assert "would make one" in ufw._obstacle(machine)
    monkeypatch.setattr(ufw, "_has_filter_tables", lambda: True)
    assert ufw._obstacle(machine) == ""
