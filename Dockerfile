# syntax=docker/dockerfile:1
# One image for every subcommand: `serve` (the default), `consume`, `produce`, ...
#
# In a container the API listens on all addresses, so `serve` needs a key: from `taskrunner keys create`, which puts it
# into the store, or in TASKRUNNER_API__KEYS. `docker run --rm IMAGE keys generate` prints one for the variable.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/ requirements/
# The environment that is shipped has no pip of its own: this stage's pip fills it.
RUN python -m venv --without-pip /opt/taskrunner \
    && pip --python /opt/taskrunner/bin/python install --require-hashes --only-binary :all: -r requirements/runtime.txt \
    && pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY taskrunner/ taskrunner/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/taskrunner/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="taskrunner" \
      org.opencontainers.image.description="A self-hosted, durable queue for outbound HTTP" \
      org.opencontainers.image.licenses="MIT"
# The ids are fixed so that the owner of a mounted file or volume stays the same from image to image.
RUN groupadd --system --gid 10001 taskrunner \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin taskrunner
COPY --from=build /opt/taskrunner /opt/taskrunner
ENV PATH=/opt/taskrunner/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TASKRUNNER_API__ADDR=0.0.0.0 \
    TASKRUNNER_GRPC__ADDR=0.0.0.0
USER 10001:10001
WORKDIR /etc/taskrunner
EXPOSE 8000 8080 50051
# It asks `serve`, where the configuration says. Beside `consume`, give --health-cmd "taskrunner healthcheck consume".
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["taskrunner", "healthcheck"]
# In exec form taskrunner is PID 1 and gets SIGTERM itself. It needs no init: it handles signals
# itself, and it waits for the worker processes that it starts.
ENTRYPOINT ["taskrunner"]
CMD ["serve"]
