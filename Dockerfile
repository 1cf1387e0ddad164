# The app in a container: CPU, a user of its own (1000), a root file system that may be read-only.
#   docker build -t lora-playground . && docker run --rm -p 8501:8501 --read-only --tmpfs /tmp lora-playground
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY torch.lock requirements.lock deploy/replicas.lock ./
RUN /opt/app/bin/pip install --no-deps --find-links https://download.pytorch.org/whl/cpu/torch/ -r torch.lock \
    && /opt/app/bin/pip install --require-hashes -r requirements.lock \
    && /opt/app/bin/pip install --require-hashes --no-deps -r replicas.lock
COPY . .
RUN /opt/app/bin/pip install --no-deps . \
    && find /opt/app -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} + \
    && rm -rf /opt/app/lib/python3.12/site-packages/torch/include

FROM python:3.12-slim-bookworm
RUN useradd --uid 1000 --create-home app
COPY --from=build /opt/app /opt/app
USER 1000
WORKDIR /home/app
ENV PATH=/opt/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["lora-playground", "--no-browser", "--host", "0.0.0.0", "--port", "8501"]
