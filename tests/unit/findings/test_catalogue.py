"""What all findings have in common: ids, pages, tests of their own, and that nothing is told twice."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import captures
import pytest
from _found import report_of

from fwaudit.findings import ALL
from fwaudit.model.report import Severity

_MODULES = [pytest.param(each, id=each.KIND.id) for each in ALL]
_SECTIONS = ("What:", "Why it hurts:", "See it yourself:", "Fix:", "Before:")
_HERE = Path(__file__).parent
_FOLDER = _HERE.parents[2] / "fwaudit/findings"


def test_ids_are_unique() -> None:
    assert len({each.KIND.id for each in ALL}) == len(ALL)


@pytest.mark.parametrize("module", _MODULES)
def test_the_id_is_the_modules_name_and_has_a_test(module: ModuleType) -> None:
    name = module.KIND.id.replace("-", "_")
    assert module.__name__.rpartition(".")[2] == name
    assert (_HERE / f"test_{name}.py").exists()


@pytest.mark.parametrize("module", _MODULES)
def test_the_docstring_is_a_page(module: ModuleType) -> None:
    paragraphs = (module.__doc__ or "").strip().split("\n\n")
    assert paragraphs[0].endswith(".") and "\n" not in paragraphs[0]
    starts = [next((each for each in _SECTIONS if text.startswith(each)), "") for text in paragraphs[1:]]
    assert [each for each in starts if each] == list(_SECTIONS)
    assert "After:" in paragraphs[-1]


@pytest.mark.parametrize("module", _MODULES)
def test_references_are_of_cis_or_attack(module: ModuleType) -> None:
    for each in module.KIND.references:
        assert re.fullmatch(r"CIS Docker \d\.\d{1,2}|ATT&CK T\d{4}(\.\d{3})?", each)


@pytest.mark.parametrize("name", captures.names()[::5])
def test_each_bad_exposure_is_explained_once_and_nothing_twice(name: str) -> None:
    report = report_of(name)
    explained = Counter(id(each.exposure) for each in report.findings if each.explains)
    for exposure in report.exposures:
        bad = exposure.verdict in ("bypass", "neighbours", "undecided")
        assert not bad or explained[id(exposure)] == 1, exposure.service
    told = Counter((each.id, each.subject) for each in report.findings)
    assert max(told.values(), default=1) == 1


@pytest.mark.parametrize("name", captures.names()[::5])
def test_severities_and_words(name: str) -> None:
    worst = {each.KIND.id: each.KIND.worst for each in ALL}
    for each in report_of(name).findings:
        assert Severity.INFO <= each.severity <= worst[each.id], each
        assert each.what.endswith(".") and each.subject and each.title
        assert each.exposure is None or each.where_from
