#!/usr/bin/env python
"""Django's command line. Starts the embedded servers first where a command needs them and none are given."""

import gc
import os
import sys

# Commands that neither read nor write the database.
WITHOUT_DATABASE = {
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "sendtestemail",
    "spectacular",
    "startapp",
    "version",
    "--help",
    "-h",
    "--version",
}


def needs_database(arguments: list[str]) -> bool:
    """Whether the command line (without the program's name) is one that talks to the database."""
    if not arguments or arguments[0] in WITHOUT_DATABASE:
        return False
    return not ({"--help", "-h"} & set(arguments)) and not (
        arguments[0] == "makemigrations" and "--check" in arguments
    )


def main() -> None:
    """Run one command."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python is what it is about)
        sys.exit("LeadSys needs Python 3.11 or newer; this is Python " + sys.version.split()[0] + ".")
    # Code makes very many objects when it is loaded, and all of them stay: until then the collector has nothing to look for.
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leadsys.settings")
    from leadsys.embedded import EmbeddedError, provide_environment

    try:
        provide_environment(start=needs_database(sys.argv[1:]))
    except EmbeddedError as error:
        sys.exit(str(error))

    from leadsys.command_line import CommandLine

    CommandLine(sys.argv).execute()


if __name__ == "__main__":
    main()
