"""Writes a software bill of materials in CycloneDX 1.6: every package of a lock, with version, hashes and licence.

`make sbom`, or `python docs/make_sbom.py [OUT]` with requirements-supply.txt installed. Packages and hashes come from
requirements.lock, licences from docs/licences.md. Same lock, same list, but for its time (SOURCE_DATE_EPOCH fixes it).
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent


def packages(lock: str = "requirements.lock") -> list[tuple[str, str, str, list[str]]]:
    """Of every entry: name, version, marker ("" where it is for all platforms), SHA-256."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)(?: ; ([^\\\n]+?))? \\\n((?:    --hash=sha256:.*\n?)+)", text, re.M)
    return [(name, version, marker, re.findall(r"sha256:(\w+)", hashes)) for name, version, marker, hashes in found]


def licences() -> dict[str, str]:
    """SPDX expressions by package."""
    table = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").partition("| package |")[2]
    return dict(re.findall(r"^\| ([a-z0-9.-]+) \| (.+?) \|$", table, re.M))


def written() -> str:
    """The list as JSON."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    factory, said = LicenseFactory(), licences()
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    root = Component(
        name=own["name"], version=own["version"], type=ComponentType.APPLICATION, bom_ref=own["name"],
        licenses=[factory.make_from_string(own["license"])],
    )  # fmt: skip
    parts = [
        Component(
            name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"{name}=={version}",
            purl=PackageURL("pypi", name=name, version=version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in hashes],
            licenses=[factory.make_from_string(said[name])],
            properties=[Property(name="platforms", value=marker)] if marker else [],
        )
        for name, version, marker, hashes in packages()
    ]  # fmt: skip
    bom = Bom(components=parts)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, lock)
    bom.metadata.component = root
    now = os.environ.get("SOURCE_DATE_EPOCH")
    bom.metadata.timestamp = datetime.fromtimestamp(int(now), UTC) if now else datetime.now(UTC)
    bom.register_dependency(root, parts)
    return JsonV1Dot6(bom).output_as_string(indent=1)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.cdx.json")
    out.write_text(written() + "\n", encoding="utf-8")
    sys.stdout.write(f"{out}: {len(packages())} packages\n")
