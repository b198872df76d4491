"""Disk against kernel. ``data/ufw`` has both as the real ufw left them, so they agree until a test makes them part."""

from dataclasses import replace
from pathlib import Path

import pytest

from fwaudit.model.host import Host
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.host import parse_host
from fwaudit.parse.ufw_drift import drift

DATA = Path(__file__).parent.parent / "data" / "ufw"
FILES = {f"{folder}/{name}": (DATA / name).read_text(encoding="utf-8") for folder, names in {
    "ufw": ("default", "ufw.conf", "user.rules", "user6.rules", "status"), "iptables": ("nft.v4", "nft.v6"),
}.items() for name in names} | {"nft/ruleset.json": '{"nftables": []}'}


def host(**edits: tuple[str, str]) -> Host:
    """FILES, each edit replacing one text by another in one file (``ufw__default`` for ``ufw/default``)."""
    files = dict(FILES)
    for key, (old, new) in edits.items():
        name = {"v4": "iptables/nft.v4", "v6": "iptables/nft.v6", "rules": "ufw/user.rules", "conf": "ufw/ufw.conf",
                "default": "ufw/default"}[key]
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    return parse_host(Snapshot({name: text.encode() for name, text in files.items()}))


def said(found: Host) -> tuple[str, ...]:
    return drift(found.ufw, found.ruleset)


def test_real_files_and_the_real_kernel_agree() -> None:
    found = host()
    assert not found.ruleset.unread and not found.ufw.unread and len(found.ufw.rules) > 40
    assert said(found) == ()


def test_a_rule_that_was_added_by_hand_is_not_loaded() -> None:
    new = "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 23 -j ACCEPT\n\n"
    assert said(host(rules=("### END RULES ###", new + "### END RULES ###"))) == (
        "on disk, not in the kernel: -A ufw-user-input -p tcp --dport 23 -j ACCEPT",)


def test_a_line_without_a_tuple_is_on_disk_too() -> None:
    line = "-A ufw-user-input -s 10.0.0.1/32 -j ACCEPT\n"
    found = host(rules=("### END RULES ###", f"{line}\n### END RULES ###"))
    assert said(found) == (f"on disk, not in the kernel: {line.strip()}",)
    assert not any(line.strip() in rule.lines for rule in found.ufw.rules)


def test_a_rule_that_was_deleted_in_the_kernel_or_put_there() -> None:
    line = "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n"
    assert said(host(v4=(line, ""))) == ("on disk, not in the kernel: -A ufw-user-input -p tcp --dport 22 -j ACCEPT",)
    assert said(host(v4=(line, line + "-A ufw-user-input -s 10.0.0.1/32 -j ACCEPT\n"))) == (
        "in the kernel, not on disk: -A ufw-user-input -s 10.0.0.1/32 -j ACCEPT",)


def test_a_rule_that_says_something_else() -> None:
    line = "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT"
    assert said(host(v4=(line, line.replace("ACCEPT", "DROP")))) == (
        "on disk, not in the kernel: -A ufw-user-input -p tcp --dport 22 -j ACCEPT",
        "in the kernel, not on disk: -A ufw-user-input -p tcp -m tcp --dport 22 -j DROP")


def test_another_order() -> None:
    first = "-A ufw-user-input -s 203.0.113.0/24 -j DROP\n"
    second = "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n"
    assert said(host(v4=(first + second, second + first))) == (
        "ufw-user-input holds the same rules on disk and in the kernel, in another order",)


def test_a_jump_that_is_gone() -> None:
    (text,) = said(host(v4=("-A INPUT -j ufw-before-input\n", "")))
    assert text == "IPv4 INPUT does not jump to ufw-before-input any more: ufw's rules are not asked"


def test_a_policy_that_was_changed() -> None:
    assert said(host(v6=(":INPUT DROP", ":INPUT ACCEPT"))) == (
        "on disk the default for input is REJECT, in the kernel the IPv6 chain policy of INPUT is ACCEPT",)


def test_switched_off_on_disk() -> None:
    assert said(host(conf=("ENABLED=yes", "ENABLED=no"))) == tuple(
        f"ufw is disabled in ufw.conf, but its IPv{family} rules are in the kernel" for family in (4, 6))


@pytest.mark.parametrize("enabled", ["yes", "no"])
def test_chains_that_are_gone(enabled: str) -> None:
    found = host(conf=("ENABLED=yes", f"ENABLED={enabled}"))
    assert drift(found.ufw, replace(found.ruleset, tables=())) == (tuple(
        f"ufw is enabled in ufw.conf, but its IPv{family} chains are not in the kernel" for family in (4, 6))
        if enabled == "yes" else ())


def test_nothing_is_said_of_what_was_not_read() -> None:
    found = host()
    assert drift(replace(found.ufw, unread="permission denied"), replace(found.ruleset, tables=())) == ()
    unread = (("iptables/nft.v4", "x"), ("iptables/nft.v6", "x"))
    assert drift(found.ufw, replace(found.ruleset, tables=(), unread=unread)) == ()
    assert drift(replace(found.ufw, installed=False), replace(found.ruleset, tables=())) == ()


def test_without_ipv6_its_chains_are_not_missed() -> None:
    found = host(default=("IPV6=yes", "IPV6=no"))
    assert drift(found.ufw, replace(found.ruleset, tables=tuple(
        table for table in found.ruleset.tables if table.family == "ip"))) == ()


def test_lines_on_disk_that_do_not_read() -> None:
    line = "-A ufw-user-input -p tcp --dport 22 -j ACCEPT"
    (text,) = said(host(rules=(line, line + ' -m comment --comment "')))
    assert text.startswith("the IPv4 rules on disk do not read: ")
