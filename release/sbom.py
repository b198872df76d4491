"""The software bill of materials: what the Debian package carries, in CycloneDX 1.6.

The same input gives the same bytes: its serial number and time are drawn from the content and SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Mapping, Sequence
from email.message import Message
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement

from release.lock import Pin, canonical, environment
from release.vendored import license_of, metadata

_NAMESPACE = uuid.UUID("6f9f3c1e-6f0b-5d0c-9b52-0f4c3f3f8a55")


def write(folder: Path, pins: Sequence[Pin], wheels: Sequence[Path], epoch: int) -> str:
    """The SBOM as JSON. ``folder`` has the packages, fwaudit's among them; ``wheels`` are the files that they came in.

    Raises ValueError for one that its own schema refuses, or a package without a pin.
    """
    said = {canonical(str(each["Name"])): each for _, each in metadata(folder)}
    hashes = {canonical(wheel.name.split("-")[0]): _sha256(wheel) for wheel in wheels}
    parts = {name: _component(each, hashes.get(name, "")) for name, each in said.items()}
    if set(parts) != {"fwaudit", *(pin.name for pin in pins)}:
        raise ValueError(f"not what the lock pins: {sorted(parts)}")
    root = parts["fwaudit"]
    root.type = ComponentType.APPLICATION
    bom = Bom(components=[part for name, part in parts.items() if name != "fwaudit"])
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
    bom.metadata.tools.tools.clear()
    for name, each in said.items():
        bom.register_dependency(parts[name], [parts[wanted] for wanted in _wanted(each, parts)])
    content = json.dumps(sorted((str(part.purl), hashes.get(name, "")) for name, part in parts.items()))
    bom.serial_number = uuid.uuid5(_NAMESPACE, content)
    text = JsonV1Dot6(bom).output_as_string(indent=1) + "\n"
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise ValueError(f"not a valid SBOM: {wrong}")
    return text


def _component(said: Message, sha256: str) -> Component:
    name, version = canonical(str(said["Name"])), str(said["Version"])
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl),
        description=str(said.get("Summary", "")) or None,
        licenses=[LicenseFactory().make_from_string(license_of(said))],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
    )


def _wanted(said: Message, parts: Mapping[str, Component]) -> list[str]:
    """What a package depends on, with any Python that fwaudit runs on."""
    found = set()
    for line in said.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment(python)) for python in ("3.10", "3.13")):
            found.add(canonical(requirement.name))
    return sorted(found & set(parts))


def _sha256(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()
