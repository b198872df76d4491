"""What tests in the lab share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine of its own for this test: ufw off, no daemon yet."""
    with Machine() as machine:
        yield machine
