"""What opened and what closed between two recorded hosts."""

from __future__ import annotations

import json

import pytest
from test_formats import report

from fwaudit.exposure.diff import compare
from fwaudit.render.diff import render, render_json


def kinds(old: str, new: str) -> dict[tuple[str, int, int], str]:
    return {(each.exposure.service.kind, each.exposure.service.port, each.exposure.family): each.kind
            for each in compare(report(old), report(new))}


@pytest.mark.parametrize("name", ["d20/ufw_deny_5432", "d29nft/ufw_off", "d20/macvlan"])
def test_nothing_changes_between_a_host_and_itself(name):
    assert compare(report(name), report(name)) == ()
    assert "Nothing has changed" in render(report(name), report(name), ())


def test_a_drop_in_docker_user_closes_a_port_and_its_removal_opens_it_against_policy():
    closed = compare(report("d20/publish_v4_only"), report("d20/du_drop_ctrport"))
    assert {each.kind for each in closed} <= {"closed", "narrower"}
    assert not any(each.against_policy for each in closed)
    opened = compare(report("d20/du_drop_ctrport"), report("d20/publish_v4_only"))
    assert any(each.against_policy and each.kind in ("opened", "wider") for each in opened)
    assert opened[0].against_policy
    screen = render(report("d20/du_drop_ctrport"), report("d20/publish_v4_only"), opened)
    assert "although ufw says" in screen
    assert all(len(line) <= 80 for line in screen.splitlines())


def test_wider_is_told_from_opened():
    found = kinds("d20/du_src_iface_port", "d20/publish_v4_only")
    assert "wider" in found.values()


def test_json():
    old, new = report("d20/publish_v4_only"), report("d20/du_drop_ctrport")
    said = json.loads(render_json(old, new, compare(old, new)))
    assert said["changes"]
    assert {"gained", "lost", "kind", "against_policy"} <= set(said["changes"][0])
