"""Every process knows what the apps have registered, whatever it imports itself."""

import subprocess
import sys

from leadsys.embedded.home import PROJECT


def test_nothing_registers_itself_only_when_somebody_happens_to_import_it() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.guards.registries"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == []
