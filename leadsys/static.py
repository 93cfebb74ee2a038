"""Static files under names that change with their content, so that browsers keep them for ever."""

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Compressed and hashed once collected; the plain name before that (tests, a checkout that has never been run)."""

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        if settings.DEBUG or not self.hashed_files:
            return name
        return super().stored_name(name)
