# LeadSys for a server. One image for web, worker, beat, migrations and operators' commands; see docs/operations.md.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/leadsys/venv
ENV PATH=/opt/leadsys/venv/bin:$PATH
WORKDIR /opt/leadsys/app
# The lock first: as long as it is the same, the packages come from the layer cache.
COPY requirements.txt ./
RUN python -m pip install --only-binary :all: --require-hashes -r requirements.txt
COPY . ./
# Compiled translations are part of the source; an image without them would speak English only.
RUN test -s locale/pt_BR/LC_MESSAGES/django.mo \
    && python -m compileall -q . \
    && LEADSYS_STATIC_ROOT=/opt/leadsys/static python -m leadsys.embedded.prepare --static

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin leadsys \
    && install -d -o leadsys -g leadsys -m 700 /run/leadsys /backups
COPY --from=build /opt/leadsys /opt/leadsys
ENV PATH=/opt/leadsys/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEADSYS_NO_EMBEDDED=1 \
    LEADSYS_PRODUCTION=1 \
    LEADSYS_STATIC_ROOT=/opt/leadsys/static \
    PORT=8000
WORKDIR /opt/leadsys/app
# The code belongs to root, and this user can write nothing of it.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "leadsys.health_check", "web"]
CMD ["python", "-m", "granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "4", "--no-ws", "--log-level", "warning", "--respawn-failed-workers", "leadsys.wsgi:application"]
