"""Production settings pass Django's own review."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management.utils import get_random_secret_key

ROOT = Path(__file__).parents[2]


def check_deploy(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=os.environ | {"LEADSYS_NO_EMBEDDED": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_production_settings_pass_check_deploy() -> None:
    done = check_deploy(
        LEADSYS_PRODUCTION="1",
        LEADSYS_SECRET_KEY=get_random_secret_key(),
        LEADSYS_PUBLIC_URL="https://leads.example.com",
        LEADSYS_ALLOWED_HOSTS="leads.example.com",
    )
    assert (done.returncode, done.stdout.strip()) == (0, "System check identified no issues (0 silenced)."), (
        done.stderr
    )


@pytest.mark.slow
def test_production_refuses_to_start_without_a_secret_key() -> None:
    done = check_deploy(LEADSYS_PRODUCTION="1", LEADSYS_SECRET_KEY="")
    assert done.returncode != 0
    assert "LEADSYS_SECRET_KEY" in done.stderr
