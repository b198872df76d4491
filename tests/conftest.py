"""Makes tests/*.py importable from every folder below (pytest adds the folder of a conftest.py to sys.path)."""
