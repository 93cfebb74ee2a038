"""What registers itself only when somebody happens to import it: run as a program, it prints each such thing.

A worker, the web server and a command load other modules, so what an app tells the others has to be said by its AppConfig.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType

PACKAGES = ("core", "tenancy", "leads", "scoring", "routing", "nurturing", "insights")


def main() -> None:
    """Load the application as a worker does, then every module that there is, and print what came only then."""
    from leadsys.celery import app

    app.loader.import_default_modules()
    app.finalize()
    known = _registered(app.tasks)
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    sys.stdout.writelines(f"{each}\n" for each in sorted(_registered(app.tasks) - known))


def _registered(tasks: object) -> set[str]:
    found = {f"task {name}" for name in tasks}  # type: ignore[attr-defined]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES and _registers(module):
            found |= {f"{name}: {entry}" for entry in _entries(module)}
    return found


def _registers(module: ModuleType) -> bool:
    """Whether others tell it what they have: it has a function for that."""
    return any(
        each.startswith(("register_", "on_")) and getattr(value, "__module__", "") == module.__name__
        for each, value in vars(module).items()
    )


def _entries(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, dict | list | set) and not name.startswith("__"):
            # A name, or a thing by its type: what it holds may have an address in its words.
            for entry in value:
                yield f"{name} {entry if isinstance(entry, str) else getattr(entry, '__qualname__', repr(entry))}"


if __name__ == "__main__":
    main()
