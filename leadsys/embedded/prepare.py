"""What a run does before it serves, in one process because each Django start costs a second.

Prints the demo persons, one line each, on standard output; everything else goes to standard error.
"""

import hashlib
import os
import sys
from io import StringIO
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command

from leadsys.embedded.home import COLLECTED_MARK

# Files of other packages that no page of ours asks for; compressing them would take half a minute.
UNUSED_FILES = ["rest_framework", "django_htmx", "*.map", "xregexp.js", "jquery.js", "*.full.js", "src"]


def main() -> None:
    """Migrate, collect the static files if they changed, with ``--demo`` make the demo persons. ``--static``: only collect."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")
    django.setup()
    if "--static" in sys.argv[1:]:
        collect_static_files()
        return
    call_command("migrate", interactive=False, verbosity=1, stdout=sys.stderr)
    collect_static_files()
    if "--demo" in sys.argv[1:]:
        people = StringIO()
        call_command("build_demo", people=True, stdout=people)
        sys.stdout.write(people.getvalue())


def collect_static_files() -> None:
    """Collect and compress the static files unless none has changed since the last time: compressing takes seconds."""
    root = Path(str(settings.STATIC_ROOT))
    mark = root / COLLECTED_MARK
    fingerprint = _fingerprint()
    if mark.exists() and mark.read_text("ascii") == fingerprint:
        return
    mark.unlink(missing_ok=True)
    call_command(
        "collectstatic",
        interactive=False,
        clear=True,
        ignore_patterns=UNUSED_FILES,
        verbosity=0,
        stdout=sys.stderr,
    )
    mark.write_text(fingerprint, "ascii")


def _fingerprint() -> str:
    digest = hashlib.sha256(repr(UNUSED_FILES).encode())
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
