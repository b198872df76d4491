"""Noticing that something may have changed: the sources of events (``docker.py``, ``netlink.py``, ``files.py``,
``polls.py``), when to audit because of them (``debounce.py``), an audit in a process of its own (``child.py``), and the
loop around them (``loop.py``).

One thread, and nothing that blocks: each source is asked once a second and whenever the kernel has something for it.
"""
