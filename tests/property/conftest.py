"""Makes `tests/reference.py` importable, and two measures of how long properties are tried."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

# One machine is shared by several runs, so time says nothing here; counts are tested in tests/unit/test_path_counts.py.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=100, **_COMMON)
settings.register_profile("long", max_examples=3000, **_COMMON)
settings.load_profile(os.environ.get("FWAUDIT_PROPERTIES", "quick"))
