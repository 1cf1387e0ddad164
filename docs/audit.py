"""Asks OSV, the open list of vulnerabilities, about every package of the locks: part of `make check`.

One question for all of them (https://google.github.io/osv.dev/post-v1-querybatch/). Ends with 1 where one is known;
where the list cannot be reached it says that the check was skipped, and ends with 0: no network stops nothing else.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs.make_sbom import packages

OSV = "https://api.osv.dev/v1/querybatch"
LOCKS = ("requirements.lock", "tests/requirements.lock")
PATIENCE = 10.0  # seconds


def known(asked: list[tuple[str, str]], address: str = OSV) -> list[tuple[str, str, str]]:
    """Name, version and number of each vulnerability that is known of these. Raises OSError where nobody answers.

    A build's own mark ("+cpu") is none of PyPI's, so it is left out.
    """
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version.partition("+")[0]}
        for name, version in asked
    ]
    request = urllib.request.Request(
        address, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        try:
            results = json.load(answer)["results"]
            return [
                (*of, found["id"])
                for of, result in zip(asked, results, strict=True)
                for found in result.get("vulns", [])
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"the answer cannot be read ({type(error).__name__})") from error


def main(address: str = OSV) -> int:
    """The exit status."""
    asked = sorted({(name, version) for lock in LOCKS for name, version, *_ in packages(lock)})
    try:
        found = known(asked, address)
    except OSError as error:
        sys.stdout.write(f"The check for known vulnerabilities was skipped: {address} does not answer ({error}).\n")
        return 0
    for name, version, number in found:
        sys.stdout.write(f"{name} {version}: https://osv.dev/vulnerability/{number}\n")
    sys.stdout.write(f"{len(found)} known vulnerabilities in {len(asked)} packages.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
