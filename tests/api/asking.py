"""Asking the API as a key does."""

import json
from typing import Any

from django.test import Client

from tenancy.keys import create_key
from tenancy.models import Membership, Scope, Tenant
from tenancy.scope import tenant_scope
from tests.conftest import NOW


class ApiCaller:
    """A key of a tenant; its answers are Django's test responses."""

    def __init__(self, tenant: Tenant, *scopes: Scope, by: Membership | None = None) -> None:
        with tenant_scope(tenant.pk):
            name = f"key of {sorted(scopes)}"
            self.key = create_key(name=name, scopes=scopes or list(Scope), by=by, now=NOW)[1]
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Language": "en"}
        self.client = Client(headers=headers)

    def get(self, path: str, **parameters: Any) -> Any:
        """GET with parameters."""
        return self.client.get(f"/api/v1{path}", parameters)

    def post(self, path: str, body: Any = None) -> Any:
        """POST of a JSON body, or of none."""
        raw = "" if body is None else json.dumps(body)
        return self.client.post(f"/api/v1{path}", raw, content_type="application/json")

    def patch(self, path: str, body: Any) -> Any:
        """PATCH of a JSON body."""
        return self.client.patch(f"/api/v1{path}", json.dumps(body), content_type="application/json")
