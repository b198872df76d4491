"""Packet sets: the algebra of addresses, ports and marks. Knows no firewall."""
