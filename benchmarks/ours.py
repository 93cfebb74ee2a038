"""The real application on the benchmarks' database."""

from benchmarks.place import prepare_environment

prepare_environment()

from leadsys.wsgi import application  # noqa: E402

__all__ = ["application"]
