"""What docker-compose.yml, Dockerfile and .dockerignore say, read so that the same can be done without Docker."""

import re
import shlex
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_PLACE = re.compile(r"\$\$|\$\{(\w+)(?:(:-|:\?)([^}]*))?\}")


class MissingValue(ValueError):
    """A value without which the file refuses to start anything."""


def read_compose(values: Mapping[str, str]) -> dict[str, Any]:
    """The services with anchors merged and ``${NAME}``, ``${NAME:-default}``, ``${NAME:?required}`` filled in from ``values``."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    services: dict[str, Any] = _filled(document["services"], values)
    return services


def _filled(part: Any, values: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    return _PLACE.sub(lambda found: _value(found, values), part) if isinstance(part, str) else part


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    name, operator, rest = found.groups()
    if name is None:
        return "$"
    value = values.get(name, "")
    if not value and operator == ":?":
        raise MissingValue(f"{name}: {rest}")
    return value or (rest or "" if operator == ":-" else "")


def read_env_file(path: Path) -> dict[str, str]:
    """``NAME=value`` lines, comments left out."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Image:
    """The last stage of the Dockerfile: its environment, command, health check and user."""

    def __init__(self) -> None:
        text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
        self.stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
        last = self.stages[-1]
        self.environment: dict[str, str] = {}
        for line in re.findall(r"^ENV (.+)$", last, re.MULTILINE):
            self.environment |= dict(pair.split("=", 1) for pair in shlex.split(line))
        self.command = self._list(last, r"^CMD (\[.+\])$")
        self.health_check = self._list(last, r"^HEALTHCHECK .*CMD (\[.+\])$")
        self.user = re.findall(r"^USER (\S+)$", last, re.MULTILINE)[-1]
        found = re.search(r"(python -m leadsys\.embedded\.prepare --static)", self.stages[0])
        assert found is not None
        self.static_command = shlex.split(found[1])

    @staticmethod
    def _list(text: str, pattern: str) -> list[str]:
        found = re.findall(pattern, text, re.MULTILINE)
        assert found, pattern
        return [str(word) for word in yaml.safe_load(found[-1])]


def copy_build_context(target: Path) -> None:
    """What ``COPY . ./`` would put into the image: the checkout without what .dockerignore names."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith(("#", "!"))]

    def ignored(folder: str, names: list[str]) -> set[str]:
        above = Path(folder).relative_to(ROOT)
        return {
            name
            for name in names
            for pattern in patterns
            if (pattern.startswith("**/") and fnmatch(name, pattern.removeprefix("**/")))
            or (not pattern.startswith("**/") and fnmatch(str(above / name), pattern) and above == Path())
        }

    shutil.copytree(ROOT, target, ignore=ignored)
