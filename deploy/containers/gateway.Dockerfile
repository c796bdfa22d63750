# The gateway. From the top of the checkout:
#   docker build -f deploy/containers/gateway.Dockerfile -t strangler-gateway .
# Pin both images by digest: --build-arg BASE_IMAGE=docker.io/library/python:3.13-slim@sha256:…
# BUILD_IMAGE is the same Python with a C compiler, so that what can be compiled is.
ARG BUILD_IMAGE=docker.io/library/python:3.13
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BUILD_IMAGE} AS build
# pip reads these: an index of your own, or a folder of wheels that is mounted into the build.
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
# 1 fails where nothing can be compiled; 0 installs Python alone, which BUILD_IMAGE needs no compiler for.
ARG STRANGLER_COMPILE=1
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY . .
# What is needed to install stays behind.
RUN python3 -m venv /opt/tools \
    && python3 -m venv --without-pip /opt/strangler \
    && /opt/tools/bin/pip --python /opt/strangler/bin/python3 install --constraint constraints.txt '.[postgresql]' \
    && /opt/tools/bin/pip install cyclonedx-bom \
    && /opt/tools/bin/cyclonedx-py environment --output-reproducible \
       --output-file /opt/strangler/sbom.cdx.json /opt/strangler/bin/python3

FROM ${BASE_IMAGE}
COPY --from=build /opt/strangler /opt/strangler
ENV PATH=/opt/strangler/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    STRANGLER_CONFIG=/etc/strangler/gateway.yaml
# A number, so that Kubernetes can check that it is not 0. Any other works too, without a home folder.
USER 65532:65532
EXPOSE 8080 8081
# Python itself asks: the image may have no shell and no curl.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
    CMD ["python3", "-ISc", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/readyz', timeout=2)"]
ENTRYPOINT ["strangler"]
# The admin API stays inside of the container, until you let others in.
CMD ["run", "--listen", "0.0.0.0:8080", "--admin", "127.0.0.1:8081"]
