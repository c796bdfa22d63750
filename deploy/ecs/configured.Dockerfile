# ECS has no ConfigMap: the configuration is a layer on the gateway's image, and a new one is a new deployment.
#   docker build -f deploy/ecs/configured.Dockerfile --build-arg GATEWAY=…@sha256:… -t strangler-gateway-configured .
ARG GATEWAY
FROM ${GATEWAY}
COPY config/gateway.yaml /etc/strangler/gateway.yaml
COPY deploy/ecs/shutdown.yaml /etc/strangler/shutdown.yaml
