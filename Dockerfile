# mien serve on CPUs, from the wheel in dist/ (see docs/serve.md). Nothing is downloaded at run time.
FROM python:3.13-slim

# Whatever release the image's distribution has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgles2 \
    && rm -rf /var/lib/apt/lists/*

# Index of torch's build for CPUs; without it pip may take the one for GPUs, several GB larger.
ARG TORCH_INDEX=
COPY constraints.txt dist/mien-*.whl /tmp/
# Pinned by constraints.txt.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --only-binary :all: ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
        "$(grep '^torch==' /tmp/constraints.txt)" \
    && wheel="$(echo /tmp/mien-*.whl)" \
    && pip install --no-cache-dir -c /tmp/constraints.txt "${wheel}[serve,openai]" \
    && rm /tmp/mien-*.whl /tmp/constraints.txt

RUN useradd --create-home --uid 10001 mien
USER 10001
ENV HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=5)"]
ENTRYPOINT ["mien"]
CMD ["serve", "--host", "0.0.0.0"]
