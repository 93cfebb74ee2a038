"""Settings, read from the environment. The composition root: the only place that knows every app."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from leadsys.logging import configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent


def env_flag(name: str, *, default: bool) -> bool:
    """A yes/no setting: 1, true, yes, on or 0, false, no, off."""
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r}: use 1 or 0.")


def env_list(name: str, default: str = "") -> list[str]:
    """A comma-separated setting."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def env_secret(name: str) -> str:
    """A shared secret that nobody guesses; empty where there is none."""
    secret = os.environ.get(name, "")
    if secret and len(secret) < 20:
        raise ImproperlyConfigured(f"{name} must have 20 or more random characters.")
    return secret


def env_rate(name: str, default: str) -> tuple[int, int] | None:
    """How often something may happen, as ``600/minute`` or ``20/10s``: a number and a window in seconds; None for ``off``."""
    raw = os.environ.get(name, "").strip().lower() or default
    if raw == "off":
        return None
    found = re.fullmatch(r"([0-9]{1,9})/(?:([0-9]{1,5})s|(second|minute|hour))", raw)
    if found is None or int(found[1]) < 1 or found[2] == "0":
        raise ImproperlyConfigured(f"{name}={raw!r}: use 600/minute, 20/10s or off.")
    return int(found[1]), int(found[2] or {"second": 1, "minute": 60, "hour": 3600}[found[3]])


def postgres(url: str, *, name: str) -> dict[str, Any]:
    """Django's database settings from ``postgresql://user:password@host:port/database``; a socket folder as ``?host=``."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{name} must begin with postgresql://")
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "core.database",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.get("host", parts.hostname or "")),
        "PORT": str(parts.port or query.get("port", "")),
        # A connection costs more than a request.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5} | prepared_statements(),
    }


def prepared_statements() -> dict[str, Any]:
    """Only leads.conditions.statements prepares; a pooler that gives each transaction another connection needs it off."""
    if not env_flag("LEADSYS_PREPARED_STATEMENTS", default=True):
        return {"prepare_threshold": None}
    # Planning a scoring model costs more than running it on a few leads: one plan for all values.
    return {"prepare_threshold": 5, "options": "-c plan_cache_mode=force_generic_plan"}


DEBUG = env_flag("LEADSYS_DEBUG", default=False)
PRODUCTION = env_flag("LEADSYS_PRODUCTION", default=False)
PORT = int(os.environ.get("PORT", "8000"))
PUBLIC_URL = os.environ.get("LEADSYS_PUBLIC_URL", f"http://localhost:{PORT}").rstrip("/")
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]["version"]
# The folder of embedded data, whose disk the operators' page looks at; empty where servers of one's own are used.
HOME_FOLDER = os.environ.get("LEADSYS_HOME", "")

# Where all processes of a machine count together (see core.metrics), and who may look besides the machine itself.
METRICS_FOLDER = os.environ.get("LEADSYS_METRICS_FOLDER", "")
METRICS_TOKEN = env_secret("LEADSYS_METRICS_TOKEN")

SECRET_KEY = os.environ.get("LEADSYS_SECRET_KEY", "")
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured("Set LEADSYS_SECRET_KEY to 50 or more random characters.")
    SECRET_KEY = "not-secret-and-refused-by-check-deploy"  # noqa: S105

ALLOWED_HOSTS = env_list("LEADSYS_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],testserver")
CSRF_TRUSTED_ORIGINS = env_list("LEADSYS_TRUSTED_ORIGINS", PUBLIC_URL if PRODUCTION else "")

INSTALLED_APPS = [
    "tenancy",
    "core",
    "leads",
    "scoring",
    "routing",
    "nurturing",
    "insights",
    "leadsys",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_htmx",
    "template_partials",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Requests to the API leave here for API_MIDDLEWARE; what follows is for people.
    "tenancy.machines.MachineMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.requests.RequestLogMiddleware",
    "tenancy.policy.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tenancy.doors.DoorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenancy.middleware.LanguageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tenancy.middleware.TenantMiddleware",
]

API_MIDDLEWARE = [
    "core.requests.RequestLogMiddleware",
    "tenancy.policy.MachinePolicyMiddleware",
    "tenancy.doors.DoorMiddleware",
    "django.middleware.common.CommonMiddleware",
    "tenancy.middleware.LanguageMiddleware",
    "tenancy.middleware.TenantMiddleware",
]

# Everything that happens to a lead, in order. Read it like MIDDLEWARE.
LEAD_PIPELINE = [
    "leads.steps.identify",
    "scoring.steps.rate",
    "leads.steps.advance",
    "routing.steps.assign",
    "nurturing.steps.enroll",
    "routing.steps.time",
    "leads.steps.notify",
    "leads.steps.announce",
]

ROOT_URLCONF = "leadsys.urls"
WSGI_APPLICATION = "leadsys.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenancy.context_processors.frame",
            ],
        },
    }
]

# The application's role cannot bypass row security; migrations run as the owner. See tenancy/sql/roles.sql.
DATABASES = {
    "default": postgres(
        os.environ.get("DATABASE_URL", "postgresql://leadsys_app@localhost/leadsys"), name="DATABASE_URL"
    ),
    "owner": postgres(
        os.environ.get("DATABASE_OWNER_URL", "postgresql://leadsys_owner@localhost/leadsys"),
        name="DATABASE_OWNER_URL",
    ),
}
DATABASE_ROUTERS = ["tenancy.routers.OwnerMigrates"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

AUTH_USER_MODEL = "tenancy.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD: str | None = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "tenancy.accounts.AccountAdapter"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "add_webauthn": "tenancy.passkeys.AddPasskeyForm",
    "edit_webauthn": "tenancy.passkeys.RenamePasskeyForm",
}
MFA_TOTP_ISSUER = "LeadSys"
# Rate limits count attempts by address: how many proxies of ours stand before the application and append it to X-Forwarded-For.
ALLAUTH_TRUSTED_PROXY_COUNT = int(os.environ.get("LEADSYS_TRUSTED_PROXIES", "1" if PRODUCTION else "0"))

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# A form of as many rules as a document takes has some 2,000 fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3000
if PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env_flag("LEADSYS_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        # ECharts and Bootstrap set styles through the CSSOM, which needs no exception.
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Only for development: other systems may be told at addresses inside our own network.
WEBHOOKS_TO_INTERNAL = env_flag("LEADSYS_WEBHOOKS_TO_INTERNAL", default=False)

# Of an API key; of a hosted form, by everybody together and by one address (tenancy.rates).
RATES = {
    "key": env_rate("LEADSYS_KEY_RATE", "60000/minute"),
    "form": env_rate("LEADSYS_FORM_RATE", "1200/minute"),
    "address": env_rate("LEADSYS_ADDRESS_RATE", "60/minute"),
}

# How long what was uploaded or built for download is kept.
FILE_DAYS = int(os.environ.get("LEADSYS_FILE_DAYS", "7"))

# The cache counts attempts for rate limits; it is shared by all processes.
CACHES = {"default": {"BACKEND": "core.cache.ForgivingRedisCache", "LOCATION": REDIS_URL}}

EMAIL_HOST = os.environ.get("LEADSYS_SMTP_HOST", "")
EMAIL_PORT = int(os.environ.get("LEADSYS_SMTP_PORT", "587"))
EMAIL_HOST_USER = os.environ.get("LEADSYS_SMTP_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("LEADSYS_SMTP_PASSWORD", "")
EMAIL_USE_TLS = env_flag("LEADSYS_SMTP_TLS", default=True)
EMAIL_TIMEOUT = 20
# Without SMTP, mail goes to the Outbox page instead of the world.
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.dummy.EmailBackend"
)
DEFAULT_FROM_EMAIL = os.environ.get("LEADSYS_FROM_EMAIL", "leadsys@localhost")

USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("pt-br", _("Brazilian Portuguese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]

STATIC_URL = "static/"
STATIC_ROOT = Path(os.environ.get("LEADSYS_STATIC_ROOT", BASE_DIR / ".leadsys-static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "leadsys.static.HashedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenancy.api_access.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenancy.api_access.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenancy.api_access.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tenancy.api_access.JSONOnly",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tenancy.api.problem_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "LeadSys",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tenancy.api_schema.describe_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ImportMode": "leads.api.imports.MODES",
        "AttemptOutcome": "leads.models.ContactAttempt.Outcome",
        "IntakeOutcome": "leads.api.schemas.OUTCOMES",
        "InvitationState": "tenancy.settings_api.STATES",
    },
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_timeout": 5,
    "socket_connect_timeout": 0.5,
}
CELERY_BEAT_SCHEDULE = {
    "wake the sweeps": {"task": "core.sweep", "schedule": 1.0, "options": {"expires": 5}},
    "nightly duplicates": {
        "task": "leads.plan_duplicate_searches",
        "schedule": 3600.0,
        "options": {"expires": 3000},
    },
    "send messages": {"task": "nurturing.send", "schedule": 1.0, "options": {"expires": 5}},
}

LOGGING_CONFIG: str | None = None
configure_logging(level=os.environ.get("LEADSYS_LOG_LEVEL", "INFO"), as_json=PRODUCTION)

# Errors are sent to a Sentry-compatible service only where one is named; else its client is not even imported.
ERROR_REPORTS_DSN = os.environ.get("LEADSYS_SENTRY_DSN", "")
if ERROR_REPORTS_DSN:
    from leadsys.error_reports import send_error_reports

    send_error_reports(
        dsn=ERROR_REPORTS_DSN,
        version=VERSION,
        environment=os.environ.get("LEADSYS_SENTRY_ENVIRONMENT", "production" if PRODUCTION else "trial"),
    )
