# Two images of one server. `runtime` answers from an export and has no PyTorch; `full` answers from a run or a model too.
#
#   docker build --target runtime -t unisono-runtime .
#   docker run --rm --read-only --tmpfs /tmp -e UNISONO_TOKEN -p 127.0.0.1:8000:8000 \
#     -v ./runs/everyday/exported:/model:ro unisono-runtime

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/unisono
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY unisono ./unisono

FROM build AS build-runtime
# What serving an export imports, and nothing of training; tests/test_container.py holds the list to the code.
RUN /opt/unisono/bin/pip install \
      "numpy>=1.26,<3" "onnxruntime>=1.22" "pillow>=11" "prometheus_client>=0.20" "pyarrow>=17" "pydantic>=2.9,<3" \
      "pyyaml>=6,<7" "soundfile>=0.13" "soxr>=0.5" "starlette>=0.40" "tokenizers>=0.22,<1" "typer>=0.15,<1" "uvicorn>=0.30" \
    && /opt/unisono/bin/pip install --no-deps .

FROM build AS build-full
RUN /opt/unisono/bin/pip install "torch>=2.6,<3" --index-url https://download.pytorch.org/whl/cpu \
    && /opt/unisono/bin/pip install ".[audio,image,minilm,runtime,serve]"

FROM python:3.12-slim AS base
ENV PATH=/opt/unisono/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp XDG_CACHE_HOME=/tmp HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["unisono", "serve"]
CMD ["/model", "--host", "0.0.0.0", "--port", "8000"]

FROM base AS full
COPY --from=build-full /opt/unisono /opt/unisono

FROM base AS runtime
COPY --from=build-runtime /opt/unisono /opt/unisono
