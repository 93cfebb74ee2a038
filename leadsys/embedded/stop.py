"""``make stop``: end the run of this home if there is one, and the servers. ``--erase`` deletes their data, too."""

import shutil
import sys
from pathlib import Path

from leadsys.embedded.errors import EmbeddedError, folder_errors_explained
from leadsys.embedded.home import Home, find_home
from leadsys.embedded.presence import RunPresence
from leadsys.embedded.servers import stop_servers


def main() -> None:
    """Stop what runs from this home; its data stays unless ``--erase`` is given."""
    home = find_home()
    try:
        RunPresence(home).end()
        stop_servers(home)
        if "--erase" in sys.argv[1:]:
            erase(home)
    except EmbeddedError as error:
        sys.exit(f"error: {error}")


def erase(home: Home) -> None:
    """Delete the home and what it keeps elsewhere. Raises EmbeddedError."""
    if not (home.folder / "servers.json").exists():
        return
    with folder_errors_explained(home.folder):
        cluster = home.read_state().cluster
        if cluster:
            shutil.rmtree(Path(cluster).parent)
        shutil.rmtree(home.folder)


if __name__ == "__main__":
    main()
