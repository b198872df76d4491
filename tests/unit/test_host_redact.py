"""Secrets of every kind planted in realistic answers: none may be anywhere in what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fwaudit.host.redact import redact_container, redact_info, redact_network, redact_version

S = "S3CR3T"

CONTAINER: dict[str, Any] = {
    "Id": "ab" * 32, "Name": "/db", "Created": "2026-01-01T00:00:00Z", "Image": "sha256:1", "Driver": "overlay2",
    "Path": f"/run --password={S}", "Args": ["--token", S, f"-p{S}"], "ExecIDs": [S], "LogPath": f"/{S}",
    "State": {"Running": True, "Status": "running", "Pid": 42, "Error": f"exec {S}: not found",
              "Health": {"Status": "healthy", "Log": [{"Output": S}]}},
    "Config": {
        "Image": "postgres:16", "User": "999", "Hostname": "db", "Domainname": S,
        "Env": [f"POSTGRES_PASSWORD={S}", f"AWS_SECRET_ACCESS_KEY={S}"], "Cmd": ["postgres", f"-c{S}"],
        "Entrypoint": ["/e", S], "Healthcheck": {"Test": ["CMD", "curl", "-u", f"admin:{S}", "http://x"]},
        "Shell": [S], "OnBuild": [S], "StopSignal": S, "Volumes": {f"/{S}": {}}, "WorkingDir": f"/{S}",
        "ExposedPorts": {"5432/tcp": {"x": S}},
        "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "db",
                   "traefik.http.middlewares.auth.basicauth.users": f"admin:{S}", "password": S,
                   "com.docker.compose.config-hash": S, "io.podman.compose.project": "shop"},
    },
    "HostConfig": {
        "NetworkMode": "shop_default", "PublishAllPorts": False, "Privileged": True, "CapAdd": ["NET_ADMIN"],
        "PidMode": "host", "Binds": ["/var/run/docker.sock:/var/run/docker.sock:ro"],
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0, "Extra": S},
        "PortBindings": {"5432/tcp": [{"HostIp": "", "HostPort": "5432", "X": S}], "81/tcp": None},
        "LogConfig": {"Type": "splunk", "Config": {"splunk-token": S, "gelf-address": f"udp://{S}@x"}},
        "Mounts": [{"Type": "volume", "Source": "nas", "Target": "/data",
                    "VolumeOptions": {"Labels": {"x": S}, "DriverConfig": {"Options": {"o": f"password={S}"}}}}],
        "SecurityOpt": ["apparmor=x"], "ExtraHosts": [S], "Dns": [S], "StorageOpt": {"x": S}, "Sysctls": {"x": S},
        "Annotations": {"x": S}, "Tmpfs": {"/x": S}, "Links": [S], "Ulimits": [S], "DeviceRequests": [S],
    },
    "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/up", "MergedDir": "/m", "LowerDir": S}},
    "Mounts": [{"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "RW": False,
                "Extra": S}],
    "NetworkSettings": {
        "Ports": {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "5432"}], "81/tcp": None},
        "Networks": {"shop_default": {"IPAddress": "172.18.0.2", "IPPrefixLen": 16, "Gateway": "172.18.0.1",
                                      "DriverOpts": {"token": S}, "Links": [S],
                                      "IPAMConfig": {"IPv4Address": "172.18.0.2", "X": S}}},
    },
    "SomethingNew": {"deep": [S]},
}


def test_no_secret_of_a_container_survives():
    assert S in json.dumps(CONTAINER)
    assert S not in json.dumps(redact_container(CONTAINER))


def test_what_later_stages_need_survives():
    kept = redact_container(CONTAINER)
    for key in ("Id", "Name", "Created"):
        assert kept[key] == CONTAINER[key]
    assert kept["State"] == {"Running": True, "Status": "running", "Pid": 42, "Health": {"Status": "healthy"}}
    assert kept["Config"]["Labels"] == {"com.docker.compose.project": "shop", "com.docker.compose.service": "db",
                                        "io.podman.compose.project": "shop"}
    assert kept["Config"]["ExposedPorts"] == {"5432/tcp": {}}
    assert kept["Config"]["Env"] is kept["Config"]["Cmd"] is kept["Path"] is kept["Args"] is None
    assert kept["HostConfig"]["PortBindings"] == {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}], "81/tcp": None}
    assert kept["HostConfig"]["Binds"] == CONTAINER["HostConfig"]["Binds"]
    assert kept["HostConfig"]["Mounts"] == [{"Type": "volume", "Source": "nas", "Target": "/data"}]
    assert kept["NetworkSettings"]["Ports"] == CONTAINER["NetworkSettings"]["Ports"]
    assert kept["NetworkSettings"]["Networks"]["shop_default"]["IPAddress"] == "172.18.0.2"
    assert kept["Mounts"][0]["Source"] == "/var/run/docker.sock"


def test_the_environment_passes_the_judge_before_it_goes():
    seen = []

    def judge(environment, image):
        seen.append((list(environment), image))
        return [{"variable": "POSTGRES_PASSWORD", "verdict": "weak"}]

    kept = redact_container(CONTAINER, judge)
    assert seen == [(CONTAINER["Config"]["Env"], "postgres:16")]
    assert kept["EnvironmentVerdicts"] == [{"variable": "POSTGRES_PASSWORD", "verdict": "weak"}]
    assert S not in json.dumps(kept)


def test_secrets_in_the_wrong_place_do_not_pass_for_allowed_keys():
    twisted = {"Id": {"x": S}, "Name": [S], "State": S, "Config": [S], "HostConfig": {"Binds": {"x": S}},
               "Mounts": {"x": S}, "NetworkSettings": {"Ports": [S], "Networks": S}}
    assert S not in json.dumps(redact_container(twisted))
    assert S not in json.dumps(redact_network({"Id": [S], "IPAM": S, "Options": [S], "Labels": S}))
    assert S not in json.dumps(redact_info({"Swarm": S, "Name": {"x": S}}))


def test_network_info_and_version():
    network = {"Id": "1", "Name": "n", "Driver": "weave", "Internal": True, "Labels": {"password": S},
               "Options": {"com.docker.network.bridge.name": "br0", "weave.password": S, "parent": "eth0"},
               "IPAM": {"Driver": "default", "Options": {"x": S}, "Config": [{"Subnet": "10.0.0.0/8", "X": S}]},
               "Peers": [{"Name": S}], "Containers": {"1": {"Name": "db", "IPv4Address": "10.0.0.2/8", "X": S}}}
    kept = redact_network(network)
    assert S not in json.dumps(kept)
    assert kept["Options"] == {"com.docker.network.bridge.name": "br0", "parent": "eth0"}
    assert kept["IPAM"]["Config"] == [{"Subnet": "10.0.0.0/8"}]
    info = {"ServerVersion": "28.5.2", "HttpProxy": f"http://u:{S}@p", "HttpsProxy": S, "NoProxy": S,
            "RegistryConfig": {"Mirrors": [S]}, "Labels": [S], "Runtimes": {"x": S}, "DriverStatus": [["x", S]],
            "Swarm": {"NodeID": "n", "LocalNodeState": "active", "Cluster": {"x": S}, "RemoteManagers": [S]},
            "SecurityOptions": ["name=rootless"], "FirewallBackend": {"Driver": "nftables", "Info": [["a", "b"]]},
            "Plugins": {"Network": ["bridge"], "Authorization": [S]}, "Warnings": ["w"], "IndexServerAddress": S}
    kept = redact_info(info)
    assert S not in json.dumps(kept)
    assert kept["Swarm"] == {"NodeID": "n", "LocalNodeState": "active"}
    assert kept["FirewallBackend"] == {"Driver": "nftables", "Info": [["a", "b"]]}
    version = {"Version": "28", "ApiVersion": "1.51", "Components": [{"Name": "Engine", "Details": {"X": S}}], "X": S}
    assert S not in json.dumps(redact_version(version))


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [None], {"Config": None, "Mounts": [None, 1]}])
def test_anything_may_come(value):
    if isinstance(value, dict):
        json.dumps(redact_container(value, lambda environment, image: []))
    json.dumps(redact_container({"Config": value, "State": value, "Mounts": value, "HostConfig": value}))
