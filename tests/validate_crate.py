"""Have roc-validator look at a crate, without a network: ``make crate`` runs this.

    python tests/validate_crate.py results/smoke/crate.zip [more arguments of rocrate-validator validate]

The validator reads the crate's JSON-LD context from the web. Here it finds it in its cache, which is filled
with the copy that the package rocrate brings: version 1.3, with the four terms that had other names in 1.1.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import requests
import rocrate
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate_validator.cli import cli
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
MOVED = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


class Copy(HTTPAdapter):
    """Answers every request with the context that the package brings."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        document = json.loads(
            (Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text("utf-8")
        )
        answer = HTTPResponse(
            body=io.BytesIO(json.dumps({"@context": document["@context"] | MOVED}).encode()),
            headers={"Content-Type": "application/ld+json"},
            status=200,
            preload_content=False,
            request_url=request.url,
        )
        return self.build_response(request, answer)


def main() -> None:
    """Fill the cache, and hand over to the validator's own command line."""
    with tempfile.TemporaryDirectory() as folder:
        cache = f"{folder}/cache"
        with CachedSession(cache_name=cache, backend="sqlite", expire_after=-1) as session:
            session.mount("https://", Copy())
            session.get(CONTEXT)
        sys.argv = [
            "rocrate-validator",
            "--no-interactive",
            "--disable-color",
            "validate",
            *("--offline", "--cache-path", cache, "--no-paging", "--verbose"),
            *("--profile-identifier", "provenance-run-crate"),
            *sys.argv[1:],
        ]
        cli()


if __name__ == "__main__":
    main()
