"""The packet-path engine: what the rules of every backend, the routes and the sockets of a host do to packets. Pure."""
