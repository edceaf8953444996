# One image per program, from one build:
#
#     docker build --target gateway --build-arg GIT_COMMIT="$(git rev-parse --short HEAD)" --tag order-system/gateway .
#
# Targets: gateway, order, payment, and order-system for its command `audit`. Needs BuildKit (Docker 20.10 or
# newer). BUILDER and RUNTIME replace the base images; deploy/build-offline-base-images builds both without an
# image registry.
ARG BUILDER=docker.io/library/rust:1.95-slim-bookworm
# glibc, CA certificates and time zones, without a shell or a package manager.
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

# One build of all programs compiles their shared crates once.
FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
# For `--version`.
ARG GIT_COMMIT=
# Downloads and artifacts stay in BuildKit's caches, so that builds are incremental.
RUN --mount=type=cache,id=order-system-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=order-system-target,target=/src/target,sharing=locked \
    GIT_COMMIT="${GIT_COMMIT}" cargo build --release --locked -p gateway -p order -p payment -p all-in-one \
    && mkdir /out \
    && for program in gateway order payment order-system; do \
        strip --strip-debug -o "/out/${program}" "target/release/${program}" || exit; \
    done

FROM ${RUNTIME} AS runtime
ARG GIT_COMMIT=
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${GIT_COMMIT}"
# A numeric user, so that Kubernetes can verify runAsNonRoot.
USER 65532:65532
WORKDIR /
STOPSIGNAL SIGTERM

FROM runtime AS order-system
LABEL org.opencontainers.image.title="order-system" \
      org.opencontainers.image.description="Tools of the order system: audit"
COPY --from=build /out/order-system /usr/local/bin/order-system
ENTRYPOINT ["/usr/local/bin/order-system"]
CMD ["--help"]

FROM runtime AS payment
LABEL org.opencontainers.image.title="payment" \
      org.opencontainers.image.description="Payment of the order system: charges customers"
COPY --from=build /out/payment /usr/local/bin/payment
ENV APPLICATION_PORT=3001 ADMIN_ADDRESS=0.0.0.0:9001 ENV=production
EXPOSE 3001 9001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/payment", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/payment"]

FROM runtime AS order
LABEL org.opencontainers.image.title="order" \
      org.opencontainers.image.description="Order of the order system: saves orders and settles them"
COPY --from=build /out/order /usr/local/bin/order
ENV APPLICATION_PORT=3000 ADMIN_ADDRESS=0.0.0.0:9000 ENV=production
EXPOSE 3000 9000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/order", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/order"]

FROM runtime AS gateway
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="Gateway of the order system: the public API over HTTP and JSON"
COPY --from=build /out/gateway /usr/local/bin/gateway
ENV APPLICATION_PORT=8080 ADMIN_ADDRESS=0.0.0.0:9080 ENV=production
EXPOSE 8080 9080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/gateway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gateway"]
