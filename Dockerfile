# docker build -t ncvqvae .                                        for NVIDIA GPUs, and for machines without one
# docker build -t ncvqvae --build-arg TORCH_INDEX=URL .            another build of PyTorch: its own page of install commands names URLs
# docker run --rm -v "$PWD:/data" ncvqvae fit my_series.csv --out runs/mine
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS built
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
ARG TORCH_INDEX=""
RUN python -m venv /opt/ncvqvae \
    && if [ -n "$TORCH_INDEX" ]; then \
        /opt/ncvqvae/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"; \
    fi \
    && /opt/ncvqvae/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:${PYTHON}-slim
COPY --from=built /opt/ncvqvae /opt/ncvqvae
RUN useradd --create-home --uid 1000 user && mkdir /data && chown user /data
USER 1000
ENV PATH=/opt/ncvqvae/bin:$PATH
WORKDIR /data
# Else the first evaluation in each new container would compile for minutes. What doctor finds here is no reason to stop.
RUN ncvqvae doctor --compile || true
ENTRYPOINT ["ncvqvae"]
CMD ["--help"]
