"""Settings of the bare application: the same database, no middleware."""

from leadsys.settings import ALLOWED_HOSTS, DATABASES, SECRET_KEY, USE_TZ

__all__ = [
    "ALLOWED_HOSTS",
    "DATABASES",
    "INSTALLED_APPS",
    "MIDDLEWARE",
    "ROOT_URLCONF",
    "SECRET_KEY",
    "USE_TZ",
]

INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.bare"
