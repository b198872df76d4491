"""For each service: from where it is really reached, by which way, and did the firewall policy mean it. Pure."""

from fwaudit.exposure.auditor import exposures
from fwaudit.exposure.outside import inside_of, networks_of, outside_interfaces

__all__ = ["exposures", "inside_of", "networks_of", "outside_interfaces"]
