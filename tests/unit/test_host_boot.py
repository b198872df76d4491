"""What is loaded into DOCKER-USER at boot: found where it is written, and nothing else of those files is kept."""

from __future__ import annotations

import json

from fwaudit.host.collectors import boot
from fwaudit.host.run import Machine
from fwaudit.model.host import BootFile
from fwaudit.model.snapshot import Snapshot
from fwaudit.parse.boot import of_ufw
from fwaudit.parse.host import parse_host

_RULE = "iptables -w -I DOCKER-USER -i eth0 -j DROP"


def _collect(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = boot.collect(Machine(root=root))
    return {each["path"]: each["lines"] for each in json.loads(found.data)}


def test_commands_that_name_the_chain_and_nothing_else(tmp_path):
    found = _collect(tmp_path, {
        "etc/rc.local": f"#!/bin/sh\ncurl -H 'Authorization: secret' https://x; {_RULE} && echo secret\n",
        "etc/iptables/rules.v4": "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -i eth0 -j DROP\n-A INPUT -j DROP",
        "etc/cron.d/fw": f"# {_RULE}\n@reboot root {_RULE}\n", "etc/cron.d/other": "* * * * * root true\n"})
    assert found == {
        "/etc/rc.local": [_RULE], "/etc/cron.d/fw": [_RULE],
        "/etc/iptables/rules.v4": [":DOCKER-USER - [0:0]", "-A DOCKER-USER -i eth0 -j DROP"]}


def test_scripts_that_units_start_are_read(tmp_path):
    found = _collect(tmp_path, {
        "etc/systemd/system/fw.service": "ExecStart=/bin/sh -e /opt/fw/up.sh\nExecStop=/opt/fw/down\n",
        "opt/fw/up.sh": f"{_RULE}\n", "opt/fw/down": b"\x7fELF\0DOCKER-USER",
        "etc/systemd/system/fwaudit-fix.service": "ExecStart=/usr/bin/python3 -m fwaudit fix --restore\n"})
    assert found == {"/opt/fw/up.sh": [_RULE], "/etc/systemd/system/fwaudit-fix.service": ["fwaudit fix --restore"]}


def test_bounds(tmp_path):
    line = "iptables -A DOCKER-USER -m comment --comment " + "x" * 1000 + " -j DROP\n"
    (lines,) = _collect(tmp_path, {"etc/crontab": line * 50}).values()
    assert len(lines) == 50 and max(map(len, lines)) <= 400
    assert _collect(tmp_path, {"etc/crontab": line * 500}) == {}  # larger than any that somebody wrote


def test_an_older_snapshot_knows_of_ufws_files_alone():
    after = "*filter\n:DOCKER-USER - [0:0]\n# -A DOCKER-USER -j DROP\n-A DOCKER-USER -j ufw-user-forward\nCOMMIT\n"
    snapshot = Snapshot({"ufw/after.rules": after.encode()})
    assert of_ufw(snapshot) == (BootFile("/etc/ufw/after.rules", (
        ":DOCKER-USER - [0:0]", "-A DOCKER-USER -j ufw-user-forward")),)
    assert parse_host(snapshot).boot_read is False


def test_what_is_no_list_is_said():
    host = parse_host(Snapshot({"boot/docker-user.json": b'{"path": 1}'}))
    assert "boot/docker-user.json" in dict(host.unread) and host.boot == ()
