"""Snapshots on disk: the round trip, and everything that is refused in one line with a hint."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from _needs import as_nobody, needs
from hypothesis import given
from hypothesis import strategies as st

from fwaudit.errors import SnapshotError
from fwaudit.host import snapshot_file, tar
from fwaudit.host.snapshot_file import pack, read_snapshot, write_snapshot
from fwaudit.model.snapshot import Snapshot, Source

SNAPSHOT = Snapshot(
    {"iptables/nft.v4": b"*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "sysctl": b"a = 1\n", "sockets/tcp": b"\xff\x00\n",
     "ufw/applications.d/www": b"[x]\n", "nft/tables.json": b"[]"},
    {"iptables/nft.v4": Source(("iptables-nft-save", "-c"), 0, "w", "iptables v1.8.9 (nf_tables)", "", "torn"),
     "docker": Source(missing="permission denied: /var/run/docker.sock")},
    "db01", "2026-11-22T18:30:00Z", "0.1.0")


def archive(path, *members, mode="w:gz", **options):
    with tarfile.open(path, mode, **options) as out:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if data is not None:
                info.size = len(data)
            out.addfile(info, io.BytesIO(data or b""))
    return path


def refused(path) -> str:
    with pytest.raises(SnapshotError) as caught:
        read_snapshot(path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


def test_round_trip(tmp_path):
    path = tmp_path / "host.tar.gz"
    write_snapshot(SNAPSHOT, path)
    assert read_snapshot(path) == SNAPSHOT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["host.tar.gz"]


def test_same_snapshot_same_bytes():
    again = Snapshot(dict(reversed(SNAPSHOT.files.items())), dict(reversed(SNAPSHOT.sources.items())), "db01",
                     SNAPSHOT.taken_at, SNAPSHOT.fwaudit)
    assert pack(SNAPSHOT) == pack(again)


def test_replaces_a_file_that_others_could_read_and_keeps_a_link(tmp_path):
    target, link = tmp_path / "real", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o644)
    link.symlink_to(target)
    write_snapshot(SNAPSHOT, link)
    assert link.is_symlink()
    assert read_snapshot(target) == SNAPSHOT
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SnapshotError, match="No space left"):
        write_snapshot(SNAPSHOT, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_writing_where_nothing_can_be_written(tmp_path):
    for path in (tmp_path, tmp_path / "no" / "x"):
        with pytest.raises(SnapshotError, match="cannot write"):
            write_snapshot(SNAPSHOT, path)


def test_a_device_is_written_to_and_not_replaced():
    write_snapshot(SNAPSHOT, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_standard_output_and_input(tmp_path, monkeypatch, capfdbinary):
    write_snapshot(SNAPSHOT, "-")
    raw = capfdbinary.readouterr().out
    assert raw == pack(SNAPSHOT)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert read_snapshot("-") == SNAPSHOT


def test_folder(tmp_path):
    (tmp_path / "iptables").mkdir()
    (tmp_path / "iptables" / "nft.v4").write_bytes(b"*filter\n")
    (tmp_path / "ufw" / "applications.d").mkdir(parents=True)
    (tmp_path / "ufw" / "applications.d" / "www").write_bytes(b"[x]")
    (tmp_path / "notes.txt").write_text("mine")
    snapshot = read_snapshot(tmp_path)
    assert snapshot.files == {"iptables/nft.v4": b"*filter\n", "ufw/applications.d/www": b"[x]"}
    assert snapshot.why_missing("docker/info.json") == "not in the snapshot"


def test_folder_with_links_or_nothing(tmp_path):
    assert "without any file" in refused(tmp_path)
    (tmp_path / "sysctl").symlink_to("/etc/passwd")
    assert "symbolic link" in refused(tmp_path)
    (tmp_path / "sysctl").unlink()
    (tmp_path / "iptables").symlink_to("/etc")
    assert "symbolic link" in refused(tmp_path)
    (tmp_path / "iptables").unlink()
    os.mkfifo(tmp_path / "sysctl")
    assert "no regular file" in refused(tmp_path)


def test_unreadable_folder_and_file():
    needs("root")
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to everybody else
        Path(name).chmod(0o755)
        unreadable(Path(name))


def unreadable(tmp_path):
    folder, file = tmp_path / "d", tmp_path / "f"
    folder.mkdir()
    file.write_bytes(pack(SNAPSHOT))
    for each in (folder, file):
        each.chmod(0)

    def ask():
        said = []
        for each in (folder, file):
            try:
                read_snapshot(each)
            except SnapshotError as error:
                said.append([str(error), error.hint])
        return said

    answers = as_nobody(ask)
    assert [("Permission denied" in text, bool(hint)) for text, hint in answers] == [(True, True)] * 2


def test_plain_tar_outer_folder_and_long_names(tmp_path):
    plain = archive(tmp_path / "a.tar", ("sysctl", b"a = 1\n"), mode="w")
    assert read_snapshot(plain).files == {"sysctl": b"a = 1\n"}
    wrapped = archive(tmp_path / "b.tgz", ("host/sysctl", b"a"), ("host/meta.json", b'{"host": "x"}'))
    assert read_snapshot(wrapped).host == "x"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        long = archive(tmp_path / "c.tgz", ("./sysctl", b"a"), ("x" * 150, b"y"), ("ü" * 90, b"y"), format=form)
        assert read_snapshot(long).files == {"sysctl": b"a"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "ufw/../../x", "a\\..\\b"])
def test_names_that_lead_out(tmp_path, name):
    assert "leads out" in refused(archive(tmp_path / "x.tgz", ("sysctl", b""), (name, b"x")))


@pytest.mark.parametrize(("kind", "word"), [
    (tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.CHRTYPE, "device"),
    (tarfile.BLKTYPE, "device"), (tarfile.FIFOTYPE, "fifo"), (tarfile.GNUTYPE_SPARSE, "sparse"),
    (b"Z", "unknown type")])
def test_members_that_are_no_files(tmp_path, kind, word):
    member = tarfile.TarInfo("sysctl")
    member.type, member.linkname = kind, "/etc/shadow"
    assert word in refused(archive(tmp_path / "x.tgz", (member, None)))


def test_owner_and_mode_mean_nothing(tmp_path):
    member = tarfile.TarInfo("sysctl")
    member.uid, member.mode, member.uname = 0, 0o4777, "root"
    assert read_snapshot(archive(tmp_path / "x.tgz", (member, b"a"))).files == {"sysctl": b"a"}


def test_too_large_is_refused_while_reading(tmp_path):
    def header(name, size, kind=b"0"):
        member = tarfile.TarInfo(name)
        member.size, member.type = size, kind
        return member.tobuf(tarfile.USTAR_FORMAT if size < 8 << 30 else tarfile.GNU_FORMAT)

    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(header("sysctl", 300 << 20)))
    assert "larger than 256 MB" in refused(path)
    for kind in (b"x", b"g", b"L"):
        path.write_bytes(gzip.compress(header("x", 1 << 30, kind)))
        assert "header of the snapshot is larger" in refused(path)
    path.write_bytes(gzip.compress(header("sysctl", 9 << 30)))
    refused(path)


def test_a_bomb_is_not_inflated_wholly(tmp_path, monkeypatch):
    monkeypatch.setattr(tar, "TOTAL_LIMIT", 8 << 20)
    given = 0

    class Bomb:
        def read(self, size):
            nonlocal given
            given += size
            return block[:size] if size == 512 else bytes(size)

    member = tarfile.TarInfo("unknown")
    member.size = 2 << 20
    block = member.tobuf()
    with pytest.raises(SnapshotError, match="unpacks to more than"):
        list(tar.members(Bomb()))
    assert given <= 9 << 20


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(tar, "COUNT_LIMIT", 5)
    assert "more than 5 members" in refused(archive(tmp_path / "x.tgz", *((f"f{i}", b"") for i in range(6))))


def test_damage(tmp_path):
    whole, path = pack(SNAPSHOT), tmp_path / "x.tar.gz"
    for cut in (len(whole) // 2, len(whole) - 9, len(whole) - 1, 12):
        path.write_bytes(whole[:cut])
        assert "cut off" in refused(path)
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # gzip's own checksum
    path.write_bytes(flipped)
    assert "damaged" in refused(path)
    path.write_bytes(gzip.compress(b"hello, no tar"))
    assert refused(path)
    path.write_bytes(gzip.compress(b"x" * 5000))
    assert "does not add up" in refused(path)
    path.write_bytes(gzip.compress(b""))
    assert "without any file" in refused(path)
    path.write_bytes(b"\x1f\x8b" + os.urandom(100))
    assert refused(path)
    path.write_bytes(os.urandom(4000) + b"\0")
    assert "neither" in refused(path)
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    assert "No such file" in refused(tmp_path / "no")
    assert "is no file" in refused("/dev/zero")
    assert "without any file" in refused(archive(tmp_path / "y.tgz", ("holiday.jpg", b"x")))


def test_a_small_archive_is_read_as_a_stream_would_be(tmp_path, monkeypatch):
    """Cut, damaged, in two parts, with something behind it or far too large when unpacked: the same words."""
    def read(raw):
        path = tmp_path / "x.tar.gz"
        path.write_bytes(raw)
        try:
            return read_snapshot(path)
        except SnapshotError as error:
            return str(error), error.hint

    whole = pack(SNAPSHOT)
    plain = gzip.decompress(whole)
    cases = [whole, whole + bytes(600), whole + b"behind", whole + whole, gzip.compress(plain[:900]) + gzip.compress(
        plain[900:]), gzip.compress(plain + bytes(9 << 20)), gzip.compress(bytes(300 << 20), 9)]
    for at in range(0, len(whole), 23):
        cases += [whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:]]
    at_once = [read(each) for each in cases]
    monkeypatch.setattr(snapshot_file, "_inflated", lambda raw: None)
    assert at_once == [read(each) for each in cases]
    assert at_once[0] == SNAPSHOT


def test_a_small_archive_that_is_large_when_unpacked_is_left_to_the_stream():
    packed = io.BytesIO(gzip.compress(bytes(64 << 20), 9))
    assert len(packed.getvalue()) < 1 << 20
    tracemalloc.start()
    try:
        assert snapshot_file._inflated(packed) is None and packed.tell() == 0
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(min_size=512, max_size=512), st.integers(0, 1))
def test_a_header_is_told_by_its_checksum(block, off):
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    assert tar.is_header(block[:148] + b"%06o\0 " % (total + off) + block[156:]) is (not off)


@given(st.text("a.b/-0_", max_size=12))
def test_a_plain_name_is_what_it_would_be_in_parts(name):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        with pytest.raises(SnapshotError, match="leads out"):
            tar.safe_name(name)
    else:
        assert tar.safe_name(name) == "/".join(parts)


def test_any_cut_or_flip_is_an_error_or_a_snapshot(tmp_path):
    whole, path = gzip.decompress(pack(SNAPSHOT)), tmp_path / "x.tar"
    for start in range(0, len(whole), 97):
        for raw in (whole[:start], whole[:start] + b"\xff" + whole[start + 1:]):
            path.write_bytes(raw)
            try:
                read_snapshot(path)
            except SnapshotError as error:
                assert error.hint


def test_meta_that_does_not_read_is_said(tmp_path):
    path = archive(tmp_path / "x.tgz", ("sysctl", b"a"), ("meta.json", b"{oops"))
    snapshot = read_snapshot(path)
    assert snapshot.files == {"sysctl": b"a"}
    assert snapshot.why_missing("meta.json").startswith("not JSON")
    strange = {"schema": "x", "host": 5, "sources": {"a": 1, "b": {"argv": "x", "exit": "y", "missing": "because"}}}
    path = archive(tmp_path / "y.tgz", ("sysctl", b"a"), ("meta.json", json.dumps(strange).encode()))
    snapshot = read_snapshot(path)
    assert (snapshot.host, snapshot.sources) == ("", {"b": Source(missing="because")})


def test_newer_schema(tmp_path):
    assert "newer fwaudit" in refused(archive(tmp_path / "x.tgz", ("meta.json", b'{"schema": 99}'), ("sysctl", b"")))


SAVE = "# Generated by iptables-save v1.8.9 on Sun Nov 22\n*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"


@pytest.mark.parametrize("text", [
    SAVE, SAVE.split("\n", 1)[1], ":INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n", "\n\n# my host\n" + SAVE,
    "[1:60] -A INPUT -s 10.0.0.1/32 -j ACCEPT\n", "\ufeff" + SAVE,
    "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n*filter\nCOMMIT\n"])
def test_bare_text(tmp_path, text):
    path = tmp_path / "pasted.txt"
    path.write_text(text, encoding="utf-8")
    snapshot = read_snapshot(path)
    assert list(snapshot.files) == ["iptables/nft.v4"]
    assert text.strip("\ufeff").split("\n")[-2] in snapshot.text("iptables/nft.v4")


def test_bare_text_with_windows_line_ends(tmp_path):
    (tmp_path / "x").write_bytes(SAVE.replace("\n", "\r\n").encode())
    assert read_snapshot(tmp_path / "x").text("iptables/nft.v4") == SAVE


def test_bare_text_of_ipv6_and_of_both(tmp_path):
    path, six = tmp_path / "x", SAVE.replace("iptables-save", "ip6tables-save")
    path.write_text(six)
    assert dict(read_snapshot(path).files) == {"iptables/nft.v6": six.encode()}
    path.write_text(SAVE + six)
    assert dict(read_snapshot(path).files) == {"iptables/nft.v4": SAVE.encode(), "iptables/nft.v6": six.encode()}
    path.write_text("*filter\n-A INPUT -s fe80::/10 -j ACCEPT\nCOMMIT\n")
    assert list(read_snapshot(path).files) == ["iptables/nft.v6"]
    path.write_text("*filter\n-A INPUT -s 10.0.0.1/32 -m comment --comment \"not -s fe80::1\" -j ACCEPT\nCOMMIT\n")
    assert list(read_snapshot(path).files) == ["iptables/nft.v4"]


def test_iptables_S_is_written_as_saved(tmp_path):
    path = tmp_path / "x"
    path.write_text("-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-N DOCKER\n-A INPUT -j DOCKER\n")
    assert read_snapshot(path).text("iptables/nft.v4") == (
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "-A INPUT -j DOCKER\nCOMMIT\n")
    path.write_text("-P PREROUTING ACCEPT -c 1 60\n-P INPUT ACCEPT -c 0 0\n-P OUTPUT ACCEPT -c 0 0\n"
                    "-P POSTROUTING ACCEPT -c 0 0\n-A PREROUTING -p tcp -j ACCEPT\n")
    assert read_snapshot(path).text("iptables/nft.v4").startswith("*nat\n:PREROUTING ACCEPT [1:60]\n")


def test_several_outputs_of_iptables_S_are_tables_of_their_own(tmp_path):
    """``iptables -S; iptables -t raw -S; iptables -t nat -S; ip6tables -S``; two of them hold no rules."""
    path = tmp_path / "x"
    path.write_text("-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n"
                    "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n-N DOCKER\n"
                    "-A PREROUTING -j DOCKER\n"
                    "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-A INPUT -s fe80::/10 -j ACCEPT\n")
    found = read_snapshot(path)
    lines = found.text("iptables/nft.v4").split("\n")
    assert [line for line in lines if line[:1] == "*"] == ["*filter", "*raw", "*nat"]
    assert lines.count("COMMIT") == 3 and "-A PREROUTING -j DOCKER" in lines
    assert found.text("iptables/nft.v6").startswith("*filter\n:INPUT ACCEPT [0:0]\n")


def test_nft_json_alone(tmp_path):
    (tmp_path / "x").write_text('{"nftables": [{"metainfo": {}}]}')
    assert list(read_snapshot(tmp_path / "x").files) == ["nft/ruleset.json"]


@pytest.mark.parametrize(("text", "word"), [
    ("Chain INPUT (policy ACCEPT)\ntarget prot opt source destination\n", "iptables -L"),
    ("Chain DOCKER (2 references)\n", "iptables -L"),
    ("Status: active\n\nTo   Action   From\n", "ufw status"),
    ("table ip filter {\n chain INPUT {\n", "nft list ruleset"),
    ("Dear all,\nplease find attached\n", "neither"), ("{}", "neither"), ("\n\n", "empty"),
    ("# only words\n", "neither")])
def test_other_texts_are_refused_with_what_to_run(tmp_path, text, word):
    (tmp_path / "x").write_text(text)
    with pytest.raises(SnapshotError) as caught:
        read_snapshot(tmp_path / "x")
    assert word in str(caught.value)
    assert "iptables-save" in caught.value.hint
    assert ("nft -j list ruleset" in caught.value.hint) == (word == "nft list ruleset")
