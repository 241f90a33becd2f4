"""`python -m bench`: prints a table of work, ours, peer, ratio and goal.

Compare ratios; milliseconds of another machine, or of this one on a busy day, say little.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import _corpus
from bench._measure import CommandError, Row
from bench._works import Bench


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measures clankers beside others.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the corpus, fewer turns")
    parser.add_argument("--corpus", type=Path, help="measure on this folder; it is not changed")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal is not met")
    args = parser.parse_args()
    # Whoever starts a program for the second time finds its modules compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="clankers-bench-") as name:
        folder = Path(name)
        corpus, about = args.corpus, str(args.corpus)
        if corpus is None:
            corpus = folder / "claude"
            about = _corpus.make(corpus, quick=args.quick)
        print(f"{about}\n{machine()}\n", flush=True)
        bench = Bench(corpus, folder, quick=args.quick)
        try:
            for row in bench.rows():
                show(row)
        except CommandError as problem:
            print(f"bench: {problem}", file=sys.stderr)
            return 1
    for line in bench.notes:
        print(line)
    print("\nratio = ours / peer; medians, in turns with the peer where there is one.")
    print(
        "No goals: they are for the whole corpus."
        if args.quick
        else f"! is a goal that was missed: {bench.missed} of them."
    )
    return 1 if args.strict and bench.missed else 0


def machine() -> str:
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores"
    )


def show(row: Row) -> None:
    theirs = "" if row.theirs is None else f"{row.theirs:,.4g} {row.unit}"
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    goal = ""
    if row.goal is not None:
        sign = ">=" if row.goal_is.endswith("least") else "<="
        unit = f" {row.unit}" if row.goal_is.startswith("at ") else ""
        goal = f"{sign} {row.goal:g}{unit}{' !' if row.is_met is False else ''}"
    ours = f"{row.ours:,.4g} {row.unit}"
    print(f"{row.work:44} {ours:>12}  {row.peer:24} {theirs:>12}  {ratio:>7}  {goal}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
