"""``make stop``: end the run of this home if there is one, and the servers."""

import sys

from leadsys.embedded.errors import EmbeddedError
from leadsys.embedded.home import find_home
from leadsys.embedded.presence import RunPresence
from leadsys.embedded.servers import stop_servers


def main() -> None:
    """Stop what runs from this home; its data stays."""
    home = find_home()
    try:
        RunPresence(home).end()
        stop_servers(home)
    except EmbeddedError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
