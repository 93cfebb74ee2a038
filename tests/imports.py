"""Running the import commands on files that a test writes."""

import json
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command

from tests.conftest import TENANT


class Ran(NamedTuple):
    """What a command said: the JSON object of its last line ({} if it stopped), its exit code, all it told the person."""

    answer: dict[str, Any]
    exit_code: int
    said: str

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """New, updated, unchanged, duplicate, refused."""
        names = ("new", "updated", "unchanged", "duplicate", "refused")
        new, updated, unchanged, duplicate, refused = (self.answer[name] for name in names)
        return new, updated, unchanged, duplicate, refused


def run_command(command: str, path: Path, *options: str) -> Ran:
    """Run an import command on a file, for the tenant of the tests."""
    out, err = StringIO(), StringIO()
    exit_code = 0
    try:
        call_command(command, str(path), "--tenant", TENANT["slug"], *options, stdout=out, stderr=err)
    except SystemExit as stopped:
        exit_code = int(stopped.code or 0)
    except CommandError as refused:
        return Ran({}, refused.returncode, f"{err.getvalue()}{refused}")
    return Ran(json.loads(out.getvalue().splitlines()[-1]), exit_code, err.getvalue())


def import_leads(path: Path, *options: str) -> Ran:
    """``import_leads`` on a file."""
    return run_command("import_leads", path, *options)


def import_outcomes(path: Path, *options: str) -> Ran:
    """``import_outcomes`` on a file."""
    return run_command("import_outcomes", path, *options)


def import_events(path: Path, *options: str) -> Ran:
    """``import_events`` on a file."""
    return run_command("import_events", path, *options)


def write_csv(folder: Path, *lines: str, name: str = "leads.csv") -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
