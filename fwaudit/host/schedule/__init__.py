"""The check that runs by itself: what is written for systemd (``units.py``) or cron (``cron.py``), how it is put there
and taken away (``install.py``), and how it stands (``state.py``)."""
