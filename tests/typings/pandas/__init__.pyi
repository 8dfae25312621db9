# To the type checker a table is anything: pandas' own annotations are too partial to check against.
from typing import Any

def __getattr__(name: str) -> Any: ...
