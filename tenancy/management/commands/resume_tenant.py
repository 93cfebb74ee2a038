"""``resume_tenant SLUG``: what ``suspend_tenant`` stopped goes on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenancy.errors import Problem
from tenancy.management.commands.add_member import find_tenant
from tenancy.suspension import resume_tenant


class Command(BaseCommand):
    help = "Let a suspended tenant in again. What has fallen due meanwhile is done by the next sweeps."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["slug"], even_suspended=True)
        try:
            is_news = resume_tenant(tenant=tenant, now=timezone.now())
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        self.stdout.write(f"{tenant.name} goes on." if is_news else f"{tenant.name} was not suspended.")
