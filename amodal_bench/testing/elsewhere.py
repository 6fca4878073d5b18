"""What a user's own component says of itself in a second process: an identity may not depend on the process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

from amodal_bench.config.build import TARGET
from amodal_bench.core.errors import BenchError, one_line
from amodal_bench.models.described import facts_of
from amodal_bench.testing.clauses import FAILURES, as_json, described
from amodal_bench.testing.made import made

CODE = (
    "import json, sys; told = json.load(sys.stdin); sys.path[:] = told['path'];"
    " from amodal_bench.testing.elsewhere import tell; tell(told)"
)
SECONDS = 120
"""How long the second process may take."""


def difference(spec: Mapping[str, Any], where: str, facts: str, call: str) -> str | None:
    """How an identity differs in a second process; None where it does not, or where all classes are the harness's.

    Args:
        spec: the component's, plain values.
        where: its place in the configuration.
        facts: its identity in this process.
        call: `describe()` or `fingerprint()`.
    """
    ours = __name__.partition(".")[0]
    tops = {target.partition(".")[0] for target in targets(spec)}
    if tops == {ours} or "__main__" in tops:  # what stands in no file cannot be imported again
        return None
    told = json.dumps({"path": sys.path, "spec": spec, "where": where, "call": call})
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE], input=told, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"{call} does not answer within {SECONDS} s in a second process"
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return f"{call} ends a second process, with exit status {done.returncode}"
    if "error" in answer:
        return f"{call} raises in a second process: {answer['error']}"
    return None if answer["facts"] == facts else f"{call} says something else in a second process"


def targets(spec: Any) -> Iterator[str]:
    """The classes of a specification and of all that are nested in it."""
    for key, value in spec.items():
        if key == TARGET:
            yield str(value)
        elif isinstance(value, Mapping):
            yield from targets(value)


def tell(told: Mapping[str, Any]) -> None:
    """Print the identity as the last line, in the second process."""
    try:
        with redirect_stdout(sys.stderr):
            built = made(told["spec"], told["where"])
            facts = built.fingerprint() if told["call"] == "fingerprint()" else as_json(facts_of(built))
        answer = {"facts": facts}
    except BenchError as error:
        answer = {"error": one_line(error)}
    except FAILURES as error:
        answer = {"error": described(error)}
    print(f"\n{json.dumps(answer)}", flush=True)
