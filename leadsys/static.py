"""Static files under names that change with their content, so that browsers keep them for ever."""

from typing import Any

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Compressed and hashed once collected; the plain name before that (tests, a checkout that has never been run)."""

    manifest_strict = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._urls: dict[str, str] = {}

    def url(self, name: str, force: bool = False) -> str:
        """The address of a file. What was collected stays as it is while we run, and a page asks for a hundred addresses."""
        if settings.DEBUG or force:
            return str(super().url(name, force))
        if name not in self._urls:
            self._urls[name] = str(super().url(name))
        return self._urls[name]

    def stored_name(self, name: str) -> str:
        if settings.DEBUG or not self.hashed_files:
            return name
        return super().stored_name(name)
