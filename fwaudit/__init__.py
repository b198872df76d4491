"""Which Docker ports can really be reached, from where, and did the firewall policy mean it?"""

__version__ = "0.1.0"
