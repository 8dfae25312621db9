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
from typing import Any

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
MOVED = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


def fill(cache: str) -> None:
    """Put the context into the validator's cache, as the answer to a request for it."""
    # Here, since pytest imports every file of tests/, and only `make crate` has these packages.
    import rocrate
    from requests.adapters import HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    brought = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
    context = json.loads(brought.read_text("utf-8"))["@context"] | MOVED

    class Copy(HTTPAdapter):
        def send(self, request: Any, **_: object) -> Any:
            answer = HTTPResponse(
                body=io.BytesIO(json.dumps({"@context": context}).encode()),
                headers={"Content-Type": "application/ld+json"},
                status=200,
                preload_content=False,
                request_url=request.url,
            )
            return self.build_response(request, answer)

    with CachedSession(cache_name=cache, backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Copy())
        session.get(CONTEXT)


def main() -> None:
    """Fill the cache, and hand over to the validator's own command line."""
    from rocrate_validator.cli import cli

    with tempfile.TemporaryDirectory() as folder:
        fill(f"{folder}/cache")
        sys.argv = [
            "rocrate-validator",
            "--no-interactive",
            "--disable-color",
            "validate",
            *("--offline", "--cache-path", f"{folder}/cache", "--no-paging", "--verbose"),
            *("--profile-identifier", "provenance-run-crate"),
            *sys.argv[1:],
        ]
        cli()


if __name__ == "__main__":
    main()
